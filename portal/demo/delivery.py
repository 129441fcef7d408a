"""Pushes the demonstration exams to the receiver and follows each until its job has ended."""

import time
from collections.abc import Iterator, Sequence

from django.db.models import Count
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from dicom_ingest.models import Instance, Route, Series
from inference.models import Finding, Job, Measurement
from portal.demo.exams import DemonstrationExam
from portal.demo.preflight import Setup
from portal.demo.send import send_exam

CALLING_AE = "DEMO_SCANNER"
POLL_SECONDS = 0.5
STALL_SECONDS = 600


def missing(exams: Sequence[DemonstrationExam]) -> list[DemonstrationExam]:
    """Those of which the portal does not hold every image."""
    held = Instance.objects.filter(series__origin=Series.Origin.RECEIVED)
    by_exam = held.values_list("series__exam__study_instance_uid").annotate(Count("pk"))
    counts = dict(by_exam.filter(series__exam__study_instance_uid__in=[exam.study_instance_uid for exam in exams]))
    return [exam for exam in exams if counts.get(exam.study_instance_uid, 0) < len(list(exam.folder.glob("*.dcm")))]


def push(exams: Sequence[DemonstrationExam], setup: Setup, console: Console) -> None:
    """Send each exam as a scanner would, with a bar. Raises SendError."""
    columns = (TextColumn("  sending {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        for exam, called_ae in _sendings(exams):
            bar = progress.add_task(f"{exam.title} to {called_ae}", total=None)

            def on_instance(sent: int, total: int, bar: TaskID = bar) -> None:
                progress.update(bar, completed=sent, total=total)

            send_exam(
                exam.folder,
                host=setup.dimse_host,
                port=setup.dimse_port,
                called_ae=called_ae,
                calling_ae=CALLING_AE,
                on_instance=on_instance,
            )


def _sendings(exams: Sequence[DemonstrationExam]) -> list[tuple[DemonstrationExam, str]]:
    return [(exam, called_ae) for exam in exams for called_ae in exam.ae_titles]


def follow(exams: Sequence[DemonstrationExam], console: Console) -> Iterator[None]:
    """Show what becomes of each exam until all have ended; yields after every look, for the caller to look about too.

    Gives up, saying so, when nothing changes for STALL_SECONDS.
    """
    fates = dict.fromkeys(exams, "")
    changed = time.monotonic()
    with Progress(SpinnerColumn(finished_text=" "), TextColumn("{task.description}"), console=console) as progress:
        lines = {exam: progress.add_task("", total=1) for exam in exams}
        while unfinished := [exam for exam in exams if not progress.tasks[lines[exam]].finished]:
            for exam in unfinished:
                fate, ended = _fate(exam)
                if fate != fates[exam]:
                    fates[exam], changed = fate, time.monotonic()
                progress.update(lines[exam], description=f"{exam.title}: {fate}", completed=int(ended))
            if time.monotonic() - changed > STALL_SECONDS:
                console.print("Nothing has moved for 10 minutes. The logs may say why; the portal stays up meanwhile.")
                return
            yield
            time.sleep(POLL_SECONDS)


def _fate(exam: DemonstrationExam) -> tuple[str, bool]:
    """What has become of an exam, in words, and whether that is the end of it."""
    jobs = Job.objects.filter(exam__study_instance_uid=exam.study_instance_uid).exclude(state=Job.State.SUPERSEDED)
    if started := list(jobs.order_by("created_at")):
        ended = len(started) >= len(exam.ae_titles) and all(job.is_final for job in started)
        return "; ".join(map(_fate_of, started)), ended
    route = Route.objects.filter(exam__study_instance_uid=exam.study_instance_uid).first()
    if route is None:
        return "on its way", False
    return route.dispatch_problem or "received, waiting for its last image", bool(route.dispatch_problem)


def _fate_of(job: Job) -> str:
    if job.state == Job.State.SUCCEEDED:
        return ", ".join([*_measured(job), *_found(job)]) or "done"
    return f"{job.get_state_display().lower()}{': ' if job.reason else ''}{job.reason}"


def _measured(job: Job) -> list[str]:
    return [f"{one.name} {one.value:.0f} {one.unit}" for one in Measurement.objects.filter(result__job=job)]


def _found(job: Job) -> list[str]:
    return [f"{one.name} {one.label}" for one in Finding.objects.filter(result__job=job)]
