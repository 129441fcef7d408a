"""Which jobs and results somebody may see: those of the exams that a role lets them see."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from dicom_ingest.models import Exam
from inference.models import Job, Result
from portal.access import Capability, Viewer


def visible_jobs(user: Viewer, capability: Capability = Capability.VIEW_JOBS) -> QuerySet[Job]:
    """The jobs on exams in whose studies `user` holds `capability`."""
    return Job.objects.filter(exam__in=Exam.objects.visible_to(user, capability))


def listed_jobs(user: Viewer) -> QuerySet[Job]:
    """The jobs on exams that `user` may see; reruns only for those who look after jobs."""
    looked_after = Q(exam__in=Exam.objects.visible_to(user, Capability.VIEW_JOBS))
    return visible_jobs(user, Capability.VIEW_EXAMS).filter(Q(rerun_of=None) | looked_after)


def listed_results(user: Viewer) -> QuerySet[Result]:
    """The results of exams that `user` may see; those of reruns only for those who look after jobs."""
    looked_after = Q(exam__in=Exam.objects.visible_to(user, Capability.VIEW_JOBS))
    visible = Result.objects.filter(exam__in=Exam.objects.visible_to(user))
    return visible.filter(Q(job__rerun_of=None) | looked_after)


def may(user: Viewer, capability: Capability, job: Job) -> bool:
    """Whether `user` holds `capability` on the exam of `job`."""
    return Exam.objects.visible_to(user, capability).filter(pk=job.exam_id).exists()
