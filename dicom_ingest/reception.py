"""What the reception page shows: the routes exams came by, and the quarantine."""

from dataclasses import dataclass

from dicom_ingest.models import Exam, QuarantinedInstance, Route
from dicom_ingest.store import quarantine_folder
from portal.access import Capability
from portal.models import User

ROUTES_SHOWN = 50


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
