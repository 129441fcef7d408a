"""The reference standard by a panel: of each enrolled case one adjudicator writes down what the panel found.

The panel sees the images and nothing of the arms, so that the truth owes nothing to what is judged by it.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from studies.models import READING, Case, Read, Study
from studies.protocols import protocol
from studies.reading import adjudication, ordering

CONDITION = "panel"
CASES_PER_TICK = 50


def assign() -> int:
    """Have adjudicators write down the panel's findings, in studies that are being read; return how many were given."""
    return sum(assign_in(study) for study in Study.objects.filter(stage__in=READING))


@transaction.atomic
def assign_in(study: Study) -> int:
    """The same for one study, some cases at a time. Without an adjudicator they wait."""
    version = protocol.in_force(study)
    if version is None or version.content.reference.source != "panel":
        return 0
    form = adjudication.form_named(version, version.content.reference.form)
    if form is None:
        return 0
    ordering.held_seed(study)
    given = sum(
        adjudication.give(version, case, kind=Read.Kind.PANEL, condition=CONDITION, arms=(), form=form)
        for case in _waiting(study)[:CASES_PER_TICK]
    )
    adjudication.note_given(study, given, Read.Kind.PANEL)
    return given


def _waiting(study: Study) -> QuerySet[Case]:
    had = Read.objects.filter(case=OuterRef("pk"), kind=Read.Kind.PANEL).exclude(state=Read.State.WITHDRAWN)
    is_pilot = study.stage == Study.Stage.PILOT
    waiting = study.cases.filter(~Exists(had), state=Case.State.ENROLLED, is_pilot=is_pilot)
    return waiting.select_related("study").order_by("number")
