"""Priors of enrolled patients, fetched from DCMTK's PACS."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from dicom_ingest.models import AETitle, Exam, Remote, Retrieval
from dicom_ingest.pacs import retrieve
from portal.models import User
from studies import priors
from studies.models import Case, PriorSearch, Study
from tests.conftest import Cast
from tests.dicom_ingest.pacs.peers import Peer, dcmqrscp
from tests.dicom_ingest.scanner import Scanner, receiving
from tests.dicom_ingest.scans import mr_slice
from tests.ports import free_port

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = "1.2.826.0.1.3680043.8.498.66"
SEEN = Callable[[User], Client]


@pytest.fixture
def receiver(store: Path) -> Iterator[Scanner]:
    with receiving("BRAIN", "PRIORS") as ours:
        yield ours


@pytest.fixture
def pacs(receiver: Scanner) -> Iterator[Peer]:
    """Four earlier exams of the case's patient, one of them a CT, a later one, and one of somebody else."""

    def exam(number: int, day: str, patient: str = "DEMO-0001", modality: str = "MR") -> None:
        uid = f"{ROOT}.{number}"
        peer.take([mr_slice(1, study=uid, series=f"{uid}.1", PatientID=patient, StudyDate=day, Modality=modality)])

    with dcmqrscp(receiver.port, knows=["PRIORS"]) as peer:
        for number, day in enumerate(("20200101", "20210101", "20220101"), start=1):
            exam(number, day)
        exam(4, "20230101", modality="CT")
        exam(5, "20300101")
        exam(6, "20220601", patient="DEMO-00012")
        yield peer


@pytest.fixture
def asking(study: Study, pacs: Peer) -> Study:
    study.priors, study.priors_modality = 2, "MR"
    study.priors_remote = pacs.row(retrieve="c-move")
    study.priors_ae_title = AETitle.objects.create(title="PRIORS")
    study.full_clean()
    study.save()
    return study


@pytest.fixture
def case(exam: Exam, asking: Study) -> Case:
    Exam.objects.update(study_date="2024-03-15")
    return exam.cases.get()


def test_the_last_exams_of_the_patient_are_fetched_at_low_priority(case: Case) -> None:
    assert priors.seek() == 1
    assert priors.seek() == 0, "Once for each case."
    queued = Retrieval.objects.order_by("study_instance_uid")
    assert [one.study_instance_uid for one in queued] == [f"{ROOT}.2", f"{ROOT}.3"]
    assert {(one.called_ae, one.get_priority_display()) for one in queued} == {("PRIORS", "Low")}
    assert retrieve.run_next()
    assert retrieve.run_next()
    assert set(Retrieval.objects.values_list("state", flat=True)) == {"succeeded"}
    line = priors.line_of(case.study)
    assert line is not None
    assert (line.sought, line.waiting, line.here, line.coming) == (1, 0, 2, 0)


def test_the_study_page_says_how_far_they_are(case: Case, cast: Cast, signed_in: SEEN) -> None:
    priors.seek()
    page = " ".join(signed_in(cast.coordinator).get("/studies/brain/").content.decode().split())
    assert "Priors: the last 2 MR exams of each patient, from PACS" in page
    assert "Looked for in 1 case; 0 brought in, 2 coming." in page
    assert "DEMO-0001" not in page.partition("Priors:")[2].partition("</p>")[0]


def test_what_is_here_already_is_not_fetched_again(case: Case) -> None:
    Exam.objects.create(study_instance_uid=f"{ROOT}.3", patient_id="DEMO-0001")
    priors.seek()
    assert [one.study_instance_uid for one in Retrieval.objects.all()] == [f"{ROOT}.2"]


def test_a_pacs_that_is_away_is_asked_again_later(case: Case, pacs: Peer, cast: Cast, signed_in: SEEN) -> None:
    Remote.objects.update(port=free_port())
    assert priors.seek() == 0
    search = PriorSearch.objects.get()
    assert (search.state, search.attempts) == ("waiting", 1)
    assert priors.seek() == 0
    assert PriorSearch.objects.get().attempts == 1, "Not before its time."
    assert "Nothing answers" in signed_in(cast.coordinator).get("/studies/brain/").content.decode()
    Remote.objects.update(port=pacs.port)
    PriorSearch.objects.update(not_before=case.enrolled_at)
    assert priors.seek() == 1
    assert PriorSearch.objects.get().reason == ""


def test_a_study_that_asks_for_none_gets_none(exam: Exam, pacs: Peer) -> None:
    assert priors.seek() == 0
    assert priors.line_of(exam.cases.get().study) is None
    assert not PriorSearch.objects.exists()


def test_priors_may_not_come_to_an_ae_title_that_makes_them_cases(asking: Study) -> None:
    asking.priors_ae_title = asking.ae_title
    with pytest.raises(ValidationError, match="become cases"):
        asking.full_clean()
    asking.priors_ae_title = None
    with pytest.raises(ValidationError, match="name the remote"):
        asking.full_clean()
