"""Where a PACS link leads who reads: to the read, to a result, to a choice, or to nothing that tells anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils.timezone import now

from dicom_ingest.models import Exam
from portal.access import Role
from portal.models import User
from studies.models import Membership, Read, Study
from studies.reading import assignment
from studies.reading.reads import open_read, submit
from tests.feedback.conftest import ANSWERS
from tests.slapd import Directory
from tests.studies.reading.reading import INDEPENDENT, Bench, bench

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
SHOWN = {"readers": "blinded", "patient": "shown"}
WORD = "a-word-of-the-hospital"


@pytest.fixture
def one() -> Bench:
    return bench(INDEPENDENT, blinding=SHOWN)


@pytest.fixture
def reader(one: Bench) -> User:
    reader = one.reader("first")
    one.cases(2)
    assignment.assign()
    return reader


def by_study(exam: Exam) -> str:
    return f"/IHEInvokeImageDisplay?requestType=STUDY&studyUID={exam.study_instance_uid}"


def read_of(reader: User, number: int = 1) -> Read:
    return Read.objects.select_related("case__exam").get(reader=reader, case__number=number)


def test_each_kind_of_link_leads_to_the_open_read(one: Bench, reader: User, signed_in: SignIn) -> None:
    read = read_of(reader)
    exam = read.case.exam
    Exam.objects.filter(pk=exam.pk).update(accession_number="A-1", issuer_of_patient_id="OURS")
    for link in (
        by_study(exam),
        "/IHEInvokeImageDisplay?requestType=STUDY&accessionNumber=A-1",
        f"/IHEInvokeImageDisplay?requestType=PATIENT&patientID={exam.patient_id}",
        f"/IHEInvokeImageDisplay?requestType=PATIENT&patientID={exam.patient_id}^^^OURS&mostRecentResults=1",
    ):
        assert signed_in(reader).get(link)["Location"] == f"/reads/{read.pk}/", link


def test_a_begun_read_and_the_second_study_of_an_exam_come_in_their_turn(
    one: Bench, reader: User, signed_in: SignIn
) -> None:
    read = read_of(reader)
    link, browser = by_study(read.case.exam), signed_in(reader)
    claim = open_read(read.pk, by=reader).claim
    assert browser.get(link)["Location"] == f"/reads/{read.pk}/"
    submit(read.pk, by=reader, claim=claim, answers=ANSWERS, active=1.0)
    told = browser.get(link)
    assert told.status_code == 404, "what a blinded reader has read leads nowhere"
    assert not re.search(rf"\b{read.case.exam.patient_id}\b", told.content.decode())


def test_where_readers_are_open_what_was_read_leads_to_its_result(signed_in: SignIn) -> None:
    one = bench(INDEPENDENT, blinding={"readers": "open", "patient": "shown"})
    reader = one.reader("first")
    exam = one.case().exam
    assignment.assign()
    read = Read.objects.get(reader=reader)
    browser = signed_in(reader)
    assert browser.get(by_study(exam))["Location"] == f"/reads/{read.pk}/"
    submit(read.pk, by=reader, claim=open_read(read.pk, by=reader).claim, answers=ANSWERS, active=1.0)
    assert browser.get(by_study(exam))["Location"] == f"/results/{exam.results.get().pk}/"


def test_a_patients_only_read_is_what_was_meant_and_of_several_one_is_chosen(
    one: Bench, reader: User, signed_in: SignIn
) -> None:
    exams = [read_of(reader, number).case.exam for number in (1, 2)]
    Exam.objects.filter(pk__in=[exam.pk for exam in exams]).update(patient_id="SAME", study_date=date(2025, 1, 2))
    link, browser = "/IHEInvokeImageDisplay?requestType=PATIENT&patientID=SAME", signed_in(reader)
    choice = browser.get(link).content.decode()
    assert choice.count("to read") == 2
    chosen = f"?requestType=STUDY&amp;studyUID={exams[1].study_instance_uid}"
    assert chosen in choice
    assert browser.get(by_study(exams[1]))["Location"] == f"/reads/{read_of(reader, 2).pk}/"
    Read.objects.filter(pk=read_of(reader, 1).pk).update(not_before=now().replace(year=2100))
    assert browser.get(link)["Location"] == f"/reads/{read_of(reader, 2).pk}/"


@pytest.mark.parametrize("patient", ["hidden", "pseudonymised"])
def test_whose_exam_it_is_is_told_to_nobody_by_a_link(patient: str, signed_in: SignIn) -> None:
    """The link says who the patient is, so that leading to the read would tell the reader."""
    one = bench(INDEPENDENT, blinding={"readers": "blinded", "patient": patient})
    reader = one.reader("first")
    exam = one.case().exam
    assignment.assign()
    browser = signed_in(reader)
    hidden = browser.get(by_study(exam))
    missing = browser.get("/IHEInvokeImageDisplay?requestType=STUDY&studyUID=1.2.3.4.5")
    assert hidden.status_code == missing.status_code == 404
    assert _without_tokens(hidden) == _without_tokens(missing)
    assert dict(hidden.headers) == dict(missing.headers)


@pytest.mark.parametrize("stage", [Study.Stage.LOCKED, Study.Stage.CLOSED])
def test_a_study_that_is_over_is_none_of_mine(one: Bench, reader: User, signed_in: SignIn, stage: Study.Stage) -> None:
    Study.objects.filter(pk=one.study.pk).update(stage=stage)
    assert signed_in(reader).get(by_study(read_of(reader).case.exam)).status_code == 404


def test_the_directorys_sign_in_lies_between_the_link_and_the_read(one: Bench, directory: Directory) -> None:
    directory.add_person("ada", password=WORD)
    browser = Client()
    browser.post("/login/", {"username": "ada", "password": WORD})  # gets an account
    browser.post("/logout/")
    ada = User.objects.get(username="ada")
    Membership.objects.create(study=one.study, user=ada, role=Role.READER)
    one.cases(1)
    assignment.assign()
    read = read_of(ada)
    link = by_study(read.case.exam)
    asked = browser.get(link)
    assert asked["Location"] == f"/login/?next={quote(link)}"
    page = browser.get(asked["Location"])
    arrived = browser.post("/login/", {"username": "ada", "password": WORD, "next": page.context["next"]}, follow=True)
    assert [step for step, _ in arrived.redirect_chain] == [link, f"/reads/{read.pk}/"]
    assert "Read 1 of 1" in arrived.content.decode()


def _without_tokens(answer: object) -> str:
    return re.sub(r'(csrf-token" content|csrfmiddlewaretoken" value)="[^"]*"', "", answer.content.decode())  # type: ignore[attr-defined]
