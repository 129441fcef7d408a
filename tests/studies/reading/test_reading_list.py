"""What a reader finds on My work: the next read, how far they are, and nothing that unblinds them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from inference.models import Result
from portal.models import User
from studies.models import Read, Study
from studies.reading import assignment
from studies.reading.reading_list import next_of, read_after, read_beside, reads_of
from studies.reading.reads import open_read, submit
from tests.feedback.conftest import ANSWERS
from tests.studies.reading.reading import CROSSOVER, INDEPENDENT, ONE_SITTING, SCORING, Bench, bench

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def dealt(design: dict[str, object], cases: int = 4, **about: object) -> tuple[Bench, User]:
    one = bench(design, **about)  # type: ignore[arg-type]
    reader = one.reader("first")
    one.cases(cases)
    assignment.assign()
    return one, reader


def done(reader: User) -> Read:
    """Submit what comes next, and say what that was."""
    found = next_of(reads_of(reader))
    assert found is not None
    claim = open_read(found.read.pk, by=reader).claim
    submit(found.read.pk, by=reader, claim=claim, answers=ANSWERS, active=0.0)
    return Read.objects.get(pk=found.read.pk)


def test_reads_come_in_the_order_that_was_drawn() -> None:
    _, reader = dealt(INDEPENDENT)
    assert [done(reader).position for _ in range(4)] == [1, 2, 3, 4]
    [line] = reads_of(reader)
    assert (line.counts.done, line.counts.total, line.counts.ready, line.next) == (4, 4, 0, None)


def test_a_read_that_is_begun_comes_before_others() -> None:
    _, reader = dealt(INDEPENDENT)
    later = Read.objects.get(reader=reader, position=3)
    open_read(later.pk, by=reader)
    found = next_of(reads_of(reader))
    assert found is not None and found.read == later and found.is_begun


def test_after_the_unaided_comes_the_aided_read_of_the_same_sitting() -> None:
    _, reader = dealt(ONE_SITTING)
    unaided = Read.objects.get(reader=reader, position=1)
    assert read_beside(unaided, reader) is None
    done(reader)
    following = read_after(Read.objects.get(pk=unaided.pk), reader)
    assert following is not None
    assert (following.case, following.condition) == (unaided.case, "aided")


def test_the_same_case_does_not_come_twice_in_a_row_while_there_is_another() -> None:
    one, reader = dealt(SCORING, cases=1)
    first = done(reader)
    one.case()
    assignment.assign()
    following = read_after(first, reader)
    assert following is not None and following.case != first.case


def test_what_waits_for_its_washout_is_told_with_its_day() -> None:
    _, reader = dealt(CROSSOVER, cases=2)
    done(reader)
    [line] = reads_of(reader)
    assert (line.counts.done, line.counts.total, line.counts.ready, line.counts.waiting) == (1, 4, 1, 2)
    assert line.counts.opens_at is not None and line.counts.opens_at > now() + timedelta(days=27)


def test_what_is_overdue_is_counted_and_comes_first_among_studies() -> None:
    one, reader = dealt(INDEPENDENT | {"due_days": 7}, slug="zebra")
    other, _ = bench(INDEPENDENT, slug="alder"), None
    one.study.memberships.filter(user=reader).update(reader_role="")
    other.study.memberships.create(user=reader, role="reader")
    other.cases(1)
    assignment.assign()
    found = next_of(reads_of(reader))
    assert found is not None and found.read.study == one.study
    Read.objects.filter(study=one.study).update(due_at=now() - timedelta(days=1))
    assert {line.study.slug: line.counts.overdue for line in reads_of(reader)} == {"alder": 0, "zebra": 4}


AIDED: dict[str, object] = {"kind": "independent", "arms": ["ai"]}
BY_ANOTHER: dict[str, object] = {"kind": "independent", "arms": ["novice"]}


@pytest.mark.parametrize(
    ("design", "readers", "order", "position"),
    [
        (AIDED, "open", "urgent-first", 4),
        (AIDED, "open", "drawn", 1),
        (AIDED, "blinded", "urgent-first", 1),
        (INDEPENDENT, "open", "urgent-first", 1),
        (BY_ANOTHER, "open", "urgent-first", 1),
    ],
    ids=["as the protocol says", "as drawn", "not blinded readers", "not without findings", "not of an arm unseen"],
)
def test_an_urgent_finding_brings_a_read_forward_where_the_protocol_says_so_and_nothing_is_hidden(
    design: dict[str, object], readers: str, order: str, position: int, signed_in: SignIn
) -> None:
    _, reader = _with_urgent_last(design, readers, order)
    found = next_of(reads_of(reader))
    assert found is not None
    assert (found.read.position, found.is_urgent) == (position, position == 4)
    assert ("Urgent" in signed_in(reader).get("/").content.decode()) is (position == 4)


def test_urgent_reads_keep_the_drawn_order_among_themselves_and_what_is_begun_stays_first() -> None:
    _, reader = _with_urgent_last(AIDED, "open", "urgent-first")
    Result.objects.filter(exam__cases__reads__position=3).update(is_urgent=True)
    open_read(Read.objects.get(reader=reader, position=2).pk, by=reader)
    assert [done(reader).position for _ in range(4)] == [2, 3, 4, 1]


def test_an_urgent_read_comes_before_what_is_due_in_another_study() -> None:
    _, reader = _with_urgent_last(AIDED, "open", "urgent-first")
    other = bench(INDEPENDENT | {"due_days": 7}, slug="another")
    other.study.memberships.create(user=reader, role="reader")
    other.cases(1)
    assignment.assign()
    assert done(reader).study.slug == "triaged"
    assert done(reader).study == other.study


def _with_urgent_last(design: dict[str, object], readers: str, order: str) -> tuple[Bench, User]:
    blinding = {"readers": readers, "patient": "shown"}
    one = bench(design, slug="triaged", blinding=blinding, worklist={"order": order})
    reader = one.reader("triaging")
    one.cases(4)
    assignment.assign()
    last = Read.objects.get(study=one.study, reader=reader, position=4)
    Result.objects.filter(exam=last.case.exam).update(is_urgent=True)
    return one, reader


def test_my_work_offers_the_next_read_and_names_neither_case_nor_arm(signed_in: SignIn) -> None:
    _, reader = dealt(SCORING)
    page = signed_in(reader).get("/").content.decode()
    first = Read.objects.get(reader=reader, position=1)
    assert f'href="/reads/{first.pk}/" data-key="n Enter"' in page
    assert "read 1 of 8" in page
    for word in ("Secret", "Model of the study", "Novice", "novice", "/results/", "/exams/"):
        assert word not in page


def test_the_study_page_of_a_blinded_reader_lists_no_case(signed_in: SignIn) -> None:
    _, reader = dealt(SCORING)
    page = signed_in(reader).get("/studies/glioma/").content.decode()
    assert "<strong>0</strong> of 8 done" in page
    for word in ("Secret", "/results/", "/exams/", "succeeded"):
        assert word not in page


def test_a_locked_study_has_no_next_read() -> None:
    one, reader = dealt(INDEPENDENT)
    Study.objects.filter(pk=one.study.pk).update(stage=Study.Stage.LOCKED)
    [line] = reads_of(reader)
    assert (line.next, line.counts.ready, line.counts.total) == (None, 0, 4)


def test_the_number_of_queries_grows_with_neither_reads_nor_studies(signed_in: SignIn) -> None:
    one, reader = dealt(INDEPENDENT, cases=1)
    browser = signed_in(reader)
    browser.get("/")
    few = _queries(browser)
    one.cases(10)
    other = bench(SCORING, slug="other")
    other.study.memberships.create(user=reader, role="reader")
    other.cases(5)
    assignment.assign()
    assert _queries(browser) == few
    assert few <= 25


def _queries(browser: Client) -> int:
    with CaptureQueriesContext(connection) as captured:
        browser.get("/")
    return len(captured)
