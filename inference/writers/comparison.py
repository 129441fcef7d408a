"""In what two files of results differ, apart from what must differ between two runs: UIDs, dates and times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray
from pydicom import DataElement, Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

CHANGING = frozenset({"UI", "DA", "TM", "DT"})
"""Value representations that differ between any two runs."""
PIXEL_DATA = Tag("PixelData")
SEVERAL = (MultiValue, list)
MOST_QUOTED = 3
"""More values than these are counted, not quoted."""
LONGEST = 60
"""How much of a value is quoted."""


@dataclass(frozen=True)
class Difference:
    """One difference. path: the keywords that lead to it, without the numbers of items; how: a clause."""

    path: str
    how: str


def differences(first: Path, second: Path) -> list[str]:
    """In words, one sentence for each attribute that differs; empty when nothing does but UIDs, dates and times.

    Both are DICOM objects, or both NIfTI (by their names' ends). Pixels are counted in voxels.
    Raises what pydicom or nibabel raise for a file that they cannot read, and OSError.
    """
    formats = [file.name.endswith((".nii", ".nii.gz")) for file in (first, second)]
    if formats[0] != formats[1]:
        return [f"{first.name} and {second.name} are files of different formats."]
    found = _of_nifti(first, second) if formats[0] else _of_dicom(pydicom.dcmread(first), pydicom.dcmread(second))
    return _in_words(found)


def _in_words(found: Iterator[Difference]) -> list[str]:
    by_path: dict[str, list[str]] = defaultdict(list)
    for difference in found:
        by_path[difference.path].append(difference.how)
    return [f"{path} {hows[0]}{_more(len(hows) - 1)}." for path, hows in by_path.items()]


def _more(count: int) -> str:
    return f" (and {count} more such {'places' if count > 1 else 'place'})" if count else ""


def _of_dicom(first: Dataset, second: Dataset) -> Iterator[Difference]:
    if first.SOPClassUID != second.SOPClassUID:
        yield Difference("The SOP class", f"differs: {first.SOPClassUID.name} against {second.SOPClassUID.name}")
    syntaxes = [one.file_meta.TransferSyntaxUID for one in (first, second)]
    if syntaxes[0] != syntaxes[1]:
        yield Difference("The transfer syntax", f"differs: {syntaxes[0].name} against {syntaxes[1].name}")
    yield from _of_datasets(first, second, "")


def _of_datasets(first: Dataset, second: Dataset, path: str) -> Iterator[Difference]:
    for tag in sorted({*first.keys(), *second.keys()}):
        name = path + (keyword_for_tag(tag) or str(tag))
        if tag not in first or tag not in second:
            yield from _of_one(tag, first, second, name)
        elif tag == PIXEL_DATA:
            yield from _of_pixels(first, second)
        elif first[tag].VR == second[tag].VR == "SQ":
            yield from _of_sequences(first[tag], second[tag], name)
        elif first[tag].VR not in CHANGING and first[tag].value != second[tag].value:
            yield Difference(name, _how(first[tag].value, second[tag].value))


def _of_one(tag: BaseTag, first: Dataset, second: Dataset, name: str) -> Iterator[Difference]:
    holder, which = (first, "first") if tag in first else (second, "second")
    if holder[tag].VR not in CHANGING:
        yield Difference(name, f"is in the {which} only")


def _of_sequences(first: DataElement, second: DataElement, name: str) -> Iterator[Difference]:
    if len(first.value) != len(second.value):
        yield Difference(name, f"has {len(first.value)} items against {len(second.value)}")
        return
    for one, other in zip(first.value, second.value, strict=True):
        yield from _of_datasets(one, other, f"{name} > ")


def _how(first: object, second: object) -> str:
    if isinstance(first, bytes) and isinstance(second, bytes):
        return f"differs ({len(first)} bytes against {len(second)})"
    if isinstance(first, SEVERAL) and isinstance(second, SEVERAL) and len(first) == len(second) > MOST_QUOTED:
        unequal = sum(one != other for one, other in zip(first, second, strict=True))
        return f"differs in {unequal} of {len(first)} values"
    return f"differs: {_quoted(first)} against {_quoted(second)}"


def _quoted(value: object) -> str:
    text = str(value) or "nothing"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _of_pixels(first: Dataset, second: Dataset) -> Iterator[Difference]:
    if first.PixelData == second.PixelData:
        return
    voxels = [_voxels(one) for one in (first, second)]
    if voxels[0].shape != voxels[1].shape:
        yield Difference("PixelData", f"has {voxels[0].shape} voxels against {voxels[1].shape}")
        return
    unequal = np.count_nonzero((voxels[0] != voxels[1]).any(axis=-1))
    if unequal:
        yield Difference("PixelData", f"differs in {unequal} of {voxels[0][..., 0].size} voxels")


def _voxels(image: Dataset) -> NDArray[np.generic]:
    """(voxels, samples) in the order of the file. Bits are unpacked here: pydicom takes seconds for a CT's."""
    samples = int(image.get("SamplesPerPixel", 1))
    if image.get("BitsAllocated") == 1 and not image.file_meta.TransferSyntaxUID.is_encapsulated:
        count = int(image.get("NumberOfFrames") or 1) * image.Rows * image.Columns
        packed = np.frombuffer(image.PixelData, dtype=np.uint8)
        return np.unpackbits(packed, count=count, bitorder="little").reshape(-1, 1)
    return np.asarray(image.pixel_array).reshape(-1, samples)


def _of_nifti(first: Path, second: Path) -> Iterator[Difference]:
    images = [nibabel.load(file) for file in (first, second)]
    arrays = [np.asarray(image.dataobj) for image in images]
    if arrays[0].shape != arrays[1].shape:
        yield Difference("The grid", f"has {arrays[0].shape} voxels against {arrays[1].shape}")
    elif unequal := np.count_nonzero(arrays[0] != arrays[1]):
        yield Difference("The image", f"differs in {unequal} of {arrays[0].size} voxels")
    if not np.array_equal(images[0].affine, images[1].affine):
        yield Difference("The affine", f"differs by up to {np.abs(images[0].affine - images[1].affine).max():.3g}")
    comments = [_comments(image) for image in images]
    if comments[0] != comments[1]:
        yield Difference("The comment", f"differs: {_quoted(comments[0])} against {_quoted(comments[1])}")


def _comments(image: SpatialImage) -> str:
    return " ".join(str(one.get_content()) for one in image.header.extensions)
