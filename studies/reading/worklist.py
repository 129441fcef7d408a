"""What a person has to do: the cases they judge, how their studies flow, and what went wrong.

Every function asks a fixed number of queries, however many studies and cases there are.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Case as SqlCase
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When, Window
from django.db.models.functions import RowNumber

from dicom_ingest.models import Exam, ExamQuerySet, Route, RuleVerdict
from feedback.models import Response
from inference.models import Job, Result
from inference.triage import Cause, causes
from portal.access import Capability, Role, roles_with
from portal.models import User
from studies.cases import flow
from studies.cases.flow import FlowLine
from studies.models import Case, Membership, ProtocolVersion, Study
from studies.quality import queue
from studies.reading import reading_list
from studies.reading.reading_list import NextRead, StudyReads

CASES_PER_STUDY = 10
RECENT = 8

State = Job.State
WITHOUT_RESULT = [State.FAILED, State.SKIPPED, State.CANCELLED]
READERS = roles_with(Capability.GIVE_FEEDBACK)
OVERSEERS = roles_with(Capability.VIEW_FLOW)
READING = roles_with(Capability.READ_CASES)
WITHOUT_READS = ("standalone", "shadow")


class Standing(StrEnum):
    """Where one case stands for one reader, in the order in which the worklist shows them."""

    TO_JUDGE = "to judge"
    COMING = "coming"
    WITHOUT_RESULT = "no result"
    JUDGED = "judged"


@dataclass(frozen=True, kw_only=True)
class CaseLine:
    """One case as its row in a list: the newest job of the study's pipeline, and what is to be judged of it.

    is_urgent: its current result asks to be read first; causes: what it found that makes it so.
    """

    case: Case
    job: Job | None
    result_id: uuid.UUID | None
    standing: Standing
    responses: int
    is_urgent: bool = False
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How far one reader is with a study. `ready` counts the cases that have a result."""

    judged: int
    ready: int
    enrolled: int

    @property
    def waiting(self) -> int:
        return self.ready - self.judged


@dataclass(frozen=True, kw_only=True)
class StudyLine:
    """One study of a person: their roles in it, and what of it concerns those roles."""

    study: Study
    roles: tuple[Role, ...]
    flow: FlowLine
    reading: Reading | None
    sees_flow: bool
    cases: tuple[CaseLine, ...] = ()

    @property
    def shows_cases(self) -> bool:
        """Whether the person may see its cases beyond their own reads."""
        return self.sees_flow or self.reading is not None


@dataclass(frozen=True, kw_only=True)
class Worklist:
    """Everything on the page `My work`."""

    studies: tuple[StudyLine, ...]
    reading: tuple[StudyReads, ...]
    next_read: NextRead | None
    next_case: CaseLine | None
    troubles: tuple[Job, ...]
    undecided: tuple[RuleVerdict, ...]
    undispatched: tuple[Route, ...]
    recent_results: tuple[Result, ...]
    oversees: bool
    quality: queue.Waiting | None
    """How many cases wait for the person's quality check; None for who checks none."""
    waits_for_reads: bool
    """Whether some study gives the person reads, be there any yet or not."""

    @property
    def reads(self) -> tuple[StudyLine, ...]:
        """The studies in which the person judges cases on their results' pages."""
        return tuple(line for line in self.studies if line.reading is not None)


def worklist(user: User) -> Worklist:
    """What `user` has to do and to watch, over all their studies."""
    studies = _study_lines(user)
    reading = reading_list.reads_of(user)
    oversees = any(line.sees_flow for line in studies)
    visible = Exam.objects.visible_to(user)
    return Worklist(
        studies=studies,
        reading=reading,
        next_read=reading_list.next_of(reading),
        next_case=_next(studies),
        oversees=oversees,
        quality=queue.waiting(user) if any(queue.REVIEWERS & set(line.roles) for line in studies) else None,
        waits_for_reads=any(READING & set(line.roles) and line.reading is None for line in studies),
        troubles=tuple(_troubles(visible)) if oversees else (),
        undecided=tuple(_undecided(visible)) if oversees else (),
        undispatched=tuple(_undispatched(visible)) if oversees else (),
        recent_results=tuple(_recent_results(visible)) if oversees else (),
    )


def study_lines(user: User) -> tuple[StudyLine, ...]:
    """Every study of `user`, without its cases."""
    return _study_lines(user)


