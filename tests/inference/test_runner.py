"""A claimed job ends with a result, or with the reason why there is none."""

from pathlib import Path

import numpy as np
import pytest
from pytest_django import Settings

from dicom_ingest.models import Series
from inference import engine, runner
from inference.dispatch import dispatch_exams
from inference.models import Job, PipelineVersion, Result
from inference.timing import WRITING
from tests.inference import real_brain
from tests.inference.received import receive
from tests.inference.series import mr_series

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("brain_ae")]


@pytest.fixture
def waiting_job() -> Job:
    receive(mr_series(np.arange(24 * 8 * 8, dtype=np.uint16).reshape(24, 8, 8)))
    dispatch_exams()
    return Job.objects.get()


def test_without_a_waiting_job_there_is_nothing_to_run() -> None:
    assert not runner.run_next()


def test_a_model_that_is_not_installed_fails_the_job_and_says_what_to_do(waiting_job: Job) -> None:
    assert runner.run_next()

    waiting_job.refresh_from_db()
    assert waiting_job.state == Job.State.FAILED
    assert waiting_job.attempts == 1
    assert "There is no model in" in waiting_job.reason


def test_a_worker_with_other_operators_refuses_the_job(waiting_job: Job) -> None:
    PipelineVersion.objects.update(digest="0" * 64)
    runner.run_next()

    waiting_job.refresh_from_db()
    assert waiting_job.state == Job.State.FAILED
    assert "Restart the worker" in waiting_job.reason


def test_a_job_cancelled_while_it_runs_stays_cancelled(waiting_job: Job) -> None:
    job = engine.claim_next()
    assert job is not None
    engine.cancel(job.pk)
    runner.run(job)

    waiting_job.refresh_from_db()
    assert waiting_job.state == Job.State.CANCELLED


def test_a_file_that_cannot_be_read_is_tried_again_and_then_fails_the_job_by_name(
    waiting_job: Job, store: Path
) -> None:
    vanished = next((store / "exams").rglob("*.dcm"))
    vanished.unlink()
    for attempt in range(1, waiting_job.max_attempts + 1):
        assert runner.run_next()
        waiting_job.refresh_from_db()
        assert waiting_job.attempts == attempt
        Job.objects.update(not_before=None)

    waiting_job.refresh_from_db()
    assert waiting_job.state == Job.State.FAILED
    assert vanished.name in waiting_job.reason


@pytest.fixture
def installed_model(settings: Settings, tmp_path: Path) -> None:
    """The store of the test, with the real weights in it."""
    settings.OVERREAD_STORE.mkdir()
    (settings.OVERREAD_STORE / "models").symlink_to(real_brain.models_dir())


@pytest.mark.model
@pytest.mark.usefixtures("installed_model")
def test_a_series_with_a_missing_slice_fails_with_the_reason_and_is_not_tried_again() -> None:
    instances = mr_series(np.arange(24 * 8 * 8, dtype=np.uint16).reshape(24, 8, 8))
    receive([*instances[:10], *instances[11:]])
    dispatch_exams()
    runner.run_next()

    job = Job.objects.get()
    assert (job.state, job.attempts) == (Job.State.FAILED, 1)
    assert "one slice is missing" in job.reason
    assert "Send the whole series again" in job.reason


@pytest.mark.model
@pytest.mark.usefixtures("installed_model")
def test_a_real_brain_ends_as_one_result_with_its_volume_and_a_segmentation_in_the_exam() -> None:
    instances = real_brain.axial_series(real_brain.mni152(), voxel=2.0)
    receive(instances)
    dispatch_exams()
    runner.run_next()

    result = Result.objects.get()
    job = result.job
    assert job.state == Job.State.SUCCEEDED, job.reason
    volume = result.measurements.get()
    assert (volume.name, volume.unit) == ("Brain volume", "ml")
    assert 1700 < volume.value < 2100  # the template's brain is larger than a person's
    assert [run.step for run in job.operators.all()][-2:] == ["volume", WRITING]
    assert all(run.seconds >= 0 and run.peak_memory_mb > 0 for run in job.operators.all())
    segmentation = result.segmentation
    assert segmentation is not None
    assert (segmentation.origin, segmentation.modality, segmentation.exam) == (
        Series.Origin.DERIVED,
        "SEG",
        job.exam,
    )
    assert segmentation.instances.get().number_of_frames == len(instances)
