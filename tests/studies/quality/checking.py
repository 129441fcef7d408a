"""Cases that wait for QC with real images, a segmentation and a number, without running a model."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from django.utils.timezone import now
from numpy.typing import NDArray
from pydicom import Dataset

from dicom_ingest.models import AETitle
from inference.models import Job, Result
from portal.access import Role
from portal.models import User
from studies.cases import case_flow, enrolment
from studies.models import Case, Membership, QCReview, Study
from studies.quality import sitting
from tests.conftest import PASSWORD, Cast
from tests.inference.received import receive
from tests.inference.series import Patient, mr_series
from tests.inference.stored import LIVER, SPLEEN, pipeline_of, stored, version_of
from tests.protocols import open_study
from tests.studies.cases.flowing import exam_for

REASONS = ["Wrong series", "Motion or artefact", "Incomplete coverage"]
PIPELINE = "acme-liver"
ARM = {"key": "ai", "label": "Acme liver", "findings": {"kind": "pipeline", "pipeline": PIPELINE}}
SLICES, ROWS, COLUMNS = 6, 48, 48
MakeCase = Callable[..., Case]
_numbers = itertools.count(1)


def checked_study(cast: Cast, slug: str = "livers", *, reviewers: int = 1, **document: Any) -> Study:
    """An active study whose cases are checked, with a coordinator and as many QC reviewers as it asks for."""
    about: dict[str, Any] = {
        "title": "Liver volumes",
        "quality_control": {"required": True, "reviewers": reviewers, "reasons": REASONS},
        "pipelines": [{"name": PIPELINE}],
        "arms": [ARM],
    }
    study = open_study(slug, ae_title=AETitle.objects.create(title=slug.upper()), **(about | document))
    Membership.objects.create(study=study, user=cast.qc, role=Role.QC_REVIEWER)
    Membership.objects.create(study=study, user=cast.coordinator, role=Role.COORDINATOR)
    return study


def another_reviewer(study: Study, name: str = "qc2") -> User:
    user = User.objects.create_user(name, password=PASSWORD)
    Membership.objects.create(study=study, user=user, role=Role.QC_REVIEWER)
    return user


def body(number: int) -> NDArray[np.uint16]:
    """A bright ellipse on black with a brighter spot."""
    rows, columns = np.indices((ROWS, COLUMNS))
    inside = ((rows - 24) / 20) ** 2 + ((columns - 24) / 16) ** 2 <= 1
    pixels = np.zeros((SLICES, ROWS, COLUMNS), np.uint16)
    pixels[:, inside] = 500 + 10 * (number % 10)
    pixels[2:5, 18:30, 18:30] = 800
    return pixels


def scan(number: int) -> list[Dataset]:
    """Two series of one exam: the one that a pipeline takes, and another."""
    patient = Patient(patient_id=f"MRN-{number}", study_instance_uid=f"1.2.826.0.1.3680043.8.498.7{number:04}")
    instances = [
        *mr_series(body(number), spacing=(4.0, 2.0, 2.0), patient=patient, description="AX T1 post"),
        *mr_series(body(number)[:1], patient=patient, description="Localizer", series_number=1),
    ]
    for instance in instances:
        instance.PatientName, instance.StudyDescription = "Quixote^Dulcinea", "MR liver"
        instance.AccessionNumber = f"ACC{number:04}"
    return instances


def case_in_qc(study: Study, folder: Path, *, segments: int = 1, **job: Any) -> Case:
    """The next case of the study, its result there."""
    number = next(_numbers)
    instances = scan(number)
    exam = receive(instances, called_ae=study.ae_title.title).exam
    enrolment.enrol_complete_exams()
    Case.objects.filter(exam=exam).update(requested_at=now())
    boxes = [(slice(2, 5), slice(18, 30), slice(18, 30)), (slice(1, 2), slice(10, 16), slice(20, 30))][:segments]
    parts = [("Liver", LIVER), ("Spleen", SPLEEN)][:segments]
    out = folder / f"run-{number}"
    out.mkdir()
    stored(pipeline_of(PIPELINE, *parts), instances[:SLICES], boxes, folder=out, volume_ml=1534.3, **job)
    case_flow.advance()
    case = Case.objects.select_related("study__ae_title", "protocol", "exam").get(study=study, exam=exam)
    assert case.state == Case.State.AWAITING_QC, case.state_reason
    return case


def case_without_images(study: Study) -> Case:
    """The same with a result that has no images: enough where nobody looks at them."""
    exam = exam_for(study)
    enrolment.enrol_complete_exams()
    Case.objects.filter(exam=exam).update(requested_at=now())
    job = Job.objects.create(
        pipeline=version_of(pipeline_of(PIPELINE, ("Liver", LIVER))),
        exam=exam,
        fingerprint="a",
        state=Job.State.SUCCEEDED,
    )
    Result.objects.create(job=job, exam=exam)
    case_flow.advance()
    return Case.objects.select_related("study__ae_title", "protocol", "exam").get(study=study, exam=exam)


def posted(case: Case, by: User, verdict: QCReview.Verdict | str, **fields: Any) -> dict[str, Any]:
    """What the page of the case sends."""
    case.refresh_from_db()
    return {"sitting": sitting.begin(case, by=by), "active": "0.0", "verdict": str(verdict)} | fields
