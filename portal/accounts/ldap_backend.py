"""Sign-in with the password that the hospital's directory keeps: django-auth-ldap, and what it leaves open."""

from __future__ import annotations

import logging
from typing import Any

import ldap
from django.conf import settings
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django_auth_ldap.backend import LDAPBackend, ldap_error
from django_auth_ldap.config import LDAPSearch, LDAPSettings

from portal.accounts.directory import connection_options, describe, look_up
from portal.accounts.directory_accounts import confirm
from portal.accounts.entrance import directory_account, user_who_may_enter
from portal.accounts.entries import DirectoryIsAway, Entry
from portal.ldap_settings import LDAPSettings as Configured
from portal.models import User

log = logging.getLogger(__name__)


class DirectoryBackend(LDAPBackend):  # type: ignore[misc]  # django-auth-ldap has no types
    """A user whom the directory knows, by the password that it knows, unlocked there and active here."""

    @property
    def settings(self) -> Any:
        """django-auth-ldap's settings, made from OVERREAD_LDAP each time."""
        config: Configured = settings.OVERREAD_LDAP
        return LDAPSettings(
            "OVERREAD_AUTH_LDAP_",
            {
                "SERVER_URI": config.url,
                "START_TLS": config.starts_tls,
                "CONNECTION_OPTIONS": connection_options(config),
                "BIND_DN": config.bind_dn,
                "BIND_PASSWORD": config.password,
                "USER_SEARCH": LDAPSearch(config.user_base, ldap.SCOPE_SUBTREE, config.user_filter),
                "USER_ATTR_MAP": config.attributes,
            },
        )

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        """The user, or None. Marks `request` when the directory could not be asked."""
        if not username or not password or _is_local(username):
            return None
        try:
            user: User | None = super().authenticate(request, username=username, password=password)
        except OSError as fault:  # the file with the service account's password
            log.warning("OVERREAD_LDAP_BIND_PASSWORD_FILE cannot be read (%s).", fault.strerror)
            _mark(request)
            return None
        return user

    def authenticate_ldap_user(self, ldap_user: Any, password: str) -> User | None:
        """Take nobody in whom the directory has locked, or whom an administrator has switched off here."""
        with transaction.atomic():
            user: User | None = super().authenticate_ldap_user(ldap_user, password)
            if user is not None and self._take_in(user, ldap_user):
                return user
            transaction.set_rollback(True)  # an account that is not let in is not made either
        return None

    def _take_in(self, user: User, ldap_user: Any) -> bool:
        try:
            entry: Entry | None = look_up(ldap_user.connection, user.username)
        except (DirectoryIsAway, ldap.LDAPError) as fault:
            log.warning("While signing somebody in: %s", fault)
            _mark(ldap_user._request)
            return False
        if entry is None or entry.is_locked or not user.is_active:
            return False
        confirm(user, entry)
        return True

    def get_user(self, user_id: int) -> User | None:
        return user_who_may_enter(user_id)


def _is_local(username: str) -> bool:
    """Whether a local account has the name. Nobody takes it over by having the same name in the directory."""
    user = User.objects.select_related("directory_account").filter(username__iexact=username.strip()).first()
    return user is not None and directory_account(user) is None


@receiver(ldap_error)
def _could_not_ask(request: HttpRequest | None, exception: Exception, **_: object) -> None:
    log.warning("The directory could not be asked: %s.", describe(exception))
    _mark(request)


def _mark(request: HttpRequest | None) -> None:
    if request is not None:
        request.directory_is_away = True  # type: ignore[attr-defined]  # read by the form of the login page
