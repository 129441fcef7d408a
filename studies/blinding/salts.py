"""Pseudonyms that only the installation's secret can make: UIDs, labels, names and shifts of dates.

They follow from OVERREAD_BLINDING_KEY by HKDF (RFC 5869) and HMAC-SHA-256, so a dump of the database tells nothing of
them, and what was made once is made again alike.
"""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

PURPOSE = b"overread blinding 1"
_STANDARD = "1.2.840.10008."
_LEAST = 10**38  # of 39 digits, as two thirds of all UUIDs are


@dataclass(frozen=True)
class Salt:
    """One secret, and what it makes of values. Nobody without the secret can make the same, nor undo it."""

    key: bytes

    def digest(self, *parts: str) -> bytes:
        """32 bytes that stand for `parts`."""
        return hmac.digest(self.key, "\0".join(parts).encode(), "sha256")

    def text(self, *parts: str, length: int = 10) -> str:
        """`length` hexadecimal digits, at most 64, that stand for `parts`."""
        return self.digest(*parts).hex()[:length]

    def uid(self, *parts: str) -> str:
        """A UID that stands for `parts`, made from a UUID (PS3.5, B.2). All are equally long: sizes tell nothing."""
        made = (uuid.UUID(bytes=self.digest("uid", str(turn), *parts)[:16], version=4).int for turn in count())
        return f"2.25.{next(number for number in made if number >= _LEAST)}"

    def remapped(self, uid: str) -> str:
        """The UID that stands for `uid`; one that the standard itself defines names nothing, and stays."""
        return uid if not uid or uid.startswith(_STANDARD) else self.uid(uid)

    def number(self, *parts: str, below: int) -> int:
        """A whole number from 0 that stands for `parts`."""
        return int.from_bytes(self.digest("number", *parts)[:16], "big") % below

    def within(self, *parts: str) -> Salt:
        """The secret of something smaller, which tells nothing of this one."""
        return Salt(self.digest("within", *parts))


def of_study(slug: str) -> Salt:
    """The study's own secret. Raises ImproperlyConfigured without OVERREAD_BLINDING_KEY."""
    return _derived(str(settings.OVERREAD_BLINDING_KEY), slug)


def of_read(slug: str, read_id: UUID) -> Salt:
    """The secret of one read: what is made with it cannot be recognised in another read of the same case."""
    return of_study(slug).within("read", str(read_id))


@lru_cache(maxsize=256)
def _derived(secret: str, slug: str) -> Salt:
    if not secret:
        raise ImproperlyConfigured(
            "Without OVERREAD_BLINDING_KEY no read can be blinded. Set it to a long random text, keep it with the "
            "backups' secrets, and never change it while a study is being read."
        )
    return Salt(
        HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE + b" " + slug.encode()).derive(secret.encode())
    )
