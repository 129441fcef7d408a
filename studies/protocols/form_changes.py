"""What two versions of a protocol's forms say differently. Their schema is another's, so this follows their JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_IDENTITIES = ("name", "key", "value")
_ONE_OF = {"sections": "section", "questions": "question", "choices": "choice", "segments": "segment"}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs, named by its place in the form."""

    what: str
    kind: Literal["changed", "added", "removed", "moved"] = "changed"
    before: str = ""
    after: str = ""


def differences(old: Sequence[Any], new: Sequence[Any]) -> list[Difference]:
    """What differs between two lists of forms."""
    return list(_of_lists("", "form", old, new))


def _of_lists(place: str, one_of: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Difference]:
    identity = _identity(old, new)
    if identity is None:
        yield from _by_position(place, one_of, old, new)
        return
    before, after = ({one[identity]: one for one in each} for each in (old, new))
    for key, one in before.items():
        if key not in after:
            yield Difference(what=_place(place, one_of, key), kind="removed", before=_text(one))
    for key, one in after.items():
        where = _place(place, one_of, key)
        if key not in before:
            yield Difference(what=where, kind="added", after=_text(one))
        else:
            yield from _of(where, before[key], one)
    if [key for key in before if key in after] != [key for key in after if key in before]:
        what = _place(place, f"{one_of}s", None)
        yield Difference(what=what, kind="moved", after=", ".join(str(key) for key in after))


def _by_position(place: str, one_of: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Difference]:
    if not all(isinstance(one, dict) for one in (*old, *new)):
        if json.dumps(old) != json.dumps(new):
            yield Difference(what=place, before=_text(old), after=_text(new))
        return
    for number in range(max(len(old), len(new))):
        where = _place(place, one_of, number + 1)
        if number >= len(old):
            yield Difference(what=where, kind="added", after=_text(new[number]))
        elif number >= len(new):
            yield Difference(what=where, kind="removed", before=_text(old[number]))
        else:
            yield from _of(where, old[number], new[number])


def _of(place: str, old: Any, new: Any) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*old, *new)):
            where = _place(place, name, None)
            if name not in new:
                yield Difference(what=where, kind="removed", before=_text(old[name]))
            elif name not in old:
                yield Difference(what=where, kind="added", after=_text(new[name]))
            elif name in _ONE_OF and isinstance(old[name], list) and isinstance(new[name], list):
                yield from _of_lists(place, _ONE_OF[name], old[name], new[name])
            else:
                yield from _of(where, old[name], new[name])
    elif json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True):
        yield Difference(what=place, before=_text(old), after=_text(new))


def _identity(old: Sequence[Any], new: Sequence[Any]) -> str | None:
    """The field by which things in both lists are told apart."""
    for name in _IDENTITIES:
        if all(isinstance(one, dict) and isinstance(one.get(name), str) for one in (*old, *new)) and all(
            len({one[name] for one in each}) == len(each) for each in (old, new)
        ):
            return name
    return None


def _place(place: str, what: str, key: object) -> str:
    words = what.replace("_", " ")
    if isinstance(key, str):
        words = f'{words} "{key}"'
    elif key is not None:
        words = f"{words} {key}"
    return f"{place}: {words}" if place else words[0].upper() + words[1:]


def _text(value: Any) -> str:
    """A short name where there is one, else the value itself."""
    if isinstance(value, dict):
        named = next((str(value[name]) for name in ("title", "label", *_IDENTITIES) if value.get(name)), "")
        return named or json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
