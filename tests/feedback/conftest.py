"""Results of a brain-extraction pipeline, made without running it."""

import itertools
from collections.abc import Callable
from datetime import date

import pytest

from dicom_ingest.models import Exam, Series
from feedback.models import Form, Response
from feedback.responses import submit
from inference.models import Job, Measurement, PipelineVersion, Result
from portal.models import User
from studies.models import Study
from tests.protocols import case_of

ANSWERS: dict[str, object] = {
    "quality": 4,
    "verdict": "accept-with-edits",
    "failure-modes": ["over-segmentation", "other"],
    "comment": "Dura included at the vertex",
}

MakeExam = Callable[..., Exam]
MakeResult = Callable[..., Result]
Answer = Callable[..., Response]


@pytest.fixture
def pipeline(db: None) -> PipelineVersion:
    return PipelineVersion.objects.create(
        name="brain-extraction", version="1.0.0", digest="d" * 64, title="Brain extraction", definition={}
    )


@pytest.fixture
def make_exam(study: Study) -> MakeExam:
    """An exam of the patient DEMO-0001, enrolled in the study unless `enrolled_in` names another or None."""
    numbers = itertools.count(100)

    def make(study_date: date | None, *, enrolled_in: Study | None = study, **fields: object) -> Exam:
        number = next(numbers)
        about = {"patient_id": "DEMO-0001", "patient_name": "Demo^Alder", "study_description": "MR brain"} | fields
        exam = Exam.objects.create(
            study_instance_uid=f"1.2.826.0.1.3680043.8.498.{number}", study_date=study_date, **about
        )
        if enrolled_in is not None:
            case_of(enrolled_in, exam, number=number)
        return exam

    return make


@pytest.fixture
def make_result(pipeline: PipelineVersion) -> MakeResult:
    """A result of the pipeline with a brain volume of `value`, flagged from a change of 5 % on."""
    numbers = itertools.count(1)

    def make(
        exam: Exam, value: float = 1400.0, *, unit: str = "ml", state: Job.State = Job.State.SUCCEEDED, **job: object
    ) -> Result:
        number = next(numbers)
        fields = {"pipeline": pipeline} | job
        made = Job.objects.create(exam=exam, fingerprint=f"{number:064}", state=state, **fields)
        series = Series.objects.create(
            exam=exam, series_instance_uid=f"1.2.826.0.1.3680043.8.498.9.{number}", modality="SEG", origin="derived"
        )
        result = Result.objects.create(job=made, exam=exam, segmentation=series)
        Measurement.objects.create(result=result, name="Brain volume", value=value, unit=unit, alert_change_percent=5.0)
        return result

    return make


@pytest.fixture
def result(exam: Exam, make_result: MakeResult) -> Result:
    """The result of the study's first case."""
    return make_result(exam)


@pytest.fixture
def answer(form: Form) -> Answer:
    """Submit the usual answers, changed by what is given."""

    def give(result: Result, author: User, *, amends: Response | None = None, **changed: object) -> Response:
        answers = ANSWERS | {key.replace("_", "-"): value for key, value in changed.items()}
        reason = "Looked again" if amends else ""
        return submit(
            result=result, author=author, form=form, answers=answers, seconds=12.5, amends=amends, reason=reason
        )

    return give


@pytest.fixture
def superseded(result: Result, make_result: MakeResult) -> Result:
    """The first case's result after a late slice made a newer one."""
    newer = make_result(result.exam, 1410.0)
    Job.objects.filter(pk=result.job_id).update(state=Job.State.SUPERSEDED, superseded_by=newer.job)
    return Result.objects.get(pk=result.pk)
