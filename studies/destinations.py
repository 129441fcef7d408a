"""Whether a study's results may leave, and for where: only by a decision of its governance that names the remote."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from dicom_ingest.models import Exam, Remote, SentInstance, Series
from dicom_ingest.pacs import send
from dicom_ingest.pacs.errors import Refused
from inference.models import Result
from studies.models import Study, StudyDestination

What = StudyDestination.What
_EXAMS_PER_TICK = 20


def sendable(study_slug: str, remote: Remote, exam: Exam) -> QuerySet[Series]:
    """The series of `exam` that the study may send to `remote`: current results of its own pipeline on its own case.

    Raises Refused, with the reason, when no decision allows it.
    """
    study = Study.objects.select_related("ae_title").filter(slug=study_slug).first()
    if study is None or not study.cases.filter(exam=exam).exists():
        raise Refused("The exam is no case of the study on whose behalf it was to be sent.")
    decision = StudyDestination.objects.filter(study=study, remote=remote).first()
    if decision is None:
        raise Refused(f"No governance decision of {study} names {remote}, so nothing is sent there.")
    if decision.what != What.RESULTS:
        raise Refused(
            f"The governance of {study} decided on {decision.decided_at:%Y-%m-%d} that nothing is sent to {remote}."
        )
    return _results(study).filter(exam=exam)


def queue_results() -> int:
    """Queue new results for every destination in force; return how many sendings were made."""
    return sum(_queue(decision) for decision in in_force())


def in_force() -> list[StudyDestination]:
    """The newest decision for each study and remote, where it lets results leave."""
    ordered = StudyDestination.objects.order_by("study_id", "remote_id", "-decided_at", "-pk")
    newest = ordered.distinct("study_id", "remote_id")
    allowed = StudyDestination.objects.filter(pk__in=newest.values("pk"), what=What.RESULTS)
    ready = allowed.filter(remote__active=True, remote__may_send=True)
    return list(ready.select_related("study__ae_title", "remote"))


def of(study: Study) -> list[StudyDestination]:
    """The newest decision on each remote, whatever it is."""
    newest = StudyDestination.objects.filter(study=study).select_related("remote", "decided_by")
    return list(newest.order_by("remote_id", "-decided_at", "-pk").distinct("remote_id"))


def _queue(decision: StudyDestination) -> int:
    study, remote = decision.study, decision.remote
    sent = SentInstance.objects.filter(
        sending__remote=remote, sending__study=study.slug, instance__series=OuterRef("pk")
    )
    new = _results(study).filter(~Exists(sent))
    exams = Exam.objects.filter(pk__in=new.values("exam_id"))[:_EXAMS_PER_TICK]
    return sum(send.request(exam, remote, study=study.slug) is not None for exam in exams)


def _results(study: Study) -> QuerySet[Series]:
    """Every series of the current results of the study's pipeline on its cases."""
    current = Result.objects.current().filter(job__pipeline__name=study.ae_title.pipeline)
    made = Series.objects.current().filter(origin=Series.Origin.DERIVED, exam__cases__study=study)
    return made.filter(pk__in=current.series().values("pk")).distinct()
