"""Jobs and results of the cast's exam, without running a model."""

from collections.abc import Callable
from typing import Protocol

import pytest

from dicom_ingest.models import Exam, Series
from inference import graph
from inference.backends.warm import WarmModels
from inference.models import Job, Measurement, PipelineVersion, Result


class MakeJob(Protocol):
    def __call__(self, *, fingerprint: str = "a", **fields: object) -> Job: ...


@pytest.fixture(autouse=True)
def no_warm_models(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model that another test of this process loaded; only tests of real weights share theirs, for their time."""
    if request.node.get_closest_marker("model") is None:
        monkeypatch.setattr(graph, "warm_models", WarmModels())


@pytest.fixture
def version(db: None) -> PipelineVersion:
    return PipelineVersion.objects.create(
        name="brain-extraction", version="1.0.0", digest="d" * 64, title="Brain", definition={}
    )


@pytest.fixture
def make_job(exam: Exam, version: PipelineVersion) -> MakeJob:
    def make(*, fingerprint: str = "a", **fields: object) -> Job:
        return Job.objects.create(pipeline=version, exam=exam, fingerprint=fingerprint, **fields)

    return make


@pytest.fixture
def make_result() -> Callable[[Job], Result]:
    """The result of a job, with a segmentation series and one volume."""

    def make(job: Job) -> Result:
        series = Series.objects.create(
            exam=job.exam,
            series_instance_uid=f"1.2.3.{job.pk.int}"[:64],
            origin=Series.Origin.DERIVED,
            modality="SEG",
        )
        result = Result.objects.create(job=job, exam=job.exam, segmentation=series)
        Measurement.objects.create(result=result, name="Brain volume", value=1500.0, unit="ml")
        return result

    return make
