"""What the hospital's directory (LDAP) says of an account: its groups, and whether it is locked.

django-auth-ldap checks passwords. What is asked here is asked again and again about people who have signed in, where
"there is no such entry" and "nobody answered" must never be mixed up; that library's searches do not tell them apart.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ldap
from django.conf import settings
from ldap.filter import escape_filter_chars

from portal.accounts.entries import DirectoryIsAway, Entry
from portal.accounts.names import group_key
from portal.ldap_settings import LDAPSettings

LOCKS = ("userAccountControl", "accountExpires", "pwdAccountLockedTime", "nsAccountLock")
"""Attributes by which directories say that an account is locked; the operational ones are sent only if asked for."""
ACCOUNT_DISABLED = 0x2
"""Of userAccountControl in Active Directory (MS-ADTS 2.2.16)."""
NEVER_EXPIRES = frozenset({0, 0x7FFFFFFFFFFFFFFF})
"""Of accountExpires in Active Directory, which counts 100 ns from 1601 on."""
SECONDS_FROM_1601_TO_1970 = 11_644_473_600
LOCKED_BY_HAND = "000001010000Z"
"""Of pwdAccountLockedTime (OpenLDAP's ppolicy). A real time is a pause after wrong passwords: anybody can cause it."""

Attributes = Mapping[str, list[str]]


@contextmanager
def connected() -> Iterator[Any]:
    """A connection as the service account, as python-ldap's LDAPObject. Raises DirectoryIsAway."""
    config: LDAPSettings = settings.OVERREAD_LDAP
    with _said_in_words():
        connection = ldap.initialize(config.url, bytes_mode=False)
        for option, value in connection_options(config).items():
            connection.set_option(option, value)
        if config.starts_tls:
            connection.start_tls_s()
        connection.simple_bind_s(config.bind_dn, config.password)
    try:
        yield connection
    finally:
        connection.unbind_s()


def connection_options(config: LDAPSettings) -> dict[int, object]:
    """python-ldap's options of a connection: time limits, and certificates that are checked."""
    tls: dict[int, object] = {ldap.OPT_X_TLS_REQUIRE_CERT: ldap.OPT_X_TLS_DEMAND}
    if config.ca_file:
        tls[ldap.OPT_X_TLS_CACERTFILE] = config.ca_file
    return {
        ldap.OPT_PROTOCOL_VERSION: ldap.VERSION3,
        ldap.OPT_REFERRALS: 0,
        ldap.OPT_NETWORK_TIMEOUT: config.seconds,
        ldap.OPT_TIMEOUT: config.seconds,
        **tls,
        ldap.OPT_X_TLS_NEWCTX: 0,  # last: it takes the options of TLS into use
    }


def look_up(connection: Any, username: str) -> Entry | None:
    """The entry of `username`, or None when the directory has none, or several. Raises DirectoryIsAway."""
    config: LDAPSettings = settings.OVERREAD_LDAP
    wanted = config.user_filter % {"user": escape_filter_chars(username)}
    found = _search(connection, config.user_base, wanted, attributes=["1.1", *LOCKS])
    if len(found) != 1:
        return None
    [(dn, attributes)] = found
    return Entry(dn=dn, groups=_groups(connection, dn, username), is_locked=is_locked(attributes))


def _groups(connection: Any, dn: str, username: str) -> frozenset[str]:
    config: LDAPSettings = settings.OVERREAD_LDAP
    if not config.group_base:
        return frozenset()
    names = {"dn": escape_filter_chars(dn), "user": escape_filter_chars(username)}
    found = _search(connection, config.group_base, config.group_filter % names, attributes=["1.1"])
    return frozenset(group_key(group) for group, _ in found)


def has_group(connection: Any, dn: str) -> bool:
    """Whether there is an entry of this DN where groups are looked for. Raises DirectoryIsAway."""
    config: LDAPSettings = settings.OVERREAD_LDAP
    if not group_key(dn).endswith(group_key(config.group_base)):
        return False
    with _said_in_words():
        try:
            return bool(connection.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", ["1.1"]))
        except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
            return False


def _search(connection: Any, base: str, wanted: str, *, attributes: list[str]) -> list[tuple[str, Attributes]]:
    """The entries below `base` that fit the filter `wanted`."""
    with _said_in_words():
        found = connection.search_s(base, ldap.SCOPE_SUBTREE, wanted, attributes)
    return [(dn, _readable(values)) for dn, values in found if dn is not None]  # None: a referral elsewhere


def _readable(values: Mapping[str, list[bytes]]) -> Attributes:
    return {name: [value.decode("utf-8", "replace") for value in each] for name, each in values.items()}


def is_locked(attributes: Attributes) -> bool:
    """Whether an administrator of the directory locked the account, or its time is over."""
    first = {name: values[0] for name, values in attributes.items() if values}
    return (
        bool(int(first.get("userAccountControl", "0")) & ACCOUNT_DISABLED)
        or first.get("pwdAccountLockedTime") == LOCKED_BY_HAND
        or first.get("nsAccountLock", "").lower() == "true"
        or _has_expired(int(first.get("accountExpires", "0")))
    )


def _has_expired(expires: int) -> bool:
    return expires not in NEVER_EXPIRES and expires < (time.time() + SECONDS_FROM_1601_TO_1970) * 10**7


@contextmanager
def _said_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as fault:  # the file with the password
        raise DirectoryIsAway(f"OVERREAD_LDAP_BIND_PASSWORD_FILE cannot be read ({fault.strerror}).") from fault
    except ldap.LDAPError as fault:
        raise DirectoryIsAway(f"The directory did not answer as it should: {describe(fault)}.") from fault


def describe(fault: Exception) -> str:
    """What python-ldap says of `fault`: its name, and the server's own words, without names of people."""
    said = fault.args[0] if fault.args and isinstance(fault.args[0], dict) else {}
    words = [str(said[part]) for part in ("desc", "info") if said.get(part)]
    return f"{type(fault).__name__} ({'; '.join(words)})" if words else type(fault).__name__
