"""A person gives a pipeline another series than it chose: a job of its own, which says so, and which stays chosen."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset

from dicom_ingest.models import Exam, Route
from inference import dispatch, pipeline
from inference.chosen_series import Choice
from inference.errors import SeriesNotChoosable, VersionDiffers
from inference.models import Job, Result
from portal.models import User
from tests.inference.received import receive
from tests.inference.series import mr_series

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("brain_ae")]

State = Job.State
NAME = "brain-extraction"


def series_of(description: str, number: int, *, slices: int = 24) -> list[Dataset]:
    pixels = np.arange(slices * 8 * 8, dtype=np.uint16).reshape(slices, 8, 8) + number
    return mr_series(pixels, description=description, series_number=number)


@pytest.fixture
def route() -> Route:
    """An exam with two series that fit, and a report; the pipeline took one of them."""
    report = series_of("Report", 9, slices=1)
    for instance in report:
        instance.Modality = "SR"
    found = receive([*series_of("AX T1", 3), *series_of("AX T1 again", 4, slices=3), *report])
    dispatch.dispatch_exams()
    return found


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", first_name="Ada", last_name="King")


def uid(exam: Exam, number: int) -> str:
    return exam.series.get(series_number=number).series_instance_uid


def choose(route: Route, ada: User, *numbers: int, why: str = "Motion in the other.") -> Job:
    uids = tuple(uid(route.exam, number) for number in numbers)
    choice = Choice(series_instance_uids=uids, by=ada, why=why)
    return dispatch.request(NAME, route, digest=pipeline.load_named(NAME).digest, choice=choice)


def test_a_person_gives_the_pipeline_another_series_and_the_job_says_who_and_why(route: Route, ada: User) -> None:
    first = Job.objects.get()
    assert first.input_series is not None and first.input_series.series_number == 3 and first.chosen_by is None
    job = choose(route, ada, 4)
    first.refresh_from_db()
    assert (first.state, first.superseded_by) == (State.SUPERSEDED, job)
    assert job.input_series is not None and job.input_series.series_number == 4
    assert (job.state, job.chosen_by) == (State.QUEUED, ada)
    assert job.fingerprint != first.fingerprint and job.pipeline == first.pipeline
    assert job.selection == (
        'Series 4 "AX T1 again": chosen by Ada King in place of the pipeline\'s own choice. Motion in the other.'
    )


def test_the_choice_stays_when_slices_come_later(route: Route, ada: User) -> None:
    job = choose(route, ada, 4)
    receive(series_of("AX T1", 3, slices=25)[24:])
    dispatch.dispatch_exams()
    assert Job.objects.exclude(state=State.SUPERSEDED).get() == job, "the pipeline's own choice does not come back"
    receive(series_of("AX T1 again", 4, slices=4)[3:])
    dispatch.dispatch_exams()
    newer = Job.objects.exclude(state=State.SUPERSEDED).get()
    assert newer != job and newer.input_series == job.input_series
    assert (newer.chosen_by, newer.selection) == (ada, job.selection)


def test_a_series_that_was_left_can_be_taken_again_with_the_result_it_had(route: Route, ada: User) -> None:
    first = Job.objects.get()
    Job.objects.update(state=State.SUCCEEDED)
    result = Result.objects.create(job=first, exam=first.exam)
    second = choose(route, ada, 4)
    assert not Result.objects.current().exists()
    again = choose(route, ada, 3, why="It was the better one.")
    second.refresh_from_db()
    assert (again, again.state, second.state) == (first, State.SUCCEEDED, State.SUPERSEDED)
    assert Result.objects.current().get() == result
    assert again.selection.endswith("Chosen again by Ada King. It was the better one.")
    assert second.superseded_by == first


def test_a_job_that_was_skipped_because_nothing_fitted_runs_on_what_a_person_names(ada: User) -> None:
    route = receive(series_of("AX", 4, slices=3))
    dispatch.dispatch_exams()
    skipped = Job.objects.get()
    assert (skipped.state, skipped.input_series) == (State.SKIPPED, None)
    job = choose(route, ada, 4, why="It is a T1.")
    assert job == skipped, "all that came is the same input"
    assert job.state == State.QUEUED and job.input_series is not None and job.chosen_by == ada
    assert job.selection.startswith("No series fits.") and job.selection.endswith("by Ada King. It is a T1.")


def test_one_that_had_no_result_is_queued_again(route: Route, ada: User) -> None:
    first = Job.objects.get()
    choose(route, ada, 4)
    assert choose(route, ada, 3) == first
    first.refresh_from_db()
    assert (first.state, first.attempts, first.superseded_by) == (State.QUEUED, 0, None)


def test_what_cannot_be_chosen_is_refused_and_changes_nothing(route: Route, ada: User) -> None:
    before = list(Job.objects.values())
    for numbers, message in (
        ((3,), "very series"),
        ((), "own image series"),
        ((9,), "own image"),
        ((3, 4), "one series"),
    ):
        with pytest.raises(SeriesNotChoosable, match=message):
            choose(route, ada, *numbers)
    for other in ("1.2.3.4", "", "../../etc/passwd", "1.2.840' OR 1=1"):
        with pytest.raises(SeriesNotChoosable, match="own image series"):
            dispatch.request(NAME, route, choice=Choice(series_instance_uids=(other,), by=ada, why="x"))
    with pytest.raises(VersionDiffers):
        one = Choice(series_instance_uids=(uid(route.exam, 4),), by=ada, why="x")
        dispatch.request(NAME, route, digest="c" * 64, choice=one)
    assert list(Job.objects.values()) == before
