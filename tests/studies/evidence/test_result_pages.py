"""The page of results and its export: what they say, what they put on record, and how many queries they take."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape
from pytest_django import Settings

from portal.access import Role
from portal.audit.actions import Action
from portal.audit.models import Entry
from portal.models import User
from studies.evidence import current
from studies.evidence.scope import Scope
from studies.models import Membership, Read, Study
from studies.reading import assignment
from tests.conftest import Cast
from tests.studies.evidence.evidence import IDENTIFYING, answer, governance_of, read_study
from tests.studies.reading.reading import INDEPENDENT, Bench, bench

pytestmark = pytest.mark.django_db


@pytest.fixture
def one() -> Bench:
    """A study with an enrolled case that nobody has read yet."""
    begun = bench(INDEPENDENT)
    begun.case()
    return begun


@pytest.fixture
def board(one: Bench) -> Client:
    return client_of(governance_of(one))


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def address(one: Bench, name: str = "study-results", **asked: str) -> str:
    query = "&".join(f"{key}={value}" for key, value in asked.items())
    return f"{reverse(name, args=[one.study.slug])}?{query}"


def content_of(answer: HttpResponseBase) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]


def test_the_page_says_every_number_names_nobody_and_is_put_on_record() -> None:
    one = read_study()
    page = client_of(governance_of(one)).get(address(one)).content.decode()
    shown = current.numbers_of(Scope(study=one.study))
    assert shown.count
    for line in shown.every:
        assert escape(line.what) in page
        assert escape(line.estimate or line.reason) in page
    assert "Quality of the outline" in page
    assert shown.sha256 in page
    assert not [secret for secret in (*IDENTIFYING, "anna", "berta") if secret in page.lower()]
    row = Entry.objects.filter(action=Action.STUDY_RESULTS_VIEWED).get()
    assert (row.actor, row.study, row.of) == ("board", "glioma", "glioma")
    assert row.detail == {"kind": "real", "rows": shown.count, "sha256": shown.sha256, "version": 1}


def test_an_export_is_put_on_record_with_its_rows_and_digest(one: Bench) -> None:
    reader = one.reader("anna")
    assignment.assign()
    answer(Read.objects.get(), reader)
    given = client_of(governance_of(one)).get(address(one, "study-results-export"))
    data = content_of(given)
    assert given.headers["Content-Type"] == "application/zip"
    assert int(given.headers["Content-Length"]) == len(data)
    assert "glioma-real-" in given.headers["Content-Disposition"]
    row = Entry.objects.filter(action=Action.STUDY_RESULTS_EXPORTED).get()
    assert row.detail["sha256"] == hashlib.sha256(data).hexdigest()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert row.detail["rows"] == archive.read("responses.csv").decode().count("\r\n") - 1 > 0
        assert row.detail["files"] == len(archive.namelist()) - 1


def test_real_cases_are_shown_unless_the_pilot_is_asked_for(one: Bench, board: Client) -> None:
    one.case(is_pilot=True)
    real, pilot = board.get(address(one)), board.get(address(one, cases="pilot"))
    assert real.context["counts"]["enrolled"] == 1
    assert pilot.context["counts"]["enrolled"] == 1
    assert [row.detail["kind"] for row in Entry.objects.filter(action=Action.STUDY_RESULTS_VIEWED)] == ["pilot", "real"]
    names = content_of(board.get(address(one, "study-results-export", cases="pilot")))
    with zipfile.ZipFile(io.BytesIO(names)) as archive:
        assert archive.read("responses.csv").count(b"\r\n") == 1


def test_before_the_first_read_the_page_says_what_it_waits_for() -> None:
    one = bench(INDEPENDENT)
    board = client_of(governance_of(one))
    assert "No case is enrolled yet" in board.get(address(one)).content.decode()
    one.case(is_pilot=True)
    assert "There are pilot cases and no real ones yet" in board.get(address(one)).content.decode()
    one.case()
    assert "No case is read to its end yet" in board.get(address(one)).content.decode()


@pytest.mark.parametrize("name", ["study-results", "study-results-export"])
def test_without_a_key_for_pseudonyms_the_reason_is_said(settings: Settings, name: str) -> None:
    one = read_study()
    board = client_of(governance_of(one))
    settings.OVERREAD_BLINDING_KEY = ""
    answer = board.get(address(one, name), follow=True)
    assert "OVERREAD_BLINDING_KEY" in answer.content.decode()
    made = [Action.STUDY_RESULTS_VIEWED, Action.STUDY_RESULTS_EXPORTED]
    assert not Entry.objects.filter(action__in=made).exists()


def test_the_page_takes_as_many_queries_for_many_cases_as_for_few(one: Bench, board: Client) -> None:
    reader = one.reader("anna")
    few = _after_reading(board, one, reader)
    one.cases(3)
    assert _after_reading(board, one, reader) == few


def test_the_tab_is_there_for_those_who_may_ever_see_results(cast: Cast, study: Study) -> None:
    def tabs(user: Any) -> Iterator[str]:
        client = Client()
        client.force_login(user)
        yield from (tab.label for tab in client.get(reverse("study", args=[study.slug])).context["frame"].tabs)

    assert "Results" in set(tabs(cast.governance))
    assert "Results" not in set(tabs(cast.reader))
    assert Membership.objects.filter(role=Role.GOVERNANCE).exists()


def _after_reading(client: Client, one: Bench, reader: User) -> int:
    """How many queries the page takes once everything is read."""
    assignment.assign()
    for read in Read.objects.filter(reader=reader, state=Read.State.ASSIGNED):
        answer(read, reader)
    with CaptureQueriesContext(connection) as context:
        client.get(address(one))
    return len(context)
