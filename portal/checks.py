"""What Django checks before any command runs."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from portal.demo.preflight import loopback_problem


@register
def demonstration_stays_on_this_machine(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """The demonstration's logins are public, so neither server may listen beyond loopback."""
    if not settings.OVERREAD_DEMO:
        return []
    hosts = {"OVERREAD_WEB_HOST": settings.OVERREAD_WEB_HOST, "OVERREAD_DIMSE_HOST": settings.OVERREAD_DIMSE_HOST}
    problems = [loopback_problem(variable, host) for variable, host in hosts.items()]
    return [Error(problem, id="portal.E001") for problem in problems if problem]
