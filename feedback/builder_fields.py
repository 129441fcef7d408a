"""What the builder's page posts of one question, as the part of the document that it means; checked later."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from feedback.form_builder import TESTS_BY_KIND, Document, Part, questions_in
from feedback.subject import key_of, named_segments

NUMBERS = frozenset({"scale", "confidence", "number"})


def question_from(posted: QueryDict, document: Document, kind: str) -> Part:
    """The question of `kind` that was posted. What was left empty is left out."""
    words = {"key": _text(posted, "key"), "type": kind, "label": _text(posted, "label"), "help": _text(posted, "help")}
    part: Part = {name: value for name, value in words.items() if value or name != "help"}
    if "required" not in posted:
        part["required"] = False
    when = _when(posted, document)
    return part | ({"when": when} if when else {}) | _own(posted, kind)


def number_of(text: str) -> int | float | str:
    """The number that `text` writes, or `text` where it is none."""
    plain = text.strip().replace(",", ".")
    for kind in (int, float):
        try:
            return kind(plain)
        except ValueError:
            continue
    return text


def choices_from(posted: QueryDict) -> list[Part]:
    """The choices, each with its value: that which was given, else one made of its label."""
    choices: list[Part] = []
    rows = zip(*(posted.getlist(f"choice-{name}") for name in ("label", "value", "shortcut")), strict=False)
    for label, value, shortcut in rows:
        given = value.strip() or _free(key_of(label) if label.strip() else "", choices)
        choice = {"value": given, "label": label.strip(), "shortcut": shortcut.strip().lower()}
        choices.append({name: text for name, text in choice.items() if text or name != "shortcut"})
    return choices


def _own(posted: QueryDict, kind: str) -> Part:
    """What questions of this kind alone have."""
    if kind in {"single-choice", "multiple-choice"}:
        return {"choices": choices_from(posted)}
    if kind == "scale":
        labels = [line.strip() for line in posted.get("labels", "").splitlines()]
        return _given(posted, "minimum", "maximum") | ({"labels": labels} if any(labels) else {})
    if kind == "number":
        whole = {"whole": True} if "whole" in posted else {}
        return {"unit": _text(posted, "unit") or "1"} | _given(posted, "minimum", "maximum") | whole
    if kind == "confidence":
        return {name: text for name in ("low", "high") if (text := _text(posted, name))}
    if kind == "per-segment":
        labels = [line.strip() for line in posted.get("segments", "").splitlines() if line.strip()]
        return {"segments": [{"key": one.ref, "label": one.label} for one in named_segments(labels)]}
    return _own_in_images(posted, kind)


def _own_in_images(posted: QueryDict, kind: str) -> Part:
    if kind == "annotation":
        return {"shapes": posted.getlist("shapes"), "objects": posted.getlist("objects")}
    if kind == "region":
        return {"area": _text(posted, "area")}
    if kind == "per-finding":
        named = {name: _text(posted, name) for name in ("source", "noun")}
        return named | _given(posted, "most")
    return _given(posted, "maximum_length") if kind == "text" else {}


def _when(posted: QueryDict, document: Document) -> Part | None:
    key, test = _text(posted, "when-question"), _text(posted, "when-test")
    tested = next((question for _, question in questions_in(document) if question["key"] == key), None)
    if tested is None:
        return None
    tests = TESTS_BY_KIND.get(tested["type"], ("answered",))
    test = test if test in tests else tests[0]
    given = [value for value in posted.getlist("when-value") if value] or [_first_value(tested)]
    values: list[Any] = [number_of(value) if tested["type"] in NUMBERS else value for value in given]
    if test == "one-of":
        return {"question": key, "test": test, "values": values}
    if test in {"equals", "at-least"}:
        return {"question": key, "test": test, "value": values[0]}
    return {"question": key, "test": test}


def _first_value(tested: Part) -> str:
    """What a condition waits for until somebody says: the first of the choices, the lowest number."""
    choices = tested.get("choices")
    return str(choices[0]["value"]) if choices else str(tested.get("minimum", 1 if tested["type"] == "scale" else 0))


def _given(posted: QueryDict, *names: str) -> Part:
    return {name: number_of(text) for name in names if (text := _text(posted, name))}


def _text(posted: QueryDict, name: str) -> str:
    return posted.get(name, "").strip()


def _free(wanted: str, choices: list[Part]) -> str:
    taken = {choice["value"] for choice in choices}
    key, number = wanted, 2
    while key and key in taken:
        key, number = f"{wanted[:45]}-{number}", number + 1
    return key
