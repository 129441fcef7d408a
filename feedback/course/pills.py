"""The choices that the page of a course offers, each a link to the same page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from feedback.course.choice import AI, CORRECTED, FIRST, NADIR
from feedback.course.course import Course


@dataclass(frozen=True, kw_only=True)
class Pill:
    """One of several choices; `query` is the page's address with it."""

    label: str
    query: str
    is_chosen: bool


def pills_of(course: Course) -> Mapping[str, list[Pill]]:
    """The choices by what they are of: `findings`, `baselines`, `sources`, `rules`."""
    choice = course.choice
    return {
        "findings": [
            Pill(label=one.name, query=choice.but(finding=one.key, rule="").query, is_chosen=one == course.quantity)
            for one in course.quantities
        ],
        "baselines": _baselines(course),
        "sources": [
            Pill(label=label, query=choice.but(values=values).query, is_chosen=choice.values == values)
            for values, label in ((AI, "The AI's"), (CORRECTED, "Corrected where there are any"))
        ],
        "rules": [
            Pill(label=one.title, query=choice.but(rule=one.name).query, is_chosen=one == course.rule)
            for one in course.quantity.rules
        ],
    }


def in_words(course: Course) -> str:
    """What changes are counted against and with, for paper."""
    values = "corrected values where there are any" if course.choice.values == CORRECTED else "the AI's values"
    row = course.baseline_row
    if row is None or row.seen.on is None:
        return f"No exam can be the baseline; {values}."
    if course.choice.baseline == NADIR:
        return f"Changes against the nadir, the smallest value since {row.seen.on:%Y-%m-%d}; {values}."
    return f"Changes against the baseline of {row.seen.on:%Y-%m-%d}; {values}."


def _baselines(course: Course) -> list[Pill]:
    """The first exam, the nadir, and the exam that was chosen in the table, where one was."""
    choice, row = course.choice, course.baseline_row
    is_other = choice.baseline not in {FIRST, NADIR} and not course.note
    pills = [
        Pill(
            label="The first exam",
            query=choice.but(baseline=FIRST).query,
            is_chosen=choice.baseline != NADIR and not is_other,
        ),
        Pill(label="The nadir", query=choice.but(baseline=NADIR).query, is_chosen=choice.baseline == NADIR),
    ]
    if is_other and row is not None:
        pills.append(Pill(label=f"The exam of {row.seen.on:%Y-%m-%d}", query=choice.query, is_chosen=True))
    return pills
