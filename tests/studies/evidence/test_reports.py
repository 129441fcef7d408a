"""The report to the board: asked for once, made by a worker, kept, and saying what the page says."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from django.utils.timezone import now
from pytest_django import Settings

from inference.errors import InstallationFault
from inference.writers import printing
from portal.audit.actions import Action
from portal.audit.models import Entry
from portal.models import User
from studies.evidence import current, report_document, reports
from studies.evidence.scope import Scope
from studies.models import StudyReport
from tests.studies.evidence.evidence import IDENTIFYING, governance_of, read_study
from tests.studies.reading.reading import INDEPENDENT, Bench, bench

pytestmark = pytest.mark.django_db
State = StudyReport.State
Printed = list[str]


@pytest.fixture
def one() -> Bench:
    """A study that nobody has read yet: what most tests ask of a report does not hang on its numbers."""
    return bench(INDEPENDENT)


@pytest.fixture
def board(one: Bench) -> User:
    return governance_of(one)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Printed:
    """What is given to the printer, which takes its second in one test alone."""
    given: Printed = []

    class Printer:
        def __init__(self, *, string: str) -> None:
            given.append(string)

        def write_pdf(self) -> bytes:
            return b"%PDF-of-tests"

    monkeypatch.setattr(printing, "printer", lambda: Printer)
    return given


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_it_is_made_once_however_often_it_is_asked_for(one: Bench, board: User, printed: Printed) -> None:
    first = reports.ask(one.study, is_pilot=False, by=board)
    assert reports.ask(one.study, is_pilot=False, by=board) == first
    assert reports.ask(one.study, is_pilot=True, by=board) != first
    assert reports.make_waiting() == 2
    assert len(printed) == 2
    first.refresh_from_db()
    assert (first.state, first.step) == (State.DONE, len(reports.STEPS))
    assert first.content is not None
    assert first.sha256 == hashlib.sha256(first.content).hexdigest()
    assert reports.ask(one.study, is_pilot=False, by=board) != first


def test_it_says_what_the_page_says_and_what_it_was_made_of_and_names_nobody(printed: Printed) -> None:
    one = read_study()
    report = reports.ask(one.study, is_pilot=False, by=governance_of(one))
    reports.make_waiting()
    [html] = printed
    shown = current.numbers_of(Scope(study=one.study))
    for line in shown.every:
        assert escape(line.what) in html
        assert escape(line.estimate or line.reason) in html
    digests = (one.study.protocols.get().digest, shown.sha256, "d" * 64)
    for said in (*digests, str(report.pk), "not the version that the protocol", "asked for by board", "Is it right?"):
        assert said in html
    assert "Quality of the outline" in html
    assert "Histology." in html
    head = Entry.objects.filter(action=Action.STUDY_REPORT_ASKED_FOR).get()
    assert head.hash in html
    assert not [secret for secret in (*IDENTIFYING, "anna", "berta", "checker") if secret in html.lower()]


def test_a_pilot_says_that_it_is_one(one: Bench, board: User, printed: Printed) -> None:
    reports.ask(one.study, is_pilot=True, by=board)
    reports.make_waiting()
    assert "They count for nothing that the protocol claims" in printed[0]


def test_asking_making_and_fetching_are_put_on_record(one: Bench, board: User, printed: Printed) -> None:
    client = client_of(board)
    client.post(reverse("study-report-ask", args=[one.study.slug]), {"cases": "real"})
    reports.make_waiting()
    report = StudyReport.objects.get()
    answer = client.get(reverse("study-report", args=[one.study.slug]))
    assert (answer.content, answer.headers["Content-Type"]) == (b"%PDF-of-tests", "application/pdf")
    assert "glioma-real-" in answer.headers["Content-Disposition"]
    told = {row.action: row for row in Entry.objects.filter(of=f"report:{report.pk}")}
    assert told.keys() == {
        Action.STUDY_REPORT_ASKED_FOR,
        Action.STUDY_REPORT_MADE,
        Action.STUDY_REPORT_EXPORTED,
    }
    fetched = told[Action.STUDY_REPORT_EXPORTED]
    assert (fetched.actor, fetched.study) == ("board", "glioma")
    assert (fetched.detail["sha256"], fetched.detail["rows"]) == (report.sha256, report.numbers)


def test_the_page_shows_how_far_it_is(one: Bench, board: User, printed: Printed) -> None:
    client, progress = client_of(board), reverse("study-report-progress", args=[one.study.slug])
    assert "Make the report (PDF)" in client.get(progress).content.decode()
    reports.ask(one.study, is_pilot=False, by=board)
    waiting = client.get(progress).content.decode()
    assert "wait for a worker" in waiting
    assert 'hx-trigger="every 2s"' in waiting
    reports.make_waiting()
    done = client.get(progress).content.decode()
    assert "Make a new report" in done
    assert reverse("study-report", args=[one.study.slug]) in done
    assert "hx-trigger" not in done


def test_without_one_the_address_leads_to_where_one_is_made(one: Bench, board: User) -> None:
    answer = client_of(board).get(reverse("study-report", args=[one.study.slug]), follow=True)
    assert "There is no report yet. Press" in answer.content.decode()


def test_where_nothing_typesets_the_page_says_what_to_install(
    one: Bench, board: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Callable[..., Any]:
        raise InstallationFault("No PDF can be written: install Pango.")

    monkeypatch.setattr(printing, "printer", missing)
    reports.ask(one.study, is_pilot=False, by=board)
    assert reports.make_waiting() == 0
    progress = client_of(board).get(reverse("study-report-progress", args=[one.study.slug]))
    assert "install Pango" in progress.content.decode()
    assert reports.ask(one.study, is_pilot=False, by=board).state == State.WAITING


def test_without_a_key_for_pseudonyms_it_says_which(settings: Settings) -> None:
    one = read_study()
    report = reports.ask(one.study, is_pilot=False, by=governance_of(one))
    settings.OVERREAD_BLINDING_KEY = ""
    assert reports.make_waiting() == 0
    report.refresh_from_db()
    assert report.state == State.FAILED
    assert "OVERREAD_BLINDING_KEY" in report.problem


def test_what_its_worker_left_unfinished_is_made_by_another(one: Bench, board: User, printed: Printed) -> None:
    report = reports.ask(one.study, is_pilot=False, by=board)
    StudyReport.objects.filter(pk=report.pk).update(state=State.MAKING, begun_at=now())
    assert reports.make_waiting() == 0
    StudyReport.objects.filter(pk=report.pk).update(begun_at=now() - timedelta(minutes=6))
    assert reports.make_waiting() == 1


def test_what_was_made_stays_as_it_is(one: Bench, board: User, printed: Printed) -> None:
    reports.ask(one.study, is_pilot=False, by=board)
    reports.make_waiting()
    with pytest.raises(IntegrityError, match="is kept"), transaction.atomic():
        StudyReport.objects.update(content=b"other")
    with pytest.raises(IntegrityError, match="is kept"), transaction.atomic():
        StudyReport.objects.all().delete()


def test_it_is_typeset_in_pages_of_a4(one: Bench, board: User) -> None:
    scope = Scope(study=one.study)
    report = reports.ask(one.study, is_pilot=False, by=board)
    told = report_document.told(current.numbers_of(scope), scope, by="board", report=report.pk)
    pdf = report_document.typeset(told)
    assert pdf.startswith(b"%PDF-")
    streams = b"".join(map(_inflated, re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)))
    sizes = set(re.findall(rb"/MediaBox\s*\[([\d. ]+)\]", pdf + streams))
    assert {tuple(round(float(one)) for one in size.split()) for size in sizes} == {(0, 0, 595, 842)}
    assert render_to_string(report_document.TEMPLATE, dict(told.context)).count("<svg") >= 1


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""
