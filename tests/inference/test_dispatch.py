"""A complete exam becomes one job per input, or says in words why not."""

import numpy as np
import pytest
from pydicom import Dataset

from dicom_ingest.models import AETitle, Route
from inference.dispatch import dispatch_exams
from inference.models import Job
from tests.inference.received import receive
from tests.inference.series import mr_series

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("brain_ae")]


def t1(*, slices: int = 24, description: str = "AX T1", modality: str = "MR") -> list[Dataset]:
    pixels = np.arange(slices * 8 * 8, dtype=np.uint16).reshape(slices, 8, 8)
    instances = mr_series(pixels, description=description)
    for instance in instances:
        instance.Modality = modality
    return instances


def test_a_complete_exam_gets_one_job_on_the_series_that_fits() -> None:
    instances = t1()
    route = receive(instances)

    assert dispatch_exams() == 1
    job = Job.objects.get()
    assert (job.state, job.exam, job.route) == (Job.State.QUEUED, route.exam, route)
    assert job.input_series is not None
    assert job.input_series.series_instance_uid == instances[0].SeriesInstanceUID
    assert job.pipeline.name == "brain-extraction"
    assert "AX T1" in job.selection


def test_an_exam_is_dispatched_once_until_it_completes_again() -> None:
    receive(t1())
    dispatch_exams()

    assert dispatch_exams() == 0


def test_an_incomplete_exam_waits() -> None:
    route = receive(t1())
    Route.objects.filter(pk=route.pk).update(completed_at=None)

    assert dispatch_exams() == 0
    assert not Job.objects.exists()


def test_the_same_input_completed_again_makes_no_second_job() -> None:
    instances = t1()
    receive(instances)
    dispatch_exams()
    receive(instances)

    assert dispatch_exams() == 1
    assert Job.objects.count() == 1


def test_a_late_slice_makes_a_new_job_and_supersedes_the_old_one() -> None:
    instances = t1()
    receive(instances[:-1])
    dispatch_exams()
    old = Job.objects.get()
    receive(instances[-1:])
    dispatch_exams()

    old.refresh_from_db()
    assert old.state == Job.State.SUPERSEDED
    assert old.superseded_by == Job.objects.exclude(pk=old.pk).get(state=Job.State.QUEUED)


def test_a_late_instance_of_another_series_changes_nothing() -> None:
    receive(t1())
    dispatch_exams()
    localizer = mr_series(np.zeros((3, 8, 8), dtype=np.uint16) + 1, description="Localizer", series_number=1)
    receive(localizer)
    dispatch_exams()

    assert Job.objects.get().state == Job.State.QUEUED


def test_a_ct_sent_to_the_brain_pipeline_is_skipped_with_the_reason() -> None:
    receive(t1(modality="CT"))
    dispatch_exams()

    job = Job.objects.get()
    assert job.state == Job.State.SKIPPED
    assert "The series is not MR" in job.reason
    assert '"CT"' in job.reason
    assert job.finished_at is not None


def test_an_ae_title_without_a_pipeline_starts_nothing(brain_ae: AETitle) -> None:
    brain_ae.pipeline = ""
    brain_ae.save()
    receive(t1())

    assert dispatch_exams() == 1
    assert not Job.objects.exists()


def test_an_ae_title_that_names_no_pipeline_of_ours_says_so_on_the_route(brain_ae: AETitle) -> None:
    brain_ae.pipeline = "brain-extractoin"
    brain_ae.save()
    route = receive(t1())
    dispatch_exams()

    route.refresh_from_db()
    assert 'There is no pipeline "brain-extractoin"' in route.dispatch_problem
    assert 'Did you mean "brain-extraction"?' in route.dispatch_problem
