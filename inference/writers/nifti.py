"""A run's masks as NIfTI-1 label maps, for tools that do not speak DICOM."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import nibabel
import numpy as np
from nibabel.nifti1 import Nifti1Extension
from numpy.typing import NDArray

from inference.operators.values import Mask
from inference.products import FinishedRun, WrittenFile
from inference.schema import SegmentOutput

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
COMMENT = 6
"""The code of a header extension that holds text."""
COMPRESSION = 3

Segment = tuple[SegmentOutput, Mask]


def write(run: FinishedRun, folder: Path) -> list[WrittenFile]:
    """Write `labels.nii.gz`: each voxel holds the number of its segment, 0 for none.

    Segments that overlap cannot share one label map: each goes into a file of its own then, `label-<number>.nii.gz`.
    Axes are columns, rows, slices; the affine is the source grid's in mm, RAS. The header's comment names the segments
    and the result's standing.
    """
    segments = list(zip(run.pipeline.outputs.segments, run.outputs.segments, strict=True))
    if not segments:
        return []
    if not _overlap(run.outputs.segments):
        return [_write(segments, run, folder / "labels.nii.gz", "Label map (NIfTI)")]
    return list(_one_by_one(segments, run, folder))


def _one_by_one(segments: Sequence[Segment], run: FinishedRun, folder: Path) -> Iterator[WrittenFile]:
    for segment, mask in segments:
        file = folder / f"label-{segment.number}.nii.gz"
        yield _write([(segment, mask)], run, file, f"{segment.label} (NIfTI)")


def _overlap(masks: Sequence[Mask]) -> bool:
    taken = np.zeros(masks[0].shape, dtype=np.bool_)
    for mask in masks:
        inside = mask.array != 0
        if np.logical_and(taken, inside).any():
            return True
        taken |= inside
    return False


def _write(segments: Sequence[Segment], run: FinishedRun, file: Path, description: str) -> WrittenFile:
    image = nibabel.Nifti1Image(_labels(segments), _affine(segments[0][1]))
    image.header.set_xyzt_units("mm")
    image.header.set_intent("label", name=run.pipeline.name[:15])
    image.header["descrip"] = run.pipeline.notice.encode()[:79]
    image.header.extensions.append(Nifti1Extension(COMMENT, _comment(segments, run).encode()))
    # Without a time in it, one result gives one file to the byte.
    file.write_bytes(gzip.compress(image.to_bytes(), COMPRESSION, mtime=0))
    return WrittenFile("nifti", file, description)


def _labels(segments: Sequence[Segment]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    highest = max(segment.number for segment, _ in segments)
    labels = np.zeros(segments[0][1].shape, dtype=np.uint8 if highest <= 255 else np.uint16)
    for segment, mask in segments:
        labels[mask.array != 0] = segment.number
    return labels.transpose(2, 1, 0)


def _affine(mask: Mask) -> NDArray[np.float64]:
    """From (column, row, slice) to mm, RAS."""
    return np.asarray((LPS_TO_RAS @ mask.affine)[:, [2, 1, 0, 3]], dtype=np.float64)


def _comment(segments: Sequence[Segment], run: FinishedRun) -> str:
    pipeline = run.pipeline
    said = {
        "notice": pipeline.notice,
        "pipeline": f"{pipeline.name} {pipeline.version} {pipeline.digest}",
        "labels": {str(segment.number): segment.label for segment, _ in segments},
    }
    return json.dumps(said, ensure_ascii=False)
