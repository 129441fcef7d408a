"""Annotators are given the cases that lack an arm's mask: one annotator for each arm of a case. Found by ticks.

Nobody is given a case twice, nor one of which they have another read: an annotator who had seen the case in another arm
would draw it otherwise.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, QuerySet
from django.utils.timezone import now

from feedback import forms
from feedback.form_schema import FormDefinition
from feedback.models import Form
from portal.access import Role
from portal.audit import trail
from portal.audit.actions import Action
from studies.designs.draws import lot
from studies.models import READING, ArmFinding, Case, ProtocolVersion, Read, Study
from studies.protocols import protocol
from studies.protocols.protocol_schema import Arm, PeopleFindings
from studies.reading import ordering
from studies.reading.assignment import due_at, members_who

Kind, State = Read.Kind, Read.State
CASES_PER_TICK = 200
FORM = "mask-of-arm"
DRAWN, ABSENT = "drawn", "absent"


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """An arm whose masks annotators give, in a study. lacking: enrolled cases without its mask; drawing: those of them
    that an annotator has now; free: those that nobody could be given."""

    arm: Arm
    lacking: int
    drawing: int
    has_annotators: bool

    @property
    def free(self) -> int:
        return self.lacking - self.drawing


def assign() -> int:
    """Give annotators what waits, in studies that are being read; return how many reads were made."""
    return sum(assign_in(study) for study in Study.objects.filter(stage__in=READING))


@transaction.atomic
def assign_in(study: Study) -> int:
    """The same for one study, some cases at a time. Without an annotator they wait."""
    version = protocol.in_force(study)
    arms = [arm for arm in version.content.arms if arm.is_annotated] if version else []
    if version is None or not arms:
        return 0
    seed = ordering.held_seed(study)
    given = sum(_deal(study, version, arm, seed) for arm in arms)
    if given:
        detail: dict[str, object] = {"reads": given, "kind": Kind.ANNOTATION.value}
        trail.record(Action.READS_ASSIGNED, of=study.slug, study=study.slug, detail=detail)
    return given


def awaited(study: Study, version: ProtocolVersion) -> list[Awaited]:
    """How far the masks of each arm are, for those who run the study. Three queries an arm."""
    return [_awaited(study, arm) for arm in version.content.arms if arm.is_annotated]


def form() -> Form:
    """What an annotator answers beside the mask itself."""
    return forms.register(FORM, _DEFINITION)


def annotators_of(study: Study, arm: Arm) -> list[int]:
    """Who may be given the arm's cases: of the kind that the protocol names, where it names one."""
    members = members_who(Role.ANNOTATOR, study)
    wanted = arm.findings.reader_role if isinstance(arm.findings, PeopleFindings) else ""
    return sorted((members.filter(reader_role=wanted) if wanted else members).values_list("user", flat=True))


def _awaited(study: Study, arm: Arm) -> Awaited:
    lacking = _lacking(study, arm)
    held = Read.objects.filter(case=OuterRef("pk"), kind=Kind.ANNOTATION, condition=arm.key, state__in=Read.OPEN)
    return Awaited(
        arm=arm,
        lacking=lacking.count(),
        drawing=lacking.filter(Exists(held)).count(),
        has_annotators=bool(annotators_of(study, arm)),
    )


def _deal(study: Study, version: ProtocolVersion, arm: Arm, seed: str) -> int:
    annotators = annotators_of(study, arm)
    if not annotators:
        return 0
    load = _load(study)
    asked, given = form(), 0
    for case in _waiting(study, arm)[:CASES_PER_TICK]:
        involved = set(Read.objects.filter(case=case).values_list("reader", flat=True))
        able = [one for one in annotators if one not in involved]
        if not able:
            continue
        chosen = min(able, key=lambda one: (load[one], lot(seed, case.pk, arm.key, one)))
        _give(case, chosen, arm, version, asked)
        load[chosen] += 1
        given += 1
    return given


def _load(study: Study) -> Counter[int]:
    """How many annotations each was given."""
    given = Read.objects.filter(study=study, kind=Kind.ANNOTATION).exclude(state=State.WITHDRAWN).order_by()
    return Counter(dict(given.values_list("reader").annotate(Count("pk"))))


def _lacking(study: Study, arm: Arm) -> QuerySet[Case]:
    """Enrolled cases of the stage that the study is in, without the arm's mask."""
    there = ArmFinding.objects.filter(case=OuterRef("pk"), arm=arm.key, replaced_at=None)
    is_pilot = study.stage == Study.Stage.PILOT
    return study.cases.filter(~Exists(there), state=Case.State.ENROLLED, is_pilot=is_pilot)


def _waiting(study: Study, arm: Arm) -> QuerySet[Case]:
    """Those of them that nobody has, nor will have again when what was taken back is given back."""
    had = Read.objects.filter(case=OuterRef("pk"), kind=Kind.ANNOTATION, condition=arm.key)
    stands = had.exclude(state=State.WITHDRAWN) | had.filter(withdrawal=Read.Withdrawal.CASE_LEFT)
    return _lacking(study, arm).filter(~Exists(stands)).select_related("study").order_by("number")


def _give(case: Case, annotator: int, arm: Arm, version: ProtocolVersion, asked: Form) -> None:
    last = Read.objects.filter(study=case.study, reader=annotator).aggregate(last=Max("position"))["last"] or 0
    Read.objects.create(
        study=case.study,
        case=case,
        reader_id=annotator,
        kind=Kind.ANNOTATION,
        arms=[arm.key],
        condition=arm.key,
        form=asked,
        protocol=version,
        is_pilot=case.is_pilot,
        position=last + 1,
        due_at=due_at(version.content, from_when=now()),
    )


_DEFINITION = FormDefinition.model_validate(
    {
        "name": FORM,
        "title": "Mask of an arm",
        "sections": [
            {
                "questions": [
                    {
                        "key": "mask",
                        "type": "single-choice",
                        "label": "Mask",
                        "choices": [
                            {"value": DRAWN, "label": "Drawn", "shortcut": "d"},
                            {"value": ABSENT, "label": "No lesion, or structure absent", "shortcut": "n"},
                        ],
                    },
                    {"key": "notes", "type": "text", "label": "Notes", "required": False},
                ]
            }
        ],
    }
)
