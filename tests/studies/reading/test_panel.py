"""The reference standard by a panel: who writes it down, what they see, and what becomes of it."""

from __future__ import annotations

import pytest

from feedback.forms import quality_form
from portal.access import Role
from studies.cases import flow
from studies.cases.flow import FlowBox
from studies.models import Membership, Read
from studies.reading import assignment, panel
from studies.reading.reads import mine, open_read, submit
from tests.feedback.conftest import ANSWERS
from tests.studies.reading.reading import INDEPENDENT, Bench, bench

pytestmark = pytest.mark.django_db


@pytest.fixture
def study_with_a_panel() -> Bench:
    return bench(INDEPENDENT, reference={"source": "panel", "form": quality_form().slug, "answers": ["verdict"]})


def test_what_the_panel_found_is_written_down_once_and_is_the_truth(study_with_a_panel: Bench) -> None:
    one = study_with_a_panel
    case = one.case()
    assert panel.assign() == 0, "there is nobody to write it down yet"
    judge = one.reader("judge", Role.ADJUDICATOR)
    assert panel.assign() == 1
    assert panel.assign() == 0
    (read,) = mine(judge)
    assert (read.kind, read.arms, read.form) == (Read.Kind.PANEL, [], quality_form())
    claim = open_read(read.pk, by=judge).claim
    submit(read.pk, by=judge, claim=claim, answers=ANSWERS, active=0.0)
    assert [kept.values for kept in case.truths.all()] == [{"verdict": ANSWERS["verdict"]}]


def test_who_reads_the_case_does_not_also_sit_on_its_panel(study_with_a_panel: Bench) -> None:
    one = study_with_a_panel
    ada = one.reader("ada")
    Membership.objects.create(study=one.study, user=ada, role=Role.ADJUDICATOR)
    one.case()
    assignment.assign()
    assert panel.assign() == 0


def test_a_panels_finding_is_no_read_of_the_flow(study_with_a_panel: Bench) -> None:
    one = study_with_a_panel
    one.case()
    one.reader("judge", Role.ADJUDICATOR)
    panel.assign()
    counts = flow.line_of(one.study).real
    assert (counts[FlowBox.UNASSIGNED], counts[FlowBox.ASSIGNED]) == (1, 0)
