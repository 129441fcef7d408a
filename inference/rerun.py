"""Running a job again, to show that its result comes out the same or to say in what it differs.

A rerun is a job of its own: same version, same series, other UIDs. Its result counts for nobody: no page shows it to
readers, its series are set aside as superseded ones are, and it supersedes nothing.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from dicom_ingest.models import AETitle, Exam, Series
from inference import engine, fingerprint
from inference.models import Job, Result
from portal.audit import trail
from portal.audit.actions import Action

OTHER_INPUT = (
    "Its series have changed since it ran: images came later, or are gone. Another result would come of another input. "
    "Look for the newer job on the exam's page, or complete the exam again."
)


class NotRerunnable(Exception):
    """Nothing could be learned from running the job again; the message says why, and what to do."""


def queue_rerun(first: Job) -> Job:
    """Queue a job that runs the version of `first` on its series again, behind all others.

    Raises NotRerunnable when there is no result to compare with, or the series are no longer what `first` read.
    """
    if not first.is_rerunnable or not hasattr(first, "result"):
        raise NotRerunnable(_why_not(first))
    if fingerprint.as_stored(first) != first.fingerprint:
        raise NotRerunnable(OTHER_INPUT)
    with transaction.atomic():
        again = Job.objects.create(
            pipeline=first.pipeline,
            exam=first.exam,
            route=first.route,
            input_series=first.input_series,
            prior_series=first.prior_series,
            priority=AETitle.Priority.BATCH,
            fingerprint=first.fingerprint,
            selection=first.selection,
            rerun_of=first,
        )
        again.more_series.set(first.more_series.all())
        exam = first.exam.study_instance_uid
        trail.record_on_exam(Action.JOB_RERUN, exam=exam, of=str(first.pk), detail={"to": again.pk})
        transaction.on_commit(engine.hint)
    return again


def series_of_reruns(exam: Exam) -> QuerySet[Series]:
    """The series of `exam` that reruns made."""
    return Result.objects.filter(exam=exam, job__rerun_of__isnull=False).series()


def _why_not(first: Job) -> str:
    if first.is_rerun:
        return "It is a rerun itself. Rerun the first job."
    return f"It has no result to compare with: it is {first.get_state_display().lower()}. Retry it instead."
