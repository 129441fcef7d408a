"""Masks as they come: checked, kept with what was sent, and stored as a segmentation on the images' own grid."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import highdicom as hd
import numpy as np
from django.conf import settings
from django.db import transaction
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes

from dicom_ingest import indexer, room, store
from dicom_ingest.models import Series
from inference.models import Result
from inference.writers import drawn as drawn_writer
from inference.writers.drawn import DrawnStructure
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.annotation import nifti_masks, seg_masks, showing, shown_labels, sources, structures
from studies.annotation.errors import NotAMask
from studies.annotation.sources import Source
from studies.blinding import salts
from studies.models import ArmMask, Case, Read
from studies.protocols.protocol_schema import Protocol

LARGEST = 1 << 30  # bytes of a file
MOST_LABELS = structures.MOST
_DICOM, _GZIP = b"DICM", b"\x1f\x8b"
_CHUNK = 1 << 20
Way = ArmMask.Way
Voxels = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class For:
    """Whose mask it is to be: an arm of a case; given in `read`, or by somebody else outside of one."""

    case: Case
    arm: str
    by: User
    read: Read | None = None
    note: str = ""

    @property
    def protocol(self) -> Protocol:
        """By which it is given: the read's, which may be a newer version than the case's."""
        return self.read.protocol.content if self.read else self.case.protocol.content

    @property
    def label(self) -> str:
        """The arm as the protocol calls it."""
        return self.protocol.arm(self.arm).label


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A mask on the grid of a series. voxels: (planes, rows, columns) for each structure."""

    source: Source
    structures: Sequence[DrawnStructure]
    voxels: Sequence[Voxels]


def take_upload(file: IO[bytes], name: str, whose: For) -> ArmMask:
    """The SEG or NIfTI file that somebody uploaded. Raises NotAMask, with nothing kept of it."""
    with _incoming(file) as original:
        way = Way.SEG if original.suffix == ".dcm" else Way.NIFTI
        read = _read_seg(original, whose) if way == Way.SEG else _read_nifti(original, whose)
        return _keep(whose, way, read, original=original, file_name=name)


def take_drawn(file: IO[bytes], read: Read, *, by: User) -> ArmMask:
    """The SEG that the viewer saved in an annotator's read. Raises NotAMask, with nothing kept of it."""
    whose = For(case=read.case, arm=read.condition, by=by, read=read)
    with _incoming(file) as original:
        if original.suffix != ".dcm":
            raise NotAMask("What the viewer sent is no DICOM file. Save it again.")
        return _keep(
            whose,
            Way.VIEWER,
            _read_seg(original, whose, as_shown=shown_labels.of_read(read)),
            original=original,
            started_from=showing.begun_with(read),
        )


def take_absence(whose: For) -> ArmMask:
    """That none of the structures is there: a mask of nothing. Raises NotAMask where no series could carry one."""
    source = sources.first_of(whose.case)
    wanted = _expected(whose) or structures.numbered(1)
    nothing = np.zeros(source.shape, dtype=np.bool_)
    return _keep(whose, Way.ABSENT, _Read(source=source, structures=wanted, voxels=[nothing] * len(wanted)))


@contextmanager
def _incoming(file: IO[bytes]) -> Iterator[Path]:
    """The file on the store's disk under the suffix of its kind; removed again where the block fails."""
    if not room.has_room():
        raise NotAMask(room.lack_of_room())
    folder = Path(settings.OVERREAD_STORE) / "annotations" / str(uuid4())
    store.durable_folder(folder)
    try:
        path = folder / "original"
        with path.open("xb") as kept:
            _copy(file, kept)
            kept.flush()
            os.fsync(kept.fileno())
        named = path.with_suffix(_suffix(path))
        path.rename(named)
        store.sync_folder(folder)
        yield named
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _copy(file: IO[bytes], to: IO[bytes]) -> None:
    size = 0
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        if size > LARGEST:
            raise NotAMask(f"The file is larger than {LARGEST >> 20} MiB. Send one mask, as SEG or as .nii.gz.")
        to.write(chunk)


def _suffix(path: Path) -> str:
    """By what the file holds, whatever it is called. Raises NotAMask for what is neither SEG nor NIfTI."""
    with path.open("rb") as file:
        head = file.read(352)
    if head[128:132] == _DICOM:
        return ".dcm"
    if head[:2] == _GZIP:
        return ".nii.gz"
    if head[:4] in (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c", b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c"):
        return ".nii"
    raise NotAMask("The file is neither DICOM nor NIfTI. Send a DICOM SEG (.dcm) or a label map (.nii, .nii.gz).")


def _expected(whose: For) -> tuple[DrawnStructure, ...]:
    return structures.expected(whose.protocol, whose.arm)


