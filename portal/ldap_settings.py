"""The hospital's directory (LDAP), from the environment. Without OVERREAD_LDAP_URL there is none.

`docs/operators/sign-in.md` lists every variable with its default and shows whole examples.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from urllib.parse import urlsplit

import environ

PREFIX = "OVERREAD_LDAP_"
PLAIN, ENCRYPTED = "ldap", "ldaps"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, kw_only=True)
class LDAPSettings:
    """How the directory is reached, and what of it counts. Each field is OVERREAD_LDAP_ and its name in capitals."""

    url: str = ""
    start_tls: bool = True
    ca_file: str = ""
    bind_dn: str = ""
    bind_password: str = field(default="", repr=False)
    bind_password_file: str = ""
    user_base: str = ""
    user_filter: str = "(uid=%(user)s)"
    group_base: str = ""
    group_filter: str = "(|(member=%(dn)s)(uniqueMember=%(dn)s)(memberUid=%(user)s))"
    admin_group: str = ""
    first_name: str = "givenName"
    last_name: str = "sn"
    email: str = "mail"
    seconds: float = 5.0
    grace_seconds: float = 900.0

    @property
    def is_on(self) -> bool:
        """Whether there is a directory at all."""
        return bool(self.url)

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme

    @property
    def starts_tls(self) -> bool:
        """Whether a plain connection is made a private one before anything is said on it."""
        return self.start_tls and self.scheme == PLAIN

    @property
    def password(self) -> str:
        """The service account's password: from its file, read each time, so that it may be changed there; or as given.

        Raises OSError for a file that cannot be read.
        """
        if self.bind_password_file:
            return Path(self.bind_password_file).read_text(encoding="utf-8").rstrip("\r\n")
        return self.bind_password

    @property
    def attributes(self) -> dict[str, str]:
        """The attribute of the directory for each field of an account; empty ones are left alone."""
        named = {"first_name": self.first_name, "last_name": self.last_name, "email": self.email}
        return {ours: theirs for ours, theirs in named.items() if theirs}


def from_environment(env: environ.Env) -> LDAPSettings:
    """What the environment says of the directory."""
    read = {str: env.str, bool: env.bool, float: env.float}
    given = {
        each.name: read[type(each.default)](f"{PREFIX}{each.name.upper()}")
        for each in fields(LDAPSettings)
        if f"{PREFIX}{each.name.upper()}" in env.ENVIRON
    }
    return replace(LDAPSettings(), **given)


def problems(ldap: LDAPSettings) -> list[str]:
    """What is wrong or half done, each with what to do. Nothing is asked of the directory itself."""
    if not ldap.is_on:
        return _set_without_a_url(ldap)
    return [*_of_the_connection(ldap), *_of_the_service_account(ldap), *_of_the_searches(ldap)]


def _set_without_a_url(ldap: LDAPSettings) -> list[str]:
    names = [_variable(each.name) for each in fields(ldap) if getattr(ldap, each.name) != each.default]
    if not names:
        return []
    return [f"{', '.join(names)} is set but OVERREAD_LDAP_URL is not: name the directory, or unset it."]


def _of_the_connection(ldap: LDAPSettings) -> list[str]:
    found = []
    parts = urlsplit(ldap.url)
    if parts.scheme not in {PLAIN, ENCRYPTED} or not parts.hostname:
        return [f"OVERREAD_LDAP_URL is {ldap.url!r}: give it as ldaps://directory.example or ldap://directory.example."]
    if parts.scheme == PLAIN and not ldap.start_tls and parts.hostname not in LOOPBACK:
        found.append(
            "OVERREAD_LDAP_URL is a plain ldap:// and OVERREAD_LDAP_START_TLS is off, so passwords would cross the "
            "network in the clear: switch StartTLS on, or use ldaps://."
        )
    if ldap.ca_file and not Path(ldap.ca_file).is_file():
        found.append(f"OVERREAD_LDAP_CA_FILE {ldap.ca_file!r} is no file: put the CA's certificates (PEM) there.")
    return found


def _of_the_service_account(ldap: LDAPSettings) -> list[str]:
    if ldap.bind_password and ldap.bind_password_file:
        return ["Both OVERREAD_LDAP_BIND_PASSWORD and OVERREAD_LDAP_BIND_PASSWORD_FILE are set: keep one of them."]
    try:
        password = ldap.password
    except OSError as fault:
        return [f"OVERREAD_LDAP_BIND_PASSWORD_FILE cannot be read ({fault.strerror}): correct the path or its rights."]
    if ldap.bind_dn and not password:
        return ["OVERREAD_LDAP_BIND_DN is set without a password: set OVERREAD_LDAP_BIND_PASSWORD or ..._FILE."]
    if password and not ldap.bind_dn:
        return ["There is a password for the directory but no OVERREAD_LDAP_BIND_DN: name the service account."]
    return []


def _of_the_searches(ldap: LDAPSettings) -> list[str]:
    found = []
    if not ldap.user_base:
        found.append("OVERREAD_LDAP_USER_BASE is not set: name the entry below which people are found.")
    if "%(user)s" not in ldap.user_filter:
        found.append("OVERREAD_LDAP_USER_FILTER lacks %(user)s, where the user name goes: (uid=%(user)s), for example.")
    if ldap.admin_group and not ldap.group_base:
        found.append("OVERREAD_LDAP_ADMIN_GROUP is set without OVERREAD_LDAP_GROUP_BASE: groups would not be found.")
    if "%(dn)s" not in ldap.group_filter and "%(user)s" not in ldap.group_filter:
        found.append("OVERREAD_LDAP_GROUP_FILTER names neither %(dn)s nor %(user)s: (member=%(dn)s), for example.")
    filters = {"user_filter": ldap.user_filter, "group_filter": ldap.group_filter}
    return [*found, *(problem for name, text in filters.items() for problem in _of_a_filter(_variable(name), text))]


def _of_a_filter(variable: str, text: str) -> list[str]:
    if not text.startswith("(") or text.count("(") != text.count(")"):
        return [f"{variable} is {text!r}: a filter stands in parentheses, as many closed as opened."]
    try:
        text % {"user": "", "dn": ""}
    except (KeyError, TypeError, ValueError):
        return [f"{variable} is {text!r}: only %(user)s and %(dn)s are filled in; write any other % as %%."]
    return []


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"
