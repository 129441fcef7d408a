"""The course of one quantity over a patient's exams, as far as somebody may see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from uuid import UUID

from dicom_ingest.models import Exam
from feedback.course.changes import Compared, Value, compare
from feedback.course.choice import NADIR, Choice
from feedback.course.corrected import corrected_volumes
from feedback.course.judging import Assessment, Limits, Verdict, followed, judge, limits_of, total
from feedback.course.quantities import Quantity, quantities_of
from feedback.course.rules import Rule
from feedback.course.seen import Seen, see
from feedback.longitudinal import patient_exams, results_over_time
from inference.models import Result
from portal.models import User

NO_SUCH_BASELINE = (
    "The exam chosen as baseline has no value with a date here, so changes are counted from the first exam."
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One exam. ai, corrected: the sum over the lesions that are followed; value: the one that changes are of.

    corrected: None where nobody corrected it. limits: those that the value is held against.
    """

    seen: Seen
    ai: float | None
    corrected: float | None
    value: float | None
    compared: Compared
    against: date | None
    verdict: Verdict | None
    limits: Limits | None
    is_flagged: bool
    is_viewed: bool

    @property
    def exam(self) -> Exam:
        return self.seen.exam

    @property
    def result(self) -> Result | None:
        return self.seen.result


@dataclass(frozen=True, kw_only=True)
class Course:
    """One quantity over the patient's exams in order of time, those without a date at the end.

    baseline: the place of the exam from which on changes are counted. lesions: those whose sum is followed. upcoming:
    the limits that hold for the next exam. note: why it is not what was asked for.
    """

    viewed: Result
    quantities: tuple[Quantity, ...]
    quantity: Quantity
    rule: Rule | None
    choice: Choice
    rows: tuple[Row, ...]
    baseline: int | None
    lesions: tuple[str, ...]
    upcoming: Limits | None
    note: str

    @property
    def now(self) -> Row:
        """The exam of the viewed result."""
        return next(row for row in self.rows if row.is_viewed)

    @property
    def baseline_row(self) -> Row | None:
        return None if self.baseline is None else self.rows[self.baseline]

    @property
    def has_corrected(self) -> bool:
        return any(row.corrected is not None for row in self.rows)

    @property
    def dated(self) -> tuple[Row, ...]:
        """The exams that have a place in time and a value."""
        return tuple(row for row in self.rows if row.value is not None and row.seen.on is not None)


def course_of(viewed: Result, user: User, choice: Choice) -> Course | None:
    """The course that `choice` asks for, over the exams that `user` may see; None where `viewed` measured nothing.

    The number of queries does not grow with the exams.
    """
    results = results_over_time(viewed, user)
    quantities = quantities_of(next(one for one in results if one.pk == viewed.pk), results)
    if not quantities:
        return None
    quantity = next((one for one in quantities if one.key == choice.finding), quantities[0])
    corrections = corrected_volumes(results, user)
    of_exam = {one.exam_id: one for one in results}
    exams = _in_time(patient_exams(viewed.exam, user))
    seen = [see(exam, of_exam.get(exam.pk), quantity, corrections) for exam in exams]
    return _Building(viewed, quantities, quantity, choice, seen).course()


def _in_time(exams: Iterable[Exam]) -> list[Exam]:
    def when(exam: Exam) -> tuple[bool, date, str, datetime]:
        return exam.study_date is None, exam.study_date or date.max, exam.study_time, exam.received_at

    return sorted(exams, key=when)


class _Building:
    """A course in the making: each step follows from those before it."""

    def __init__(
        self, viewed: Result, quantities: Sequence[Quantity], quantity: Quantity, choice: Choice, seen: Sequence[Seen]
    ) -> None:
        self.viewed, self.quantities, self.quantity = viewed, tuple(quantities), quantity
        self.choice, self.seen = choice, seen
        named = (one for one in quantity.rules if one.name == choice.rule)
        self.rule = next(named, next(iter(quantity.rules), None))
        self.lesions = [one.lesions(choice) for one in seen]

    def course(self) -> Course:
        return Course(
            viewed=self.viewed,
            quantities=self.quantities,
            quantity=self.quantity,
            rule=self.rule,
            choice=self.choice,
            rows=tuple(self._row(place) for place in range(len(self.seen))),
            baseline=self.baseline,
            lesions=self.names,
            upcoming=self._limits_at(len(self.seen)),
            note=NO_SUCH_BASELINE if self.asked_for is not None and self.chosen is None else "",
        )

    @cached_property
    def asked_for(self) -> UUID | None:
        return self.choice.baseline if isinstance(self.choice.baseline, UUID) else None

    @cached_property
    def chosen(self) -> int | None:
        """The place of the exam whose result was chosen as the baseline, in whichever version."""
        if self.asked_for is None:
            return None
        exam = Result.objects.filter(pk=self.asked_for).values_list("exam_id", flat=True).first()
        places = (n for n, one in enumerate(self.seen) if one.exam.pk == exam and one.on and one.is_anything)
        return next(places, None)

    @cached_property
    def baseline(self) -> int | None:
        if self.chosen is not None:
            return self.chosen
        return next((n for n, one in enumerate(self.seen) if one.on and one.is_anything), None)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The lesions that are followed; where the rule finds none to follow, all that the baseline has."""
        if self.baseline is None:
            return self.quantity.parts
        at_baseline = self.lesions[self.baseline]
        return followed(self.rule, at_baseline) or followed(None, at_baseline)

    @cached_property
    def values(self) -> list[Value]:
        each = zip(self.seen, self.lesions, strict=True)
        return [Value(on=one.on, value=total(lesions, self.names)) for one, lesions in each]

    @cached_property
    def compared(self) -> list[Compared]:
        return compare(self.values, baseline=self.baseline, to_nadir=self.choice.baseline == NADIR)

    @cached_property
    def verdicts(self) -> list[Verdict | None]:
        if self.rule is None:
            return [None] * len(self.seen)
        each = zip(self.seen, self.lesions, strict=True)
        assessments = [Assessment(on=one.on, lesions=lesions) for one, lesions in each]
        return [*judge(self.rule, assessments, baseline=self.baseline)]

    def _row(self, place: int) -> Row:
        seen, change, verdict = self.seen[place], self.compared[place], self.verdicts[place]
        since = change.since_baseline
        return Row(
            seen=seen,
            ai=total(seen.ai, self.names),
            corrected=total(seen.corrected, self.names) if seen.correction else None,
            value=self.values[place].value,
            compared=change,
            against=None if change.against is None else self.seen[change.against].on,
            verdict=verdict,
            limits=self._limits_at(place) if since else None,
            is_flagged=self.rule is None and since is not None and since.reaches(self.quantity.alert_percent),
            is_viewed=seen.exam.pk == self.viewed.exam_id,
        )

    def _limits_at(self, place: int) -> Limits | None:
        """The limits that the exam at `place` is held against: the rule's, or the change that the pipeline flags."""
        if self.baseline is None:
            return None
        counted = [one.value for one in self.values[self.baseline : place] if one.on and one.value is not None]
        if not counted:
            return None
        if self.rule is not None:
            return limits_of(self.rule, baseline=counted[0], nadir=min(counted))
        if self.quantity.alert_percent is None:
            return None
        reference = min(counted) if self.choice.baseline == NADIR else counted[0]
        reach = abs(reference) * self.quantity.alert_percent / 100
        return Limits(progression_from=reference + reach, response_to=reference - reach)
