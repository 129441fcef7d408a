"""The queue of QC: whose turn it is, one verdict at a time, and nothing twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from PIL import Image

from inference.models import Result
from portal.access import Role
from portal.audit.models import Entry
from portal.models import User
from studies.cases import case_flow, qc
from studies.models import Case, Membership, QCReview, Read, Study
from studies.quality import manifest, preparation, queue, sitting
from tests.conftest import Cast
from tests.studies.cases.test_screening import opened_read
from tests.studies.quality.checking import MakeCase, another_reviewer, case_without_images, checked_study, posted

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], Client]
State = Case.State
Verdict = QCReview.Verdict
HTMX = {"HX-Request": "true"}


@pytest.fixture
def reviewer(cast: Cast, signed_in: SignIn) -> Client:
    return signed_in(cast.qc)


def shown(client: Client, query: str = "") -> Case | None:
    """The case that the queue shows."""
    view = client.get(f"/qc/{query}").context["view"]
    return view.case if view else None


def judge(client: Client, case: Case, by: User, verdict: str = "accept", **fields: Any) -> str:
    """What the page says after the verdict."""
    address = reverse("qc-verdict", args=[case.pk])
    response = client.post(address, posted(case, by, verdict, **fields), headers=HTMX)
    assert response.status_code == 200
    said: str = response.context["said"]
    return said


def test_the_page_shows_the_case_with_its_pictures_series_and_numbers(
    livers: Study, in_qc: MakeCase, reviewer: Client
) -> None:
    case = in_qc(livers)
    response = reviewer.get("/qc/")
    page = response.content.decode()
    for words in (
        "Case 1",
        "Liver volumes",
        "1534.3 ml",
        "Acme-liver",
        "Slice 3 of 6, largest section",
        *REASONS_SHOWN,
    ):
        assert words.lower() in page.lower(), words
    assert 'Series 3 "AX T1 post"' in page.replace("&quot;", '"')
    assert "Localizer" in page
    view = response.context["view"]
    address = reverse("qc-picture", args=[case.pk, view.prepared.mark, view.pictures[0].overlaid])
    answer = reviewer.get(address)
    with Image.open(BytesIO(b"".join(answer.streaming_content))) as drawn:  # type: ignore[attr-defined]
        pixels = np.asarray(drawn.convert("RGB")).astype(int)
    assert answer["Cache-Control"].startswith("private")
    assert (pixels[..., 0] - pixels[..., 2] > 40).sum() > 100, "the liver's colour"


REASONS_SHOWN = ("Wrong series", "Motion or artefact", "Incomplete coverage")


def test_urgent_ones_come_first_then_the_oldest(livers: Study, reviewer: Client) -> None:
    newer, older, urgent = case_without_images(livers), case_without_images(livers), case_without_images(livers)
    Case.objects.filter(pk=older.pk).update(state_at=now() - timedelta(hours=2))
    Result.objects.filter(exam=urgent.exam).update(is_urgent=True)
    assert shown(reviewer) == urgent
    assert shown(reviewer, f"?skip={urgent.pk}") == older
    assert shown(reviewer, f"?skip={urgent.pk},{older.pk}") == newer
    assert shown(reviewer, f"?skip={urgent.pk},{older.pk},{newer.pk}") == urgent, "nothing else is left"


def test_an_accepted_case_goes_to_readers_and_the_next_one_is_there(
    livers: Study, cast: Cast, reviewer: Client
) -> None:
    first, second = case_without_images(livers), case_without_images(livers)
    assert shown(reviewer) == first and not Read.objects.exists()
    response = reviewer.post(reverse("qc-verdict", args=[first.pk]), posted(first, cast.qc, "accept"), headers=HTMX)
    assert response.context["view"].case == second
    assert response.context["said"] == "Case 1 of Liver volumes: accepted."
    first.refresh_from_db()
    assert first.state == State.ENROLLED
    assert Entry.objects.filter(action="case reviewed").count() == 1


def test_a_rejection_needs_a_reason_of_the_list(livers: Study, cast: Cast, reviewer: Client) -> None:
    case = case_without_images(livers)
    for reason in ("", "I do not like it", "wrong series", "Wrong series'); DROP TABLE"):
        assert "Say why the case is rejected" in judge(reviewer, case, cast.qc, "reject", reason=reason)
    said = judge(reviewer, case, cast.qc, "reject", reason="Wrong series", note="The localizer was taken")
    assert said == "Case 1 of Liver volumes: rejected: Wrong series. U leads back, to run it on another series too."
    given = QCReview.objects.get()
    assert (given.reason, given.note) == ("Wrong series", "The localizer was taken")


def test_the_same_key_twice_adds_nothing_and_says_so(livers: Study, cast: Cast, reviewer: Client) -> None:
    case = case_without_images(livers)
    judge(reviewer, case, cast.qc)
    assert "You have accepted case 1 already" in judge(reviewer, case, cast.qc)
    assert QCReview.objects.count() == 1


def test_two_reviewers_on_one_case_at_once_the_second_is_told(livers: Study, cast: Cast, signed_in: SignIn) -> None:
    case, other = case_without_images(livers), another_reviewer(livers)
    mine, theirs = posted(case, cast.qc, "accept"), posted(case, other, "reject", reason="Wrong series")
    address = reverse("qc-verdict", args=[case.pk])
    signed_in(cast.qc).post(address, mine, headers=HTMX)
    response = signed_in(other).post(address, theirs, headers=HTMX)
    assert response.context["said"] == (
        "Case 1 does not await QC: it is enrolled. Others decided meanwhile. Nothing was added."
    )
    assert QCReview.objects.get().reviewer == cast.qc


def test_reviewers_who_work_at_once_are_given_different_cases(livers: Study, cast: Cast, signed_in: SignIn) -> None:
    first, second = case_without_images(livers), case_without_images(livers)
    mine, theirs = signed_in(cast.qc), signed_in(another_reviewer(livers))
    assert (shown(mine), shown(theirs)) == (first, second)
    assert shown(mine) == first, "one's own stays"
    judge(mine, first, cast.qc)
    assert shown(mine) == second, "better the same than none"


def test_a_verdict_on_an_older_result_is_refused(livers: Study, cast: Cast, reviewer: Client) -> None:
    case = case_without_images(livers)
    old = posted(case, cast.qc, "accept")
    case_flow.back_to_qc(case)
    response = reviewer.post(reverse("qc-verdict", args=[case.pk]), old, headers=HTMX)
    assert "newer result than the one that you looked at" in response.context["said"]
    assert response.context["view"].case == case and not QCReview.objects.exists()


def test_a_verdict_may_be_changed_until_a_reader_has_opened_the_case(
    livers: Study, cast: Cast, reviewer: Client
) -> None:
    case = case_without_images(livers)
    judge(reviewer, case, cast.qc)
    page = reviewer.get(reverse("qc-case", args=[case.pk])).content.decode()
    assert "Another verdict counts in its place" in page
    judge(reviewer, case, cast.qc, "reject", reason="Motion or artefact")
    case.refresh_from_db()
    assert (case.state, case.qc_round) == (State.QC_REJECTED, 1)
    judge(reviewer, case, cast.qc)
    case.refresh_from_db()
    assert case.state == State.ENROLLED
    opened_read(case, cast)
    assert "a reader has opened it since" in judge(reviewer, case, cast.qc, "reject", reason="Wrong series")
    case.refresh_from_db()
    assert case.state == State.ENROLLED and QCReview.objects.count() == 3


@pytest.mark.parametrize(
    ("counted", "kept"),
    [("4.25", 4.25), ("9999", 10), ("-1", None), ("nan", None), ("inf", None), ("", None), ("x", None), ("0", 0)],
)
def test_the_time_is_the_pages_count_bounded_by_what_the_server_knows(counted: str, kept: float | None) -> None:
    case, user = Case(pk=7, qc_round=2), User(pk=3)
    token = signing.dumps([7, 2, 3, time.time() - 10], salt=sitting.SALT)
    look = sitting.end(token, case, by=user, active=counted)
    assert look.round == 2 and look.open_seconds == pytest.approx(10, abs=2)
    assert look.active_seconds == (None if kept is None else pytest.approx(kept, abs=2))


def test_the_time_stays_with_the_verdict(livers: Study, cast: Cast, reviewer: Client) -> None:
    case = case_without_images(livers)
    began = signing.dumps([case.pk, case.qc_round, cast.qc.pk, time.time() - 8], salt=sitting.SALT)
    judge(reviewer, case, cast.qc, sitting=began, active="5.5")
    given = QCReview.objects.get()
    assert given.active_seconds == 5.5
    assert given.open_seconds == pytest.approx(8, abs=2)


def test_rubbish_is_refused_in_words_and_changes_nothing(livers: Study, cast: Cast, reviewer: Client) -> None:
    case, other = case_without_images(livers), case_without_images(livers)
    address = reverse("qc-verdict", args=[case.pk])
    of_other = posted(other, cast.qc, "accept")["sitting"]
    of_another = posted(case, cast.admin, "accept")["sitting"]
    rubbish = ["", "x", "a:b:c", of_other, of_another, signing.dumps("x", salt=sitting.SALT), "\x00" * 99]
    for token in rubbish:
        response = reviewer.post(address, posted(case, cast.qc, "accept", sitting=token), headers=HTMX)
        assert "nothing was kept" in response.context["said"], token
    for verdict in ("", "ACCEPT", "maybe", "accept' OR 1=1"):
        response = reviewer.post(address, posted(case, cast.qc, verdict), headers=HTMX)
        assert response.context["said"] == "Accept the case, or reject it with a reason."
    for skip in ("x", ",,,", "-1", "9" * 400, "1;DROP", "٣", "1," * 5000):
        assert reviewer.get("/qc/", {"skip": skip}).status_code == 200, skip
    assert not QCReview.objects.exists()


def test_pictures_are_there_for_reviewers_of_the_study_alone(
    livers: Study, in_qc: MakeCase, cast: Cast, signed_in: SignIn
) -> None:
    case = in_qc(livers)
    found = preparation.prepared(case)
    [address, *_] = found.addresses(case.pk)
    stranger = User.objects.create_user("elsewhere")
    Membership.objects.create(study=checked_study(cast, "elsewhere"), user=stranger, role=Role.QC_REVIEWER)
    assert signed_in(cast.qc).get(address).status_code == 200
    for who in (stranger, cast.coordinator, cast.reader, cast.outsider, cast.governance):
        assert signed_in(who).get(address).status_code == 404, who
    names = [
        "0-0-plain.png",
        "manifest.json",
        "../0-0-plain.webp",
        "0-0-plain.webp/",
        "0-99-plain.webp",
        "..%2f0",
        "%00",
    ]
    for name in names:
        assert signed_in(cast.qc).get(address.replace("0-0-plain.webp", name)).status_code in (404, 400), name
    assert manifest.picture(case.pk, "../" + found.mark, "0-0-plain.webp") is None


def test_pictures_are_made_ahead_once_and_deleted_when_the_check_is_over(
    livers: Study, in_qc: MakeCase, cast: Cast
) -> None:
    first, second = in_qc(livers), in_qc(livers)
    assert preparation.ready(first) is None
    assert (preparation.prepare_waiting(), preparation.prepare_waiting()) == (2, 0)
    assert preparation.ready(first) and preparation.ready(second)
    qc.review(first, Verdict.ACCEPT, by=cast.qc)
    assert preparation.tidy() == 0
    Case.objects.update(state_at=now() - timedelta(days=8))
    assert preparation.tidy() == 1, "the other still waits"
    assert not (manifest.quality_folder() / str(first.pk)).exists()


def test_what_cannot_be_drawn_is_said_and_holds_up_nobody(
    livers: Study, in_qc: MakeCase, store: Any, reviewer: Client
) -> None:
    case = in_qc(livers)
    for file in (store / "exams" / case.exam.study_instance_uid).rglob("*.dcm"):
        file.write_bytes(b"rubbish")
    page = reviewer.get("/qc/").content.decode()
    assert "No picture could be made of it" in page and "There is no image of this case to show" in page
    assert reviewer.get("/qc/", {"skip": case.pk}).status_code == 200


def test_nobody_else_has_a_queue(livers: Study, cast: Cast, signed_in: SignIn) -> None:
    case = case_without_images(livers)
    for who in (cast.reader, cast.outsider, cast.governance, cast.scientist):
        assert signed_in(who).get("/qc/").status_code == 404
        assert signed_in(who).post(reverse("qc-verdict", args=[case.pk]), {}).status_code == 404
        assert queue.waiting(who) is None
    Membership.objects.filter(user=cast.qc, study=livers).update(withdrawn_at=now())
    assert shown(signed_in(cast.qc)) is None, "whose role was withdrawn"


def test_who_reads_the_exam_blinded_does_not_check_it(cast: Cast, signed_in: SignIn) -> None:
    blinded = checked_study(cast, blinding={"readers": "blinded", "patient": "pseudonymised"})
    case = case_without_images(blinded)
    assert shown(signed_in(cast.qc)) == case
    Membership.objects.create(study=blinded, user=cast.qc, role=Role.READER)
    assert shown(signed_in(cast.qc)) is None
    assert signed_in(cast.qc).get(reverse("qc-case", args=[case.pk])).status_code == 404
    assert signed_in(cast.qc).post(reverse("qc-verdict", args=[case.pk]), {}).status_code == 404


def test_my_work_says_how_many_wait_and_one_key_starts(livers: Study, reviewer: Client) -> None:
    assert "No case waits for your quality check" in reviewer.get("/").content.decode()
    case, _ = case_without_images(livers), case_without_images(livers)
    Result.objects.filter(exam=case.exam).update(is_urgent=True)
    page = reviewer.get("/").content.decode()
    assert "2 cases wait for your quality check · 1 urgent" in page and 'data-key="q"' in page


def test_an_empty_queue_says_what_would_fill_it_and_shows_the_last_verdicts(
    livers: Study, cast: Cast, reviewer: Client
) -> None:
    assert "Nothing waits for you" in reviewer.get("/qc/").content.decode()
    assert reviewer.get("/qc/?poll=1").status_code == 204
    case = case_without_images(livers)
    assert reviewer.get("/qc/?poll=1").context["view"].case == case
    judge(reviewer, case, cast.qc, "reject", reason="Wrong series")
    page = reviewer.get("/qc/").content.decode()
    assert "Rejected: Wrong series" in page and "may run on another series" in page


def test_the_queue_asks_a_constant_number_of_queries(
    livers: Study, reviewer: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        case_without_images(livers)
    preparation.prepare_waiting()
    with django_assert_max_num_queries(45) as few:
        reviewer.get("/qc/")
    for _ in range(5):
        case_without_images(livers)
    preparation.prepare_waiting()
    with django_assert_max_num_queries(len(few)):
        reviewer.get("/qc/")
