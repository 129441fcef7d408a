"""Studies that are read, with enrolled cases and readers, without a scanner or a model."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from django.utils.timezone import now

from dicom_ingest.models import AETitle, Exam
from feedback.forms import quality_form
from inference.models import Job, PipelineVersion, Result
from portal.access import Role
from portal.models import User
from studies.cases.flow import WITHOUT_READERS
from studies.models import ArmFinding, Case, Membership, Read, Study
from studies.protocols import protocol_forms
from tests.protocols import case_of, open_study

ARMS = [
    {"key": "ai", "label": "Model of the study", "findings": {"kind": "pipeline", "pipeline": "brain-extraction"}},
    {"key": "novice", "label": "Novice's mask", "findings": {"kind": "dicom", "when": 'series.Modality == "SEG"'}},
    {"key": "alone", "label": "Without a model", "findings": {"kind": "people"}},
]
INDEPENDENT: dict[str, Any] = {"kind": "independent", "arms": ["alone"]}
ONE_SITTING: dict[str, Any] = {"kind": "unaided-aided", "aid": "ai"}
CROSSOVER: dict[str, Any] = {"kind": "unaided-aided", "aid": "ai", "order": "crossover", "washout_days": 28}
SCORING: dict[str, Any] = {"kind": "blind-scoring", "arms": ["ai", "novice"]}


@dataclass
class Bench:
    """One study and what comes to it."""

    study: Study
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def reader(self, name: str, role: Role = Role.READER, *, reader_role: str = "") -> User:
        user = User.objects.create_user(name)
        Membership.objects.create(study=self.study, user=user, role=role, reader_role=reader_role)
        return user

    def case(self, *, findings: tuple[str, ...] = ("ai", "novice"), **fields: Any) -> Case:
        """The next enrolled case, with a finding of each of those arms."""
        number = next(self._numbers)
        exam = Exam.objects.create(
            study_instance_uid=f"1.2.{self.study.pk}.{number}", patient_id=f"P{number}", patient_name=f"Secret^{number}"
        )
        case = case_of(self.study, exam, number=number, **({"state": Case.State.ENROLLED} | fields))
        for arm in findings:
            self.find(case, arm)
        return case

    def cases(self, count: int) -> list[Case]:
        return [self.case() for _ in range(count)]

    def find(self, case: Case, arm: str) -> None:
        """Let the arm have its say; the pipeline's arm by a result."""
        result = result_of(case.exam) if arm == "ai" else None
        ArmFinding.objects.create(case=case, arm=arm, result=result)

    def order(self, reader: User) -> list[tuple[int, str]]:
        """Case and condition of the reader's reads, in their order, withdrawn ones left out."""
        reads = Read.objects.filter(study=self.study, reader=reader).exclude(state=Read.State.WITHDRAWN)
        return list(reads.order_by("position").values_list("case__number", "condition"))


def bench(
    design: dict[str, Any], *, slug: str = "glioma", stage: Study.Stage = Study.Stage.ACTIVE, **document: Any
) -> Bench:
    """A blinded study of that design, on an AE title of its own."""
    ae_title = AETitle.objects.create(title=slug.upper()[:16], pipeline="brain-extraction", quiet_period_seconds=1)
    form = quality_form()
    about: dict[str, Any] = {
        "pipelines": [{"name": "brain-extraction"}],
        "arms": ARMS,
        "design": design if design["kind"] in WITHOUT_READERS else {"form": form.slug} | design,
        "forms": [protocol_forms.shipped()[form.slug]],
        "blinding": {"readers": "blinded", "patient": "hidden"},
    }
    study = open_study(slug, ae_title=ae_title, form=form, stage=stage, **(about | document))
    return Bench(study=study)


def result_of(exam: Exam) -> Result:
    version, _ = PipelineVersion.objects.get_or_create(
        name="brain-extraction", version="1.0.0", digest="d" * 64, title="Brain extraction", defaults={"definition": {}}
    )
    job = Job.objects.create(
        pipeline=version, exam=exam, fingerprint="a", state=Job.State.SUCCEEDED, started_at=now(), finished_at=now()
    )
    return Result.objects.create(job=job, exam=exam)
