"""Where readers of one case disagree further than the protocol allows, an adjudicator decides, who sees what they said.

Answers to the protocol's question are compared once all of a case's reads in an arm are in; repeats are not counted.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast, Coalesce
from django.utils.timezone import now

from feedback.forms import describe
from feedback.models import Form, Response
from portal.access import Role
from portal.audit import trail
from portal.audit.actions import Action
from studies.cases import truth
from studies.designs.draws import lot
from studies.models import READING, Case, CaseTruth, ProtocolVersion, Read, ReadResponse, Study
from studies.protocols import protocol
from studies.protocols.design_schema import Independent
from studies.protocols.protocol_schema import Disagreement, Protocol
from studies.reading import ordering
from studies.reading.assignment import due_at, members_who

State, Kind = Read.State, Read.Kind


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What one reader said, as the adjudicator sees it: nobody's name, in an order that is drawn."""

    label: str
    answers: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A case in a condition of reading, of which readers said different things."""

    case: int
    condition: str


def assign() -> int:
    """Give every dispute in studies that are being read to an adjudicator; return how many were given."""
    return sum(assign_in(study) for study in Study.objects.filter(stage__in=READING))


@transaction.atomic
def assign_in(study: Study) -> int:
    """The same for one study. Without an adjudicator the disputes wait."""
    version = protocol.in_force(study)
    if version is None or version.content.disagreement is None:
        return 0
    ordering.held_seed(study)
    form = form_named(version, version.content.disagreement.form)
    if form is None:
        return 0
    given = sum(
        give(
            version,
            Case.objects.get(pk=dispute.case),
            kind=Kind.ADJUDICATION,
            condition=dispute.condition,
            arms=_arms_of(dispute),
            form=form,
        )
        for dispute in disputes(study, version.content)
    )
    note_given(study, given, Kind.ADJUDICATION)
    if version.content.reference.source == "adjudication":
        _keep_agreed(study, version.content)
    return given


def disputes(study: Study, content: Protocol) -> list[Dispute]:
    """Those that nobody decides yet, by case."""
    rule = content.disagreement
    if rule is None:
        return []
    groups = _differing(study, rule, enough=_readers_wanted(content))
    said = _said(study, rule, groups)
    return [
        Dispute(case=case, condition=condition)
        for case, condition in groups
        if disagree(said[case, condition], tolerance=rule.tolerance)
    ]


def _keep_agreed(study: Study, content: Protocol) -> None:
    """Where adjudicators decide the truth, what all reads of a case agree on is the truth without them."""
    for given in _agreed(study, content):
        last = given[-1]
        values = {key: _common([one.answers.get(key) for one in given]) for key in _keys_of_truth(content)}
        kept = {key: value for key, value in values.items() if value is not None}
        if kept:
            truth.record_decision(last.read_response.read.case, kept, by=last.author)


def _agreed(study: Study, content: Protocol) -> list[list[Response]]:
    """The answers to each case that is read, has no truth yet, and over which nobody disagrees."""
    rule = content.disagreement
    if rule is None:
        return []
    case = OuterRef("read_response__read__case")
    waited = Read.objects.filter(case=case, state__in=Read.OPEN).exclude(kind=Kind.PANEL)
    decided = Read.objects.filter(case=case, kind=Kind.ADJUDICATION).exclude(state=State.WITHDRAWN)
    known = CaseTruth.objects.filter(case=case, version=truth.newest(study))
    answers = Response.objects.filter(read_response__in=_answers(study)).filter(
        ~Exists(waited), ~Exists(decided), ~Exists(known), read_response__read__case__state=Case.State.ENROLLED
    )
    by_case: defaultdict[int, list[Response]] = defaultdict(list)
    for one in answers.select_related("author", "read_response__read__case__study").order_by("submitted_at"):
        by_case[one.read_response.read.case_id].append(one)
    enough = _readers_wanted(content)
    return [
        given
        for given in by_case.values()
        if len(given) >= enough
        and not disagree([one.answers.get(rule.question) for one in given], tolerance=rule.tolerance)
    ]


def _keys_of_truth(content: Protocol) -> tuple[str, ...]:
    rule = content.disagreement
    return content.reference.answers or ((rule.question,) if rule else ())


def _common(answers: Sequence[object]) -> object:
    """What all said; of numbers that lie within the tolerance, the median; None where there is no one answer."""
    numbers = [one for one in answers if isinstance(one, int | float) and not isinstance(one, bool)]
    if numbers and len(numbers) == len(answers):
        return statistics.median(numbers)
    return answers[0] if all(one == answers[0] for one in answers) else None


def disagree(answers: Sequence[object], *, tolerance: float) -> bool:
    """Whether numbers lie further apart than `tolerance`, or other answers are not all the same.

    No answer is an answer like any other: readers who gave none agree with each other alone.
    """
    if answers and all(isinstance(one, int | float) and not isinstance(one, bool) for one in answers):
        numbers = [float(one) for one in answers if isinstance(one, int | float)]
        return max(numbers) - min(numbers) > tolerance
    return any(one != answers[0] for one in answers)


def opinions(read: Read) -> tuple[Opinion, ...]:
    """What the readers said between whom `read` decides."""
    said = _answers(read.study).filter(read__case=read.case_id, read__condition=read.condition)
    drawn = sorted(said.select_related("response__form"), key=lambda one: lot(str(read.pk), str(one.response_id)))
    return tuple(
        Opinion(label=f"Reader {number}", answers=describe(one.response.form, one.response.answers))
        for number, one in enumerate(drawn, start=1)
    )


def _answers(study: Study) -> QuerySet[ReadResponse]:
    """What counts of each first-occasion read that is in, of the study's present stage."""
    return ReadResponse.objects.filter(
        read__study=study,
        read__kind=Kind.READ,
        read__occasion=1,
        read__state=State.SUBMITTED,
        read__is_pilot=study.stage == Study.Stage.PILOT,
        response__amended_by=None,
    ).order_by()


