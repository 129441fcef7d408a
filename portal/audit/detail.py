"""What a row may say: things by their keys, numbers and words. No patient's name, ID or free text gets in.

Keys come from a list (`actions.DETAIL_KEYS`): a caller that would put `patient_id` down fails at its first test. Text
that looks like a person's name in DICOM (PS3.5, 6.2: with ^) or could be prose is withheld, and the row says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from portal.audit.actions import DETAIL_KEYS

LONGEST_TEXT = 120
LONGEST_DETAIL = 4000  # bytes of JSON
MOST_ITEMS = 100
WITHHELD = "(withheld)"

_THING = re.compile(r"[\w.:/@+#, -]{0,200}")


class Unfit(ValueError):
    """A caller would put on record what must not be there; the message says what, and what to do."""


def checked_thing(of: str) -> str:
    """What a row is of: a UID, a slug, a key. Raises Unfit for what could be a patient's name."""
    if not _THING.fullmatch(of):
        raise Unfit("What a row is of has to be a UID, a slug or a key, at most 200 characters.")
    return of


def checked(detail: Mapping[str, object]) -> dict[str, object]:
    """`detail` as it is kept: plain JSON of bounded size. Raises Unfit for a key that is not listed, or no plain value.

    What depends on data never raises: text that may not stand there is withheld, what is too much is counted instead.
    """
    kept = {_key(key): _value(value) for key, value in detail.items()}
    size = len(json.dumps(kept))
    return kept if size <= LONGEST_DETAIL else {"size": size, "kind": WITHHELD}


def _key(key: str) -> str:
    if key not in DETAIL_KEYS:
        raise Unfit(
            f'"{key}" is not among the keys of portal.audit.actions.DETAIL_KEYS. Add it there if none of its values '
            "can name a patient, or leave it out."
        )
    return key


def _value(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _text(str(value))
    if isinstance(value, UUID | date):
        return str(value)
    if isinstance(value, Mapping):
        return {_key(key): _value(each) for key, each in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return _items(list(value))
    raise Unfit(f"{type(value).__name__} cannot stand in a row: give text, whole numbers, or lists of them.")


def _items(items: list[object]) -> list[object]:
    kept = [_value(item) for item in items[:MOST_ITEMS]]
    return kept if len(items) <= MOST_ITEMS else [*kept, f"and {len(items) - MOST_ITEMS} more"]


def _text(text: str) -> str:
    if len(text) > LONGEST_TEXT or "^" in text or not text.isprintable():
        return WITHHELD
    return text