def _read_seg(path: Path, whose: For, *, as_shown: Mapping[str, DrawnStructure] | None = None) -> _Read:
    sent = seg_masks.opened(path)
    of_reads = [salts.of_read(one.study.slug, one.pk) for one in sources.reads_of(whose.case, whose.arm)]
    source = seg_masks.source_of(sent, sources.of_case(whose.case), whose.case, of_reads)
    wanted = _expected(whose)
    if not wanted:
        as_coded = structures.as_coded(sent.items)
        return _Read(source=source, structures=as_coded, voxels=seg_masks.drawn(sent, source))
    which = structures.matched(sent.segments, wanted, as_shown=as_shown)
    drawn = {one.number: voxels for one, voxels in zip(which, seg_masks.drawn(sent, source), strict=True)}
    return _Read(source=source, structures=wanted, voxels=_all(wanted, drawn, source))


def _read_nifti(path: Path, whose: For) -> _Read:
    found = nifti_masks.opened(path)
    seen: list[Source] = []
    for source in sources.of_case(whose.case):
        seen.append(source)
        if nifti_masks.fits(found, source):
            return _labelled(nifti_masks.labels(found, source), source, _expected(whose))
    raise nifti_masks.refuse_grid(found, seen)


def _labelled(labels: NDArray[np.uint16], source: Source, wanted: tuple[DrawnStructure, ...]) -> _Read:
    present = [int(label) for label in np.unique(labels) if label]
    if len(wanted) == 1 and len(present) <= 1:
        return _Read(source=source, structures=wanted, voxels=[labels != 0])
    if not wanted:
        wanted = structures.numbered(max(present, default=1))
        if len(wanted) > MOST_LABELS:
            raise NotAMask(f"The file has label {max(present)}; at most {MOST_LABELS} are taken. Number them from 1.")
    if strange := [label for label in present if label > len(wanted)]:
        raise NotAMask(
            f"Label {strange[0]} of the file stands for nothing: the structures of this arm are "
            f"{structures.listed(wanted)}. Number them so, and send the file again."
        )
    return _Read(source=source, structures=wanted, voxels=[labels == one.number for one in wanted])


def _all(wanted: Iterable[DrawnStructure], drawn: dict[int, Voxels], source: Source) -> list[Voxels]:
    """One for each structure; what was not drawn is absent."""
    nothing = np.zeros(source.shape, dtype=np.bool_)
    return [drawn.get(one.number, nothing) for one in wanted]


def _keep(
    whose: For,
    way: ArmMask.Way,
    read: _Read,
    *,
    original: Path | None = None,
    started_from: Result | None = None,
    **more: Any,
) -> ArmMask:
    dataset = drawn_writer.make_segmentation(
        read.source.images,
        [read.source.mask(one) for one in read.voxels],
        read.structures,
        description=whose.label,
        started_from=_algorithm(started_from),
    )
    try:
        return _store(whose, way, read, dataset, original=original, started_from=started_from, **more)
    except BaseException:
        folder = store.series_folder(whose.case.exam.study_instance_uid, str(dataset.SeriesInstanceUID))
        shutil.rmtree(folder, ignore_errors=True)
        raise


@transaction.atomic
def _store(
    whose: For, way: ArmMask.Way, read: _Read, dataset: Dataset, *, original: Path | None, **more: Any
) -> ArmMask:
    case = whose.case
    instance = indexer.file_deposit(dataset, exam=case.exam, origin=Series.Origin.DRAWN)
    mask = ArmMask.objects.create(
        case=case,
        arm=whose.arm,
        read=whose.read,
        way=way,
        series=instance.series,
        source=read.source.series,
        structures=_volumes(read),
        original=str(original.relative_to(settings.OVERREAD_STORE)) if original else "",
        sha256=_sha256(original) if original else "",
        note=whose.note,
        made_by=whose.by,
        **more,
    )
    detail = {"case": case.number, "arm": whose.arm, "kind": way.value, "series": instance.series.series_instance_uid}
    trail.record(Action.MASK_GIVEN, of=f"case:{case.pk}", study=case.study.slug, detail=detail)
    return mask


def _volumes(read: _Read) -> list[dict[str, Any]]:
    return [
        {
            "number": one.number,
            "label": one.label,
            "colour": one.colour,
            "ml": round(int(np.count_nonzero(voxels)) * read.source.stack.voxel_ml, 3),
        }
        for one, voxels in zip(read.structures, read.voxels, strict=True)
    ]


def _algorithm(result: Result | None) -> hd.AlgorithmIdentificationSequence | None:
    """The pipeline whose mask was begun with, as SEMIAUTOMATIC segments name it."""
    if result is None:
        return None
    ran = result.job.pipeline
    return hd.AlgorithmIdentificationSequence(
        name=ran.name, family=codes.DCM.ArtificialIntelligence, version=f"{ran.version}+{ran.digest[:12]}"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
