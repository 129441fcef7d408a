"""The steps that the builder's page asks for, as changes of the document."""

from __future__ import annotations

from collections.abc import Callable

from django.http import QueryDict

from feedback import form_builder
from feedback.builder_fields import question_from
from feedback.form_builder import Document, NoSuchPlace, part_at
from feedback.subject import key_of

Change = Callable[[Document], str | None]


def step_from(posted: QueryDict) -> Change:
    """The change that `do` names, at `at`. Raises NoSuchPlace for a step that there is not."""
    do, at = posted.get("do", ""), posted.get("at", "")
    steps: dict[str, Change] = {
        "title": lambda document: _title(document, posted),
        "section": lambda document: _section(document, at, posted),
        "add-section": form_builder.add_section,
        "add": lambda document: form_builder.add_question(document, at, posted.get("kind", "")),
        "write": lambda document: _write(document, at, posted),
        "redraw": lambda document: _write(document, at, posted),
        "kind": lambda document: _kind(document, at, posted),
        "add-choice": lambda document: _add_choice(document, at, posted),
        "up": lambda document: form_builder.move(document, at, -1),
        "down": lambda document: form_builder.move(document, at, 1),
        "duplicate": lambda document: form_builder.duplicate(document, at),
        "remove": lambda document: form_builder.remove(document, at),
    }
    number = do.rpartition("-")[2]
    if do.startswith("remove-choice-") and number.isdecimal():
        return lambda document: _remove_choice(document, at, posted, int(number))
    if do not in steps:
        raise NoSuchPlace(f"The builder knows no step {do!r}. Load the page again.")
    return steps[do]


def _title(document: Document, posted: QueryDict) -> None:
    document["title"] = posted.get("title", "").strip()


def _section(document: Document, at: str, posted: QueryDict) -> str:
    section = part_at(document, at)
    title = posted.get("title", "").strip()
    section.pop("title", None)
    if title:
        section["title"] = title
        section.setdefault("key", form_builder.free_key(document, key_of(title)))
    return at


def _write(document: Document, at: str, posted: QueryDict) -> str:
    form_builder.write(document, at, question_from(posted, document, part_at(document, at)["type"]))
    return at


def _kind(document: Document, at: str, posted: QueryDict) -> str:
    _write(document, at, posted)
    form_builder.change_kind(document, at, posted.get("kind", ""))
    return at


def _add_choice(document: Document, at: str, posted: QueryDict) -> str:
    _write(document, at, posted)
    choices = part_at(document, at)["choices"]
    taken = {choice["value"] for choice in choices}
    number = next(number for number in range(len(choices) + 1, 100) if f"choice-{number}" not in taken)
    choices.append({"value": f"choice-{number}", "label": f"Choice {number}"})
    return at


def _remove_choice(document: Document, at: str, posted: QueryDict, number: int) -> str:
    _write(document, at, posted)
    choices = part_at(document, at)["choices"]
    if number < len(choices):
        del choices[number]
    return at
