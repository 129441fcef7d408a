"""Agreement of answers: with the truth, between readers, and of a reader with themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from feedback.questions import Confidence, Number, Plain, Scale, SingleChoice
from studies.evidence import groups
from studies.evidence.arms import condition_in_words
from studies.evidence.groups import NOT_SUBMITTED, Left, sort_out
from studies.evidence.meaning import NO_TRUTH, NOT_ANSWERED, number, plain, true_values, truth_key
from studies.evidence.shape import Answer, EndpointEvidence, Line, Missing, ReaderName, Whose
from studies.evidence.study_rows import ReadRow, StudyRows
from studies.protocols.protocol_schema import Endpoint
from studies.statistics.estimate import LEVEL, NotComputable
from studies.statistics.kappa import Weights, cohen, fleiss
from studies.statistics.reliability import icc

Unit = tuple[int, str]
"""A case, and the part of it that was asked about; empty where the question is asked once."""
COMPARED = (SingleChoice, Scale, Number, Confidence)
ONE_READER = "Only one reader answered."
NOT_BY_TWO = "of cases or parts that no second reader answered"
NOT_BY_ALL = "of cases or parts that not all readers answered"


@dataclass(frozen=True)
class Asked:
    """A question of the study's forms whose answers can be compared."""

    question: Plain

    @property
    def key(self) -> str:
        return self.question.key

    @property
    def weights(self) -> Weights:
        """A scale's answers differ by steps, squared; those of a choice differ or do not."""
        return "quadratic" if isinstance(self.question, Scale) else "unweighted"

    @property
    def is_number(self) -> bool:
        return isinstance(self.question, Number | Confidence)

    def categories(self, *more: object) -> list[str]:
        """In the order of the form; what else was answered, by name, behind."""
        match self.question:
            case SingleChoice():
                own = [plain(one) for one in self.question.values]
            case Scale():
                own = [plain(one) for one in self.question.values]
            case _:
                own = []
        return [*own, *sorted({plain(one) for one in more} - set(own))]


def of(rows: StudyRows, endpoint: Endpoint) -> EndpointEvidence:
    """All three, as far as the design and the truth have them."""
    asked = next((one for one in questions(rows.reads) if one.key == endpoint.question), None)
    if asked is None:
        reason = (
            "Nobody answered the endpoint's question yet." if endpoint.question else "The endpoint has no question."
        )
        return EndpointEvidence(endpoint=endpoint, reason=reason)
    level = 1 - endpoint.alpha
    named = groups.conditions(rows, endpoint)
    lines = [
        *_with_truth(rows, endpoint, asked),
        *(line for one in named for line in _between(rows, one, asked, level)),
        *(line for one in named for line in _within(rows, one, asked, level)),
    ]
    return EndpointEvidence(endpoint=endpoint, lines=tuple(lines), notes=(_note(asked),))


def between_readers(rows: StudyRows) -> Iterator[Line]:
    """How far readers agree, by condition and question."""
    for condition in groups.conditions(rows):
        for asked in questions(rows.reads_in(condition)):
            yield from _between(rows, condition, asked, LEVEL)


def within_readers(rows: StudyRows) -> Iterator[Line]:
    """How far readers agree with their own first answers, where a design repeats reads."""
    for condition in groups.conditions(rows):
        for asked in questions(rows.reads_in(condition)):
            yield from _within(rows, condition, asked, LEVEL)


def questions(reads: Sequence[ReadRow]) -> list[Asked]:
    """Those of the reads' forms that were answered and can be compared, in the order of the forms."""
    found: dict[str, Asked] = {}
    for read in reads:
        for one in read.given:
            if isinstance(one.question, COMPARED):
                found.setdefault(one.question.key, Asked(one.question))
    return list(found.values())


def _note(asked: Asked) -> str:
    if asked.is_number:
        return "Numbers: the intraclass correlation ICC(2,1), over what all readers answered."
    if asked.weights == "quadratic":
        return "A scale: kappa with quadratic weights of two readers, ICC(2,1) of more, over what all of them answered."
    return "Choices: Cohen's kappa of two, unweighted; Fleiss' kappa of more."


def _with_truth(rows: StudyRows, endpoint: Endpoint, asked: Asked) -> Iterator[Line]:
    key = truth_key(rows, endpoint)
    if rows.truth is None or not key or asked.is_number:
        return

    def take(read: ReadRow) -> tuple[str, str] | Left:
        said = read.to(asked.key)
        true = true_values(rows, read.case, key)
        if read.answers is None or not said:
            return Left(NOT_SUBMITTED if read.answers is None else NOT_ANSWERED)
        if not true:
            return Left(NO_TRUTH)
        if len(said) > 1 or len(true) > 1:
            return Left("several parts were answered, and the truth is of the case as a whole")
        return plain(true[0]), plain(said[0].value)

    for condition in groups.conditions(rows, endpoint):
        for group in groups.of_reads(rows, condition):
            found = sort_out(group.reads, take)
            categories = asked.categories(*(one for pair in found.values for one in pair))
            yield Line(
                whose=group.whose,
                what=f"{asked.question.label}: kappa with the truth",
                answer=cohen(found.values, categories, weights=asked.weights, level=1 - endpoint.alpha),
                expected=len(group.reads),
                missing=found.missing,
            )


