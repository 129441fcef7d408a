"""The log: of everything for administrators, of one study for its coordinators and governance."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import localdate

from portal.audit import trail
from portal.audit.actions import Action
from portal.audit.models import Entry
from portal.models import User
from tests.conftest import Cast

SignIn = Callable[[User], Client]


@pytest.fixture
def some_rows(cast: Cast) -> None:
    """Three rows for the study, and one for another."""
    with trail.acting(cast.reader, via=trail.Via.PAGE, address="10.1.2.3"):
        trail.record(Action.EXAM_VIEWED, of="1.2.3", study="brain", detail={"page": "exam"})
        trail.record(Action.RESULT_VIEWED, of="1.2.4", study="brain", detail={"exam": "1.2.3"})
    with trail.acting(cast.coordinator, via=trail.Via.PAGE):
        trail.record(Action.RULE_WRITTEN, of="rule:1", study="brain", detail={"version": 2})
        trail.record(Action.EXAM_VIEWED, of="1.2.9", study="liver")


def test_a_study_shows_its_own_rows_alone(some_rows: None, cast: Cast, signed_in: SignIn) -> None:
    page = _page(signed_in(cast.governance), "/studies/brain/log/")
    assert "1.2.3" in page
    assert "10.1.2.3" in page
    assert "1.2.9" not in page


def test_an_administrator_sees_all_and_filters(some_rows: None, cast: Cast, signed_in: SignIn) -> None:
    browser = signed_in(cast.admin)
    assert "1.2.9" in _page(browser, "/log/")
    assert _things(browser, "/log/?who=reader1&action=exam+viewed") == ["1.2.3"]
    assert _things(browser, "/log/?of=rule:1") == ["rule:1"]
    assert _things(browser, "/log/?of=1.2.3") == ["1.2.4", "1.2.3"]  # the exam, and what belongs to it
    today = localdate().isoformat()
    assert set(_things(browser, f"/log/?who=reader1&since={today}&until={today}")) >= {"1.2.3", "1.2.4"}
    assert "No row fits" in _page(browser, "/log/?until=2001-01-01")


def test_a_wrong_day_is_said_in_words_and_left_out(some_rows: None, cast: Cast, signed_in: SignIn) -> None:
    page = _page(signed_in(cast.admin), "/log/?since=yesterday&who=reader1")
    assert "Write it as 2025-03-31" in page
    assert "1.2.3" in page


def test_a_hundred_rows_are_a_page(cast: Cast, signed_in: SignIn) -> None:
    for number in range(205):
        trail.record(Action.EXAM_VIEWED, of=f"7.{number}", study="brain")
    browser = signed_in(cast.coordinator)
    seen: list[str] = []
    address = "/studies/brain/log/"
    older_rows = Entry.objects.filter(study="brain").count() - 205  # how the study began
    for rows in (100, 100, 5 + older_rows):
        shown = browser.get(address).context["log"]
        assert len(shown.lines) == rows
        seen += [line.entry.of for line in shown.lines]
        address = f"/studies/brain/log/?{shown.older}"
    assert seen[:205] == [f"7.{number}" for number in reversed(range(205))]
    assert shown.older == ""


def test_the_number_of_queries_does_not_grow_with_the_rows(some_rows: None, cast: Cast, signed_in: SignIn) -> None:
    browser = signed_in(cast.coordinator)
    few = _queries(browser)
    for number in range(90):
        trail.record(Action.EXAM_VIEWED, of=f"7.{number}", study="brain")
    assert _queries(browser) == few


def test_an_export_is_the_filtered_rows_and_leaves_a_row_itself(some_rows: None, cast: Cast, signed_in: SignIn) -> None:
    answer = signed_in(cast.governance).get("/studies/brain/log/export/?who=reader1")
    rows = list(csv.DictReader(StringIO(b"".join(answer).decode())))
    assert [row["of"] for row in rows] == ["1.2.3", "1.2.4"]
    exported = Entry.objects.get(action=Action.LOG_EXPORTED)
    assert (exported.actor, exported.study, exported.detail) == ("governance", "brain", {"filters": ["user"]})


def test_a_spreadsheet_calculates_nothing_of_an_export(cast: Cast, signed_in: SignIn) -> None:
    formula = User.objects.create_user("=1+1")
    with trail.acting(formula):
        trail.record(Action.EXAM_VIEWED, of="1.2.3")
    answer = signed_in(cast.admin).get("/log/export/?of=1.2.3")
    assert ",'=1+1," in b"".join(answer).decode()


def test_the_command_lists_and_exports(some_rows: None, cast: Cast, tmp_path: object) -> None:
    out = StringIO()
    call_command("audit", "list", "--who", "reader1", "--study", "brain", stdout=out)
    assert "result viewed" in out.getvalue()
    assert "rule:1" not in out.getvalue()
    call_command("audit", "export", "--out", f"{tmp_path}/log.csv", stdout=out)
    assert Entry.objects.filter(action=Action.LOG_EXPORTED).count() == 1


def _page(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def _things(browser: Client, address: str) -> list[str]:
    return [line.entry.of for line in browser.get(address).context["log"].lines]


def _queries(browser: Client) -> int:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        browser.get("/studies/brain/log/")
    return len(asked)
