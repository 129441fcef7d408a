"""A rule tried on the exams that came last, before it is let loose on those to come."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from dicom_ingest import judging
from dicom_ingest.exam_headers import HeaderUnreadable, headers_of_each
from dicom_ingest.headers import SeriesHeader
from dicom_ingest.judging import Candidate, Judgement, Outcome
from dicom_ingest.models import Exam, Route
from dicom_ingest.rule_models import RuleContent

EXAMS = 300
SECONDS = 0.7  # then what is known so far is shown, and the rest follows
BATCH = 50
_ROUTES_AN_EXAM = 4  # more than that lead to fewer than EXAMS being tried, not to a slower query


@dataclass(frozen=True, kw_only=True)
class TrialLine:
    """What the rule would have said of one exam."""

    exam: Exam
    judgement: Judgement


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A stretch of a trial: exams number `start` up to `end` of `total`, the last to arrive first."""

    lines: tuple[TrialLine, ...]
    start: int
    end: int
    total: int

    @property
    def is_over(self) -> bool:
        return self.end >= self.total

    def count(self, outcome: Outcome) -> int:
        """How many of this stretch came out so."""
        return sum(line.judgement.outcome == outcome for line in self.lines)


@dataclass(frozen=True, kw_only=True)
class PastExam:
    """A complete exam, and its series by each way it came as a condition sees them; or why it cannot be read."""

    exam: Exam
    among: tuple[Candidate, ...] | HeaderUnreadable


def try_rule(rule: RuleContent, *, until: datetime, seconds: float, start: int = 0, exams: int = EXAMS) -> Trial:
    """Try `rule` on the last `exams` that completed before `until`, from number `start` on, for about `seconds`.

    Only exams that came to the rule's AE titles count. Reads stored headers; five queries for every 50 exams.
    """
    keys = last_exams(rule, until=until, exams=exams)
    lines: list[TrialLine] = []
    for past in within(seconds, past_exams(rule, keys[start:], until=until)):
        lines += [TrialLine(exam=one.exam, judgement=_judge(rule, one)) for one in past]
    return Trial(lines=tuple(lines), start=start, end=start + len(lines), total=len(keys))


def last_exams(rule: RuleContent, *, until: datetime, exams: int = EXAMS) -> list[int]:
    """The last exams that completed before `until` on the AE titles of `rule`, the last one first."""
    routes = Route.objects.filter(completed_at__lte=until)
    if rule.called_ae_titles:
        routes = routes.filter(called_ae__in=rule.called_ae_titles)
    last = routes.order_by("-completed_at", "-pk").values_list("exam_id", flat=True)[: exams * _ROUTES_AN_EXAM]
    return list(dict.fromkeys(last))[:exams]


def past_exams(rule: RuleContent, keys: Sequence[int], *, until: datetime) -> Iterator[list[PastExam]]:
    """The exams of these keys as the rule's conditions see them, some at a time."""
    for at in range(0, len(keys), BATCH):
        yield list(_read(rule, keys[at : at + BATCH], until=until))


def within(seconds: float, batches: Iterable[list[PastExam]]) -> Iterator[list[PastExam]]:
    """The batches that are begun within about so many seconds, at least one."""
    deadline = time.monotonic() + seconds
    for batch in batches:
        yield batch
        if time.monotonic() > deadline:
            return


def _read(rule: RuleContent, keys: Sequence[int], *, until: datetime) -> Iterator[PastExam]:
    by_key = Exam.objects.prefetch_related("routes").in_bulk(keys)
    exams = [by_key[key] for key in keys]
    headers = headers_of_each(exams)
    for exam in exams:
        routes = [one for one in exam.routes.all() if one.completed_at and one.completed_at <= until]
        applicable = [route for route in routes if rule.applies_to(route.called_ae)]
        yield PastExam(exam=exam, among=_candidates(headers[exam.pk], applicable))


def _candidates(
    headers: list[SeriesHeader] | HeaderUnreadable, routes: Sequence[Route]
) -> tuple[Candidate, ...] | HeaderUnreadable:
    if isinstance(headers, HeaderUnreadable):
        return headers
    return tuple(
        candidate
        for route in routes
        for candidate in judging.candidates(headers, called_ae=route.called_ae, calling_ae=route.calling_ae)
    )


def _judge(rule: RuleContent, past: PastExam) -> Judgement:
    if isinstance(past.among, HeaderUnreadable):
        return Judgement(Outcome.ERROR, str(past.among))
    return judging.judge(rule.expression, past.among)
