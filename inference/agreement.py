"""How far pipelines agree that segment the same structure on the same series.

What is missing is found from the database alone, so that no message is needed for it and none lost matters.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path

import highdicom
import numpy as np
from django.core.cache import cache
from django.db.models import Exists, OuterRef, Q, QuerySet
from pydicom.errors import InvalidDicomError

from inference import orders, overlap
from inference.models import Agreement, PipelineVersion, Result
from inference.operators.components import CUBIC_MM_PER_ML
from inference.writers.masks import Bits, read_masks

logger = logging.getLogger(__name__)

AGREED = 1.0
"""The Dice coefficient of two empty masks: they agree that nothing is there."""
LEFT_ALONE_SECONDS = 3600
"""A result whose files cannot be compared is not tried again for so long."""


class NotComparable(Exception):
    """Two segmentations do not lie on one grid, or cannot be read."""


@dataclass(frozen=True)
class SharedStructure:
    """A structure that two pipelines segment: its name, and the label of its segment in each."""

    name: str
    first: str
    second: str


@dataclass(frozen=True)
class _Segmented:
    """What one result's segmentation holds: masks by label, and the volume of one voxel in ml."""

    masks: Mapping[str, Bits]
    voxel_ml: float


def compare(result: Result) -> list[Agreement]:
    """Compare `result` with every other current result that segments a structure of its on the same series.

    Returns the rows written, the earlier of two results first in each. Raises NotComparable.
    """
    mine = None
    written = []
    for other in _partners(result).select_related("job__pipeline", "segmentation"):
        first, second = sorted((result, other), key=lambda one: (one.created_at, str(one.pk)))
        shared = shared_structures(first.job.pipeline, second.job.pipeline)
        if shared:
            mine = mine or _read(result)
            theirs = _read(other)
            both = (mine, theirs) if first == result else (theirs, mine)
            written += [_write(first, second, one, *both) for one in shared]
    return written


def waiting() -> list[Result]:
    """Current results that no agreement names, though one could."""
    pairs = _versions_that_share()
    if not pairs:
        return []
    known = Agreement.objects.filter(Q(first=OuterRef("pk")) | Q(second=OuterRef("pk")))
    lacking = Result.objects.current().filter(~Exists(known), segmentation__isnull=False)
    found = reduce(or_, (_of_version(lacking, version, others) for version, others in pairs.items()))
    candidates = found.select_related("job__pipeline", "segmentation").order_by("created_at")
    return [result for result in candidates if cache.get(_left_alone(result)) is None]


def compare_waiting() -> int:
    """Compare every result that waits for it; return how many rows were written. What cannot be compared is logged."""
    written: list[Agreement] = []
    for result in waiting():
        if any(result.pk in {row.first_id, row.second_id} for row in written):
            continue  # from the other side, just now
        try:
            written += compare(result)
        except NotComparable as fault:
            logger.warning("Result %s is compared with no other for now: %s", result.pk, fault)
            cache.set(_left_alone(result), True, LEFT_ALONE_SECONDS)
    return len(written)


def shared_structures(first: PipelineVersion, second: PipelineVersion) -> list[SharedStructure]:
    """The structures that both segment, by the codes of their segments' types.

    Where one has several segments of a type, such as two lobes of one organ, only segments with one label are the same.
    """
    ours, theirs = _labels_by_type(first), _labels_by_type(second)
    shared = []
    for code in ours.keys() & theirs.keys():
        if len(ours[code]) == len(theirs[code]) == 1:
            shared.append(SharedStructure(ours[code][0], ours[code][0], theirs[code][0]))
        else:
            shared += [SharedStructure(label, label, label) for label in ours[code] if label in theirs[code]]
    return sorted(shared, key=lambda one: one.name)


def _write(
    first: Result, second: Result, structure: SharedStructure, ours: _Segmented, theirs: _Segmented
) -> Agreement:
    one, other = ours.masks[structure.first], theirs.masks[structure.second]
    if one.shape != other.shape:
        raise NotComparable(f"{structure.name} has {one.shape} voxels in one and {other.shape} in the other.")
    values = {
        "dice": AGREED if (found := overlap.dice(one, other)) is None else found,
        "first_ml": float(np.count_nonzero(one) * ours.voxel_ml),
        "second_ml": float(np.count_nonzero(other) * theirs.voxel_ml),
    }
    row, _ = Agreement.objects.update_or_create(first=first, second=second, structure=structure.name, defaults=values)
    return row


def _partners(result: Result) -> QuerySet[Result]:
    """Current results of other pipelines that segmented something on the same series."""
    if result.job.input_series_id is None:
        return Result.objects.none()
    same = Result.objects.current().filter(
        exam=result.exam_id, job__input_series=result.job.input_series_id, segmentation__isnull=False
    )
    return same.exclude(job__pipeline__name=result.job.pipeline.name).exclude(pk=result.pk)


def _of_version(lacking: QuerySet[Result], version: int, others: Sequence[int]) -> QuerySet[Result]:
    partner = Result.objects.current().filter(
        exam=OuterRef("exam"),
        job__input_series=OuterRef("job__input_series"),
        job__pipeline__in=others,
        segmentation__isnull=False,
    )
    return lacking.filter(Exists(partner), job__pipeline=version)


def _versions_that_share() -> dict[int, list[int]]:
    """By version of a pipeline, the versions of others that segment a structure of its."""
    versions = [one for one in PipelineVersion.objects.all() if _labels_by_type(one)]
    sharing = {
        one.pk: [other.pk for other in versions if other.name != one.name and shared_structures(one, other)]
        for one in versions
    }
    return {version: others for version, others in sharing.items() if others}


def _labels_by_type(version: PipelineVersion) -> dict[tuple[str, str], list[str]]:
    labels: dict[tuple[str, str], list[str]] = {}
    for segment in version.definition.get("outputs", {}).get("segments", []):
        code = segment["type"]
        labels.setdefault((code["scheme"], code["value"]), []).append(segment["label"])
    return labels


def _read(result: Result) -> _Segmented:
    files = list(_segmentation_files(result))
    if len(files) != 1:
        raise NotComparable(f"Its segmentation has {len(files)} files, not one.")
    try:
        geometry = highdicom.imread(files[0], lazy_frame_retrieval=True).get_volume_geometry()
        masks = read_masks(files[0])
    except (OSError, InvalidDicomError, AttributeError, ValueError, RuntimeError) as fault:
        raise NotComparable(f"Its segmentation cannot be read: {fault}") from fault
    if geometry is None:
        raise NotComparable("The frames of its segmentation form no volume.")
    return _Segmented(masks, geometry.voxel_volume / CUBIC_MM_PER_ML)


def _segmentation_files(result: Result) -> Iterator[Path]:
    if result.segmentation:
        yield from orders.files_of([result.segmentation])


def _left_alone(result: Result) -> str:
    return f"agreement-left-alone-{uuid.UUID(str(result.pk)).hex}"
