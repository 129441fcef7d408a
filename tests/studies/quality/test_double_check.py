"""Two reviewers who do not know of each other, and what their verdicts come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.models import User
from studies.cases import qc
from studies.cases.qc import Look
from studies.models import Case, QCReview, Study
from studies.quality import overview, queue
from tests.conftest import Cast
from tests.studies.quality.checking import another_reviewer, case_without_images, checked_study

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], Client]
ACCEPT, REJECT = QCReview.Verdict.ACCEPT, QCReview.Verdict.REJECT


@pytest.fixture
def other(livers_twice: Study) -> User:
    return another_reviewer(livers_twice)


def give(case: Case, verdict: QCReview.Verdict, by: User, *, seconds: float = 6.0) -> None:
    look = Look(round=case.qc_round, active_seconds=seconds, open_seconds=seconds + 1)
    qc.review(case, verdict, by=by, reason="Wrong series", look=look)


def test_nobody_sees_anothers_verdict_before_giving_theirs(
    livers_twice: Study, cast: Cast, other: User, signed_in: SignIn
) -> None:
    case, client = case_without_images(livers_twice), signed_in(other)
    pages = [reverse("qc"), reverse("qc-case", args=[case.pk]), reverse("study-case", args=["livers", case.number])]
    before = {address: page_of(client, address).count("Incomplete coverage") for address in pages}
    qc.review(case, REJECT, by=cast.qc, reason="Incomplete coverage", note="The dome is cut off")
    for address in pages:
        page = page_of(client, address)
        assert "You see it when yours is there" in page
        assert "dome" not in page and "Rejected" not in page, address
        assert page.count("Incomplete coverage") == before[address], "in the list of reasons alone"
    give(case, ACCEPT, other)
    for address in pages[1:]:
        assert page_of(client, address).count("Incomplete coverage") == before[address] + 1, address


def page_of(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_a_case_leaves_ones_queue_with_ones_verdict_and_readers_wait_for_both(
    livers_twice: Study, cast: Cast, other: User
) -> None:
    case = case_without_images(livers_twice)
    give(case, ACCEPT, cast.qc)
    case.refresh_from_db()
    assert case.state == Case.State.AWAITING_QC
    assert not queue.waiting_for(cast.qc).exists() and queue.waiting_for(other).get() == case
    assert not queue.disputed_by(cast.qc).exists(), "nobody disagrees yet"
    give(case, REJECT, other)
    assert queue.disputed_by(cast.qc).get() == queue.disputed_by(other).get() == case
    give(case, ACCEPT, other)
    case.refresh_from_db()
    assert case.state == Case.State.ENROLLED


def test_agreement_is_that_of_first_verdicts_with_cohens_kappa(livers_twice: Study, cast: Cast, other: User) -> None:
    table = [(ACCEPT, ACCEPT)] * 4 + [(REJECT, REJECT)] * 2 + [(ACCEPT, REJECT)] + [(REJECT, ACCEPT)]
    for number, (mine, theirs) in enumerate(table):
        case = case_without_images(livers_twice)
        give(case, mine, cast.qc, seconds=number + 1)
        give(case, theirs, other, seconds=10)
    found = overview.of(livers_twice)
    [pair] = found.pairs
    assert (pair.cases, pair.agreed) == (8, 6)
    assert pair.kappa.value == pytest.approx((0.75 - 34 / 64) / (1 - 34 / 64))  # type: ignore[union-attr]
    assert [len(one.reviews) for one in found.disagreements] == [2, 2]
    assert (found.waiting, found.accepted, found.rejected) == (2, 4, 2)
    assert found.reasons == [("Wrong series", 6)]
    mine_line, their_line = found.reviewers
    assert (mine_line.accepted, mine_line.rejected, mine_line.active.value) == (5, 3, 4.5)  # type: ignore[union-attr]
    assert (their_line.active.value, their_line.open.value) == (10, 11)  # type: ignore[union-attr]
    give(found.disagreements[0].case, ACCEPT, cast.qc)
    assert overview.of(livers_twice).pairs[0].agreed == 6, "a verdict that was changed is no agreement"


def test_the_overview_is_the_coordinators_and_the_boards(
    livers_twice: Study, cast: Cast, other: User, signed_in: SignIn
) -> None:
    address = reverse("study-quality", args=["livers"])
    assert "Nobody has checked a case yet" in page_of(signed_in(cast.coordinator), address)
    case = case_without_images(livers_twice)
    give(case, ACCEPT, cast.qc, seconds=7.25)
    give(case, REJECT, other)
    page = page_of(signed_in(cast.coordinator), address)
    for words in ("Agreement", "0 (0 %)", "Disagreements", "7.25 s", "Wrong series"):
        assert words in page, words
    for who in (cast.qc, other, cast.reader, cast.outsider):
        assert signed_in(who).get(address).status_code == 404


def test_a_study_without_the_check_says_how_to_have_one(cast: Cast, signed_in: SignIn) -> None:
    checked_study(cast, "unchecked", quality_control={"required": False})
    page = page_of(signed_in(cast.coordinator), reverse("study-quality", args=["unchecked"]))
    assert "section <em>Quality control</em> of the protocol" in page


def test_pilot_cases_count_in_the_pilot_alone(livers_twice: Study, cast: Cast) -> None:
    give(case_without_images(livers_twice), ACCEPT, cast.qc)
    Case.objects.update(is_pilot=True)
    assert not overview.of(livers_twice).reviewers
    livers_twice.stage = Study.Stage.PILOT
    assert len(overview.of(livers_twice).reviewers) == 1


def test_the_overview_asks_a_constant_number_of_queries(
    livers_twice: Study, cast: Cast, other: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(6):
        case = case_without_images(livers_twice)
        give(case, ACCEPT, cast.qc)
        give(case, REJECT, other)
    with django_assert_max_num_queries(8):
        overview.of(livers_twice)
