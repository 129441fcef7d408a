"""What a rule of response says of a course. Pure: values and dates in, categories with their reasons out.

Progression is growth against the nadir: the smallest earlier total, the baseline's included (RECIST 1.1, Eisenhauer et
al. 2009, 4.3.1; RANO 2.0, Wen et al. 2023). Response is shrinkage against the baseline. Progression goes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from feedback.course.rules import Rule
from feedback.longitudinal import Change
from feedback.templatetags.figures import THIN_SPACE, figure, percentage, signed

NO_BREAK = "\N{NO-BREAK SPACE}"


class Category(StrEnum):
    """What an exam is called, compared with those before it."""

    BASELINE = "baseline"
    PROGRESSION = "progression"
    STABLE = "stable"
    MINOR = "minor response"
    PARTIAL = "partial response"
    COMPLETE = "complete response"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What was measured at one exam, by lesion and in the rule's unit; None where a lesion has no such value.

    on: None for an exam without a date, which has no place in time.
    """

    on: date | None
    lesions: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a total begins to be progression, and up to where it is a response; None where there is no such place."""

    progression_from: float | None
    response_to: float | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the rule says of one exam, and why."""

    category: Category
    reason: str


@dataclass(frozen=True, kw_only=True)
class _Total:
    value: float
    on: date

    def __str__(self) -> str:
        return f"{self.on:%Y-%m-%d}"


def followed(rule: Rule | None, lesions: Mapping[str, float | None]) -> tuple[str, ...]:
    """The lesions whose sum is followed, chosen by what the baseline measured: all that it measured without a rule."""
    measured = {name: value for name, value in lesions.items() if value is not None}
    if rule is None:
        return tuple(measured)
    chosen = [name for name, value in measured.items() if value >= (rule.measurable_from or 0.0)]
    if rule.lesions_at_most is None:
        return tuple(chosen)
    largest = sorted(chosen, key=lambda name: -measured[name])[: rule.lesions_at_most]
    return tuple(name for name in chosen if name in largest)


def total(lesions: Mapping[str, float | None], names: Sequence[str]) -> float | None:
    """The sum over the lesions with these names; None where one has no value, or where there are none."""
    values = [lesions.get(name) for name in names]
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def judge(rule: Rule, assessments: Sequence[Assessment], *, baseline: int | None) -> list[Verdict]:
    """A verdict for each of the assessments, which stand in order of time. baseline: the place of the baseline's."""
    if baseline is None:
        return [_not_judged("no exam of the patient can be the baseline") for _ in assessments]
    return list(_Judge(rule, assessments, baseline).verdicts())


def limits_of(rule: Rule, *, baseline: float, nadir: float) -> Limits:
    """The limits that hold for the exam after those with this baseline and nadir."""
    grown = nadir * (1 + rule.progression.percent / 100)
    return Limits(
        progression_from=max(grown, nadir + (rule.progression.at_least or 0.0)) if nadir > 0 else None,
        response_to=baseline * (1 - rule.partial_response.percent / 100) if baseline > 0 else None,
    )


