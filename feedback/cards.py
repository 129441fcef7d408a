"""The measurements of the result page: a card with its chart, and a row for each of the patient's exams."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.urls import reverse

from dicom_ingest.models import Exam
from feedback.longitudinal import MeasurementTrend, Point, patient_exams, trend
from inference.models import Result
from portal.models import User


@dataclass(frozen=True, kw_only=True)
class Row:
    """One exam of the patient; `point` is None where the pipeline has no current value."""

    exam: Exam
    point: Point | None


@dataclass(frozen=True, kw_only=True)
class Card:
    """One measurement: its trend, its rows with the newest exam first, and the data of its chart."""

    trend: MeasurementTrend
    rows: tuple[Row, ...]
    chart_id: str

    @property
    def chart(self) -> dict[str, object] | None:
        """What `chart.js` draws, or None when there are not two exams to compare."""
        return _chart(self.trend) if len(self.trend.comparable) > 1 else None


def cards_of(result: Result, user: User) -> list[Card]:
    """A card for each measurement of `result`, over the exams of the patient that `user` may see."""
    exams = list(patient_exams(result.exam, user))
    return [
        Card(trend=one, rows=_rows(one, exams), chart_id=f"chart-{place}")
        for place, one in enumerate(trend(result, user), start=1)
    ]


def _rows(one: MeasurementTrend, exams: Sequence[Exam]) -> tuple[Row, ...]:
    points = {point.result.exam_id: point for point in one.points}
    rows = [Row(exam=exam, point=points.get(exam.pk)) for exam in exams]
    return tuple(sorted(rows, key=_when, reverse=True))


def _when(row: Row) -> tuple[date, str, str]:
    exam = row.exam
    return exam.study_date or date.min, exam.study_time, exam.received_at.isoformat()


def _chart(one: MeasurementTrend) -> dict[str, object]:
    baseline = one.baseline
    return {
        "name": one.name,
        "unit": one.unit,
        "threshold": one.threshold_percent,
        "baseline": baseline.value if baseline else None,
        "band": one.band,
        "points": [_dot(point) for point in one.comparable],
    }


def _dot(point: Point) -> dict[str, object]:
    return {
        "date": point.exam_date.isoformat() if point.exam_date else None,
        "value": point.value,
        "percent": point.since_baseline.percent if point.since_baseline else None,
        "flagged": point.flagged,
        "viewed": point.is_viewed,
        "url": reverse("result", args=[point.result.pk]),
    }
