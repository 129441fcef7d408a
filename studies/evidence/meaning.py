"""What answers, findings and truths mean: which are positive, which are numbers, and how strongly they suspect."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from feedback.questions import Choices, Confidence, Number, Scale
from studies.evidence.groups import NO_FINDING, NOT_SUBMITTED, Left
from studies.evidence.study_rows import FindingRow, ReadRow, StudyRows
from studies.protocols.protocol_schema import Endpoint

USUAL = ("yes", "true", "1", "positive", "present")
"""What counts as positive where the protocol does not say."""
USUAL_NOT = ("no", "false", "0", "negative", "absent")
"""And what as negative then. Any other word could be either."""
NO_TRUTH = "the truth of the case is not known"
NOT_ANSWERED = "the question was not answered"


@dataclass(frozen=True)
class Positives:
    """The values that count as positive, whatever the case of their letters."""

    values: frozenset[str]
    are_named: bool

    @classmethod
    def of(cls, endpoint: Endpoint) -> Positives:
        return cls(frozenset(map(plain, endpoint.positive or USUAL)), bool(endpoint.positive))

    def call(self, values: Iterable[object]) -> bool | Left:
        """Whether one of the values is positive: a case is when any of its parts is."""
        said = [plain(one) for one in values]
        if any(one in self.values for one in said):
            return True
        strange = [one for one in said if one not in USUAL_NOT]
        if strange and not self.are_named:
            return Left(f'"{strange[0]}" may be positive or negative: name the positive answers in the endpoint')
        return False

    @property
    def in_words(self) -> str:
        """For the notes of an endpoint."""
        named = ", ".join(sorted(self.values))
        return (
            f"Positive: {named}. A case is positive when any of its parts is."
            if self.are_named
            else f"The protocol does not say which answers are positive; these are taken to be: {named}."
        )


def plain(value: object) -> str:
    """A value as it is compared: text without case of letters; 1, 1.0 and true are not the same."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip().casefold()


def leaves(value: object) -> Iterator[object]:
    """The single values in a value that may be a list, or an object by segment."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from leaves(one)
    elif value not in (None, ""):
        yield value


def number(value: object) -> float | None:
    """The finite number that the value is, or is written as; None for any other."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(str(value).strip().replace(",", "."))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def truth_key(rows: StudyRows, endpoint: Endpoint) -> str:
    """Which of the truth's keys the endpoint is held against: its question, or the only key that there is.

    Empty where there are several and none is the question.
    """
    keys = rows.scope.content.reference.answers or tuple({key for one in rows.truths.values() for key in one.values})
    if endpoint.question in keys:
        return endpoint.question
    return keys[0] if len(keys) == 1 else ""


def true_values(rows: StudyRows, case: int, key: str) -> list[object]:
    """What the truth says of the case; nothing where it is not known."""
    found = rows.truths.get(case)
    return list(leaves(found.values.get(key))) if found else []


def said_by(read: ReadRow, question: str) -> list[str] | Left:
    """The values that the read answers the question with: one for each part, and each choice of several."""
    if read.answers is None:
        return Left(NOT_SUBMITTED)
    said = read.to(question)
    return [part for one in said for part in str(one.value).split("|")] if said else Left(NOT_ANSWERED)


def found_by(finding: FindingRow | None, keys: Sequence[str]) -> list[str] | Left:
    """The labels of an arm's finding: those of its classifier, or of the first of `keys` that its table has."""
    if finding is None:
        return Left(NO_FINDING)
    if finding.labels:
        return [one.label for one in finding.labels]
    for key in keys:
        if finding.values.get(key, "") != "":
            return [finding.values[key]]
    if len(finding.values) == 1:
        return list(finding.values.values())
    return Left("the finding of the arm says nothing of the question")


def suspicion_of_read(read: ReadRow, question: str, key: str, positives: Positives) -> float | Left:
    """How strongly the read suspects, the most of all parts.

    A scale or number is taken as it is. Confidence in another answer, the one to `key` of the same part, counts for or
    against: 80 % sure of a positive answer is 80, of a negative one -80. A choice is 1 when positive, else 0.
    """
    if read.answers is None:
        return Left(NOT_SUBMITTED)
    calls = {one.item: one.value for one in read.to(key)}
    found: list[float] = []
    for one in read.to(question):
        match one.question:
            case Scale() | Number():
                found.append(float(one.value))
            case Confidence() if key != question and one.item in calls:
                called = positives.call([calls[one.item]])
                if isinstance(called, Left):
                    return called
                found.append(float(one.value) if called else -float(one.value))
            case Confidence():
                found.append(float(one.value))
            case Choices():
                called = positives.call(str(one.value).split("|"))
                if isinstance(called, Left):
                    return called
                found.append(float(called))
            case _:
                return Left("the answer is neither a number nor a choice")
    return max(found) if found else Left(NOT_ANSWERED)


def suspicion_of_finding(finding: FindingRow | None, keys: Sequence[str], positives: Positives) -> float | Left:
    """The probability that a classifier gives to the positive labels, the most of all regions; or a table's number."""
    if finding is None:
        return Left(NO_FINDING)
    if finding.labels:
        chances = [
            chance
            for one in finding.labels
            if (chance := [p for label, p in one.probabilities.items() if plain(label) in positives.values])
        ]
        return max(map(sum, chances)) if chances else Left("none of the classifier's labels counts as positive")
    named = [finding.values[key] for key in keys if key in finding.values] or list(finding.values.values())
    found = number(named[0]) if len(named) == 1 or any(key in finding.values for key in keys) else None
    return Left("the finding of the arm gives no probability") if found is None else found
