"""A walk over every URL: what shows a patient leaves a row, and no row holds the patient's name or ID."""

from __future__ import annotations

import json

import pytest
from django.conf import settings as portal_settings
from django.core.cache import cache, caches
from django.http.response import HttpResponseBase
from django.test import Client
from pytest_django import Settings
from redis import Redis

from inference.models import Result
from portal.audit.actions import Action
from portal.audit.models import Entry
from tests.conftest import Cast
from tests.dicom_ingest.scans import STUDY, T1
from tests.portal.matrix.addresses import Values, addresses
from tests.portal.matrix.table import TABLE

OF_THE_PATIENT = ("DEMO-0001", "Demo", "Älder", "山田", "ACC0001", "19510203")
# Each is a part of a page that keeps itself up to date; the page itself leaves the row.
PARTS = {
    "exam-progress": "exam",
    "job-progress": "job",
    "jobs-table": "jobs",
    "pacs-transfers": "pacs",
    "reception-arrivals": "reception",
    "sending-progress": "sending",
}


def test_every_page_that_shows_a_patient_leaves_a_row(cast: Cast, values: Values) -> None:
    client = Client()
    client.force_login(cast.admin)
    shown, silent = set(), set()
    for address in addresses():
        row = TABLE.get(address.name)
        if address.is_admins or row is None or row.method != "get":
            continue
        _forget()
        before = _rows()
        answer = client.get(address.asked(values, query=row.query))
        if answer.status_code == 200 and _shows_the_patient(answer):
            shown.add(address.name)
            if _rows() == before:
                silent.add(address.name)
    assert {"home", "study", "exam", "result", "job", "jobs", "exam-list", "exam-detail"} <= shown
    assert {"dicomweb/studies", "dicomweb/studies/<str:study>/metadata"} <= shown
    assert silent - PARTS.keys() == set()
    assert set(PARTS.values()) <= shown | {"reception"}
    _assert_no_row_names_the_patient()


def test_pixels_and_downloads_leave_a_row_too(cast: Cast, values: Values) -> None:
    client = Client()
    client.force_login(cast.coordinator)
    instance = f"/dicomweb/studies/{STUDY}/series/{T1}/instances/{T1}.1"
    for path in (instance, f"{instance}/frames/1", f"{instance}/rendered", f"/dicomweb/studies/{STUDY}/series"):
        _forget()
        before = _rows()
        assert client.get(path).status_code == 200
        assert _rows() == before + 1, path
        assert client.get(path).status_code == 200
        assert _rows() == before + 1, path
    job = values[""]["job_id"]
    assert client.get(f"/jobs/{job}/inputs/").status_code == 200
    exported = Entry.objects.get(action=Action.JOB_FILES_EXPORTED)
    assert (exported.of, exported.study, exported.detail["files"]) == (str(job), "brain", 1)
    _assert_no_row_names_the_patient()


