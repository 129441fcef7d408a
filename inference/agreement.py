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
import pydicom
from django.core.cache import cache
from django.db.models import Exists, OuterRef, Q, QuerySet
from highdicom import VolumeGeometry
from pydicom.errors import InvalidDicomError

from dicom_ingest.models import Series
from inference import orders, overlap
from inference.errors import InferenceError
from inference.models import Agreement, PipelineVersion, Result
from inference.operators.components import CUBIC_MM_PER_ML
from inference.operators.stacking import ROUNDING, stack
from inference.operators.values import SourceSeries
from inference.writers.masks import Bits, read_masks

logger = logging.getLogger(__name__)

AGREED = 1.0
"""The Dice coefficient of two empty masks: they agree that nothing is there."""
READ_AT_ONCE_BYTES = 4096
"""What is larger, such as pixels, stays on disk where geometry alone is asked for."""
LEFT_ALONE_SECONDS = 3600
"""A result whose files cannot be compared is not tried again for so long."""

Masks = Mapping[str, Bits]
"""The masks of a segmentation by label."""


class NotComparable(Exception):
    """A segmentation does not lie on the grid of the series that it was made from, or one of both cannot be read."""


@dataclass(frozen=True)
class SharedStructure:
    """A structure that two pipelines segment: its name, and the label of its segment in each."""

    name: str
    first: str
    second: str


def compare(result: Result) -> list[Agreement]:
    """Compare `result` with every other current result that segments a structure of its on the same series.

    Returns the rows written, the earlier of two results first in each. Raises NotComparable.
    """
    partners = list(_partners_that_share(result))
    if not partners:
        return []
    grid = source_grid(result.job.input_series)
    mine = _read(result, grid)
    written = []
    for other in partners:
        first, second = sorted((result, other), key=lambda one: (one.created_at, str(one.pk)))
        theirs = _read(other, grid)
        masks = (mine, theirs) if first == result else (theirs, mine)
        shared = shared_structures(first.job.pipeline, second.job.pipeline)
        written += [_write(first, second, one, masks, grid) for one in shared]
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
    first: Result, second: Result, structure: SharedStructure, masks: tuple[Masks, Masks], grid: VolumeGeometry
) -> Agreement:
    one, other = masks[0][structure.first], masks[1][structure.second]
    voxel_ml = grid.voxel_volume / CUBIC_MM_PER_ML
    values = {
        "dice": AGREED if (found := overlap.dice(one, other)) is None else found,
        "first_ml": float(np.count_nonzero(one) * voxel_ml),
        "second_ml": float(np.count_nonzero(other) * voxel_ml),
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


def _partners_that_share(result: Result) -> Iterator[Result]:
    for other in _partners(result).select_related("job__pipeline", "segmentation"):
        if shared_structures(result.job.pipeline, other.job.pipeline):
            yield other


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


def source_grid(series: Series | None) -> VolumeGeometry:
    """The grid of a received series, from its headers as they came: what volumes are computed from (mm, LPS).

    Raises NotComparable when they cannot be read or form no grid.
    """
    try:
        files = orders.files_of([series] if series else [])
        images = [pydicom.dcmread(file, defer_size=READ_AT_ONCE_BYTES) for file in files]
        if not images:
            raise NotComparable("The series that it was made from is gone, so its volumes cannot be computed.")
        ordered = stack(SourceSeries(tuple(images)))
    except (OSError, InvalidDicomError, InferenceError) as fault:
        raise NotComparable(f"The series that it was made from cannot be read: {fault}") from fault
    plane = ordered.planes[0]
    return VolumeGeometry(
        affine=ordered.affine,
        spatial_shape=(len(ordered.planes), *plane.size),
        coordinate_system="PATIENT",
        frame_of_reference_uid=plane.frame_of_reference,
    )


def _read(result: Result, grid: VolumeGeometry) -> Masks:
    files = list(_segmentation_files(result))
    if len(files) != 1:
        raise NotComparable(f"Its segmentation has {len(files)} files, not one.")
    try:
        own = highdicom.imread(files[0], lazy_frame_retrieval=True).get_volume_geometry()
        masks = read_masks(files[0])
    except (OSError, InvalidDicomError, AttributeError, ValueError, RuntimeError) as fault:
        raise NotComparable(f"Its segmentation cannot be read: {fault}") from fault
    if own is None:
        raise NotComparable("The frames of its segmentation form no volume.")
    _check_on_grid(own, grid)
    return masks


def _check_on_grid(own: VolumeGeometry, grid: VolumeGeometry) -> None:
    turned = own.to_patient_orientation(grid.get_closest_patient_orientation())
    if not turned.geometry_equal(grid, tol=ROUNDING):
        raise NotComparable(
            f"Its segmentation says {_in_words(turned)}, but the series that it was made from is {_in_words(grid)}. "
            "No volume is computed from it."
        )


def _in_words(grid: VolumeGeometry) -> str:
    sizes, spacing = (" x ".join(f"{number:.4g}" for number in each) for each in (grid.spatial_shape, grid.spacing))
    corner = ", ".join(f"{number:.2f}" for number in grid.position)
    return f"{sizes} voxels of {spacing} mm from ({corner}) mm"


def _segmentation_files(result: Result) -> Iterator[Path]:
    if result.segmentation:
        yield from orders.files_of([result.segmentation])


def _left_alone(result: Result) -> str:
    return f"agreement-left-alone-{uuid.UUID(str(result.pk)).hex}"
