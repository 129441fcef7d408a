"""The page of a result, and its feedback form as a browser without scripts posts it."""

import re
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from feedback import stopwatch
from feedback.models import Form, Response
from inference.models import Job, Result
from portal.access import Role
from portal.models import User
from studies.models import Membership, Study
from tests.conftest import Cast
from tests.feedback.conftest import ANSWERS, Answer, MakeExam, MakeResult

SignIn = Callable[[User], Client]
POSTED: dict[str, Any] = {
    "answer-quality": "4",
    "answer-verdict": "accept-with-edits",
    "answer-failure-modes": ["over-segmentation", "other"],
    "answer-comment": "Dura included at the vertex",
}


def page_of(client: Client, result: Result, query: str = "") -> str:
    response = client.get(reverse("result", args=[result.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"{name} is not in the page"
    return found[1]


def submit_page(client: Client, result: Result, page: str, **headers: str) -> tuple[int, str]:
    posted = POSTED | {"opened": hidden(page, "opened")}
    if 'name="amends"' in page:
        posted |= {"amends": hidden(page, "amends"), "reason": "Looked again"}
    response = client.post(reverse("result-feedback", args=[result.pk]), posted, headers=headers)
    return response.status_code, response.content.decode()


def has_form(page: str) -> bool:
    return "data-feedback-form" in page


def test_a_reader_finds_images_value_and_form(cast: Cast, result: Result, signed_in: SignIn) -> None:
    page = page_of(signed_in(cast.reader), result)
    assert has_form(page)
    assert "Alder, Demo" not in page  # family name first
    assert "Demo, Alder" in page
    assert "1\N{NARROW NO-BREAK SPACE}400.0" in page
    assert (
        f"/viewer?StudyInstanceUIDs={result.exam.study_instance_uid}"
        f"&amp;initialSeriesInstanceUID={result.segmentation.series_instance_uid}"  # type: ignore[union-attr]
    ) in page


def test_whoever_has_not_signed_in_is_asked_to(result: Result) -> None:
    response = Client().get(reverse("result", args=[result.pk]))
    assert response.headers["Location"] == f"/login/?next=/results/{result.pk}/"


@pytest.mark.parametrize("name", ["result", "result-feedback"])
def test_a_result_of_another_study_does_not_exist(cast: Cast, result: Result, signed_in: SignIn, name: str) -> None:
    url = reverse(name, args=[result.pk])
    assert signed_in(cast.outsider).get(url).status_code == 404
    assert signed_in(cast.outsider).post(url, POSTED).status_code in {404, 405}


@pytest.mark.parametrize("role", ["coordinator", "qc", "governance", "scientist"])
def test_whoever_is_no_reader_finds_no_form_and_cannot_post(
    cast: Cast, result: Result, signed_in: SignIn, role: str, form: Form
) -> None:
    user = getattr(cast, role)
    client = signed_in(user)
    page = page_of(client, result)
    assert not has_form(page)
    assert "You have no reader's role" in page
    posted = POSTED | {"opened": stopwatch.start(result=result, form=form, reader=user)}
    assert client.post(reverse("result-feedback", args=[result.pk]), posted).status_code == 403
    assert not Response.objects.exists()


def test_what_was_posted_is_saved_with_the_servers_own_time(
    cast: Cast, result: Result, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(cast.reader)
    page = page_of(client, result)
    submitted = time.time() + 42
    monkeypatch.setattr("feedback.stopwatch.time.time", lambda: submitted)
    status, _ = submit_page(client, result, page)
    assert status == 302
    kept = Response.objects.get()
    assert kept.answers == ANSWERS
    assert 42 <= (kept.seconds or 0) < 52
    assert kept.source == Response.Source.PAGE


def test_the_saved_answers_are_shown_again_with_who_when_and_how_long(
    cast: Cast, result: Result, signed_in: SignIn, answer: Answer
) -> None:
    answer(result, cast.reader)
    page = page_of(signed_in(cast.reader), result)
    assert not has_form(page)
    for words in ("Your feedback is saved", "reader1", "took 12.5 s", "4 Good", "Accept with edits", "No case waits"):
        assert words in page


def test_the_next_waiting_case_is_offered(
    *, cast: Cast, result: Result, signed_in: SignIn, answer: Answer, make_exam: MakeExam, make_result: MakeResult
) -> None:
    waiting = make_result(make_exam(None))
    answer(result, cast.reader)
    page = page_of(signed_in(cast.reader), result)
    assert f'href="/results/{waiting.pk}/" data-key="n"' in page


def test_an_amendment_starts_from_the_last_answers_and_replaces_them(
    cast: Cast, result: Result, signed_in: SignIn, answer: Answer
) -> None:
    first = answer(result, cast.reader, quality=2)
    client = signed_in(cast.reader)
    page = page_of(client, result, "?amend")
    assert re.search(r'value="2" data-digit="2" checked', page)
    assert submit_page(client, result, page)[0] == 302
    amendment = Response.objects.get(amends=first)
    assert amendment.answers == ANSWERS


def test_answers_that_do_not_fit_come_back_with_a_word_beside_each(
    cast: Cast, result: Result, signed_in: SignIn
) -> None:
    client = signed_in(cast.reader)
    opened = hidden(page_of(client, result), "opened")
    posted = {"opened": opened, "answer-verdict": "reject", "answer-comment": "<b>& all</b>"}
    response = client.post(reverse("result-feedback", args=[result.pk]), posted)
    page = response.content.decode()
    assert response.status_code == 422
    assert page.count("data-error") == 1
    assert "Not answered yet." in page
    assert re.search(r'value="reject" data-letter="r" checked', page)
    assert "&lt;b&gt;&amp; all&lt;/b&gt;" in page
    assert hidden(page, "opened") == opened, "the time goes on counting from the first opening"


def test_a_second_tab_loses_nothing_and_may_amend(cast: Cast, result: Result, signed_in: SignIn) -> None:
    client = signed_in(cast.reader)
    first_tab = second_tab = page_of(client, result)
    assert submit_page(client, result, first_tab)[0] == 302
    posted = POSTED | {"opened": hidden(second_tab, "opened"), "answer-quality": "1"}
    response = client.post(reverse("result-feedback", args=[result.pk]), posted)
    page = response.content.decode()
    assert response.status_code == 409
    assert "probably in another tab" in page
    assert re.search(r'value="1" data-digit="1" checked', page)
    assert Response.objects.count() == 1
    assert submit_page(client, result, page)[0] == 302
    assert Response.objects.count() == 2


def test_the_same_sent_twice_is_saved_once_and_shown_as_saved(cast: Cast, result: Result, signed_in: SignIn) -> None:
    client = signed_in(cast.reader)
    page = page_of(client, result)
    assert [submit_page(client, result, page)[0] for _ in range(2)] == [302, 302]
    assert Response.objects.count() == 1


@pytest.mark.parametrize("opened", ["", "forged"])
def test_without_a_true_opening_time_nothing_is_saved_and_nothing_lost(
    cast: Cast, result: Result, signed_in: SignIn, opened: str
) -> None:
    client = signed_in(cast.reader)
    response = client.post(reverse("result-feedback", args=[result.pk]), POSTED | {"opened": opened})
    page = response.content.decode()
    assert response.status_code == 409
    assert "not known when this form was opened" in page
    assert "Dura included at the vertex" in page
    assert not Response.objects.exists()
    assert submit_page(client, result, page)[0] == 302


def test_a_form_left_open_too_long_is_submitted_again_from_now(
    *, cast: Cast, result: Result, form: Form, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = time.time() - timedelta(hours=13).total_seconds()
    with monkeypatch.context() as patch:
        patch.setattr("django.core.signing.time.time", lambda: long_ago)
        opened = stopwatch.start(result=result, form=form, reader=cast.reader)
    client = signed_in(cast.reader)
    response = client.post(reverse("result-feedback", args=[result.pk]), POSTED | {"opened": opened})
    page = response.content.decode()
    assert response.status_code == 409
    assert "was open for more than" in page
    assert submit_page(client, result, page)[0] == 302


def test_the_opening_time_of_another_result_or_reader_does_not_count(
    cast: Cast, result: Result, form: Form, make_exam: MakeExam, make_result: MakeResult
) -> None:
    token = stopwatch.start(result=result, form=form, reader=cast.reader)
    other = make_result(make_exam(None))
    assert stopwatch.seconds_since(token, result=result, form=form, reader=cast.reader) >= 0
    with pytest.raises(stopwatch.StopwatchError, match="other questions, or by somebody else"):
        stopwatch.seconds_since(token, result=other, form=form, reader=cast.reader)
    with pytest.raises(stopwatch.StopwatchError, match="other questions, or by somebody else"):
        stopwatch.seconds_since(token, result=result, form=form, reader=cast.other_reader)


def test_when_the_study_moves_to_new_questions_the_old_ones_are_not_saved(
    cast: Cast, result: Result, signed_in: SignIn, study: Study, form: Form
) -> None:
    client = signed_in(cast.reader)
    page = page_of(client, result)
    newer = Form.objects.create(slug=form.slug, version=2, title="Newer", questions=form.questions[1:])
    Study.objects.filter(pk=study.pk).update(form=newer)
    status, page = submit_page(client, result, page)
    assert status == 409
    assert "opened with other questions" in page
    assert "answer-quality" not in page
    assert "Dura included at the vertex" in page


def test_a_superseded_result_says_so_and_leads_to_the_current_one(
    cast: Cast, superseded: Result, signed_in: SignIn
) -> None:
    current = Result.objects.exclude(pk=superseded.pk).get(exam=superseded.exam)
    page = page_of(signed_in(cast.reader), superseded)
    assert "<strong>Superseded.</strong>" in page
    assert f'<a href="/results/{current.pk}/">Open the current result</a>' in page
    assert not has_form(page)
    assert "Superseded" not in page_of(signed_in(cast.reader), current)


def test_a_result_superseded_while_the_form_was_open_hands_the_answers_back(
    cast: Cast, result: Result, signed_in: SignIn
) -> None:
    client = signed_in(cast.reader)
    page = page_of(client, result)
    Job.objects.update(state=Job.State.SUPERSEDED)
    status, page = submit_page(client, result, page)
    assert status == 409
    assert "A newer run has replaced this result" in page
    assert "Dura included at the vertex" in page
    assert "the newer run has no result yet" in page


def test_htmx_gets_the_feedback_part_alone(cast: Cast, result: Result, signed_in: SignIn) -> None:
    client = signed_in(cast.reader)
    page = page_of(client, result)
    status, part = submit_page(client, result, page, hx_request="true")
    assert status == 200
    assert part.strip().startswith('<section id="feedback"')
    assert "Your feedback is saved" in part
    amend = client.get(reverse("result-feedback", args=[result.pk]) + "?amend").content.decode()
    assert amend.strip().startswith('<section id="feedback"')
    assert has_form(amend)


def test_a_reader_never_sees_what_another_reader_said(
    cast: Cast, result: Result, signed_in: SignIn, answer: Answer
) -> None:
    answer(result, cast.other_reader, comment="Said by the other")
    client = signed_in(cast.reader)
    before = page_of(client, result)
    answer(result, cast.reader)
    after = page_of(client, result)
    for page in (before, after):
        assert "Said by the other" not in page
        assert "reader2" not in page


@pytest.mark.parametrize("role", ["coordinator", "governance"])
def test_overseers_see_what_every_reader_said_and_said_before(
    cast: Cast, result: Result, signed_in: SignIn, answer: Answer, role: str
) -> None:
    first = answer(result, cast.reader, comment="At first")
    answer(result, cast.reader, amends=first, comment="On reflection")
    answer(result, cast.other_reader, comment="Said by the other")
    page = page_of(signed_in(getattr(cast, role)), result)
    positions = [page.index(words) for words in ("On reflection", "Looked again", "Said before that (1)")]
    assert [*positions, page.rindex("At first")] == sorted([*positions, page.rindex("At first")])
    assert "<del>At first</del>" in page
    assert "<ins>On reflection</ins>" in page
    assert "Said by the other" in page


def test_whoever_oversees_and_reads_answers_before_seeing_the_others(
    cast: Cast, result: Result, signed_in: SignIn, study: Study, answer: Answer
) -> None:
    Membership.objects.create(study=study, user=cast.coordinator, role=Role.READER)
    answer(result, cast.reader, comment="Said by the other")
    client = signed_in(cast.coordinator)
    assert "Said by the other" not in page_of(client, result)
    answer(result, cast.coordinator)
    assert "Said by the other" in page_of(client, result)


def test_the_patients_exams_are_listed_newest_first_with_changes_and_links(
    cast: Cast, signed_in: SignIn, make_exam: MakeExam, make_result: MakeResult
) -> None:
    first = make_result(make_exam(date(2022, 3, 1)), 1400.0)
    viewed = make_result(make_exam(date(2023, 3, 1)), 1330.0)
    unmeasured = make_exam(date(2024, 3, 1))
    page = page_of(signed_in(cast.reader), viewed)
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    dates = re.findall(r"20\d\d-\d\d-\d\d", re.sub(r"<[^>]*>", "", table))
    assert dates == ["2024-03-01", "2023-03-01", "2022-03-01"]
    assert f'href="/results/{first.pk}/"' in table
    assert f'href="/exams/{unmeasured.study_instance_uid}/"' in table
    assert "no result" in table
    assert "\N{MINUS SIGN}5.0\N{NARROW NO-BREAK SPACE}%" in table
    assert "flag-mark" in table
    assert "at or beyond the 5 % threshold" in page


def test_the_charts_data_holds_the_band_and_every_comparable_exam(
    cast: Cast, signed_in: SignIn, make_exam: MakeExam, make_result: MakeResult
) -> None:
    make_result(make_exam(date(2022, 3, 1)), 1400.0)
    viewed = make_result(make_exam(date(2023, 3, 1)), 1330.0)
    make_result(make_exam(None), 1.0)
    response = signed_in(cast.reader).get(reverse("result", args=[viewed.pk]))
    (card,) = response.context["cards"]
    assert card.chart["band"] == (1330.0, 1470.0)
    assert [(dot["date"], dot["flagged"]) for dot in card.chart["points"]] == [
        ("2022-03-01", False),
        ("2023-03-01", True),
    ]


def test_nothing_inline_is_left_for_the_content_security_policy_to_block(
    cast: Cast, signed_in: SignIn, make_exam: MakeExam, make_result: MakeResult
) -> None:
    make_result(make_exam(date(2022, 3, 1)))
    page = page_of(signed_in(cast.reader), make_result(make_exam(date(2023, 3, 1))))
    assert " style=" not in page
    assert "<style" not in page
    assert not re.search(r"\son\w+=", page)
    assert set(re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page)) == {'<script id="chart-1" type="application/json">'}


def test_the_number_of_queries_does_not_grow_with_the_patients_exams(
    cast: Cast,
    signed_in: SignIn,
    make_exam: MakeExam,
    make_result: MakeResult,
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    for year in range(2010, 2022):
        make_result(make_exam(date(year, 3, 1)))
    viewed = make_result(make_exam(date(2023, 3, 1)))
    client = signed_in(cast.reader)
    with django_assert_max_num_queries(25):
        page_of(client, viewed)
