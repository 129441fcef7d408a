"""What a person sees of the transfers: those to their studies' AE titles, and of their studies' exams."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from dicom_ingest.models import AETitle, Exam
from dicom_ingest.pacs.models import Retrieval, Sending, SentInstance
from dicom_ingest.pacs.query import Match
from portal.access import Capability, ae_titles_where
from portal.models import User

SHOWN = 30


@dataclass(frozen=True, kw_only=True)
class Line:
    """One exam that a remote has, as a row: the token it is chosen by, and whether it is here already."""

    match: Match
    token: str
    is_here: bool
    may_open: bool


def retrievals(user: User) -> QuerySet[Retrieval]:
    """Those to AE titles of studies that `user` coordinates."""
    titles = AETitle.objects.filter(ae_titles_where(user, Capability.QUERY_PACS)).values("title")
    return Retrieval.objects.filter(called_ae__in=titles).select_related("remote", "requested_by")


def sendings(user: User) -> QuerySet[Sending]:
    """Those of exams in studies that `user` coordinates, with how far each is."""
    exams = Exam.objects.visible_to(user, Capability.QUERY_PACS).values("pk")
    return (
        Sending.objects.filter(exam__in=exams)
        .select_related("remote", "exam", "requested_by")
        .annotate(
            total=Count("instances"),
            sent=Count("instances", filter=Q(instances__state__in=["sent", "committed"])),
            committed=Count("instances", filter=Q(instances__state=SentInstance.State.COMMITTED)),
        )
    )


def here(uids: Iterable[str]) -> set[str]:
    """Which of the exams are in the portal."""
    found = Exam.objects.filter(study_instance_uid__in=list(uids))
    return set(found.values_list("study_instance_uid", flat=True))


def visible(user: User, uids: Iterable[str]) -> set[str]:
    """Which of the exams `user` may open."""
    found = Exam.objects.visible_to(user).filter(study_instance_uid__in=list(uids))
    return set(found.values_list("study_instance_uid", flat=True))
