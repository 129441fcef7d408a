"""What a row says: who, from where, by what way, and nothing of a patient's."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.db import connection, transaction
from django.test import Client, RequestFactory
from pytest_django import Settings

from dicom_ingest.models import Exam
from inference import engine
from inference.models import Job, Result
from portal.audit import trail
from portal.audit.actions import DETAIL_KEYS, Action
from portal.audit.address import client_address
from portal.audit.detail import WITHHELD, Unfit
from portal.audit.models import Entry
from portal.audit.verifying import verify
from portal.models import User
from studies.models import Membership, Study
from tests.conftest import PASSWORD, Cast

SignIn = Callable[[User], Client]


def test_a_row_says_who_did_what_from_where_and_for_which_study(exam: Exam, cast: Cast, signed_in: SignIn) -> None:
    browser = signed_in(cast.reader)
    browser.get(f"/exams/{exam.study_instance_uid}/", REMOTE_ADDR="10.1.2.3")
    row = _last(Action.EXAM_VIEWED)
    assert (row.actor_id, row.actor, row.address, row.via) == (cast.reader.pk, "reader1", "10.1.2.3", "page")
    assert (row.of, row.study, row.detail) == (exam.study_instance_uid, "brain", {"page": "exam"})


def test_a_token_is_told_from_a_page(exam: Exam, cast: Cast, client: Client) -> None:
    answer = client.post("/api/token/", {"username": "reader1", "password": PASSWORD})
    assert _last(Action.TOKEN_ISSUED).actor == "reader1"
    client.get(f"/api/exams/{exam.study_instance_uid}/", headers={"Authorization": f"Token {answer.json()['token']}"})
    row = _last(Action.EXAM_VIEWED)
    assert (row.actor, row.via) == ("reader1", "api token")


def test_there_is_one_row_for_each_study_of_the_viewer_that_holds_the_exam(
    exam: Exam, study: Study, cast: Cast, signed_in: SignIn
) -> None:
    other = Study.objects.get(slug="liver")
    case = exam.cases.get()
    _case_in(other, case)
    signed_in(cast.reader).get(f"/exams/{exam.study_instance_uid}/")
    assert _studies(cast.reader) == ["brain"]
    Membership.objects.create(study=other, user=cast.reader, role="reader")
    signed_in(cast.reader).get(f"/exams/{exam.study_instance_uid}/")
    assert _studies(cast.reader) == ["brain", "brain", "liver"]


def test_signing_in_failing_to_and_out_are_rows(cast: Cast, client: Client) -> None:
    client.post("/login/", {"username": "reader1", "password": "wrong"})
    failed = _last(Action.SIGN_IN_FAILED)
    assert (failed.actor, failed.detail, failed.address) == ("", {"user": "reader1"}, "127.0.0.1")
    client.post("/login/", {"username": "reader1", "password": PASSWORD})
    assert _last(Action.SIGNED_IN).actor == "reader1"
    client.post("/logout/")
    assert _last(Action.SIGNED_OUT).actor == "reader1"


def test_a_name_that_is_no_accounts_is_not_kept_for_it_may_be_a_password(cast: Cast, client: Client) -> None:
    client.post("/login/", {"username": "my secret", "password": "wrong"})
    failed = _last(Action.SIGN_IN_FAILED)
    assert (failed.of, failed.detail) == ("", {})


def test_a_change_that_is_rolled_back_leaves_no_row(cast: Cast) -> None:
    before = Entry.objects.count()
    with pytest.raises(RuntimeError), transaction.atomic():
        trail.record(Action.SIGNED_IN, of="1")
        raise RuntimeError
    assert Entry.objects.count() == before
    trail.record(Action.SIGNED_IN, of="1")
    assert verify().is_whole


def test_a_service_that_changes_nothing_leaves_no_row(exam_with_everything: Result, cast: Cast) -> None:
    result = exam_with_everything
    assert not engine.cancel(result.job_id)
    assert not Entry.objects.filter(action=Action.JOB_CANCELLED).exists()
    Job.objects.filter(pk=result.job_id).update(state=Job.State.FAILED)
    with trail.acting(cast.scientist):
        assert engine.retry(result.job_id)
    row = _last(Action.JOB_RETRIED)
    assert (row.actor, row.via, row.of, row.study) == ("scientist", "command", str(result.job_id), "brain")


def test_without_a_request_the_system_acts(db: None) -> None:
    trail.record(Action.RESULTS_SENT, of="1.2")
    row = _last(Action.RESULTS_SENT)
    assert (row.actor, row.actor_id, row.via) == ("system", None, "system")


@pytest.mark.parametrize("key", ["patient_id", "PatientName", "reason", "comment", "query"])
def test_a_key_that_could_name_a_patient_is_refused(db: None, key: str) -> None:
    with pytest.raises(Unfit, match=key):
        trail.record(Action.EXAMS_SEARCHED, of="dicomweb", detail={key: "x"})


def test_a_persons_name_and_prose_are_withheld(db: None) -> None:
    trail.record(Action.EXAMS_SEARCHED, of="x", detail={"keys": ["Demo^Alder"], "kind": "so " * 60, "hits": 3})
    assert _last(Action.EXAMS_SEARCHED).detail == {"keys": [WITHHELD], "kind": WITHHELD, "hits": 3}


def test_a_name_is_no_thing(db: None) -> None:
    with pytest.raises(Unfit):
        trail.record(Action.EXAM_VIEWED, of="Demo^Alder")


def test_the_size_of_a_row_is_bounded(db: None) -> None:
    trail.record(Action.EXAMS_LISTED, of="x", detail={"exams": [f"1.2.{number}" for number in range(5000)]})
    assert len(_last(Action.EXAMS_LISTED).detail["exams"]) == 101
    trail.record(Action.EXAMS_LISTED, of="x", detail={"exams": ["1." * 50 for _ in range(100)]})
    assert _last(Action.EXAMS_LISTED).detail["kind"] == WITHHELD


def test_every_call_in_the_portal_uses_listed_keys_only() -> None:
    calls = list(_calls_of_record())
    assert len(calls) > 20
    literal = {key.value for call in calls for key in _detail_keys(call) if isinstance(key, ast.Constant)}
    assert literal - DETAIL_KEYS == set()


@pytest.mark.parametrize(
    ("sender", "forwarded", "expected"),
    [
        ("10.0.0.9", "192.0.2.1", "10.0.0.9"),
        ("172.16.0.1", "192.0.2.1", "192.0.2.1"),
        ("172.16.0.1", "6.6.6.6, 192.0.2.1, 172.16.0.7", "192.0.2.1"),
        ("172.16.0.1", "nonsense", "172.16.0.1"),
        ("172.16.0.1", "", "172.16.0.1"),
        ("", "192.0.2.1", ""),
        ("::1", "192.0.2.1", "::1"),
    ],
)
def test_a_forwarded_address_is_believed_of_trusted_proxies_only(
    settings: Settings, sender: str, forwarded: str, expected: str
) -> None:
    settings.OVERREAD_TRUSTED_PROXIES = ["172.16.0.0/12"]
    request = RequestFactory().get("/", REMOTE_ADDR=sender, headers={"X-Forwarded-For": forwarded})
    assert client_address(request) == expected


@pytest.mark.django_db(transaction=True)
def test_many_at_once_give_one_chain_without_gaps() -> None:
    threads = [threading.Thread(target=_record_some, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(Entry.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 161))
    assert verify().is_whole


def _record_some(name: int) -> None:
    try:
        for number in range(20):
            with transaction.atomic():
                trail.record(Action.EXAM_VIEWED, of=f"1.{name}.{number}")
                if number % 5 == 4:  # a row of a change that does not happen leaves no gap
                    transaction.set_rollback(True)
            if number % 5 == 4:
                trail.record(Action.RESULT_VIEWED, of=f"1.{name}.{number}")
    finally:
        connection.close()


def _case_in(other: Study, case: Any) -> None:
    """The same exam as a case of another study."""
    screening = case.screening
    screening.pk, screening.study = None, other
    screening.save()
    case.pk, case.study, case.screening = None, other, screening
    case.save()


def _studies(user: User) -> list[str]:
    rows = Entry.objects.filter(action=Action.EXAM_VIEWED, actor_id=user.pk)
    return list(rows.order_by("number").values_list("study", flat=True))


def _last(action: Action) -> Entry:
    return Entry.objects.filter(action=action).latest("number")


def _calls_of_record() -> Iterator[ast.Call]:
    for app in ("portal", "dicom_ingest", "inference", "feedback", "studies"):
        for path in (Path(portal_settings.BASE_DIR) / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {"trail.record", "trail.record_on_exam"}:
                    yield node


def _detail_keys(call: ast.Call) -> Iterator[ast.expr]:
    for keyword in call.keywords:
        if keyword.arg == "detail" and isinstance(keyword.value, ast.Dict):
            yield from (key for key in keyword.value.keys if key is not None)
