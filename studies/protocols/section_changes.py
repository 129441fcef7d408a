"""What a button of a section does to its lists: add, reorder, remove. Everything else is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from studies.protocols import protocol_forms, section_defaults
from studies.protocols.protocol_sections import names_of
from studies.protocols.protocol_words import Section

Document = Mapping[str, Any]


class UnknownChange(ValueError):
    """A button that no section has."""


def changed(section: Section, shown: Document, do: str) -> tuple[dict[str, Any], str]:
    """What `shown` becomes when `do` is pressed, and the name of the element that then has the focus.

    do: `redraw:design.kind`, `add:criteria`, `up:criteria:1`, `down:criteria:1`, `remove:criteria:1`,
    `with:disagreement`, `without:disagreement`, `form:segmentation-quality`, `installed:hip-fracture`.

    Raises UnknownChange.
    """
    verb, _, what = do.partition(":")
    if not do or verb == "redraw":
        return dict(shown), what
    name, _, number = what.partition(":")
    change = _CHANGES.get(verb)
    if change is None or (verb in _OF_FIELDS and name not in names_of(section)):
        raise UnknownChange(f'There is no button "{do}".')
    try:
        return change(shown, name, int(number or 0))
    except (KeyError, IndexError, ValueError) as fault:
        raise UnknownChange(f'There is no button "{do}".') from fault


_Changed = tuple[dict[str, Any], str]


def _add(shown: Document, name: str, _number: int) -> _Changed:
    rows = [*shown[name], section_defaults.row(name)]
    called = "name" if name == "criteria" else "label"
    return {**shown, name: rows}, f"{name}.{len(rows) - 1}.{called}"


def _remove(shown: Document, name: str, number: int) -> _Changed:
    rows = list(shown[name])
    del rows[number]
    return {**shown, name: rows}, f"add.{name}"


def _move(step: int, verb: str) -> Callable[[Document, str, int], _Changed]:
    def move(shown: Document, name: str, number: int) -> _Changed:
        rows, to = list(shown[name]), number + step
        if not (0 <= number < len(rows) and 0 <= to < len(rows)):
            raise IndexError(to)
        rows[number], rows[to] = rows[to], rows[number]
        is_at_end = to == (0 if step < 0 else len(rows) - 1)
        other = "down" if verb == "up" else "up"
        return {**shown, name: rows}, f"{other if is_at_end else verb}.{name}.{to}"

    return move


def _with(shown: Document, name: str, _number: int) -> _Changed:
    return {**shown, name: section_defaults.part(name, shown)}, f"without.{name}"


def _without(shown: Document, name: str, _number: int) -> _Changed:
    section_defaults.part(name, shown)
    return {**shown, name: None}, f"with.{name}"


def _form(shown: Document, name: str, _number: int) -> _Changed:
    """Take a form, or its newest version in place of the one that is there."""
    form = protocol_forms.available()[name]
    kept = [form if one["name"] == name else one for one in shown["forms"]]
    return {**shown, "forms": kept if form in kept else [*kept, form]}, ""


def _installed(shown: Document, name: str, _number: int) -> _Changed:
    """Let go of the version that is pinned: the installed one is when the protocol freezes."""
    pipelines = [one | {"digest": ""} if one["name"] == name else one for one in shown["pipelines"]]
    return {**shown, "pipelines": pipelines}, ""


_OF_FIELDS = frozenset({"add", "remove", "up", "down", "with", "without"})
_CHANGES: dict[str, Callable[[Document, str, int], _Changed]] = {
    "add": _add,
    "remove": _remove,
    "up": _move(-1, "up"),
    "down": _move(+1, "down"),
    "with": _with,
    "without": _without,
    "form": _form,
    "installed": _installed,
}