def _differing(study: Study, rule: Disagreement, *, enough: int) -> list[tuple[int, str]]:
    """Case and condition where all reads are in, nobody decides, and not all answers are the same, by case number."""
    same = Read.objects.filter(case=OuterRef("read__case"), condition=OuterRef("read__condition"))
    decided = same.filter(kind=Kind.ADJUDICATION).exclude(state=State.WITHDRAWN)
    open_still = same.filter(kind=Kind.READ, occasion=1, state__in=Read.OPEN)
    said = Coalesce(Cast(KeyTransform(rule.question, "response__answers"), TextField()), Value(""))
    groups = (
        _answers(study)
        .filter(~Exists(decided), ~Exists(open_still), read__case__state=Case.State.ENROLLED)
        .values("read__case", "read__case__number", "read__condition")
        .annotate(readers=Count("pk"), different=Count(said, distinct=True))
        .filter(readers__gte=enough, different__gt=1)
        .order_by("read__case__number", "read__condition")
    )
    return [(group["read__case"], group["read__condition"]) for group in groups]


def _said(study: Study, rule: Disagreement, groups: Iterable[tuple[int, str]]) -> dict[tuple[int, str], list[object]]:
    said: dict[tuple[int, str], list[object]] = {group: [] for group in groups}
    answers = _answers(study).filter(read__case__in={case for case, _ in said})
    for case, condition, given in answers.values_list("read__case", "read__condition", "response__answers"):
        if (case, condition) in said:
            said[case, condition].append(given.get(rule.question))
    return said


def _readers_wanted(content: Protocol) -> int:
    """Fewer answers than that are not all of a case's yet."""
    design = content.design
    return max(2, design.readers_per_case) if isinstance(design, Independent) else 2


def _arms_of(dispute: Dispute) -> list[str]:
    same = Read.objects.filter(case=dispute.case, condition=dispute.condition, kind=Kind.READ, state=State.SUBMITTED)
    return sorted(same[:1].get().arms)


def form_named(version: ProtocolVersion, name: str) -> Form | None:
    """The form in the version that the protocol froze; the newest where it froze none."""
    named = Form.objects.filter(slug=name).order_by("-version")
    return version.forms.filter(slug=name).first() or named.first()


def give(
    version: ProtocolVersion, case: Case, *, kind: Read.Kind, condition: str, arms: Sequence[str], form: Form
) -> bool:
    """Have an adjudicator decide; whether there was one. Holds the study's seed."""
    adjudicator = _next_adjudicator(case, condition)
    if adjudicator is None:
        return False
    last = Read.objects.filter(study=case.study, reader=adjudicator).aggregate(last=Max("position"))["last"] or 0
    Read.objects.create(
        study=case.study,
        case=case,
        reader_id=adjudicator,
        kind=kind,
        arms=list(arms),
        condition=condition,
        form=form,
        protocol=version,
        is_pilot=case.is_pilot,
        position=last + 1,
        due_at=due_at(version.content, from_when=now()),
    )
    return True


def note_given(study: Study, given: int, kind: Read.Kind) -> None:
    """Put on record how many were given to adjudicators."""
    if given:
        detail: dict[str, object] = {"reads": given, "kind": kind.value}
        trail.record(Action.READS_ASSIGNED, of=study.slug, study=study.slug, detail=detail)


def _next_adjudicator(case: Case, condition: str) -> int | None:
    """Who has decided least and has had no read of the case; ties fall by lot."""
    study = case.study
    involved = set(Read.objects.filter(case=case).values_list("reader", flat=True))
    members = set(members_who(Role.ADJUDICATOR, study).values_list("user", flat=True)) - involved
    decided = Read.objects.filter(study=study, kind__in=Read.DECIDING).exclude(state=State.WITHDRAWN).order_by()
    load = Counter(dict(decided.values_list("reader").annotate(Count("pk"))))
    seed = ordering.held_seed(study)
    return min(members, key=lambda one: (load[one], lot(seed, case.pk, condition, one)), default=None)
