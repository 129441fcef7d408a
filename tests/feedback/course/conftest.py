"""Results of a pipeline that follows a glioma, made without running it."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from dicom_ingest.models import Series
from feedback.models import CorrectedStructure, Correction
from inference import shipped
from inference.models import Measurement, PipelineVersion, Result
from inference.pipeline import load
from portal.models import User
from tests.feedback.conftest import MakeExam, MakeResult

FIRST_VISIT = date(2024, 9, 11)
VOLUMES = (12.0, 11.0, 10.0, 10.5, 15.2)
"""In ml; the nadir is the third."""

Correct = Callable[..., Correction]


@pytest.fixture
def glioma(db: None) -> PipelineVersion:
    """The shipped pipeline, as it is registered."""
    file = next(file for file in shipped.files() if file.stem == "glioma-followup")
    pipeline = load(file)
    return PipelineVersion.objects.create(
        name=pipeline.name,
        version=pipeline.version,
        digest="a" * 64,
        title=pipeline.title,
        definition=pipeline.model_dump(mode="json"),
    )


@pytest.fixture
def visits(make_exam: MakeExam, make_result: MakeResult, glioma: PipelineVersion) -> list[Result]:
    """Results of five exams, 90 days apart, in order of time."""
    found = []
    for number, volume in enumerate(VOLUMES):
        exam = make_exam(FIRST_VISIT + timedelta(90 * number))
        result = make_result(exam, pipeline=glioma)
        result.measurements.all().delete()
        for name, value, unit in (
            ("Lesion volume", volume, "ml"),
            ("Longest diameter", 20 + volume, "mm"),
            ("Change since the first exam", 1.0, "%"),
        ):
            alert = 40.0 if unit == "ml" else None
            Measurement.objects.create(
                result=result, name=name, value=value, unit=unit, structure="Lesion", alert_change_percent=alert
            )
        found.append(result)
    return found


@pytest.fixture
def correct() -> Correct:
    """A measured correction of the result's lesion."""

    def make(result: Result, author: User, ml: float, *, sitting: str = "", is_empty: bool = False) -> Correction:
        series = None
        if not is_empty:
            uid = f"1.2.826.0.1.3680043.8.498.77.{Correction.objects.count() + 1}"
            series = Series.objects.create(
                exam=result.exam, series_instance_uid=uid, modality="SEG", origin=Series.Origin.CORRECTED
            )
        assert result.segmentation is not None
        correction = Correction.objects.create(
            predecessor=result.segmentation,
            result=result,
            exam=result.exam,
            series=series,
            is_empty=is_empty,
            author=author,
            sitting=sitting,
            state=Correction.State.MEASURING,
        )
        if not is_empty:
            CorrectedStructure.objects.create(
                correction=correction, number=1, label="Lesion", ml=ml, before_ml=10.0, added_ml=1.0, removed_ml=1.0
            )
        Correction.objects.filter(pk=correction.pk).update(state=Correction.State.MEASURED)
        return Correction.objects.get(pk=correction.pk)

    return make
