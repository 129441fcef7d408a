"""Feedback over REST."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.utils.timezone import now
from rest_framework.test import APIClient

from feedback.models import Response
from inference.models import Result
from portal.models import User
from tests.conftest import Cast
from tests.feedback.conftest import ANSWERS, Answer, MakeExam, MakeResult

URL = "/api/feedback/"


def api(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def post(user: User, result: Result, **changed: Any) -> Any:
    body = {"result": str(result.pk), "answers": ANSWERS} | changed
    return api(user).post(URL, body, format="json")


def listed(user: User, **query: str) -> list[dict[str, Any]]:
    response = api(user).get(URL, query)
    assert response.status_code == 200
    return list(response.json()["results"])


def test_feedback_is_not_for_the_public(result: Result) -> None:
    assert APIClient().get(URL).status_code == 401
    assert APIClient().post(URL, {}, format="json").status_code == 401


def test_a_reader_submits_and_reads_it_back(cast: Cast, result: Result) -> None:
    created = post(cast.reader, result)
    assert created.status_code == 201
    (row,) = listed(cast.reader)
    assert row == created.json()
    kept = Response.objects.get()
    assert row == {
        "id": str(kept.pk),
        "result": str(result.pk),
        "exam": result.exam.study_instance_uid,
        "author": "reader1",
        "form": {"slug": "segmentation-quality", "version": 1},
        "answers": ANSWERS,
        "seconds": None,
        "active_seconds": None,
        "source": "api",
        "submitted_at": kept.submitted_at.isoformat().replace("+00:00", "Z"),
        "amends": None,
        "reason": "",
        "sitting": "",
    }


def test_the_time_is_counted_from_started_at(cast: Cast, result: Result) -> None:
    started_at = (now() - timedelta(seconds=30)).isoformat()
    assert 30 <= post(cast.reader, result, started_at=started_at).json()["seconds"] < 40


@pytest.mark.parametrize("ago", [timedelta(minutes=-5), timedelta(days=2)])
def test_a_start_in_the_future_or_long_ago_is_refused(cast: Cast, result: Result, ago: timedelta) -> None:
    refused = post(cast.reader, result, started_at=(now() - ago).isoformat())
    assert refused.status_code == 400
    assert "started_at" in refused.json()


def test_answers_that_do_not_fit_are_explained_by_question(cast: Cast, result: Result) -> None:
    refused = post(cast.reader, result, answers={"quality": 9, "verdict": "accept"})
    assert refused.status_code == 400
    assert refused.json() == {"answers": {"quality": "Choose a whole number from 1 to 5."}}


def test_a_result_that_the_caller_may_not_see_does_not_exist(cast: Cast, result: Result) -> None:
    refused = post(cast.outsider, result)
    assert refused.status_code == 400
    assert list(refused.json()) == ["result"]


def test_a_member_who_is_no_reader_is_refused(cast: Cast, result: Result) -> None:
    refused = post(cast.coordinator, result)
    assert refused.status_code == 403
    assert "readers of its study" in refused.json()["detail"]


def test_a_second_answer_has_to_name_the_one_it_amends(cast: Cast, result: Result) -> None:
    first = post(cast.reader, result).json()
    refused = post(cast.reader, result)
    assert refused.status_code == 409
    assert first["id"] in refused.json()["detail"]
    amended = post(cast.reader, result, amends=first["id"], reason="Looked again")
    assert amended.status_code == 201
    assert (amended.json()["amends"], amended.json()["reason"]) == (first["id"], "Looked again")


def test_an_amendment_needs_a_reason(cast: Cast, result: Result) -> None:
    first = post(cast.reader, result).json()
    refused = post(cast.reader, result, amends=first["id"], reason=" ")
    assert refused.status_code == 400
    assert "needs a reason" in refused.json()["reason"][0]
    assert len(listed(cast.reader)) == 1


def test_nobody_amends_what_somebody_else_said(cast: Cast, result: Result, answer: Answer) -> None:
    others = answer(result, cast.other_reader)
    refused = post(cast.reader, result, amends=str(others.pk))
    assert refused.status_code == 400
    assert list(refused.json()) == ["amends"]


def test_a_superseded_result_takes_no_feedback(cast: Cast, superseded: Result) -> None:
    refused = post(cast.reader, superseded)
    assert refused.status_code == 409
    assert "newer run" in refused.json()["detail"]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_response_is_never_changed(cast: Cast, result: Result, answer: Answer, method: str) -> None:
    kept = answer(result, cast.reader)
    request: Callable[..., Any] = getattr(api(cast.reader), method)
    assert request(f"{URL}{kept.pk}/", {"answers": {}}, format="json").status_code == 405


def test_what_others_said_is_only_for_overseers(cast: Cast, result: Result, answer: Answer) -> None:
    others = answer(result, cast.other_reader)
    assert listed(cast.reader) == []
    assert api(cast.reader).get(f"{URL}{others.pk}/").status_code == 404
    assert [row["author"] for row in listed(cast.governance)] == ["reader2"]
    assert api(cast.governance).get(f"{URL}{others.pk}/").status_code == 200


def test_feedback_is_found_by_exam_and_by_result(
    cast: Cast, result: Result, answer: Answer, make_exam: MakeExam, make_result: MakeResult
) -> None:
    other = make_result(make_exam(None))
    first, second = answer(result, cast.reader), answer(other, cast.reader)
    assert [row["id"] for row in listed(cast.reader, exam=result.exam.study_instance_uid)] == [str(first.pk)]
    assert [row["id"] for row in listed(cast.reader, result=str(other.pk))] == [str(second.pk)]
    assert len(listed(cast.reader)) == 2


def test_the_schema_describes_feedback_without_a_complaint(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", "--validate")
    written = capsys.readouterr()
    assert "feedback" not in written.err.lower()
    schema = yaml.safe_load(written.out)
    assert set(schema["paths"][URL]) == {"get", "post"}
    assert set(schema["paths"][URL]["post"]["responses"]) == {"201", "403", "409"}
    writable = {
        name
        for name, field in schema["components"]["schemas"]["Feedback"]["properties"].items()
        if not field.get("readOnly")
    }
    assert writable == {"result", "answers", "started_at", "active_seconds", "amends", "reason"}
