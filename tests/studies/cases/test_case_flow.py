"""Cases on their way: processed, checked, enrolled, and back when something newer comes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from dicom_ingest.models import Route
from inference import engine
from inference.models import Job, Result
from studies.cases import arm_findings, case_flow, qc, qc_verdict
from studies.models import ArmFinding, Case, QCReview, Read, Study
from studies.refusals import Refused
from tests.conftest import Cast
from tests.studies.cases.flowing import advanced, case_for, exam_for, job_of, study_with_ai, succeed
from tests.studies.cases.test_screening import opened_read

pytestmark = pytest.mark.django_db

State = Case.State
Verdict = QCReview.Verdict
CHECKED = {"quality_control": {"required": True, "reasons": ["Motion", "Wrong series"]}}
CHECKED_TWICE = {"quality_control": {"required": True, "reviewers": 2, "reasons": ["Motion", "Wrong series"]}}


def test_a_case_is_enrolled_when_the_pipelines_of_its_arms_have_found_something() -> None:
    case = case_for(study_with_ai())
    assert advanced(case).state == State.PROCESSING
    job = job_of(case, Job.State.RUNNING)
    assert advanced(case).state == State.PROCESSING
    succeed(job)
    assert advanced(case).state == State.ENROLLED
    finding = arm_findings.current(case).get()
    assert (finding.arm, finding.result) == ("ai", job.result)


def test_a_case_without_pipelines_is_enrolled_at_once() -> None:
    assert advanced(case_for(study_with_ai(arms=[], pipelines=[]))).state == State.ENROLLED


def test_a_case_without_arms_waits_for_the_pipeline_of_its_ae_title() -> None:
    study = study_with_ai(arms=[], pipelines=[])
    study.ae_title.pipeline = "glioma"
    study.ae_title.save()
    case = case_for(study)
    assert advanced(case).state == State.PROCESSING
    job_of(case, Job.State.SUCCEEDED)
    assert advanced(case).state == State.ENROLLED
    assert not arm_findings.current(case).exists()


def test_a_failed_job_fails_its_case_with_the_reason_and_a_retried_one_takes_it_on() -> None:
    case = case_for(study_with_ai())
    job = job_of(case, Job.State.FAILED, reason="Slices 41 and 42 lie at the same position.")
    case = advanced(case)
    assert (case.state, case.state_reason) == (State.FAILED, "glioma: Slices 41 and 42 lie at the same position.")
    engine.retry(job.pk)
    assert advanced(case).state == State.PROCESSING
    succeed(job)
    case = advanced(case)
    assert (case.state, case.state_reason) == (State.ENROLLED, "")


def test_a_pipeline_with_no_eligible_series_fails_the_case_with_the_reason() -> None:
    case = case_for(study_with_ai())
    job_of(case, Job.State.SKIPPED, reason="No series fits.")
    assert "No series fits." in advanced(case).state_reason


def test_another_version_than_the_frozen_one_is_no_finding() -> None:
    case = case_for(study_with_ai())
    job_of(case, Job.State.SUCCEEDED, digest="b" * 64)
    case = advanced(case)
    assert case.state == State.FAILED
    assert "bbbbbbbbbbbb" in case.state_reason and "aaaaaaaaaaaa" in case.state_reason
    assert not ArmFinding.objects.exists()


def test_a_pipeline_that_is_not_installed_in_the_frozen_version_fails_the_case() -> None:
    arm = {"key": "ai", "label": "AI", "findings": {"kind": "pipeline", "pipeline": "brain-extraction"}}
    study = study_with_ai(pipelines=[{"name": "brain-extraction", "digest": "c" * 64}], arms=[arm])
    exam = exam_for(study)
    from studies.cases.enrolment import enrol_complete_exams

    enrol_complete_exams()
    case = advanced(exam.cases.get())
    assert case.state == State.FAILED
    assert "cccccccccccc" in case.state_reason and "Try again" in case.state_reason


def test_a_newer_result_replaces_the_older_finding_and_both_stay() -> None:
    case = case_for(study_with_ai())
    first = job_of(case, Job.State.SUCCEEDED)
    assert advanced(case).state == State.ENROLLED
    second = job_of(case, Job.State.RUNNING, fingerprint="b")
    assert advanced(case).state == State.PROCESSING
    succeed(second)
    assert advanced(case).state == State.ENROLLED
    assert arm_findings.current(case).get().result == second.result
    old = case.findings.exclude(replaced_at=None).get()
    assert old.result == first.result


def test_what_readers_have_begun_with_no_longer_changes(cast: Cast) -> None:
    case = case_for(study_with_ai())
    first = job_of(case, Job.State.SUCCEEDED)
    case = advanced(case)
    opened_read(case, cast)
    job_of(case, Job.State.SUCCEEDED, fingerprint="b")
    case = advanced(case)
    assert (case.state, case.state_reason) == (State.ENROLLED, case_flow.NEWER_AFTER_READING)
    assert arm_findings.current(case).get().result == first.result
    assert case_flow.advance() == 0, "it is said once"


def test_a_rerun_changes_nothing() -> None:
    case = case_for(study_with_ai())
    job = job_of(case, Job.State.SUCCEEDED)
    case = advanced(case)
    again = Job.objects.create(
        pipeline=job.pipeline, exam=case.exam, fingerprint="a", rerun_of=job, state=Job.State.FAILED, reason="x"
    )
    assert advanced(case).state == State.ENROLLED
    Job.objects.filter(pk=again.pk).update(state=Job.State.SUCCEEDED)
    Result.objects.create(job=again, exam=case.exam)
    advanced(case)
    assert arm_findings.current(case).get().result == job.result


def test_one_reviewer_passes_a_case(cast: Cast) -> None:
    case = checked_case(CHECKED)
    qc.review(case, Verdict.ACCEPT, by=cast.qc)
    assert Case.objects.get(pk=case.pk).state == State.ENROLLED


def test_a_rejected_case_says_why_and_can_be_checked_anew(cast: Cast) -> None:
    case = checked_case(CHECKED)
    with pytest.raises(Refused, match="Motion, Wrong series"):
        qc.review(case, Verdict.REJECT, by=cast.qc, reason="I do not like it")
    qc.review(case, Verdict.REJECT, by=cast.qc, reason="Motion", note="Vertex")
    case.refresh_from_db()
    assert (case.state, case.state_reason) == (State.QC_REJECTED, "Motion")
    with pytest.raises(Refused, match="does not await QC"):
        qc.review(case, Verdict.ACCEPT, by=cast.admin)
    qc.reopen(case, by=cast.coordinator, reason="Rejected by mistake")
    case.refresh_from_db()
    assert (case.state, qc_verdict.of(case)) == (State.AWAITING_QC, None)


def test_two_reviewers_must_agree_and_a_third_decides_between_them(cast: Cast) -> None:
    case = checked_case(CHECKED_TWICE)
    qc.review(case, Verdict.ACCEPT, by=cast.qc)
    assert qc_verdict.of(case) is None
    with pytest.raises(Refused, match="You have accepted case 1 already"):
        qc.review(case, Verdict.ACCEPT, by=cast.qc)
    case.refresh_from_db()
    assert case.state == State.AWAITING_QC, "the same person twice is one reviewer"
    qc.review(case, Verdict.REJECT, by=cast.admin, reason="Motion")
    case.refresh_from_db()
    assert case.state == State.AWAITING_QC
    assert qc_verdict.is_disputed(qc_verdict.counting(case))
    qc.review(case, Verdict.REJECT, by=cast.scientist, reason="Wrong series")
    case.refresh_from_db()
    assert (case.state, case.state_reason) == (State.QC_REJECTED, "Motion, Wrong series")


def test_a_newer_result_needs_a_newer_check(cast: Cast) -> None:
    case = checked_case(CHECKED)
    qc.review(case, Verdict.ACCEPT, by=cast.qc)
    job_of(case, Job.State.SUCCEEDED, fingerprint="b")
    case = advanced(case)
    assert (case.state, case.qc_round) == (State.AWAITING_QC, 2)
    assert not qc_verdict.counting(case)


def test_reviews_and_findings_are_kept_by_the_database(cast: Cast) -> None:
    case = checked_case(CHECKED)
    qc.review(case, Verdict.ACCEPT, by=cast.qc)
    changes: list[Any] = [
        lambda: QCReview.objects.update(verdict=Verdict.REJECT),
        lambda: QCReview.objects.all().delete(),
        lambda: ArmFinding.objects.update(arm="novice"),
        lambda: ArmFinding.objects.update(arm="novice", replaced_at=now()),
        lambda: ArmFinding.objects.all().delete(),
    ]
    for change in changes:
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()
    ArmFinding.objects.update(replaced_at=now())
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        ArmFinding.objects.update(replaced_at=None)


def test_nothing_moves_in_a_locked_study(cast: Cast) -> None:
    case = checked_case(CHECKED)
    Study.objects.filter(pk=case.study_id).update(stage=Study.Stage.LOCKED)
    with pytest.raises(Refused, match="locked"):
        qc.review(case, Verdict.ACCEPT, by=cast.qc)
    job_of(case, Job.State.SUCCEEDED, fingerprint="b")
    assert advanced(case).state == State.AWAITING_QC


def test_a_late_slice_has_the_pipelines_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr("inference.dispatch.request", lambda name, route, *, digest: asked.append((name, digest)))
    case = case_for(study_with_ai())
    case_flow.advance()
    assert not asked
    Route.objects.filter(exam=case.exam).update(completed_at=now())
    case_flow.advance()
    case_flow.advance()
    assert asked == [("glioma", "a" * 64)]


def test_a_case_that_failed_is_tried_again_from_its_page(cast: Cast) -> None:
    case = case_for(study_with_ai())
    job = job_of(case, Job.State.FAILED, reason="Out of memory")
    case = advanced(case)
    case_flow.try_again(case, by=cast.coordinator)
    job.refresh_from_db()
    case.refresh_from_db()
    assert (job.state, case.requested_at) == (Job.State.QUEUED, None)
    succeed(job)
    Case.objects.update(requested_at=now())
    with pytest.raises(Refused, match="did not fail"):
        case_flow.try_again(advanced(case), by=cast.coordinator)


def test_ticks_ask_a_constant_number_of_queries_while_nothing_moves(django_assert_max_num_queries: Any) -> None:
    study = study_with_ai()
    for _ in range(12):
        advanced(case_for(study))
    with django_assert_max_num_queries(8):
        assert case_flow.advance() == 0


def checked_case(about: dict[str, Any]) -> Case:
    """A case whose result is there and that awaits QC."""
    case = case_for(study_with_ai(**about))
    job_of(case, Job.State.SUCCEEDED)
    case = advanced(case)
    assert case.state == State.AWAITING_QC
    assert not Read.objects.exists()
    return case
