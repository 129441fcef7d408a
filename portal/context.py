"""What every page's frame needs to know."""

from django.conf import settings
from django.http import HttpRequest

from portal.access import Capability, holds
from portal.accounts.sessions import seconds_left


def navigation(request: HttpRequest) -> dict[str, object]:
    """The links that this user may follow, and whether this is the demonstration."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"demonstration": settings.OVERREAD_DEMO}
    return {
        "demonstration": settings.OVERREAD_DEMO,
        "session_seconds": seconds_left(request.session),
        "idle_seconds": settings.OVERREAD_IDLE_SECONDS,
        "may_view_jobs": holds(user, Capability.VIEW_JOBS),
        "may_manage_rules": holds(user, Capability.MANAGE_RULES),
        "may_send_exams": holds(user, Capability.SEND_EXAMS),
        "may_view_reception": holds(user, Capability.VIEW_RECEPTION),
        "may_query_pacs": holds(user, Capability.QUERY_PACS),
    }
