"""A blinded study of exams as large as the demonstration's, each with a mask, dealt out to one reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom import Dataset

CASES = 5
SLICES, ROWS, COLUMNS = 160, 256, 256
AE_TITLE = "BENCHREADS"
ARM = "vendor"
PASSWORD = "a reader at a bench"  # noqa: S105 - of this benchmark's own database


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Who reads, and the StudyInstanceUIDs of the exams in the reader's order."""

    username: str
    exams: tuple[str, ...]


def write() -> Bench:
    """Receive the exams and their masks, and deal the cases out."""
    from django.utils.timezone import now  # noqa: PLC0415 - after django.setup()

    from portal.access import Role  # noqa: PLC0415
    from portal.models import User  # noqa: PLC0415
    from studies.blinding import preparation  # noqa: PLC0415
    from studies.models import Membership, Read  # noqa: PLC0415
    from studies.reading import assignment  # noqa: PLC0415

    study = _study()
    reader = User.objects.create_user("reader", password=PASSWORD)
    Membership.objects.create(study=study, user=reader, role=Role.READER, granted_at=now())
    for number in range(1, CASES + 1):
        _case(study, number)
    assignment.assign()
    order = Read.objects.filter(reader=reader).order_by("position")
    for read in order:  # as the scheduler does, some reads ahead of each reader
        preparation.prepare(read)
    return Bench(username=reader.username, exams=tuple(order.values_list("case__exam__study_instance_uid", flat=True)))


def _study() -> Any:
    from dicom_ingest.models import AETitle  # noqa: PLC0415
    from feedback.forms import quality_form  # noqa: PLC0415
    from studies.protocols import protocol_forms  # noqa: PLC0415
    from tests.protocols import open_study  # noqa: PLC0415

    form = quality_form()
    return open_study(
        "bench-reads",
        ae_title=AETitle.objects.create(title=AE_TITLE, quiet_period_seconds=1),
        form=form,
        arms=[{"key": ARM, "label": "Vendor", "findings": {"kind": "dicom", "when": 'series.Modality == "SEG"'}}],
        forms=[protocol_forms.shipped()[form.slug]],
        design={"kind": "independent", "arms": [ARM], "form": form.slug},
        blinding={"readers": "blinded", "patient": "shown"},
    )


def _case(study: Any, number: int) -> None:
    from dicom_ingest.models import Exam  # noqa: PLC0415
    from studies.models import ArmFinding, Case  # noqa: PLC0415
    from tests.inference.received import receive  # noqa: PLC0415
    from tests.inference.series import Patient, mr_series  # noqa: PLC0415
    from tests.protocols import case_of  # noqa: PLC0415
    from tests.studies.blinding.makers import LIVER, sent, vendors  # noqa: PLC0415

    uid = f"1.2.826.0.1.3680043.8.498.77.{number}"
    patient = Patient(patient_id=f"BENCH-{number}", study_instance_uid=uid)
    images: list[Dataset] = mr_series(_head(number), patient=patient, spacing=(1.0, 1.0, 1.0))
    for image in images:
        image.WindowCenter, image.WindowWidth = 500, 1000
    receive(images, called_ae=AE_TITLE)
    exam = Exam.objects.get(study_instance_uid=uid)
    case = case_of(study, exam, number=number, state=Case.State.ENROLLED)
    series = sent(vendors(images, {LIVER: _ball(radius=40)}, kind="BINARY"))
    ArmFinding.objects.create(case=case, arm=ARM, series=series)


def _head(number: int) -> NDArray[np.uint16]:
    """Noise within a ball, another for each case."""
    noise = np.random.default_rng(number).integers(300, 700, (SLICES, ROWS, COLUMNS), dtype=np.uint16)
    return np.asarray(noise * _ball(radius=75), dtype=np.uint16)


def _ball(*, radius: float) -> NDArray[np.uint8]:
    at = np.ogrid[-SLICES / 2 : SLICES / 2, -ROWS / 2 : ROWS / 2, -COLUMNS / 2 : COLUMNS / 2]
    return np.asarray(sum(axis**2 for axis in at) < radius**2, dtype=np.uint8)
