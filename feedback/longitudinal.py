"""How a patient's measurements change from exam to exam.

The baseline is the patient's first dated exam that was measured in the same unit. Change is value minus baseline;
its percentage is of the baseline's magnitude. An exam without a date has a value and no place in time: no change.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.db.models import Q, QuerySet

from dicom_ingest.models import Exam
from inference.models import Measurement, Result
from portal.models import User


@dataclass(frozen=True, kw_only=True)
class Change:
    """`absolute` in the measurement's unit; `percent` of the earlier value's magnitude, None when that is zero."""

    absolute: float
    percent: float | None

    @classmethod
    def between(cls, earlier: float, later: float) -> "Change":
        absolute = later - earlier
        return cls(absolute=absolute, percent=100 * absolute / abs(earlier) if earlier else None)

    def reaches(self, threshold_percent: float | None) -> bool:
        """Whether the change is at least the threshold; a rounding error below it does not hide a change."""
        if threshold_percent is None or self.percent is None:
            return False
        return round(abs(self.percent), 9) >= threshold_percent


@dataclass(frozen=True, kw_only=True)
class Point:
    """One exam's value. Changes are None for the baseline itself and for what cannot be compared with it."""

    result: Result
    value: float
    unit: str
    since_baseline: Change | None = None
    since_previous: Change | None = None
    flagged: bool = False
    is_baseline: bool = False
    is_viewed: bool = False

    @property
    def exam_date(self) -> date | None:
        return self.result.exam.study_date


@dataclass(frozen=True, kw_only=True)
class MeasurementTrend:
    """One measurement over the patient's exams: dated points by date, then those without a date.

    `threshold_percent`: the change against the baseline from which on a point is flagged, or None.
    """

    name: str
    unit: str
    threshold_percent: float | None
    points: tuple[Point, ...]

    @property
    def viewed(self) -> Point:
        return next(point for point in self.points if point.is_viewed)

    @property
    def baseline(self) -> Point | None:
        return next((point for point in self.points if point.is_baseline), None)

    @property
    def comparable(self) -> tuple[Point, ...]:
        """The points that share the baseline's scale, the baseline first."""
        return tuple(point for point in self.points if point.is_baseline or point.since_baseline)

    @property
    def band(self) -> tuple[float, float] | None:
        """The lowest and highest value that are not flagged, or None without baseline or threshold."""
        if self.baseline is None or not self.threshold_percent:
            return None
        reach = abs(self.baseline.value) * self.threshold_percent / 100
        return self.baseline.value - reach, self.baseline.value + reach


def patient_exams(exam: Exam, user: User) -> QuerySet[Exam]:
    """All exams of the patient of `exam` that `user` may see; `exam` alone when it names no patient."""
    visible = Exam.objects.visible_to(user)
    if not exam.patient_id:
        return visible.filter(pk=exam.pk)
    return visible.filter(patient_id=exam.patient_id, issuer_of_patient_id=exam.issuer_of_patient_id)


def trend(result: Result, user: User) -> list[MeasurementTrend]:
    """One trend for each measurement of `result`, over the current results of the same pipeline.

    `result` stands for its own exam even when it was superseded. Two queries; empty when `user` may not see it.
    """
    results = results_over_time(result, user)
    viewed = next((found for found in results if found.pk == result.pk), None)
    if viewed is None:
        return []
    return [_trend_of(measurement, results) for measurement in viewed.measurements.all()]


def results_over_time(result: Result, user: User) -> list[Result]:
    """The newest result of each of the patient's exams in order of time, undated exams at the end. Two queries.

    `result` stands for its own exam. Only exams that `user` may see, and results of the same pipeline.
    """
    others = Q(
        pk__in=Result.objects.current().exclude(exam=result.exam_id), job__pipeline__name=result.job.pipeline.name
    )
    found = (
        Result.objects.filter(others | Q(pk=result.pk), exam__in=patient_exams(result.exam, user))
        .select_related("exam", "job__pipeline", "segmentation")
        .prefetch_related("measurements")
        .order_by("created_at")
    )
    newest = {one.exam_id: one for one in found}
    return sorted(newest.values(), key=_when)


def _when(result: Result) -> tuple[bool, date, str, datetime]:
    exam = result.exam
    return exam.study_date is None, exam.study_date or date.max, exam.study_time, exam.received_at


def _trend_of(viewed: Measurement, results: Iterable[Result]) -> MeasurementTrend:
    same_name = [(one, m) for one in results for m in one.measurements.all() if m.name == viewed.name]
    return MeasurementTrend(
        name=viewed.name,
        unit=viewed.unit,
        threshold_percent=viewed.alert_change_percent,
        points=tuple(_points(same_name, viewed=viewed)),
    )


def _points(measured: Iterable[tuple[Result, Measurement]], *, viewed: Measurement) -> Iterator[Point]:
    baseline: float | None = None
    previous = math.nan
    for result, measurement in measured:
        value = measurement.value
        bare = Point(result=result, value=value, unit=measurement.unit, is_viewed=measurement.pk == viewed.pk)
        if result.exam.study_date is None or measurement.unit != viewed.unit or not math.isfinite(value):
            yield bare
        elif baseline is None:
            baseline = previous = value
            yield replace(bare, is_baseline=True)
        else:
            change = Change.between(baseline, value)
            yield replace(
                bare,
                since_baseline=change,
                since_previous=Change.between(previous, value),
                flagged=change.reaches(viewed.alert_change_percent),
            )
            previous = value
