"""A person's choice of series in place of the pipeline's own: QC saw that it ran on the wrong one.

The choice holds for its pipeline on its exam until a person chooses again: slices that come later make a new job on
the same series. A job says in its `selection` who chose and why, and what the pipeline had chosen by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from dicom_ingest.headers import series_label
from dicom_ingest.models import Exam, Series
from inference import engine
from inference.errors import SeriesNotChoosable
from inference.models import Job, Result
from inference.schema import Pipeline
from inference.selection import Selection
from portal.models import User

WITHOUT_IMAGES = frozenset({"SEG", "SR", "PR", "KO", "RTSTRUCT", "RTPLAN", "RTDOSE", "DOC", "REG", "FID", "OT"})
"""Modalities of series that hold no images which a pipeline could be run on (PS3.3 C.7.3.1.1.1)."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which series a person wants the pipeline to run on, the first as its main one, and why."""

    series_instance_uids: tuple[str, ...]
    by: User
    why: str


@dataclass(frozen=True, kw_only=True)
class ByPerson:
    """Series that `by` chose, as a selection."""

    selection: Selection
    by: User


def choosable(exam: Exam) -> list[Series]:
    """The received series of the exam that hold images, in the order of their numbers."""
    received = exam.series.filter(origin=Series.Origin.RECEIVED).exclude(modality__in=WITHOUT_IMAGES)
    return list(received.order_by("series_number", "pk"))


def select(exam: Exam, definition: Pipeline, choice: Choice) -> ByPerson:
    """The choice as a selection. Raises SeriesNotChoosable with what to do."""
    by_uid = {one.series_instance_uid: one for one in choosable(exam)}
    wanted = tuple(dict.fromkeys(choice.series_instance_uids))
    if not wanted or not by_uid.keys() >= set(wanted):
        raise SeriesNotChoosable("Choose one of the exam's own image series.")
    if len(wanted) > 1 and definition.input.take != "all":
        raise SeriesNotChoosable(f"Pipeline {definition.name} runs on one series. Choose one.")
    labels = ", ".join(label_of(by_uid[uid]) for uid in wanted)
    reason = f"{labels}: chosen by {_name(choice.by)} in place of the pipeline's own choice. {choice.why}"
    return ByPerson(selection=Selection(wanted, (), reason), by=choice.by)


def label_of(series: Series) -> str:
    """How people speak of the series: `Series 3 "AX T1"`."""
    return series_label(series.series_number, series.series_description)


def kept(exam: Exam, definition: Pipeline) -> ByPerson | None:
    """The series that a person chose before; None while the pipeline chooses, or when the main one is gone."""
    job = _current(exam, definition)
    if job is None or job.chosen_by is None or job.input_series is None:
        return None
    uids = tuple(one.series_instance_uid for one in (job.input_series, *job.more_series.all()))
    return ByPerson(selection=Selection(uids, (), job.selection), by=job.chosen_by)


@transaction.atomic
def take_again(job: Job, chosen: Sequence[Series], choice: Choice) -> Job:
    """Let a job of this very input, which counts no more or never ran, count again; it supersedes the one that does.

    Raises SeriesNotChoosable when it is the one that counts: nothing would change.
    """
    job = Job.objects.select_for_update(of=("self",)).get(pk=job.pk)
    if job.state not in (Job.State.SUPERSEDED, Job.State.SKIPPED):
        raise SeriesNotChoosable("It ran on these very series. Choose others, or have the case checked again.")
    has_result = hasattr(job, "result")
    job.state = Job.State.SUCCEEDED if has_result else Job.State.QUEUED
    job.superseded_by, job.chosen_by, job.input_series = None, choice.by, chosen[0]
    job.selection = f"{job.selection} Chosen again by {_name(choice.by)}. {choice.why}"
    if not has_result:
        job.attempts, job.reason, job.finished_at = 0, "", None
    job.save()
    job.more_series.set(chosen[1:])
    if has_result:
        Result.objects.filter(job=job).series().update(superseded_at=None)
    engine.supersede_older(job)
    transaction.on_commit(engine.hint)
    return job


def _current(exam: Exam, definition: Pipeline) -> Job | None:
    """The newest job that counts of the pipeline, in any version."""
    jobs = Job.objects.filter(exam=exam, pipeline__name=definition.name, rerun_of=None)
    counting = jobs.exclude(state=Job.State.SUPERSEDED).select_related("chosen_by", "input_series")
    return counting.order_by("-created_at").first()


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()
