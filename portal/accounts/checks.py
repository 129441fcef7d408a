"""What is checked of the directory's settings before any command runs."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004

from portal.ldap_settings import LDAPSettings, problems

NOT_INSTALLED = (
    "OVERREAD_LDAP_URL is set, but django-auth-ldap is not installed: install Overread with its extra `ldap` "
    "(libldap2-dev and libsasl2-dev first), or unset the variable."
)

WITHIN_SECONDS = 55
"""A revoked account loses access within a minute, of which the check itself takes some seconds."""
TOO_SLOW = (
    "OVERREAD_DIRECTORY_SECONDS and OVERREAD_DECISION_SECONDS come to more than 55 s: an account that the hospital "
    "revokes would keep its access for longer than a minute. Lower one of them."
)


@register
def directory_is_wholly_configured(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A directory that is half set up would refuse people without saying why."""
    ldap: LDAPSettings = settings.OVERREAD_LDAP
    found: list[CheckMessage] = [Error(problem, id="accounts.E001") for problem in problems(ldap)]
    if ldap.is_on and find_spec("django_auth_ldap") is None:
        found.append(Error(NOT_INSTALLED, id="accounts.E002"))
    if ldap.is_on and settings.OVERREAD_DIRECTORY_SECONDS + settings.OVERREAD_DECISION_SECONDS > WITHIN_SECONDS:
        found.append(Warning(TOO_SLOW, id="accounts.W001"))
    return found
