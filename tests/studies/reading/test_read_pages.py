"""The page of a read: its reader's alone, claimed by one window, and silent about arms."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from feedback.models import Response
from portal.models import User
from studies.models import Read, Study
from studies.reading import assignment
from tests.conftest import Cast
from tests.studies.reading.reading import ONE_SITTING, SCORING, Bench, bench

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
FILLED = {"answer-quality": "4", "answer-verdict": "accept"}


@pytest.fixture
def scored() -> tuple[Bench, User, Read]:
    one = bench(SCORING)
    reader = one.reader("first")
    one.cases(3)
    assignment.assign()
    return one, reader, Read.objects.get(reader=reader, position=1)


def opened(browser: Client, read: Read) -> dict[str, Any]:
    answer: dict[str, Any] = browser.post(f"/reads/{read.pk}/open/").json()
    return answer


def send(browser: Client, read: Read, claim: str, **fields: str) -> Any:
    return browser.post(
        f"/reads/{read.pk}/submit/", {"claim": claim, "active": "3", **FILLED, **fields}, headers={"HX-Request": "true"}
    )


def test_a_read_is_opened_answered_and_leads_to_the_next(scored: tuple[Bench, User, Read], signed_in: SignIn) -> None:
    _, reader, read = scored
    browser = signed_in(reader)
    page = browser.get(f"/reads/{read.pk}/").content.decode()
    assert "Read 1 of 6" in page and "Patient hidden" in page
    read.refresh_from_db()
    assert read.state == Read.State.ASSIGNED, "a page that is fetched does not open the read"
    answer = opened(browser, read)
    assert answer["viewer"].startswith("/viewer?")
    assert f"/reads/{read.pk}/dicomweb" in answer["viewer"]
    sent = send(browser, read, answer["claim"])
    assert sent.status_code == 204
    following = Read.objects.get(reader=reader, position=2)
    assert sent["HX-Redirect"] == f"/reads/{following.pk}/"
    assert "Your answer is saved" in browser.get(f"/reads/{read.pk}/").content.decode()


def test_the_page_tells_nothing_of_arms_pipelines_or_the_patient(
    scored: tuple[Bench, User, Read], signed_in: SignIn
) -> None:
    _, reader, read = scored
    browser = signed_in(reader)
    for text in (
        browser.get(f"/reads/{read.pk}/").content.decode(),
        str(opened(browser, read)),
        browser.get(f"/reads/{read.pk}/").content.decode(),
    ):
        for word in ("Model of the study", "novice", "Novice", "brain-extraction", "Secret", read.case.exam.patient_id):
            assert not re.search(rf"\b{word}\b", text), word
        assert read.case.exam.study_instance_uid not in text


def test_two_arms_pages_differ_in_nothing_but_what_is_the_reads_own(
    scored: tuple[Bench, User, Read], signed_in: SignIn
) -> None:
    _, reader, _ = scored
    browser = signed_in(reader)
    pages = {
        re.sub(r'/reads/[0-9a-f-]{36}/|(value|content)="[A-Za-z0-9]{64}"|data-seconds="\d+"', "", page)
        for read in Read.objects.filter(reader=reader)
        for page in [browser.get(f"/reads/{read.pk}/").content.decode()]
    }
    assert len(pages) == 1


def test_a_page_fetched_before_its_turn_may_wait_in_the_browser_and_others_may_not(
    scored: tuple[Bench, User, Read], signed_in: SignIn
) -> None:
    _, reader, read = scored
    browser = signed_in(reader)
    ahead = browser.get(f"/reads/{read.pk}/", headers={"Sec-Purpose": "prefetch"})
    assert "no-store" not in ahead["Cache-Control"] and "private" in ahead["Cache-Control"]
    assert "no-store" in browser.get(f"/reads/{read.pk}/")["Cache-Control"]


def test_only_its_reader_finds_a_read(scored: tuple[Bench, User, Read], cast: Cast, signed_in: SignIn) -> None:
    one, _, read = scored
    others = [one.reader("second"), cast.admin, cast.outsider, one.reader("boss", "coordinator")]  # type: ignore[arg-type]
    for user in others:
        browser = signed_in(user)
        assert browser.get(f"/reads/{read.pk}/").status_code == 404
        for part in ("open", "draft", "submit"):
            assert browser.post(f"/reads/{read.pk}/{part}/", FILLED).status_code == 404
    assert Client().get(f"/reads/{read.pk}/").status_code == 302
    assert not Response.objects.exists()


def test_what_is_entered_is_there_when_the_page_is_opened_again(
    scored: tuple[Bench, User, Read], signed_in: SignIn
) -> None:
    _, reader, read = scored
    browser = signed_in(reader)
    claim = opened(browser, read)["claim"]
    kept = browser.post(f"/reads/{read.pk}/draft/", {"claim": claim, "active": "0", "answer-comment": "Vertex"})
    assert kept.status_code == 204
    assert "Vertex" in browser.get(f"/reads/{read.pk}/").content.decode()


def test_a_second_window_takes_over_and_the_first_is_told(scored: tuple[Bench, User, Read], signed_in: SignIn) -> None:
    _, reader, read = scored
    browser = signed_in(reader)
    first, second = opened(browser, read)["claim"], opened(browser, read)["claim"]
    saved = browser.post(f"/reads/{read.pk}/draft/", {"claim": first, "active": "0"})
    assert (saved.status_code, saved.json()["claimed"]) == (409, True)
    refused = send(browser, read, first, **{"answer-comment": "From the first window"})
    assert refused.status_code == 409
    assert "another window" in refused.content.decode() and "From the first window" in refused.content.decode()
    assert send(browser, read, second).status_code == 204
    late = send(browser, read, first, **{"answer-quality": "1", "answer-comment": "Came too late"})
    assert late.status_code == 409
    text = late.content.decode()
    assert "4 Good" in text and "Came too late" in text
    assert send(browser, read, second).status_code == 204, "the very same again leads on"
    assert Response.objects.count() == 1


def test_answers_that_do_not_fit_come_back_with_what_is_wrong(
    scored: tuple[Bench, User, Read], signed_in: SignIn
) -> None:
    _, reader, read = scored
    browser = signed_in(reader)
    claim = opened(browser, read)["claim"]
    answer = send(browser, read, claim, **{"answer-verdict": ""})
    assert answer.status_code == 422
    assert "Not answered yet." in answer.content.decode() and claim in answer.content.decode()


def test_the_aided_page_shows_no_form_before_its_time_and_then_the_locked_answer(signed_in: SignIn) -> None:
    one = bench(ONE_SITTING)
    reader = one.reader("first")
    one.case()
    assignment.assign()
    unaided, aided = Read.objects.filter(reader=reader).order_by("position")
    browser = signed_in(reader)
    assert "once you have submitted the one before" in browser.get(f"/reads/{aided.pk}/").content.decode()
    assert browser.post(f"/reads/{aided.pk}/open/").status_code == 409
    sent = send(browser, unaided, opened(browser, unaided)["claim"])
    assert sent["HX-Redirect"] == f"/reads/{aided.pk}/"
    page = browser.get(f"/reads/{aided.pk}/").content.decode()
    assert "What you said before, locked" in page and "4 Good" in page
    assert "?amend" in browser.get(f"/reads/{unaided.pk}/").content.decode()
    opened(browser, aided)
    assert "?amend" not in browser.get(f"/reads/{unaided.pk}/").content.decode()


def test_an_answer_is_amended_for_a_reason(scored: tuple[Bench, User, Read], signed_in: SignIn) -> None:
    _, reader, read = scored
    browser = signed_in(reader)
    send(browser, read, opened(browser, read)["claim"])
    assert 'name="reason"' in browser.get(f"/reads/{read.pk}/?amend").content.decode()
    assert send(browser, read, "", reason=" ", **{"answer-quality": "2"}).status_code == 409
    amended = send(browser, read, "", reason="Slipped", **{"answer-quality": "2"})
    assert amended["HX-Redirect"] == f"/reads/{read.pk}/"
    assert "2 Poor" in browser.get(f"/reads/{read.pk}/").content.decode()


def test_a_study_that_closes_while_it_is_read_says_so_and_nothing_is_lost(
    scored: tuple[Bench, User, Read], signed_in: SignIn
) -> None:
    one, reader, read = scored
    browser = signed_in(reader)
    claim = opened(browser, read)["claim"]
    Study.objects.filter(pk=one.study.pk).update(stage=Study.Stage.LOCKED)
    answer = send(browser, read, claim, **{"answer-comment": "Vertex"})
    assert answer.status_code == 409
    assert "takes no answers" in answer.content.decode() and "Vertex" in answer.content.decode()


def test_one_address_leads_to_the_next_read(scored: tuple[Bench, User, Read], cast: Cast, signed_in: SignIn) -> None:
    _, reader, read = scored
    assert signed_in(reader).get("/reads/next/")["Location"] == f"/reads/{read.pk}/"
    assert signed_in(cast.outsider).get("/reads/next/")["Location"] == "/"
