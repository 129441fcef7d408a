"""Cases of the cast's study in every state, without running a model."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date
from typing import Protocol

import pytest
from django.test import Client
from django.utils.timezone import now

from dicom_ingest.models import Exam, Route
from feedback.forms import quality_form
from feedback.responses import submit
from inference.models import Finding, Job, Measurement, PipelineVersion, Result
from portal.models import User
from studies.models import Case, Study
from tests.feedback.conftest import ANSWERS
from tests.protocols import case_of

SignIn = Callable[[User], Client]
State = Job.State


class MakeCase(Protocol):
    def __call__(self, state: Job.State | None = ..., *, of: Study | None = ..., **exam: object) -> Case: ...


@pytest.fixture
def version(db: None) -> PipelineVersion:
    return PipelineVersion.objects.create(
        name="brain-extraction", version="1.0.0", digest="d" * 64, title="Brain extraction", definition={}
    )


@pytest.fixture
def make_case(study: Study, version: PipelineVersion) -> MakeCase:
    """The next case of the study; its job is in `state`, with a result when it succeeded, or there is none yet."""
    numbers = itertools.count(1)

    def make(state: Job.State | None = State.SUCCEEDED, *, of: Study | None = None, **exam: object) -> Case:
        number = next(numbers)
        about = {
            "patient_id": f"P{number}",
            "patient_name": f"Demo^{number}",
            "study_date": date(2024, 1, number % 28 + 1),
        }
        new = Exam.objects.create(study_instance_uid=f"1.2.3.{number}", **(about | exam))
        called = (of or study).ae_title.title
        Route.objects.create(exam=new, called_ae=called, received_instances=1, completed_at=now(), dispatched_at=now())
        case = case_of(of or study, new, number=number, requested_at=now())
        if state is not None:
            _job(new, version, state)
        return case

    return make


@pytest.fixture
def judge() -> Callable[[Case, User], None]:
    def give(case: Case, reader: User) -> None:
        result = case.exam.results.current().get()
        submit(result=result, author=reader, form=quality_form(), answers=ANSWERS, seconds=1.0)

    return give


@pytest.fixture
def urgent() -> Callable[..., None]:
    """Let the triage of a case's pipeline find each class with its probability; a pneumothorax is urgent."""

    def find(case: Case, **probabilities: float) -> None:
        result = case.exam.results.current().get()
        definition = {"outputs": {"triage": {"step": "classes", "urgent_when": ["pneumothorax"], "above": 0.5}}}
        PipelineVersion.objects.filter(jobs=result.job).update(definition=definition)
        Result.objects.filter(pk=result.pk).update(is_urgent=True)
        label = max(probabilities, key=lambda name: probabilities[name])
        Finding.objects.create(
            result=result,
            kind=Finding.Kind.CLASS,
            name="Chest finding",
            label=label,
            probability=probabilities[label],
            probabilities=probabilities,
        )

    return find


def _job(exam: Exam, version: PipelineVersion, state: Job.State) -> None:
    reason = "Slices 41 and 42 lie at the same position." if state in {State.FAILED, State.SKIPPED} else ""
    finished = now() if state in Job.FINAL else None
    job = Job.objects.create(
        pipeline=version, exam=exam, fingerprint="a", state=state, reason=reason, started_at=now(), finished_at=finished
    )
    if state == State.SUCCEEDED:
        result = Result.objects.create(job=job, exam=exam)
        Measurement.objects.create(result=result, name="Brain volume", value=1400.0 + exam.pk % 9, unit="ml")
