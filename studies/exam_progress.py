"""How far an exam has come: what arrived, what was made of it, and what is still to happen."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Prefetch

from dicom_ingest.completion import SeriesState, series_state
from dicom_ingest.models import AETitle, Exam, Instance, Route, RuleVerdict, Series
from inference.models import Finding, Job, Measurement, Result
from inference.rerun import series_of_reruns
from portal.access import Viewer

OTHER_EXAMS = 20


@dataclass(frozen=True, kw_only=True)
class RouteLine:
    """One way the exam came in, and where that is now."""

    route: Route
    quiet_period_seconds: int | None
    pipeline: str

    @property
    def is_settled(self) -> bool:
        """Whether everything arrived and was given to the pipeline."""
        completed, dispatched = self.route.completed_at, self.route.dispatched_at
        return completed is not None and dispatched is not None and dispatched >= completed


@dataclass(frozen=True, kw_only=True)
class SeriesLine:
    """One series, whether it is quiet, and whether it holds an image."""

    series: Series
    state: SeriesState
    has_image: bool


@dataclass(frozen=True, kw_only=True)
class ExamProgress:
    """The parts of an exam's page that change while one looks at them."""

    routes: tuple[RouteLine, ...]
    jobs: tuple[Job, ...]
    series: tuple[SeriesLine, ...]
    verdicts: tuple[RuleVerdict, ...]

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen unless somebody does something."""
        return all(line.is_settled for line in self.routes) and all(job.is_final for job in self.jobs)

    @property
    def is_arriving(self) -> bool:
        """Whether a route waits for more."""
        return any(not line.route.is_complete for line in self.routes)

    @property
    def newest_result(self) -> Result | None:
        """The result of the newest job that succeeded."""
        return next(
            (job.result for job in self.jobs if job.state == Job.State.SUCCEEDED and hasattr(job, "result")), None
        )


@dataclass(frozen=True, kw_only=True)
class PatientExam:
    """One of the patient's exams, as a row of the longitudinal table: what was measured, or else what was found."""

    exam: Exam
    result: Result | None
    measurement: Measurement | None
    finding: Finding | None
    is_this: bool

    @property
    def finding_percent(self) -> float:
        return 100 * self.finding.probability if self.finding else 0.0


def progress_of(exam: Exam) -> ExamProgress:
    """Where `exam` stands now. Reruns and the series that they made are left out: they count for nobody. So is what
    people deposited, whose existence alone would tell other readers something."""
    ae_titles = {ae.title: ae for ae in AETitle.objects.filter(title__in=exam.routes.values("called_ae"))}
    jobs = (
        exam.jobs.filter(rerun_of=None)
        .select_related("pipeline", "result", "input_series", "superseded_by")
        .prefetch_related("operators")
    )
    series = (
        exam.series.for_everybody()
        .exclude(pk__in=series_of_reruns(exam))
        .select_related("exam")
        .order_by("-origin", "series_number", "pk")
    )
    images = Instance.objects.filter(series__exam=exam, rows__gt=0)
    pictured = set(images.values_list("series_id", flat=True).distinct())
    return ExamProgress(
        routes=tuple(_line(route, ae_titles.get(route.called_ae)) for route in exam.routes.all()),
        jobs=tuple(jobs.order_by("-created_at")),
        verdicts=tuple(RuleVerdict.objects.of_exam(exam)),
        series=tuple(SeriesLine(series=one, state=series_state(one), has_image=one.pk in pictured) for one in series),
    )


def exams_of_the_patient(exam: Exam, user: Viewer) -> tuple[PatientExam, ...]:
    """`exam` and the patient's other exams that `user` may see, newest first. Without a PatientID only `exam`."""
    mine = Exam.objects.filter(pk=exam.pk)
    if exam.patient_id:
        mine = Exam.objects.visible_to(user).filter(
            patient_id=exam.patient_id, issuer_of_patient_id=exam.issuer_of_patient_id
        )
    results = Result.objects.current().prefetch_related("measurements", "findings")
    exams = mine.prefetch_related(Prefetch("results", queryset=results, to_attr="current_results"))
    ordered = exams.order_by("-study_date", "-study_time", "-received_at")[:OTHER_EXAMS]
    return tuple(_patient_exam(other, is_this=other.pk == exam.pk) for other in ordered)


def _line(route: Route, ae: AETitle | None) -> RouteLine:
    return RouteLine(
        route=route,
        quiet_period_seconds=ae.quiet_period_seconds if ae else None,
        pipeline=ae.pipeline if ae else "",
    )


def _patient_exam(exam: Exam, *, is_this: bool) -> PatientExam:
    current: list[Result] = vars(exam)["current_results"]
    result = current[0] if current else None
    return PatientExam(
        exam=exam,
        result=result,
        measurement=next(iter(result.measurements.all()), None) if result else None,
        finding=next(iter(result.findings.all()), None) if result else None,
        is_this=is_this,
    )
