"""Complete exams become jobs."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F, Q
from django.utils.timezone import now

from dicom_ingest import rules
from dicom_ingest.exam_headers import HeaderUnreadable, headers_of
from dicom_ingest.headers import exam_header
from dicom_ingest.models import AETitle, Exam, Route, RuleVerdict, Series
from inference import chosen_series, engine, fingerprint, model_registry, pipeline, registration
from inference.chosen_series import Choice
from inference.errors import InferenceError, VersionDiffers
from inference.models import Job
from inference.schema import Pipeline
from inference.selection import Selection, select_series

BATCH = 20


def dispatch_exams() -> int:
    """Give every exam that completed since the last call to its pipelines; return how many there were.

    They are the one that the called AE title names, and those of the active rules that match, each once.
    """
    waiting = Route.objects.filter(completed_at__isnull=False).filter(
        Q(dispatched_at=None) | Q(dispatched_at__lt=F("completed_at"))
    )
    return sum(_dispatch(pk) for pk in waiting.order_by("completed_at").values_list("pk", flat=True)[:BATCH])


@transaction.atomic
def _dispatch(route_id: int) -> bool:
    locked = Route.objects.select_for_update(skip_locked=True, of=("self",)).select_related("exam")
    route = locked.filter(pk=route_id).first()
    if route is None or route.completed_at is None:
        return False
    route.dispatched_at = now()
    verdicts = rules.judge_route(route)
    problems = [_undecided(verdict) for verdict in verdicts if verdict.outcome == RuleVerdict.Outcome.ERROR]
    problems += [_run_named(name, route, sender) for name, sender in _wanted(route, verdicts).items()]
    route.dispatch_problem = " ".join(filter(None, problems))
    route.save(update_fields=["dispatched_at", "dispatch_problem"])
    return True


def _wanted(route: Route, verdicts: Sequence[RuleVerdict]) -> dict[str, str]:
    """The pipelines that the exam goes to, and who says so."""
    wanted: dict[str, str] = {}
    ae = AETitle.objects.filter(title=route.called_ae).first()
    if ae is not None and ae.pipeline:
        wanted[ae.pipeline] = f"AE title {route.called_ae}"
    for verdict in verdicts:
        if verdict.outcome == RuleVerdict.Outcome.MATCHED:
            for name in verdict.version.pipelines:
                wanted.setdefault(name, f'Rule "{verdict.version.rule}"')
    return wanted


def _undecided(verdict: RuleVerdict) -> str:
    return f'Rule "{verdict.version.rule}" cannot decide: {verdict.explanation}.'.replace("..", ".")


def _run_named(name: str, route: Route, sender: str) -> str:
    """What went wrong, in words; nothing when the exam was given to the pipeline."""
    try:
        submit(pipeline.load_named(name), route)
    except (InferenceError, HeaderUnreadable) as fault:
        return f"{sender}: {fault} Correct it, then complete the exam again."
    return ""


def request(name: str, route: Route, *, digest: str = "", choice: Choice | None = None) -> Job:
    """The job of the installed pipeline `name` on an exam that is complete, as `submit` gives it.

    With `digest` only that very version runs; with `choice` on the series that a person chose, whatever the pipeline's
    conditions say. Raises VersionDiffers, PipelineNotFound, ModelRefused, SeriesNotChoosable and other InferenceErrors,
    and HeaderUnreadable.
    """
    definition = pipeline.load_named(name)
    if digest and definition.digest != digest:
        raise VersionDiffers(
            f"Pipeline {name} is asked for in version {digest[:12]}, and {definition.digest[:12]} is installed. "
            "Install the former again, or amend the protocol that names it."
        )
    with transaction.atomic():
        return submit(definition, route, choice=choice)


def submit(definition: Pipeline, route: Route, *, choice: Choice | None = None) -> Job:
    """The job of `definition` on the exam as it is now: a new one, or the one that this very input already has.

    An exam without an eligible series gets a job that is skipped, with the reason for every series. A new job
    supersedes older ones of the same pipeline on the same exam, and their results. Series that a person once chose
    stay chosen until a person chooses others. Raises HeaderUnreadable, SeriesNotChoosable, and ModelRefused when the
    pipeline uses a model that is retired.
    """
    exam = route.exam
    version = registration.register(definition)
    model_registry.refuse_retired(version)
    by_person = chosen_series.select(exam, definition, choice) if choice else chosen_series.kept(exam, definition)
    selection = by_person.selection if by_person else select_own(exam, definition)
    chosen = _chosen(exam, selection)
    prior = _prior(exam, definition) if chosen else None
    job, created = Job.objects.get_or_create(
        pipeline=version,
        exam=exam,
        fingerprint=fingerprint.of_input(exam, chosen, prior),
        rerun_of=None,
        defaults={
            "route": route,
            "priority": _priority(route),
            "input_series": chosen[0] if chosen else None,
            "prior_series": prior,
            "selection": selection.reason,
            "chosen_by": by_person.by if by_person else None,
            "state": Job.State.QUEUED if chosen else Job.State.SKIPPED,
            "reason": "" if chosen else selection.reason,
            "finished_at": None if chosen else now(),
        },
    )
    if created:
        job.more_series.set(chosen[1:])
        engine.supersede_older(job)
        transaction.on_commit(engine.hint)
    elif choice is not None:
        return chosen_series.take_again(job, chosen, choice)
    return job


def select_own(exam: Exam, definition: Pipeline) -> Selection:
    """The pipeline's own choice, with a verdict on every received series of the exam. Raises HeaderUnreadable."""
    headers = headers_of(exam)
    return select_series(exam_header(headers), headers, definition.input)


def _chosen(exam: Exam, selection: Selection) -> list[Series]:
    by_uid = {series.series_instance_uid: series for series in exam.series.all()}
    return [by_uid[uid] for uid in selection.series_instance_uids]


def _prior(exam: Exam, definition: Pipeline) -> Series | None:
    """The series that the pipeline took in the patient's latest earlier exam, where it asks for one."""
    if not definition.uses_prior:
        return None
    earlier = Job.objects.of_earlier_exams(exam, pipeline=definition.name).filter(state=Job.State.SUCCEEDED)
    latest = earlier.select_related("input_series").order_by("-exam__study_date").first()
    return latest.input_series if latest else None


def _priority(route: Route) -> str:
    called = AETitle.objects.filter(title=route.called_ae).first()
    return called.priority if called else AETitle.Priority.ROUTINE
