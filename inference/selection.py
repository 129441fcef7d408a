"""Which series of an exam a pipeline runs on, and why, for every series, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dicom_ingest import conditions
from dicom_ingest.headers import SeriesHeader
from inference.schema import Condition, InputSection, Preference


@dataclass(frozen=True)
class SeriesVerdict:
    """Why one series does not fit; without a reason it does."""

    series_instance_uid: str
    label: str
    reason: str | None

    @property
    def is_eligible(self) -> bool:
        return self.reason is None


@dataclass(frozen=True)
class Selection:
    """The chosen series, the best first, what was found of each series, and the reason in one sentence or several."""

    series_instance_uids: tuple[str, ...]
    verdicts: tuple[SeriesVerdict, ...]
    reason: str

    @property
    def series_instance_uid(self) -> str | None:
        """The chosen series, or the best of several; None when none fits."""
        return next(iter(self.series_instance_uids), None)


def select_series(exam: Mapping[str, object], series: Sequence[SeriesHeader], wanted: InputSection) -> Selection:
    """Choose the series that meets every condition and comes first in the order of preference, or all that meet them.

    exam, series: attributes by DICOM keyword, see `dicom_ingest.headers`. Equal series are told apart by their number.
    A series lacking an attribute that a condition names is not eligible, and the reason says so.
    """
    verdicts = tuple(_judge(exam, header, wanted.conditions) for header in series)
    eligible = [header for header, verdict in zip(series, verdicts, strict=True) if verdict.is_eligible]
    if not eligible:
        return Selection((), verdicts, _why_none(verdicts))
    ranked = sorted(eligible, key=lambda header: _rank(exam, header, wanted.prefer))
    if wanted.take == "all":
        return Selection(tuple(header.series_instance_uid for header in ranked), verdicts, _why_all(ranked))
    return Selection((ranked[0].series_instance_uid,), verdicts, _why_first(exam, ranked, wanted.prefer))


def _judge(exam: Mapping[str, object], header: SeriesHeader, wanted: Sequence[Condition]) -> SeriesVerdict:
    reasons = (_unmet(exam, header, condition) for condition in wanted)
    return SeriesVerdict(header.series_instance_uid, header.label, next(filter(None, reasons), None))


def _unmet(exam: Mapping[str, object], header: SeriesHeader, condition: Condition) -> str | None:
    try:
        if conditions.holds(condition.when, {"exam": exam, "series": header.values}):
            return None
    except conditions.Unanswered as fault:
        return f"{condition.otherwise} ({fault})"
    values = conditions.describe(condition.when, {"exam": exam, "series": header.values})
    return f"{condition.otherwise} ({values})" if values else condition.otherwise


def _why_none(verdicts: Sequence[SeriesVerdict]) -> str:
    if not verdicts:
        return "The exam has no series."
    return "No series fits. " + " ".join(f"{verdict.label}: {verdict.reason}." for verdict in verdicts)


def _why_all(ranked: Sequence[SeriesHeader]) -> str:
    if len(ranked) == 1:
        return f"{ranked[0].label} alone meets every condition."
    return f"{len(ranked)} series meet every condition and are taken together: {_listed(ranked)}."


def _listed(ranked: Sequence[SeriesHeader]) -> str:
    return ", ".join(header.label for header in ranked)


def _why_first(exam: Mapping[str, object], ranked: Sequence[SeriesHeader], preferences: Sequence[Preference]) -> str:
    first = ranked[0]
    if len(ranked) == 1:
        return f"{first.label} alone meets every condition."
    for preference in preferences:
        value, runner_up = _preferred(exam, first, preference), _preferred(exam, ranked[1], preference)
        if value is not None and value != runner_up:
            reason = f"has the {preference.take} {preference.by} ({value:g})"
            return f"{len(ranked)} series meet every condition; {first.label} {reason}."
    return f"{len(ranked)} series meet every condition equally well; {first.label} has the lowest number."


def _rank(
    exam: Mapping[str, object], header: SeriesHeader, preferences: Sequence[Preference]
) -> tuple[tuple[tuple[bool, float], ...], float, str]:
    by_preference = tuple(_sort_key(_preferred(exam, header, item), item) for item in preferences)
    number = header.values.get("SeriesNumber")
    return by_preference, float(number) if isinstance(number, int) else float("inf"), header.series_instance_uid


def _sort_key(value: float | None, preference: Preference) -> tuple[bool, float]:
    if value is None:
        return True, 0.0
    return False, value if preference.take == "lowest" else -value


def _preferred(exam: Mapping[str, object], header: SeriesHeader, preference: Preference) -> float | None:
    try:
        value = conditions.value_of(preference.by, {"exam": exam, "series": header.values})
    except conditions.Unanswered:
        return None
    return float(value) if isinstance(value, int | float) else None
