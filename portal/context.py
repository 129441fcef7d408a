"""What every page's frame needs to know."""

from django.conf import settings
from django.http import HttpRequest

from portal.access import Capability, held_by
from portal.accounts.sessions import seconds_left


def navigation(request: HttpRequest) -> dict[str, object]:
    """The links that this user may follow, and whether this is the demonstration."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"demonstration": settings.OVERREAD_DEMO}
    held = held_by(user)
    return {
        "demonstration": settings.OVERREAD_DEMO,
        "session_seconds": seconds_left(request.session),
        "idle_seconds": settings.OVERREAD_IDLE_SECONDS,
        "may_view_jobs": Capability.VIEW_JOBS in held,
        "may_manage_rules": Capability.MANAGE_RULES in held,
        "may_send_exams": Capability.SEND_EXAMS in held,
        "may_view_reception": Capability.VIEW_RECEPTION in held,
        "may_query_pacs": Capability.QUERY_PACS in held,
        "may_review_quality": Capability.REVIEW_QUALITY in held,
        "may_design_studies": Capability.DESIGN_STUDY in held,
    }