class _Judge:
    """One course under one rule; `totals` grows from the baseline on."""

    def __init__(self, rule: Rule, assessments: Sequence[Assessment], baseline: int) -> None:
        self.rule, self.assessments, self.place = rule, assessments, baseline
        self.at_baseline = assessments[baseline]
        self.names = followed(rule, self.at_baseline.lesions)
        self.totals: list[_Total] = []

    def verdicts(self) -> list[Verdict]:
        return [self._verdict(place, one) for place, one in enumerate(self.assessments)]

    def _verdict(self, place: int, one: Assessment) -> Verdict:
        if one.on is None:
            return _not_judged("the exam has no date")
        if place < self.place:
            return _not_judged(f"it lies before the baseline of {self.at_baseline.on:%Y-%m-%d}")
        if not self.names:
            return _not_judged(self._nothing_measurable())
        value = total(one.lesions, self.names)
        if place > self.place and (new := self._new_in(one)):
            return self._of_new_lesion(new, value, one.on)
        if value is None:
            return _not_judged(self._missing_in(one))
        verdict = self._against_earlier(value) if self.totals else self._baseline(value)
        self.totals.append(_Total(value=value, on=one.on))
        return verdict

    def _baseline(self, value: float) -> Verdict:
        return Verdict(category=Category.BASELINE, reason=f"{figure(value)} {self.rule.unit}: the baseline")

    def _against_earlier(self, value: float) -> Verdict:
        baseline, nadir = self.totals[0], min(self.totals, key=lambda one: one.value)
        category, reason = self._named(value, baseline, nadir)
        return Verdict(category=category, reason=reason)

    def _named(self, value: float, baseline: _Total, nadir: _Total) -> tuple[Category, str]:
        grown, shrunk = Change.between(nadir.value, value), Change.between(baseline.value, value)
        if nadir.value == 0 and value > 0:  # whatever its size (Schwartz et al., European Journal of Cancer 62, 2016)
            there = f"{figure(value)} {self.rule.unit} where there was nothing on {nadir}"
            return Category.PROGRESSION, f"{there}: progression"
        if self._is_growth(grown):
            return Category.PROGRESSION, f"{self._grown(grown, nadir)}: progression ({self._growth_limit()})"
        if value == 0 and baseline.value > 0:
            return Category.COMPLETE, f"nothing is left of the {figure(baseline.value)} {self.rule.unit} of {baseline}"
        for category, shrinkage in self._responses():
            if shrunk.percent is not None and shrunk.percent < 0 and shrunk.reaches(shrinkage):
                since = f"{percentage(shrunk.percent)} against the baseline of {baseline}"
                return category, f"{since}: {category} (≤{NO_BREAK}\N{MINUS SIGN}{shrinkage:g}{THIN_SPACE}%)"
        return Category.STABLE, f"{self._why_stable(grown, shrunk, baseline, nadir)}: stable"

    def _is_growth(self, change: Change) -> bool:
        limit = self.rule.progression
        enough = limit.at_least is None or round(change.absolute, 9) >= limit.at_least
        return change.absolute > 0 and change.reaches(limit.percent) and enough

    def _responses(self) -> list[tuple[Category, float]]:
        minor = self.rule.minor_response
        least = [(Category.MINOR, minor.percent)] if minor else []
        return [(Category.PARTIAL, self.rule.partial_response.percent), *least]

    def _grown(self, change: Change, nadir: _Total) -> str:
        by = f" and {signed(change.absolute)} {self.rule.unit}" if self.rule.progression.at_least else ""
        return f"{percentage(change.percent)}{by} against the nadir of {nadir}"

    def _growth_limit(self) -> str:
        limit = self.rule.progression
        size = f" and ≥{NO_BREAK}{limit.at_least:g}{NO_BREAK}{self.rule.unit}" if limit.at_least else ""
        return f"≥{NO_BREAK}{limit.percent:g}{THIN_SPACE}%{size}"

    def _why_stable(self, grown: Change, shrunk: Change, baseline: _Total, nadir: _Total) -> str:
        if nadir.value == 0:
            return f"nothing was there on {nadir}, and nothing is there now"
        against_nadir = f"{self._grown(grown, nadir)} (progression {self._growth_limit()})"
        if baseline == nadir:
            return against_nadir
        return f"{against_nadir}, {percentage(shrunk.percent)} against the baseline of {baseline}"

    def _new_in(self, one: Assessment) -> list[str]:
        """The lesions that were not there at the baseline and are there now."""
        if self.rule.new_lesion != "progression":
            return []
        at_baseline = self.at_baseline.lesions
        return [name for name, value in one.lesions.items() if value and not at_baseline.get(name)]

    def _of_new_lesion(self, new: Sequence[str], value: float | None, on: date) -> Verdict:
        if value is not None:
            self.totals.append(_Total(value=value, on=on))
        names = " and ".join(f'"{name}"' for name in new)
        reason = f"{names} was not there at the baseline of {self.at_baseline.on:%Y-%m-%d}: progression (new lesion)"
        return Verdict(category=Category.PROGRESSION, reason=reason)

    def _nothing_measurable(self) -> str:
        least = self.rule.measurable_from
        sized = f" of at least {least:g} {self.rule.unit}" if least else ""
        return f"the baseline of {self.at_baseline.on:%Y-%m-%d} has no lesion{sized}"

    def _missing_in(self, one: Assessment) -> str:
        missing = " and ".join(f'"{name}"' for name in self.names if one.lesions.get(name) is None)
        return f"it has no {missing} in {self.rule.unit}"


def _not_judged(why: str) -> Verdict:
    return Verdict(category=Category.NOT_JUDGED, reason=f"not judged: {why}")
