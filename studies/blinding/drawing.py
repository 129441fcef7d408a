"""The findings of all arms of a case as bits on one grid, made once and kept for all its reads.

They are kept without any name: what a read shows of them is put around them later, read by read.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from pydantic import BaseModel

from dicom_ingest import store
from dicom_ingest.dicomweb.included import header
from dicom_ingest.models import Instance
from studies.blinding import masks, segmentation, structures
from studies.blinding.errors import Unshowable
from studies.blinding.grids import Grid, grid_of, value, values
from studies.blinding.selection import ArmObjects, Selection, ShownExam
from studies.blinding.structures import Aligned, Named

CODE_VERSION = 1
"""Counted up when the same findings would be drawn otherwise."""
_DRAWS = ("SEG", "RTSTRUCT")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What the arms of a case draw. series: whose images it lies on; bits: by arm, all its pixels."""

    series: str
    structures: tuple[Named, ...]
    bits: Mapping[str, Path]


class _Kept(BaseModel):
    series: str
    structures: list[Named]
    files: dict[str, str]


def reads_folder() -> Path:
    """Everything of reads that is made from something else; it may be deleted at any time."""
    return store.exams_folder().parent / "reads"


def header_of(instance: Instance) -> dict[str, Any]:
    """The header that was kept of an instance. Raises GoneFromStore."""
    series = instance.series
    return header(series.exam.study_instance_uid, series.series_instance_uid, instance.sop_instance_uid)


def file_of(instance: Instance) -> Path:
    """The stored file of an instance."""
    series = instance.series
    return store.instance_path(series.exam.study_instance_uid, series.series_instance_uid, instance.sop_instance_uid)


def drawn_arms(selection: Selection) -> list[ArmObjects]:
    """Those whose findings are drawn as segmentations. Empty unless every arm of the case draws: one that does not
    would be known by that."""
    drawing = [arm for arm in selection.arms if any(kind in arm.by_kind for kind in _DRAWS)]
    return drawing if len(drawing) == len(selection.arms) else []


def draw(selection: Selection) -> Drawing | None:
    """What the arms of the selection draw, or None where they do not. Raises Unshowable with arm and reason."""
    arms = drawn_arms(selection)
    if not arms:
        return None
    folder = reads_folder() / "drawn" / _fingerprint(selection.exams[0], arms)
    kept = folder / "drawing.json"
    if not kept.exists():
        _make(selection.exams[0], arms, folder)
    found = _Kept.model_validate_json(kept.read_bytes())
    bits = {arm: folder / name for arm, name in found.files.items()}
    return Drawing(series=found.series, structures=tuple(found.structures), bits=bits)


def grid(exam: ShownExam, series: str) -> Grid:
    """The grid of one of the exam's series, by its own UID."""
    return grid_of([header_of(one) for one in exam.instances if one.series.series_instance_uid == series])


def aligned(exam: ShownExam, arms: Sequence[ArmObjects]) -> tuple[Grid, Aligned]:
    """What the arms draw on one grid, by the same structures. Raises Unshowable."""
    found = _common_grid(exam, arms)
    return found, structures.align({arm.arm: _drawn(arm, found) for arm in arms})


def _fingerprint(exam: ShownExam, arms: Sequence[ArmObjects]) -> str:
    told = [str(CODE_VERSION), *(one.sha256 for one in exam.instances)]
    told += [f"{arm.arm} {one.sha256}" for arm in arms for one in _files(arm)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _files(arm: ArmObjects) -> tuple[Instance, ...]:
    """The arm's segmentations, or where there is none its structure sets: not both, which say the same."""
    return next(arm.by_kind[kind] for kind in _DRAWS if kind in arm.by_kind)


def _make(exam: ShownExam, arms: Sequence[ArmObjects], folder: Path) -> None:
    found, drawn = aligned(exam, arms)
    store.durable_folder(folder.parent)
    part = Path(mkdtemp(dir=folder.parent, suffix=".part"))
    files = {arm: f"{number}.bits" for number, arm in enumerate(sorted(drawn.by_arm))}
    for arm, name in files.items():
        (part / name).write_bytes(segmentation.pixels(drawn.by_arm[arm], found))
    kept = _Kept(series=found.series, structures=list(drawn.structures), files=files)
    (part / "drawing.json").write_text(kept.model_dump_json())
    put_in_place(part, folder)


def put_in_place(part: Path, folder: Path) -> None:
    """Let `part` become `folder`, unless another process was first: both made the same."""
    part.chmod(0o755)
    try:
        part.rename(folder)
    except OSError:
        shutil.rmtree(part)
        if not folder.is_dir():
            raise


def _drawn(arm: ArmObjects, on: Grid) -> list[masks.Drawn]:
    found: list[masks.Drawn] = []
    for instance in _files(arm):
        read = masks.of_segmentation if instance.series.modality == "SEG" else masks.of_structure_set
        try:
            found += read(file_of(instance), on)
        except Unshowable as fault:
            which = f"series {instance.series.series_number}, {instance.series.modality}"
            raise Unshowable(
                f'The finding of arm "{arm.arm}" ({which}) cannot be shown: {fault}. '
                "Have it made on the exam's own images, and sent again."
            ) from fault
    return found


def _common_grid(exam: ShownExam, arms: Sequence[ArmObjects]) -> Grid:
    """Of the series that most findings were made from; all are laid on it, or they could be told by it.

    Raises Unshowable.
    """
    there = {one.series.series_instance_uid: one.series_id for one in exam.instances}
    named = Counter(uid for arm in arms for uid in _sources(arm, exam) if uid in there)
    if not named:
        raise Unshowable("No finding says which of the exam's series it was made from. Have them sent with references.")
    most = max(named.values())
    chosen = min((uid for uid, count in named.items() if count == most), key=lambda uid: there[uid])
    return grid(exam, chosen)


def _sources(arm: ArmObjects, exam: ShownExam) -> set[str]:
    """The series that an arm's objects refer to; where they name none, those in their frame of reference."""
    headers = [header_of(instance) for instance in _files(arm)]
    named = {str(value(item, "SeriesInstanceUID")) for one in headers for item in _references(one)}
    if named:
        return named
    frames = {str(value(one, "FrameOfReferenceUID")) for one in headers}
    return {
        instance.series.series_instance_uid
        for instance in _first_of_each_series(exam)
        if str(value(header_of(instance), "FrameOfReferenceUID")) in frames
    }


def _references(attributes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from values(attributes, "ReferencedSeriesSequence")
    for frame in values(attributes, "ReferencedFrameOfReferenceSequence"):
        for study in values(frame, "RTReferencedStudySequence"):
            yield from values(study, "RTReferencedSeriesSequence")


def _first_of_each_series(exam: ShownExam) -> list[Instance]:
    firsts: dict[int, Instance] = {}
    for instance in exam.instances:
        firsts.setdefault(instance.series_id, instance)
    return list(firsts.values())
