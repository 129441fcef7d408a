"""No patient appears in what any process writes, not even where something goes wrong."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
import requests
from django.db import IntegrityError, connection, transaction
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from rest_framework.authtoken.models import Token

from dicom_ingest import spool
from dicom_ingest.models import AETitle, Exam, Instance, QuarantinedInstance, Route
from inference.models import Job
from portal.models import User
from tests.dicom_ingest.scanner import HOST, Scanner, encoded, mr_series
from tests.dicom_ingest.scans import encoded as as_part10
from tests.dicom_ingest.test_stow import CONTENT_TYPE, message
from tests.dicom_ingest.waiting import until
from tests.faults.processes import portal
from tests.faults.spoiled import SPOILED, spoil

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

PATIENT = {
    "PatientName": "Zyzzyva^Quixotine",
    "PatientID": "MRN7391846",
    "PatientBirthDate": "19370523",
    "AccessionNumber": "ACX5512907",
    "ReferringPhysicianName": "Wolkenbruch^Isolde",
    "PatientAddress": "Kuckucksweg 17",
}
TRACES = ("zyzzyva", "quixotine", "mrn7391846", "19370523", "1937-05-23", "acx5512907", "wolkenbruch", "kuckucksweg")
PROGRAMS = ("receiver", "worker-ingest", "worker-gpu", "scheduler", "web")


def of_the_patient(images: list[Dataset]) -> list[Dataset]:
    for image in images:
        for keyword, value in PATIENT.items():
            setattr(image, keyword, value)
    return images


def send_everything(scanner: Scanner) -> Exam:
    """A whole exam, whose job fails; and all that can be wrong with an image."""
    images = of_the_patient(mr_series(slices=20))
    (conflict,) = of_the_patient(
        mr_series(slices=1, study=images[0].StudyInstanceUID, series=images[0].SeriesInstanceUID)
    )
    conflict.PixelData = bytes(len(conflict.PixelData))
    assert set(scanner.send([*images, conflict])) == {0x0000}
    for name in ("SeriesInstanceUID", "PixelData"):
        (spoiled,) = of_the_patient(mr_series(slices=1))
        delattr(spoiled, name)
        scanner.send_bytes(encoded(spoiled))
    (other,) = of_the_patient(mr_series(slices=1))
    scanner.send_bytes(encoded(other)[:-100])
    scanner.send_bytes(encoded(other)[:200])
    scanner.send_bytes(b"Zyzzyva" * 100)
    other.StudyInstanceUID = "1.2.Zyzzyva"
    scanner.send_bytes(encoded(other))
    for keyword in SPOILED:  # as a clumsy exporter fills them
        scanner.send_bytes(spoil(of_the_patient(mr_series(slices=1))[0], keyword, b"Zyzzyva "))
    assert not scanner.associate("ZYZ").is_established
    assert until(lambda: spool.waiting() == [] and Instance.objects.count() >= 20, seconds=90)
    return Exam.objects.get(study_instance_uid=images[0].StudyInstanceUID)


def ask_everything(url: str, token: str, exam: Exam) -> list[int]:
    """Pages, searches, retrievals and a delivery, many of them wrong; their statuses."""
    series = exam.series.get()
    study, sop = exam.study_instance_uid, series.instances.all()[0].sop_instance_uid
    at_instance = f"dicomweb/studies/{study}/series/{series.series_instance_uid}/instances/{sop}"
    paths = [
        "",
        f"exams/{study}/",
        "reception/",
        "jobs/",
        "dicomweb/studies?PatientName=Zyzzyva*&PatientID=MRN7391846&PatientBirthDate=19370523",
        "dicomweb/studies?PatientName=Zyzzyva*&limit=Quixotine",
        "dicomweb/studies?PatientBirthDate=1937-05-23",
        "dicomweb/studies?Zyzzyva=MRN7391846",
        "dicomweb/studies/1.2.3/series",
        f"dicomweb/studies/{study}/metadata",
        f"{at_instance}/frames/1",
        f"{at_instance}/frames/99",
        "api/exams/?patient_id=MRN7391846&search=Zyzzyva",
        "api/exams/?offset=Zyzzyva",
        "IHEInvokeImageDisplay?requestType=PATIENT&patientID=MRN7391846&patientName=Zyzzyva",
        f"IHEInvokeImageDisplay?requestType=STUDY&accessionNumber=ACX5512907&studyUID={study}",
    ]
    with requests.Session() as session:
        session.headers["Authorization"] = f"Token {token}"
        statuses = [session.get(f"{url}/{path}", timeout=20).status_code for path in paths]
        (fresh,) = of_the_patient(mr_series(slices=1))
        for body in (message(as_part10(fresh)), message(as_part10(fresh)[:-100]), message(b"Zyzzyva"), b"Zyzzyva"):
            posted = session.post(
                f"{url}/dicomweb/studies", data=BytesIO(body), headers={"Content-Type": CONTENT_TYPE}, timeout=20
            )
            statuses.append(posted.status_code)
        login = {"username": "Zyzzyva", "password": "MRN7391846"}
        statuses.append(session.post(f"{url}/api/token/", json=login, timeout=20).status_code)
    return statuses


def database_said() -> str:
    """The log of the embedded PostgreSQL, after it refused rows of the patient."""
    row = {"patient_name": PATIENT["PatientName"], "patient_id": PATIENT["PatientID"]}
    twin = Exam.objects.create(study_instance_uid=generate_uid(), **row)
    with suppress(IntegrityError), transaction.atomic():
        Exam.objects.create(study_instance_uid=twin.study_instance_uid, **row)
    with suppress(IntegrityError), transaction.atomic():
        Exam.objects.filter(pk=twin.pk).update(received_at=None)
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        (folder,) = cursor.fetchone()
    return Path(folder, "log").read_text()


def test_no_process_writes_down_who_the_patient_is(tmp_path: Path) -> None:
    """At the most talkative level, which an operator may choose to find a fault."""
    AETitle.objects.create(title="BRAIN", pipeline="brain-extraction", quiet_period_seconds=1)
    token = Token.objects.create(user=User.objects.create_superuser("admin"))
    with portal(tmp_path, *PROGRAMS, OVERREAD_LOG_LEVEL="DEBUG") as running:
        exam = send_everything(Scanner(port=running.dimse_port))
        statuses = ask_everything(f"http://{HOST}:{running.web_port}", token.key, exam)
        done = Job.objects.filter(exam=exam, state=Job.State.FAILED)
        assert until(done.exists, seconds=60), list(Job.objects.values())
        assert until(lambda: not Route.objects.filter(called_ae="BRAIN", dispatched_at=None).exists(), seconds=60)
        said = running.said()
    assert max(statuses) < 500
    assert {200, 400, 404} <= set(statuses)
    assert len(set(QuarantinedInstance.objects.values_list("reason", flat=True))) >= 4
    assert "STOW by user" in said
    assert lines_about_the_patient(said) == []
    refusals = database_said()
    assert "duplicate key" in refusals
    assert lines_about_the_patient(refusals) == []


def lines_about_the_patient(said: str) -> list[str]:
    return [line for line in said.splitlines() if any(trace in line.lower() for trace in TRACES)]
