"""A complete exam becomes one job per input, or says in words why not."""

import numpy as np
import pytest
from pydicom import Dataset

from dicom_ingest import rules, store
from dicom_ingest.models import AETitle, Route, Rule, RuleVerdict
from inference.dispatch import dispatch_exams
from inference.models import Job
from tests.inference.received import receive
from tests.inference.series import mr_series

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("brain_ae")]


def t1(*, slices: int = 24, description: str = "AX T1", modality: str = "MR") -> list[Dataset]:
    pixels = np.arange(slices * 8 * 8, dtype=np.uint16).reshape(slices, 8, 8)
    instances = mr_series(pixels, description=description)
    for instance in instances:
        instance.Modality = modality
    return instances


def test_a_complete_exam_gets_one_job_on_the_series_that_fits() -> None:
    instances = t1()
    route = receive(instances)

    assert dispatch_exams() == 1
    job = Job.objects.get()
    assert (job.state, job.exam, job.route) == (Job.State.QUEUED, route.exam, route)
    assert job.input_series is not None
    assert job.input_series.series_instance_uid == instances[0].SeriesInstanceUID
    assert job.pipeline.name == "brain-extraction"
    assert "AX T1" in job.selection


def test_an_exam_is_dispatched_once_until_it_completes_again() -> None:
    receive(t1())
    dispatch_exams()

    assert dispatch_exams() == 0


def test_an_incomplete_exam_waits() -> None:
    route = receive(t1())
    Route.objects.filter(pk=route.pk).update(completed_at=None)

    assert dispatch_exams() == 0
    assert not Job.objects.exists()


def test_the_same_input_completed_again_makes_no_second_job() -> None:
    instances = t1()
    receive(instances)
    dispatch_exams()
    receive(instances)

    assert dispatch_exams() == 1
    assert Job.objects.count() == 1


def test_a_late_slice_makes_a_new_job_and_supersedes_the_old_one() -> None:
    instances = t1()
    receive(instances[:-1])
    dispatch_exams()
    old = Job.objects.get()
    receive(instances[-1:])
    dispatch_exams()

    old.refresh_from_db()
    assert old.state == Job.State.SUPERSEDED
    assert old.superseded_by == Job.objects.exclude(pk=old.pk).get(state=Job.State.QUEUED)


def test_a_late_instance_of_another_series_changes_nothing() -> None:
    receive(t1())
    dispatch_exams()
    localizer = mr_series(np.zeros((3, 8, 8), dtype=np.uint16) + 1, description="Localizer", series_number=1)
    receive(localizer)
    dispatch_exams()

    assert Job.objects.get().state == Job.State.QUEUED


def test_a_ct_sent_to_the_brain_pipeline_is_skipped_with_the_reason() -> None:
    receive(t1(modality="CT"))
    dispatch_exams()

    job = Job.objects.get()
    assert job.state == Job.State.SKIPPED
    assert "The series is not MR" in job.reason
    assert '"CT"' in job.reason
    assert job.finished_at is not None


def test_an_ae_title_without_a_pipeline_starts_nothing(brain_ae: AETitle) -> None:
    brain_ae.pipeline = ""
    brain_ae.save()
    receive(t1())

    assert dispatch_exams() == 1
    assert not Job.objects.exists()


def test_an_ae_title_that_names_no_pipeline_of_ours_says_so_on_the_route(brain_ae: AETitle) -> None:
    brain_ae.pipeline = "brain-extractoin"
    brain_ae.save()
    route = receive(t1())
    dispatch_exams()

    route.refresh_from_db()
    assert 'There is no pipeline "brain-extractoin"' in route.dispatch_problem
    assert 'Did you mean "brain-extraction"?' in route.dispatch_problem


def rule(expression: str, *, name: str = "A rule", pipelines: tuple[str, ...] = ("brain-extraction",)) -> Rule:
    return rules.save(Rule(name=name, expression=expression, pipelines=list(pipelines), active=True), by=None)


def test_an_exam_goes_to_the_pipelines_of_every_rule_that_matches_each_once(brain_ae: AETitle) -> None:
    rule('series.Modality == "MR"', name="first")
    rule("series.NumberOfInstances > 20", name="second")
    receive(t1())
    dispatch_exams()
    assert Job.objects.get().pipeline.name == brain_ae.pipeline


def test_a_rule_that_matches_starts_what_the_ae_title_does_not() -> None:
    AETitle.objects.create(title="ANY")
    rule('series.SeriesDescription.matches("T1") && called_ae == "ANY"')
    receive(t1(), called_ae="ANY")
    dispatch_exams()
    assert Job.objects.get().state == Job.State.QUEUED
    assert RuleVerdict.objects.get().outcome == RuleVerdict.Outcome.MATCHED


def test_a_job_has_the_priority_of_the_ae_title_that_its_exam_came_to() -> None:
    AETitle.objects.create(title="NOW", priority=AETitle.Priority.URGENT)
    rule('series.Modality == "MR"')
    receive(t1(), called_ae="NOW")
    dispatch_exams()
    assert Job.objects.get().priority == AETitle.Priority.URGENT


def test_a_rule_that_does_not_match_starts_nothing() -> None:
    AETitle.objects.create(title="ANY")
    rule('series.Modality == "CT"')
    route = receive(t1(), called_ae="ANY")
    dispatch_exams()
    route.refresh_from_db()
    assert not Job.objects.exists()
    assert route.dispatch_problem == ""
    assert '(series.Modality is "MR")' in RuleVerdict.objects.get().explanation


def test_a_rule_that_cannot_decide_is_a_problem_of_the_route_and_stops_no_other() -> None:
    rule('series.StationName == "MR1"', name="Needs a station")
    rule('series.Modality == "MR"')
    route = receive(t1())
    dispatch_exams()
    route.refresh_from_db()
    assert (
        route.dispatch_problem
        == 'Rule "Needs a station" cannot decide: Series 3 "AX T1": the series lacks StationName.'
    )
    assert Job.objects.get().state == Job.State.QUEUED


def test_a_rule_whose_pipeline_is_gone_says_so() -> None:
    written = rule('series.Modality == "MR"')
    Rule.objects.filter(pk=written.pk).update(pipelines=["gone"])
    written.versions.update(pipelines=["gone"])
    route = receive(t1())
    dispatch_exams()
    route.refresh_from_db()
    assert 'Rule "A rule": There is no pipeline "gone".' in route.dispatch_problem


def test_a_late_series_is_judged_again_and_runs_only_what_it_changes() -> None:
    AETitle.objects.create(title="ANY")
    rule('series.SeriesDescription == "Localizer"', name="late")
    receive(t1(), called_ae="ANY")
    dispatch_exams()
    assert not Job.objects.exists()
    receive(mr_series(np.ones((3, 8, 8), dtype=np.uint16), description="Localizer", series_number=1), called_ae="ANY")
    dispatch_exams()
    receive(mr_series(np.ones((3, 8, 8), dtype=np.uint16), description="Other", series_number=5), called_ae="ANY")
    dispatch_exams()
    assert Job.objects.get().state == Job.State.QUEUED
    assert RuleVerdict.objects.filter(outcome=RuleVerdict.Outcome.MATCHED).count() == 2


def test_a_lost_header_is_a_problem_of_the_route() -> None:
    route = receive(t1())
    for instance in route.instances.all():
        uids = (route.exam.study_instance_uid, instance.series.series_instance_uid, instance.sop_instance_uid)
        store.header_path(*uids).unlink()
    dispatch_exams()
    route.refresh_from_db()
    assert "cannot be read (FileNotFoundError)" in route.dispatch_problem
