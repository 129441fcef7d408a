"""What an amendment changed, question by question, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from feedback.forms import describe
from feedback.models import Response


@dataclass(frozen=True, kw_only=True)
class Change:
    """One answer that differs: what it was, and what it is now. Empty where there was or is none."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One response in words, and what it changed of the one that it amends."""

    response: Response
    answers: Sequence[tuple[str, str]]
    changes: tuple[Change, ...] = ()


def statements(newest_first: Sequence[Response], *, language: str = "") -> list[Statement]:
    """The responses of one author to one thing, in words; each is compared with the one before it in time."""
    said = [describe(response.form, response.answers, language=language) for response in newest_first]
    changes = [tuple(_changes(before, after)) for after, before in pairwise(said)] + [()]
    return [
        Statement(response=response, answers=answers, changes=changed)
        for response, answers, changed in zip(newest_first, said, changes, strict=False)
    ]


def _changes(before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]) -> list[Change]:
    was, now = dict(before), dict(after)
    return [
        Change(label=label, before=was.get(label, ""), after=now.get(label, ""))
        for label in dict.fromkeys([*was, *now])
        if was.get(label) != now.get(label)
    ]