def study_line(user: User, study: Study) -> StudyLine | None:
    """`study` as `user` may see it, or None when they have no role in it."""
    return next((line for line in _study_lines(user, only=study) if line.study.pk == study.pk), None)


def cases_for(user: User, studies: Iterable[Study]) -> QuerySet[Case]:
    """The cases of `studies` in the order of the worklist: to judge, coming, without a result, judged.

    Of those to judge, the ones whose result is urgent come first. Each is annotated with `job_id` and `job_state` of
    the newest job of the study's pipeline, `result_id` and `is_urgent` of its current result, `is_judged` by `user`,
    `response_count` by anybody, and `place` and `turn` in that order.
    """
    authors = Response.objects.filter(result=OuterRef("result_id")).order_by().values("result")
    return (
        Case.objects.filter(study__in=[study.pk for study in studies])
        .annotate(
            job_id=Subquery(_newest_job().values("pk")[:1]),
            job_state=Subquery(_newest_job().values("state")[:1]),
            result_id=Subquery(_current_result().values("pk")[:1]),
            is_urgent=Subquery(_current_result().values("is_urgent")[:1]),
        )
        .annotate(
            is_judged=Exists(Response.objects.filter(result=OuterRef("result_id"), author=user)),
            response_count=Subquery(authors.annotate(n=Count("author", distinct=True)).values("n")),
        )
        .annotate(place=_place(), turn=SqlCase(When(is_judged=False, is_urgent=True, then=Value(0)), default=Value(1)))
        .select_related("study", "exam")
        .order_by("place", "turn", "number")
    )


def case_lines(cases: Sequence[Case]) -> tuple[CaseLine, ...]:
    """The rows of cases that `cases_for` gave."""
    annotated = [(case, vars(case)) for case in cases]
    jobs = Job.objects.select_related("pipeline").in_bulk([row["job_id"] for _, row in annotated if row["job_id"]])
    urgent = _urgent([row["result_id"] for _, row in annotated if row["is_urgent"]])
    return tuple(
        CaseLine(
            case=case,
            job=jobs.get(row["job_id"]),
            result_id=row["result_id"],
            standing=list(Standing)[row["place"]],
            responses=row["response_count"] or 0,
            is_urgent=row["result_id"] in urgent,
            causes=urgent.get(row["result_id"], ()),
        )
        for case, row in annotated
    )


def _urgent(result_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[Cause, ...]]:
    """What makes each of these urgent results urgent."""
    results = Result.objects.select_related("job__pipeline").prefetch_related("findings").in_bulk(result_ids)
    return {result_id: tuple(causes(result)) for result_id, result in results.items()}


def _place() -> SqlCase:
    order = {standing: Value(place) for place, standing in enumerate(Standing)}
    return SqlCase(
        When(is_judged=True, then=order[Standing.JUDGED]),
        When(result_id__isnull=False, then=order[Standing.TO_JUDGE]),
        When(job_state__in=WITHOUT_RESULT, then=order[Standing.WITHOUT_RESULT]),
        default=order[Standing.COMING],
    )


def _study_lines(user: User, *, only: Study | None = None) -> tuple[StudyLine, ...]:
    roles = _roles_by_study(user)
    mine = Study.objects.all() if user.is_superuser else Study.objects.filter(pk__in=roles)
    studies = list((mine.filter(pk=only.pk) if only else mine).select_related("ae_title", "form"))
    overseen = [study for study in studies if user.is_superuser or roles[study.pk] & OVERSEERS]
    flows = flow.lines(overseen) if overseen else {}
    judged = _judged(studies)
    reads = [study for study in studies if READERS & roles[study.pk] and study in judged]
    readings = _readings(user, reads)
    cases = _first_cases(user, reads) if only is None else {}
    return tuple(
        StudyLine(
            study=study,
            roles=tuple(role for role in Role if role in roles[study.pk]),
            flow=flows.get(study.pk, FlowLine()),
            reading=readings.get(study.pk),
            sees_flow=study in overseen,
            cases=cases.get(study.pk, ()),
        )
        for study in studies
    )


def _judged(studies: Sequence[Study]) -> list[Study]:
    """Those whose readers see everything and have no reads: they judge results on the results' own pages."""
    versions = ProtocolVersion.objects.filter(study__in=studies).distinct("study_id")
    in_force = versions.order_by("study_id", F("frozen_at").desc(nulls_last=True), "-number")
    kinds = dict(in_force.values_list("study", "document__design__kind"))
    return [study for study in studies if not study.readers_are_blinded and kinds.get(study.pk) in WITHOUT_READS]


