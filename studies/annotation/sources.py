"""The series of an exam that masks can lie on: those whose images form a volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from highdicom import Volume
from numpy.typing import NDArray

from dicom_ingest.headers import series_label
from dicom_ingest.models import Instance, Series
from inference.errors import InferenceError
from inference.operators.stacking import Stack, stack
from inference.operators.values import Mask, SourceSeries
from studies.annotation.errors import NotAMask
from studies.blinding.attributes import image_classes
from studies.blinding.drawing import file_of
from studies.blinding.grids import Grid, Plane
from studies.models import Case, Read


@dataclass(frozen=True, kw_only=True)
class Source:
    """A series with its images in the order of its grid."""

    series: Series
    images: SourceSeries
    stack: Stack

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4), from (plane, row, column) to mm, LPS."""
        return self.stack.affine

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows, columns."""
        return self.stack.shape

    @property
    def said(self) -> str:
        """How people speak of it, with its grid. Not its description, which may say whose it is."""
        spacing = self.stack.spacing
        planes, rows, columns = self.shape
        return (
            f"{series_label(self.series.series_number, '')}: {columns} x {rows} x {planes} voxels of "
            f"{spacing[2]:.3g} x {spacing[1]:.3g} x {spacing[0]:.3g} mm"
        )

    @property
    def grid(self) -> Grid:
        """The same as `studies.blinding` lays findings on. Its frame of reference is left out, so that nothing is
        resampled onto it."""
        planes = tuple(
            Plane(
                sop=str(one.instance.SOPInstanceUID),
                sop_class=str(one.instance.SOPClassUID),
                frame=None if one.frame is None else one.frame + 1,
                size=one.size,
                position=one.position,
                orientation=one.orientation,
                spacing=one.pixel_spacing,
            )
            for one in self.stack.planes
        )
        return Grid(series=self.series.series_instance_uid, frame_of_reference="", planes=planes)

    def mask(self, drawn: NDArray[np.bool_]) -> Mask:
        """What is drawn, (planes, rows, columns), on the grid."""
        return Mask(Volume(drawn.astype(np.uint8), affine=self.affine, coordinate_system="PATIENT"))


def of_case(case: Case) -> Iterator[Source]:
    """The series that masks can lie on, one after the other as they are asked for.

    First those that the arms' pipelines looked at, so that all arms come to lie on one; then by series number.
    """
    looked_at = _looked_at(case)
    images = Series.objects.current().filter(exam=case.exam_id, origin=Series.Origin.RECEIVED)
    with_pixels = images.filter(instances__sop_class_uid__in=image_classes(), instances__rows__gt=0).distinct()
    in_order = sorted(with_pixels, key=lambda one: (one.pk not in looked_at, one.series_number or 0, one.pk))
    for series in in_order:
        if (source := _source(series)) is not None:
            yield source


def first_of(case: Case) -> Source:
    """The series that a mask of nothing lies on. Raises NotAMask."""
    source = next(of_case(case), None)
    if source is None:
        raise NotAMask("No series of this exam forms a volume that a mask could lie on. Ask the study's coordinator.")
    return source


def reads_of(case: Case, arm: str) -> list[Read]:
    """The annotators' reads of an arm of the case, whose roots its images may have come from."""
    return list(Read.objects.filter(case=case, kind=Read.Kind.ANNOTATION, condition=arm).select_related("study"))


def _looked_at(case: Case) -> set[int]:
    findings = case.findings.filter(replaced_at=None).exclude(result=None)
    return set(findings.exclude(result__job__input_series=None).values_list("result__job__input_series", flat=True))


def _source(series: Series) -> Source | None:
    instances = Instance.objects.filter(series=series, sop_class_uid__in=image_classes(), rows__gt=0)
    try:
        images = SourceSeries.from_files([file_of(one) for one in instances.select_related("series__exam")])
        return Source(series=series, images=images, stack=stack(images))
    except InferenceError:  # a localizer, a radiograph: masks lie on volumes alone
        return None
