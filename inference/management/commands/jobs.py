"""`manage.py jobs`: look at jobs, and act on one, from the command line."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import localtime
from rich.console import Console
from rich.table import Column, Table

from dicom_ingest.models import AETitle
from inference import downloads, engine, rerun
from inference.filters import JobFilter
from inference.job_lookup import NoSuchJob, job_by
from inference.models import Job
from inference.timeline import timeline
from portal.templatetags.presentation import duration, megabytes

REFUSED, NOT_FOUND, DIFFERS = 1, 2, 3
FILTERS = ("state", "pipeline", "priority", "exam", "text", "since", "until")
WIDTH = 160
POLL_SECONDS = 0.5
RELATED = ("pipeline", "exam", "input_series", "prior_series", "rerun_of", "result")


class Command(BaseCommand):
    help = (
        "List jobs, show one, read its log, retry, cancel or rerun it, download what it read and made. "
        "A job is named by the first characters of its id. "
        "Exits with 0 when done, 1 when the job's state does not allow it or it failed, 2 when there is no such job, "
        "3 when a rerun's result differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        listing = actions.add_parser("list", help="jobs, newest first")
        listing.add_argument("--state", choices=Job.State.values)
        listing.add_argument("--pipeline", metavar="NAME")
        listing.add_argument("--priority", choices=AETitle.Priority.values)
        listing.add_argument("--exam", metavar="UID", help="StudyInstanceUID")
        listing.add_argument("--text", help="part of the patient's name or id, or of the accession number")
        listing.add_argument("--since", metavar="YYYY-MM-DD")
        listing.add_argument("--until", metavar="YYYY-MM-DD")
        listing.add_argument("--limit", type=int, default=30, metavar="N", help="how many at most (30)")
        for action, what in {
            "show": "what it ran on, how it ended, its steps",
            "logs": "its log",
            "retry": "queue it again, when it has failed or was cancelled",
            "cancel": "stop it, when it is queued or running",
        }.items():
            actions.add_parser(action, help=what).add_argument("job", metavar="JOB")
        again = actions.add_parser("rerun", help="run it again, to see whether the same comes out")
        again.add_argument("job", metavar="JOB")
        again.add_argument("--wait", action="store_true", help="until it has run, and say in what it differs")
        again.add_argument("--timeout", type=float, default=3600.0, metavar="SECONDS", help="how long to wait (3600)")
        download = actions.add_parser("download", help="a zip of what it read, or of what it made")
        download.add_argument("job", metavar="JOB")
        download.add_argument("part", choices=["inputs", "outputs"])
        download.add_argument("--out", metavar="FILE", type=Path, help="the zip file to write")

    def handle(self, *_args: object, **options: Any) -> None:
        given = argparse.Namespace(**options)
        if given.action == "list":
            self._list(given)
            return
        actions: dict[str, Callable[[Job, argparse.Namespace], None]] = {
            "show": self._show,
            "logs": self._logs,
            "retry": self._retry,
            "cancel": self._cancel,
            "rerun": self._rerun,
            "download": self._download,
        }
        try:
            job = job_by(given.job, among=Job.objects.select_related(*RELATED))
        except NoSuchJob as fault:
            raise CommandError(str(fault), returncode=NOT_FOUND) from fault
        actions[given.action](job, given)

    def _list(self, given: argparse.Namespace) -> None:
        filtered = JobFilter({name: getattr(given, name) or "" for name in FILTERS}, queryset=Job.objects.all())
        jobs = filtered.qs.select_related("pipeline", "exam").defer("log").order_by("-created_at")
        for name, faults in filtered.form.errors.items():
            raise CommandError(f"--{name}: {' '.join(map(str, faults))}", returncode=NOT_FOUND)
        shown = list(jobs[: given.limit])
        if not shown:
            self._print("No job fits.")
            return
        names = ("job", "state", "pipeline", "accession", "exam date", "priority", "tries", "took", "created")
        table = Table(*(Column(name, no_wrap=True) for name in names), Column("why", overflow="fold"))
        for job in shown:
            table.add_row(*_cells(job))
        self._print(table)
        total = jobs.count()
        if total > len(shown):
            self._print(f"{len(shown)} of {total}. Narrow it with --state or others, or give --limit {total}.")

    def _show(self, job: Job, _given: argparse.Namespace) -> None:
        facts = Table(Column(no_wrap=True), Column(overflow="fold"), show_header=False, box=None)
        for name, value in _facts(job):
            facts.add_row(name, value)
        self._print(facts)
        picture = timeline(list(job.operators.all()))
        if picture.bars:
            steps = Table("step", "operator", *(Column(name, justify="right") for name in ("began", "took", "memory")))
            for bar in picture.bars:
                run = bar.run
                memory = megabytes(run.peak_memory_mb)
                steps.add_row(run.step, run.operator, duration(run.started), duration(run.seconds), memory)
            self._print(steps)

    def _logs(self, job: Job, _given: argparse.Namespace) -> None:
        self._print(job.log.rstrip() or "Its log is empty.")

    def _retry(self, job: Job, _given: argparse.Namespace) -> None:
        if not engine.retry(job.pk):
            raise CommandError(f"Job {job.pk} was not queued again: it is {_state(job)}.", returncode=REFUSED)
        self._print(f"Job {job.pk} waits for a worker again.")

    def _cancel(self, job: Job, _given: argparse.Namespace) -> None:
        if not engine.cancel(job.pk):
            raise CommandError(f"Job {job.pk} had already ended: it is {_state(job)}.", returncode=REFUSED)
        self._print(f"Job {job.pk} is cancelled. A running one stops after its current step.")

    def _rerun(self, job: Job, given: argparse.Namespace) -> None:
        try:
            again = rerun.queue_rerun(job)
        except rerun.NotRerunnable as fault:
            raise CommandError(f"Job {job.pk} was not run again. {fault}", returncode=REFUSED) from fault
        self._print(f"Job {again.pk} runs the same again.")
        if given.wait:
            self._tell(_ended(again, within=given.timeout))

    def _tell(self, again: Job) -> None:
        from inference import repeatability  # noqa: PLC0415 - it reads images, which no other action does

        if again.state != Job.State.SUCCEEDED:
            raise CommandError(f"It ended as {_state(again)}. {again.reason}".strip(), returncode=REFUSED)
        said = repeatability.compare(again.pk)
        self._print(said)
        if said != repeatability.SAME:
            raise CommandError("The results differ.", returncode=DIFFERS)

    def _download(self, job: Job, given: argparse.Namespace) -> None:
        target: Path = given.out or Path(downloads.file_name(job, given.part))
        try:
            files = downloads.exported(job, given.part)
            with target.open("wb") as archive:
                for piece in downloads.zipped(files):
                    archive.write(piece)
        except downloads.NothingThere as fault:
            raise CommandError(f"There is nothing to download. {fault}", returncode=REFUSED) from fault
        except OSError as fault:
            reason = f"{target} could not be written: {fault.strerror}. Choose another file, or free some disk."
            raise CommandError(reason, returncode=REFUSED) from fault
        self._print(f"Written: {target}, {len(files)} file{'' if len(files) == 1 else 's'}")

    def _print(self, what: str | Table) -> None:
        Console(file=self.stdout, width=WIDTH, soft_wrap=True, highlight=False).print(what, markup=False)  # type: ignore[arg-type]


def _ended(job: Job, *, within: float) -> Job:
    """The job once it has ended. Raises CommandError when it has not within so many seconds."""
    until = time.monotonic() + within
    while not job.is_final:
        if time.monotonic() > until:
            reason = (
                f"Job {job.pk} is still {_state(job)} after {within:g} s. Is a worker running? It goes on meanwhile."
            )
            raise CommandError(reason, returncode=REFUSED)
        time.sleep(POLL_SECONDS)
        job.refresh_from_db()
    return job


def _state(job: Job) -> str:
    return job.get_state_display().lower()


def _cells(job: Job) -> Iterator[str]:
    yield str(job.pk)[:8]
    yield _state(job) + (" rerun" if job.is_rerun else "")
    yield f"{job.pipeline.name} {job.pipeline.version}"
    yield job.exam.accession_number
    yield f"{job.exam.study_date:%Y-%m-%d}" if job.exam.study_date else ""
    yield job.priority
    yield str(job.attempts)
    yield duration(job.seconds)
    yield f"{localtime(job.created_at):%Y-%m-%d %H:%M:%S}"
    yield _why(job)


def _why(job: Job) -> str:
    waits = f"waits until {localtime(job.not_before):%H:%M:%S}. " if job.waits_for_time and job.not_before else ""
    return waits + (job.reason or job.comparison)


def _facts(job: Job) -> Iterator[tuple[str, str]]:
    yield "job", str(job.pk)
    yield "state", _state(job)
    if why := _why(job):
        yield "why", why
    if job.rerun_of_id:
        yield "rerun of", str(job.rerun_of_id)
    yield "pipeline", f"{job.pipeline.name} {job.pipeline.version} {job.pipeline.digest}"
    yield "exam", job.exam.study_instance_uid
    if job.input_series:
        yield "series", job.input_series.series_instance_uid
    yield "selection", job.selection or "not recorded"
    yield "attempts", f"{job.attempts} of {job.max_attempts}"
    yield "created", f"{localtime(job.created_at):%Y-%m-%d %H:%M:%S}"
    if job.seconds is not None:
        yield "took", duration(job.seconds)
    if job.peak_memory_mb is not None:
        yield "memory", megabytes(job.peak_memory_mb)
    if hasattr(job, "result"):
        yield "result", str(job.result.pk)