def _between(rows: StudyRows, condition: str, asked: Asked, level: float) -> Iterator[Line]:
    reads = rows.reads_in(condition)
    answered = [one for one in reads if one.to(asked.key)]
    readers = sorted({one.reader for one in answered}, key=lambda one: one.key)
    said: dict[Unit, dict[ReaderName, object]] = defaultdict(dict)
    for read in answered:
        for one in read.to(asked.key):
            said[read.case, one.item][read.reader] = one.value
    answer, used = _agreement(said, readers, asked, level)
    open_, silent = sum(one.answers is None for one in reads), sum(one.answers is not None for one in reads)
    left = [
        Missing(count=open_, reason=f"reads {NOT_SUBMITTED}"),
        Missing(count=silent - len(answered), reason=f"reads in which {NOT_ANSWERED}"),
        Missing(count=len(said) - used, reason=NOT_BY_TWO if _takes_pairs(readers, asked) else NOT_BY_ALL),
    ]
    yield Line(
        whose=Whose(arm=condition, arm_label=condition_in_words(condition, rows.scope), by_readers=True),
        what=f"{asked.question.label}: {_name(readers, asked)}",
        answer=answer,
        expected=len(said),
        missing=tuple(one for one in left if one.count),
    )


def _takes_pairs(readers: Sequence[ReaderName], asked: Asked) -> bool:
    return len(readers) > 2 and not asked.is_number and asked.weights == "unweighted"


def _name(readers: Sequence[ReaderName], asked: Asked) -> str:
    if len(readers) < 2:
        return "agreement between readers"
    return f"{_coefficient(readers, asked)} between {len(readers)} readers"


def _coefficient(readers: Sequence[ReaderName], asked: Asked) -> str:
    if asked.is_number or (asked.weights == "quadratic" and len(readers) > 2):
        return "ICC(2,1)"
    if len(readers) > 2:
        return "Fleiss' kappa"
    return "quadratically weighted kappa" if asked.weights == "quadratic" else "Cohen's kappa"


def _agreement(
    said: Mapping[Unit, Mapping[ReaderName, object]], readers: Sequence[ReaderName], asked: Asked, level: float
) -> tuple[Answer, int]:
    """The coefficient, and of how many units it was made."""
    if len(readers) < 2:
        return NotComputable(reason=ONE_READER, of=len(said)), len(said)
    categories = asked.categories(*(value for each in said.values() for value in each.values()))
    if _takes_pairs(readers, asked):
        answered = [[plain(value) for value in one.values()] for one in said.values()]
        counts = [[one.count(each) for each in categories] for one in answered]
        return fleiss(counts, level=level), sum(len(one) > 1 for one in answered)
    all_ = [[one[reader] for reader in readers] for one in said.values() if len(one) == len(readers)]
    if asked.is_number or len(readers) > 2:
        return icc([[_numeric(value) for value in one] for one in all_], level=level), len(all_)
    pairs = [(plain(first), plain(second)) for first, second in all_]
    return cohen(pairs, categories, weights=asked.weights, level=level), len(all_)


def _within(rows: StudyRows, condition: str, asked: Asked, level: float) -> Iterator[Line]:
    again = rows.reads_in(condition, occasion=2)
    if not again:
        return
    first = {(one.case, one.reader): one for one in rows.reads_in(condition)}
    whose = Whose(arm=condition, arm_label=condition_in_words(condition, rows.scope), by_readers=True)
    readers = sorted({one.reader for one in again}, key=lambda one: one.key)
    for who in (None, *readers):
        mine = [one for one in again if who in (None, one.reader)]
        found = sort_out(mine, lambda one: _twice(first.get((one.case, one.reader)), one, asked))
        pairs = [pair for each in found.values for pair in each]
        yield Line(
            whose=replace(whose, reader=who),
            what=f"{asked.question.label}: {_coefficient(readers[:2], asked)} of a reader's first and second answer",
            answer=_of_pairs(pairs, asked, level),
            expected=len(mine),
            missing=found.missing,
        )


def _twice(first: ReadRow | None, second: ReadRow, asked: Asked) -> list[tuple[object, object]] | Left:
    if first is None or first.answers is None or second.answers is None:
        return Left(f"one of both is {NOT_SUBMITTED}")
    before = {one.item: one.value for one in first.to(asked.key)}
    pairs = [(before[one.item], one.value) for one in second.to(asked.key) if one.item in before]
    return pairs or Left("the question was not answered in both")


def _of_pairs(pairs: Sequence[tuple[object, object]], asked: Asked, level: float) -> Answer:
    if asked.is_number:
        return icc([[_numeric(value) for value in pair] for pair in pairs], level=level)
    said = [(plain(first), plain(second)) for first, second in pairs]
    return cohen(said, asked.categories(*(one for pair in said for one in pair)), weights=asked.weights, level=level)


def _numeric(value: object) -> float:
    found = number(value)
    if found is None:
        raise ValueError(f"{value!r} was stored as the answer to a question that takes numbers")
    return found
