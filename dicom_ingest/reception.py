"""What the reception page shows: how much came in and waits, the routes exams came by, and the quarantine."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Sum
from django.utils.timezone import now

from dicom_ingest import spool
from dicom_ingest.models import Exam, Instance, QuarantinedInstance, RejectedAssociation, Route, Series
from dicom_ingest.store import quarantine_folder
from portal.access import Capability
from portal.models import User

ROUTES_SHOWN = 50
LATELY = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What happened lately, and what waits now. `filed_bytes` is of the instances that were filed lately."""

    backlog: spool.Backlog
    arriving: int
    completed: int
    filed: int
    filed_bytes: int
    quarantined: int
    refused: int


@dataclass(frozen=True, kw_only=True)
class ReasonLine:
    """One reason for which instances are in quarantine, and how many."""

    reason: QuarantinedInstance.Reason
    count: int


@dataclass(frozen=True, kw_only=True)
class RouteLine:
    """One route. `exam` is None where the user may not know which exam it is."""

    route: Route
    exam: Exam | None


@dataclass(frozen=True, kw_only=True)
class QuarantineLine:
    """One quarantined instance; after a retry its file has left the quarantine and waits for the indexer."""

    quarantined: QuarantinedInstance

    @property
    def is_here(self) -> bool:
        return (quarantine_folder() / self.quarantined.file_name).is_file()


def route_lines(user: User) -> list[RouteLine]:
    """The routes by which something arrived last, the exam named where a study of the user's holds it."""
    routes = list(Route.objects.select_related("exam").order_by("-last_instance_at")[:ROUTES_SHOWN])
    exams = Exam.objects.visible_to(user, Capability.VIEW_RECEPTION)
    visible = set(exams.filter(routes__in=routes).values_list("pk", flat=True))
    return [RouteLine(route=route, exam=route.exam if route.exam_id in visible else None) for route in routes]


def counts() -> Counts:
    """The figures at the head of the page. "Lately" is the last 24 hours."""
    since = now() - LATELY
    received = Instance.objects.filter(received_at__gte=since, series__origin=Series.Origin.RECEIVED)
    filed = received.aggregate(number=Count("pk"), size=Sum("size", default=0))
    return Counts(
        backlog=spool.backlog(),
        arriving=Route.objects.filter(completed_at=None).count(),
        completed=Route.objects.filter(completed_at__gte=since).count(),
        filed=filed["number"],
        filed_bytes=filed["size"],
        quarantined=QuarantinedInstance.objects.count(),
        refused=RejectedAssociation.objects.filter(last_at__gte=since).aggregate(n=Sum("count", default=0))["n"],
    )


def reason_lines() -> list[ReasonLine]:
    """The reasons that occur in the quarantine, the most frequent first."""
    found = QuarantinedInstance.objects.order_by().values_list("reason").annotate(number=Count("pk"))
    lines = [ReasonLine(reason=QuarantinedInstance.Reason(reason), count=number) for reason, number in found]
    return sorted(lines, key=lambda line: (-line.count, line.reason))
