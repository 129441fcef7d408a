"""The pipeline that annotators start from, asked for by the annotator where its mask is not there yet."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.db import transaction

from dicom_ingest.exam_headers import HeaderUnreadable
from dicom_ingest.models import Route
from inference import dispatch, engine
from inference.errors import InferenceError
from inference.models import Job, Result
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.annotation import showing
from studies.models import Read
from studies.reading import reads
from studies.reading.reads import ReadRefused

log = logging.getLogger(__name__)
NOT_MADE = "The starting mask cannot be made of these images. Draw from the images, or ask the study's coordinator why."
"""All that an annotator is told: the reason may name series and pipelines that the study hides."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """The starting mask of a read. result: it is there; job: the newest that makes it, or did not."""

    result: Result | None
    job: Job | None

    @property
    def is_on_its_way(self) -> bool:
        return self.result is None and self.job is not None and self.job.is_cancellable

    @property
    def has_failed(self) -> bool:
        return self.result is None and self.job is not None and self.job.is_final


def of(read: Read) -> Start | None:
    """How far the starting mask is; None where the protocol has annotators start from nothing."""
    content = read.protocol.content
    if not (name := showing.start_of(content, read.condition)):
        return None
    jobs = Job.objects.filter(exam=read.case.exam_id, pipeline__name=name, rerun_of=None)
    newest = jobs.exclude(state=Job.State.SUPERSEDED).defer("log").order_by("-created_at").first()
    return Start(result=showing.start_result(read.case, content, read.condition), job=newest)


def ask(read: Read, *, by: User) -> Job:
    """Have the pipeline run on the case's exam, or once more where it failed. Raises ReadRefused."""
    if problem := reads.why_not_open(read):
        raise ReadRefused(problem)
    start = of(read)
    if start is None:
        raise ReadRefused("The protocol has no pipeline to start from in this arm: draw from the images alone.")
    if start.job is not None and start.job.is_retryable:
        engine.retry(start.job.pk)
        job = start.job
    else:
        job = _dispatched(read)
    _note(read, job, by)
    return job


def _dispatched(read: Read) -> Job:
    content = read.protocol.content
    name = showing.start_of(content, read.condition)
    digest = next((one.digest for one in content.pipelines if one.name == name), "")
    came = read.study.ae_title.title
    route = Route.objects.filter(exam=read.case.exam, called_ae=came, completed_at__isnull=False).first()
    if route is None:
        raise ReadRefused("The exam is still arriving. Ask for the starting mask once it is complete.")
    try:
        return dispatch.request(name, route, digest=digest)
    except (InferenceError, HeaderUnreadable) as fault:
        log.warning("The starting mask of read %s cannot be made: %s", read.pk, fault)
        raise ReadRefused(NOT_MADE) from fault


@transaction.atomic
def _note(read: Read, job: Job, by: User) -> None:
    detail = {"case": read.case.number, "arm": read.condition, "pipeline": job.pipeline.name}
    trail.record(Action.START_ASKED_FOR, of=f"read:{read.pk}", study=read.study.slug, detail=detail)
