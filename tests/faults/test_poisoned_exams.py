"""Attributes that hold what they must not: the exam is filed, judged and shown, and holds up none that follows."""

import pytest
from django.test import Client

from dicom_ingest.completion import complete_exams
from dicom_ingest.indexer import index_waiting
from dicom_ingest.models import AETitle, Exam, Instance, Route
from inference.dispatch import dispatch_exams
from inference.models import Job
from tests.dicom_ingest.scanner import mr_series
from tests.dicom_ingest.waiting import spooled
from tests.faults.spoiled import SPOILED, spoil

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

VALUES = [b"Garbage!", b"nan ", b"1e999 ", b"-\\-\\- ", b"\xff\xfe\xfd\xfc", b"\0\0\0\0", b"9" * 64, b"1\\2\\3\\4\\5 "]


def test_no_value_of_an_attribute_stops_an_exam_or_those_behind_it(brain_ae: AETitle, admin_client: Client) -> None:
    AETitle.objects.update(quiet_period_seconds=0)
    for keyword in SPOILED:
        for value in VALUES:
            spooled(spoil(mr_series(slices=1)[0], keyword, value))
    assert all(outcome.instance or outcome.quarantined for outcome in index_waiting())
    last = mr_series(slices=1)[0]
    spooled(last)
    index_waiting()
    assert Instance.objects.count() >= len(SPOILED) * len(VALUES) / 2
    complete_exams()
    while dispatch_exams():
        pass
    assert set(Route.objects.values_list("dispatch_problem", flat=True)) == {""}
    assert set(Job.objects.values_list("exam", flat=True)) == set(Exam.objects.values_list("pk", flat=True))
    assert Job.objects.filter(exam__study_instance_uid=last.StudyInstanceUID).exists()

    for uid in Exam.objects.values_list("study_instance_uid", flat=True):
        for path in (f"/exams/{uid}/", f"/dicomweb/studies/{uid}/series", f"/dicomweb/studies/{uid}/metadata"):
            assert admin_client.get(path).status_code == 200, path
    assert admin_client.get("/dicomweb/instances").status_code == 200