def test_a_view_that_could_not_be_put_on_record_is_not_taken_for_recorded(
    cast: Cast, exam_with_everything: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(cast.reader)
    frame = f"/dicomweb/studies/{STUDY}/series/{T1}/instances/{T1}.1/frames/1"
    with monkeypatch.context() as broken:
        broken.setattr("portal.audit.trail.record_on_exam", _fails)
        assert client.get(frame).status_code == 500
    assert client.get(frame).status_code == 200
    assert Entry.objects.filter(action=Action.IMAGES_VIEWED).count() == 1


def test_without_the_cache_a_process_remembers_for_itself(
    cast: Cast, exam_with_everything: Result, settings: Settings
) -> None:
    nowhere = {**settings.CACHES["decisions"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {**settings.CACHES, "decisions": nowhere}
    client = Client()
    client.force_login(cast.reader)
    for _ in range(3):
        assert client.get(f"/dicomweb/studies/{STUDY}/series/{T1}/instances/{T1}.1/frames/1").status_code == 200
    assert Entry.objects.filter(action=Action.IMAGES_VIEWED).count() == 1


def test_what_was_searched_for_is_told_by_its_keys_alone(cast: Cast, exam_with_everything: Result) -> None:
    client = Client()
    client.force_login(cast.reader)
    found = client.get("/dicomweb/studies?PatientID=DEMO-0001&PatientName=Demo*&00080050=ACC0001")
    assert len(found.json()) == 1
    row = Entry.objects.get(action=Action.EXAMS_SEARCHED)
    keys = ["AccessionNumber", "PatientID", "PatientName"]
    assert row.detail == {"level": "study", "keys": keys, "hits": 1}
    _assert_no_row_names_the_patient()


def test_what_nobody_got_leaves_no_row(cast: Cast, exam_with_everything: Result) -> None:
    client = Client()
    client.force_login(cast.outsider)
    before = _rows()
    assert client.get(f"/exams/{STUDY}/").status_code == 404
    assert client.get(f"/dicomweb/studies/{STUDY}/metadata").status_code == 404
    assert _rows() == before


def test_the_administration_leaves_rows_of_what_is_seen_and_changed_in_it(
    cast: Cast, exam_with_everything: Result
) -> None:
    client = Client()
    client.force_login(cast.admin)
    exam = exam_with_everything.exam
    assert client.get(f"/admin/dicom_ingest/exam/{exam.pk}/change/").status_code == 200
    assert Entry.objects.filter(action=Action.ADMINISTRATION_VIEWED, of=f"dicom_ingest.exam:{exam.pk}").count() == 1
    remote = {"name": "PACS", "kind": "dimse", "active": "on", "ae_title": "PACS", "host": "127.0.0.1", "port": "104"}
    page = client.get("/admin/dicom_ingest/remote/add/")
    blank = {field.html_name: _sent(field.value()) for field in page.context["adminform"].form}
    answer = client.post("/admin/dicom_ingest/remote/add/", {**blank, **remote})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    added = Entry.objects.get(action=Action.ADDED_IN_ADMINISTRATION)
    assert (added.actor, added.of.partition(":")[0]) == ("admin", "dicom_ingest.remote")
    _assert_no_row_names_the_patient()


def test_a_membership_given_in_the_administration_is_told_with_study_user_and_role(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.admin)
    study = cast.reader.memberships.get().study
    url = f"/admin/studies/study/{study.pk}/change/"
    page = client.get(url)
    sent = {field.html_name: _sent(field.value()) for field in page.context["adminform"].form}
    for inline in page.context["inline_admin_formsets"]:
        formset = inline.formset
        sent |= {field.html_name: _sent(field.value()) for field in formset.management_form}
        for form in formset.initial_forms:
            sent |= {field.html_name: _sent(field.value()) for field in form}
        added = {"user": cast.outsider.pk, "role": "qc", "source": "administrator", "granted_at": ""}
        at = f"{formset.prefix}-{formset.initial_form_count()}"
        sent |= {f"{at}-{name}": value for name, value in added.items()}
    for name in [name for name in sent if name.endswith("granted_at")]:
        sent |= {f"{name}_0": "2025-01-01", f"{name}_1": "10:00:00"}
    answer = client.post(url, sent)
    assert answer.status_code == 302, [formset.formset.errors for formset in answer.context["inline_admin_formsets"]]
    row = Entry.objects.filter(action=Action.ADDED_IN_ADMINISTRATION).latest("number")
    assert (row.study, row.detail) == ("brain", {"user": "outsider", "role": "qc"})


def _fails(*_: object, **__: object) -> None:
    raise OSError("The database is away.")


def _shows_the_patient(answer: HttpResponseBase) -> bool:
    content = b"".join(answer)
    return any(part.encode() in content for part in OF_THE_PATIENT[:2])


def _sent(value: object) -> object:
    """A field's value as a browser would send it."""
    return "" if value is None or value is False else value


def _rows() -> int:
    return Entry.objects.count()


def _forget() -> None:
    """As if so much time had passed that the next look at an exam's images is put on record again."""
    cache.clear()
    caches["nearby"].clear()
    with Redis.from_url(portal_settings.CACHES["decisions"]["LOCATION"]) as valkey:
        for name in valkey.scan_iter("overread:*on-record:*"):
            valkey.delete(name)


def _assert_no_row_names_the_patient() -> None:
    rows = [
        " ".join(map(str, (row.of, row.actor, json.dumps(row.detail, ensure_ascii=False))))
        for row in Entry.objects.all()
    ]
    assert rows
    assert [row for row in rows if any(part in row for part in OF_THE_PATIENT)] == []
