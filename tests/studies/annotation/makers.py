"""A study whose expert gives masks, with one case, its annotator, and files as drawing programs export them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dicom_ingest.models import AETitle, Exam
from feedback.models import Form
from inference.operators.stacking import stack
from portal.access import Role
from portal.models import User
from studies.annotation import dealing
from studies.models import ArmFinding, Case, Membership, Read, Study
from studies.reading import reads
from tests.conftest import PASSWORD
from tests.inference.received import receive
from tests.inference.series import source
from tests.protocols import case_of, open_study
from tests.studies.blinding.makers import FORM, LIVER, SPLEEN, box, document, ours, scan

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass
class Bench:
    """One case of which the pipeline drew liver and spleen, and an expert has still to draw them."""

    study: Study
    case: Case
    annotator: User
    coordinator: User
    reader: User
    instances: list[Dataset]

    def given(self) -> Read:
        """The annotator's read, dealt and opened."""
        dealing.assign_in(self.study)
        read = Read.objects.get(kind=Read.Kind.ANNOTATION)
        return reads.open_read(read.pk, by=self.annotator)

    def finding(self, arm: str = "expert") -> ArmFinding | None:
        return ArmFinding.objects.filter(case=self.case, arm=arm, replaced_at=None).first()


def bench(
    form: Form,
    folder: Path,
    *,
    start: str = "",
    voxels: NDArray[np.uint16] | None = None,
    liver: NDArray[np.uint8] | None = None,
    **changes: Any,
) -> Bench:
    """The study, with readers, a coordinator and an annotator, and the pipeline's result of its case.

    voxels, liver: of the images and of what the pipeline drew, in place of the usual ones.
    """
    arms = [
        {"key": "machine", "label": "AI", "findings": {"kind": "pipeline", "pipeline": "acme-liver"}},
        {"key": "expert", "label": "Expert", "findings": {"kind": "people", "gives": "masks", "start": start}},
    ]
    design = {"kind": "blind-scoring", "arms": ["machine", "expert"], "form": FORM}
    ae_title = AETitle.objects.create(title="LIVERSTUDY", quiet_period_seconds=1)
    study = open_study(
        "masks", ae_title=ae_title, form=form, **document(**({"arms": arms, "design": design} | changes))
    )
    instances = scan(voxels=voxels)
    receive(instances, called_ae="LIVERSTUDY")
    exam = Exam.objects.get(study_instance_uid=instances[0].StudyInstanceUID)
    case = case_of(study, exam, number=1, state=Case.State.ENROLLED)
    made = Bench(
        study=study,
        case=case,
        annotator=_member(study, "annotator", Role.ANNOTATOR),
        coordinator=_member(study, "runs-it", Role.COORDINATOR),
        reader=_member(study, "scorer", Role.READER),
        instances=instances,
    )
    masks = {LIVER: box(), SPLEEN: box(low=0, high=1)} if liver is None else {LIVER: liver, SPLEEN: 0 * liver}
    result = ours(instances, masks, folder=folder)
    ArmFinding.objects.create(case=case, arm="machine", result=result, series=result.segmentation)
    return made


def affine_of(instances: list[Dataset]) -> NDArray[np.float64]:
    """From (plane, row, column) to mm, LPS."""
    return stack(source(instances)).affine


def nifti(
    labels: NDArray[Any],
    affine: NDArray[np.float64],
    *,
    order: tuple[int, ...] = (2, 1, 0),
    flips: tuple[int, ...] = (),
) -> Any:
    """`labels` on a grid (LPS) as NIfTI, whose axes stand in `order` of the grid's, those of `flips` reversed."""
    turned = np.flip(np.transpose(labels, order), axis=flips)
    own = np.asarray(LPS_TO_RAS @ affine)[:, [*order, 3]]
    for axis in flips:
        own[:, 3] += own[:, axis] * (turned.shape[axis] - 1)
        own[:, axis] *= -1
    return nibabel.Nifti1Image(turned, own)


def file_of(image: Any) -> io.BytesIO:
    """A NIfTI image as the bytes of an uncompressed file."""
    return io.BytesIO(image.to_bytes())


def dicom_file(dataset: Dataset, **changes: Any) -> io.BytesIO:
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return buffer


def volumes(structures: list[Mapping[str, Any]]) -> dict[str, float]:
    return {one["label"]: one["ml"] for one in structures}


def _member(study: Study, name: str, role: Role) -> User:
    user = User.objects.create_user(name, password=PASSWORD)
    Membership.objects.create(study=study, user=user, role=role)
    return user
