"""Exams that come to a study, and jobs that end as a test wants, without receiving a byte or running a model."""

from __future__ import annotations

import itertools
from typing import Any

from django.db import transaction
from django.utils.timezone import now

from dicom_ingest.models import AETitle, Exam, Route
from inference.models import Job, PipelineVersion, Result
from studies.cases import case_flow, enrolment
from studies.models import Case, Study
from tests.protocols import open_study

_numbers = itertools.count(1)
DIGEST = "a" * 64
PIPELINE_ARM = {"key": "ai", "label": "AI", "findings": {"kind": "pipeline", "pipeline": "glioma"}}


def study_with_ai(slug: str = "glioma", **document: Any) -> Study:
    """An active study whose one arm is a pipeline that is not installed: its jobs are made by `job_of`."""
    ae_title = AETitle.objects.create(title=slug.upper()[:16], quiet_period_seconds=1)
    about: dict[str, Any] = {"pipelines": [{"name": "glioma", "digest": DIGEST}], "arms": [PIPELINE_ARM]}
    return open_study(slug, ae_title=ae_title, **(about | document))


def exam_for(study: Study, **about: Any) -> Exam:
    """A complete exam that came to the study's AE title."""
    number = next(_numbers)
    exam = Exam.objects.create(
        **{
            "study_instance_uid": f"1.2.840.7.{number}",
            "patient_id": f"P{number}",
            "patient_name": f"Demo^{number}",
            "accession_number": f"ACC{number:05}",
        }
        | about
    )
    Route.objects.create(
        exam=exam, called_ae=study.ae_title.title, calling_ae="SCANNER", received_instances=1, completed_at=now()
    )
    return exam


def case_for(study: Study, **about: Any) -> Case:
    """The same, enrolled; its pipelines count as asked for."""
    exam = exam_for(study, **about)
    enrolment.enrol_complete_exams()
    Case.objects.filter(exam=exam).update(requested_at=now())
    return Case.objects.get(study=study, exam=exam)


def version_of(name: str = "glioma", digest: str = DIGEST) -> PipelineVersion:
    found, _ = PipelineVersion.objects.get_or_create(
        digest=digest, defaults={"name": name, "version": "1.0.0", "title": name.title(), "definition": {}}
    )
    return found


@transaction.atomic
def job_of(case: Case, state: Job.State, *, digest: str = DIGEST, reason: str = "", fingerprint: str = "a") -> Job:
    """A job of the arm's pipeline on the case, which supersedes the ones before; with a result where it succeeded."""
    Job.objects.filter(exam=case.exam).exclude(state=Job.State.SUPERSEDED).update(state=Job.State.SUPERSEDED)
    job = Job.objects.create(
        pipeline=version_of(digest=digest), exam=case.exam, fingerprint=fingerprint, state=state, reason=reason
    )
    if state == Job.State.SUCCEEDED:
        Result.objects.create(job=job, exam=case.exam)
    return job


@transaction.atomic
def succeed(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(state=Job.State.SUCCEEDED, reason="")
    Result.objects.create(job=job, exam=job.exam)


def advanced(case: Case) -> Case:
    """The case after a tick."""
    case_flow.advance()
    return Case.objects.get(pk=case.pk)
