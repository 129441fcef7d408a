"""The hash of a row: HMAC-SHA256 (RFC 2104) over its canonical JSON, which holds the hash of the row before.

Whoever may write into the database but lacks the key can neither change a row nor add one without the chain breaking.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

NOTHING_BEFORE = "0" * 64
"""What the first row has for `previous`."""

CONTENT = ("number", "at", "actor_id", "actor", "address", "via", "action", "of", "study", "detail", "previous")
"""The fields that the hash covers: all but itself."""

_PURPOSE = b"overread audit trail, version 1"


def keys() -> list[bytes]:
    """The key that rows are written with, and after it those that older rows may have been written with."""
    current = settings.OVERREAD_AUDIT_KEY or settings.SECRET_KEY
    return [_derived(secret) for secret in (current, *settings.OVERREAD_AUDIT_OLD_KEYS)]


def canonical(values: Sequence[Any]) -> bytes:
    """One spelling of a row, `values` in the order of CONTENT: equal rows give equal bytes, and only those."""
    return json.dumps([_plain(value) for value in values], sort_keys=True, separators=(",", ":")).encode("ascii")


def hash_of(values: Sequence[Any], key: bytes) -> str:
    """The hash of a row as 64 hexadecimal digits."""
    return hmac.digest(key, canonical(values), "sha256").hex()


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def _derived(secret: str) -> bytes:
    if not secret:
        raise ValueError("There is no key for the audit trail: set OVERREAD_AUDIT_KEY, or OVERREAD_SECRET_KEY.")
    return hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