def _roles_by_study(user: User) -> defaultdict[int, set[Role]]:
    roles: defaultdict[int, set[Role]] = defaultdict(set)
    for study_id, role in Membership.objects.in_force().filter(user=user).values_list("study_id", "role"):
        roles[study_id].add(Role(role))
    return roles


def _readings(user: User, studies: Sequence[Study]) -> dict[int, Reading]:
    """By study its cases, those with a result, and those that `user` has judged."""
    if not studies:
        return {}
    responses = Response.objects.filter(result=OuterRef("result_id"), author=user)
    counted = (
        Case.objects.filter(study__in=[study.pk for study in studies])
        .annotate(result_id=Subquery(_current_result().values("pk")[:1]))
        .annotate(is_judged=Exists(responses))
        .order_by()
        .values_list("study_id")
        .annotate(
            enrolled=Count("pk"),
            ready=Count("pk", filter=Q(result_id__isnull=False)),
            judged=Count("pk", filter=Q(is_judged=True)),
        )
    )
    readings = {study: Reading(judged=judged, ready=ready, enrolled=n) for study, n, ready, judged in counted}
    return {study.pk: readings.get(study.pk, Reading(judged=0, ready=0, enrolled=0)) for study in studies}


def _newest_job() -> QuerySet[Job]:
    """The newest job of a case's exam by the pipeline of its study, as a subquery on cases. Reruns are none of it."""
    jobs = Job.objects.filter(
        exam=OuterRef("exam"), pipeline__name=OuterRef("study__ae_title__pipeline"), rerun_of=None
    )
    return jobs.exclude(state=State.SUPERSEDED).order_by("-created_at")


def _current_result() -> QuerySet[Result]:
    """The newest current result of a case's exam by the pipeline of its study, as a subquery on cases."""
    same = {"exam": OuterRef("exam"), "job__pipeline__name": OuterRef("study__ae_title__pipeline")}
    return Result.objects.current().filter(**same).order_by("-created_at")


def _first_cases(user: User, studies: Sequence[Study]) -> dict[int, tuple[CaseLine, ...]]:
    if not studies:
        return {}
    position = Window(RowNumber(), partition_by=F("study_id"), order_by=["place", "turn", "number"])
    cases = cases_for(user, studies).annotate(position=position).filter(position__lte=CASES_PER_STUDY)
    by_study: defaultdict[int, list[CaseLine]] = defaultdict(list)
    for line in case_lines(list(cases)):
        by_study[line.case.study_id].append(line)
    return {study_id: tuple(lines) for study_id, lines in by_study.items()}


def _next(studies: Sequence[StudyLine]) -> CaseLine | None:
    """The case to judge next, over all studies: an urgent one, else that which has waited longest."""
    waiting = [line for study in studies for line in study.cases if line.standing == Standing.TO_JUDGE]
    return min(waiting, key=lambda line: (not line.is_urgent, line.case.enrolled_at), default=None)


def _troubles(visible: ExamQuerySet) -> QuerySet[Job]:
    return (
        Job.objects.filter(exam__in=visible, state__in=[State.FAILED, State.SKIPPED], rerun_of=None)
        .select_related("exam", "pipeline")
        .order_by("-finished_at")[:RECENT]
    )


def _undecided(visible: ExamQuerySet) -> QuerySet[RuleVerdict]:
    undecided = RuleVerdict.objects.needing_attention().filter(exam__in=visible)
    return undecided.select_related("exam", "version__rule").order_by("-judged_at")[:RECENT]


def _undispatched(visible: ExamQuerySet) -> QuerySet[Route]:
    """Exams that a pipeline should have been given and was not, but for those whose rules could not decide."""
    undecided = RuleVerdict.objects.needing_attention().filter(exam=OuterRef("exam"))
    stuck = Route.objects.filter(~Exists(undecided), exam__in=visible).exclude(dispatch_problem="")
    return stuck.select_related("exam").order_by("-dispatched_at")[:RECENT]


def _recent_results(visible: ExamQuerySet) -> QuerySet[Result]:
    return (
        Result.objects.current()
        .filter(exam__in=visible)
        .select_related("exam", "job__pipeline")
        .prefetch_related("measurements", "findings")
        .order_by("-created_at")[:RECENT]
    )
