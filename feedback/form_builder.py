"""A form being written: steps on its document, which may be unfinished, and what is still wrong with it.

The document is that of `feedback.form_schema`, as plain JSON. A place in it is written `s0` for the first section,
`s0.q1` for its second question, `s0.q1.q0` for the first question of that group. Steps change the document in place.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from feedback.form_schema import TESTED_WITH, TITLE_KEY, FormDefinition
from feedback.subject import key_of

Document = dict[str, Any]
Part = dict[str, Any]
PLACE = re.compile(r"s(\d{1,3})(?:\.q(\d{1,3}))?(?:\.q(\d{1,3}))?")
AUTOMATIC = re.compile(r"question-\d+(-\d+)?")
KINDS: Mapping[str, str] = {
    "single-choice": "One of several",
    "multiple-choice": "Any of several",
    "scale": "Scale (Likert)",
    "confidence": "Confidence 0-100",
    "number": "Number with unit",
    "text": "Text",
    "date": "Date",
    "region": "Region picked in the images",
    "annotation": "Drawn annotation",
    "per-finding": "Group, for each finding",
    "per-segment": "Group, for each segment",
}
GROUPS = frozenset({"per-finding", "per-segment"})
TESTS_BY_KIND: Mapping[str, tuple[str, ...]] = {
    str(kind.model_fields["type"].default): tests for kind, tests in TESTED_WITH.items()
}
"""The tests that a condition may put an answer to, by kind; of all other kinds, `answered` alone."""
YES_NO = ({"value": "yes", "label": "Yes"}, {"value": "no", "label": "No"})


class NoSuchPlace(LookupError):
    """A place that the document has not, or no longer."""


def blank(name: str, title: str) -> Document:
    """A form with one section and nothing asked yet."""
    return {"name": name, "title": title, "sections": [{"questions": []}]}


def part_at(document: Document, place: str) -> Part:
    """The section or question at `place`. Raises NoSuchPlace."""
    siblings, index = _siblings(document, place)
    return siblings[index]


def add_section(document: Document) -> str:
    """A section at the end; its place."""
    document["sections"].append({"title": "New section", "questions": []})
    return f"s{len(document['sections']) - 1}"


def add_question(document: Document, place: str, kind: str) -> str:
    """A question of `kind` at the end of the section or group at `place`; its place. Raises NoSuchPlace."""
    around = part_at(document, place)
    if kind not in KINDS or (kind in GROUPS and "." in place) or "questions" not in around:
        raise NoSuchPlace(f"A question of the kind {kind} cannot stand at {place}.")
    around["questions"].append(_new_question(document, kind))
    return f"{place}.q{len(around['questions']) - 1}"


def change_kind(document: Document, place: str, kind: str) -> None:
    """Make the question at `place` one of `kind`; what both kinds have stays."""
    question = part_at(document, place)
    if kind not in KINDS or (kind in GROUPS and place.count(".") > 1):
        raise NoSuchPlace(f"A question of the kind {kind} cannot stand at {place}.")
    kept: Part = {name: question[name] for name in ("label", "help", "required", "when") if name in question}
    shared: Part = {name: question[name] for name in ("choices", "questions") if name in question}
    new = {"key": question["key"], "type": kind, **kept}
    parts = _parts_of(document, kind)
    question.clear()
    question.update(new | {name: shared.get(name, part) for name, part in parts.items()})


def move(document: Document, place: str, by: int) -> str:
    """Move the part at `place` by so many places among its own kind; a question goes on into the next section."""
    siblings, index = _siblings(document, place)
    target = index + by
    around, _, own = place.rpartition(".")
    if 0 <= target < len(siblings):
        siblings.insert(target, siblings.pop(index))
        return f"{around}.{own[0]}{target}".lstrip(".")
    beyond = int(around[1:]) + by if around and around.count(".") == 0 else -1
    if not 0 <= beyond < len(document["sections"]):
        return place
    neighbours = document["sections"][beyond]["questions"]
    at = len(neighbours) if by < 0 else 0
    neighbours.insert(at, siblings.pop(index))
    return f"s{beyond}.q{at}"


def duplicate(document: Document, place: str) -> str:
    """A copy after the part at `place`, with keys of its own and without the letters; its place."""
    siblings, index = _siblings(document, place)
    copy = deepcopy(siblings[index])
    siblings.insert(index + 1, copy)
    copied = list(_each([copy] if "type" in copy else copy["questions"]))
    renamed: dict[str, str] = {}
    for question in copied:
        new = free_key(document, question["key"])
        renamed[question["key"]] = new
        question["key"] = new
        for choice in question.get("choices", []):
            choice.pop("shortcut", None)
    for question in copied:
        if "when" in question:
            question["when"]["question"] = renamed.get(question["when"]["question"], question["when"]["question"])
    if "type" not in copy:
        copy.pop("key", None)
    around, _, own = place.rpartition(".")
    return f"{around}.{own[0]}{index + 1}".lstrip(".")


def remove(document: Document, place: str) -> None:
    """Take the part at `place` out, with its translations."""
    siblings, index = _siblings(document, place)
    gone = siblings.pop(index)
    keys = {question["key"] for question in _each([gone] if "type" in gone else gone["questions"])} | {gone.get("key")}
    for wordings in document.get("translations", {}).values():
        for key in keys & wordings.keys():
            del wordings[key]


def write(document: Document, place: str, fields: Part) -> None:
    """Let the question at `place` be `fields`, with the questions that stand in it; what looks at its key follows it.

    A key that was given by us follows the label, until somebody writes one.
    """
    question = part_at(document, place)
    old = question["key"]
    if fields["key"] == old and AUTOMATIC.fullmatch(old) and not fields["label"].startswith("New "):
        fields = fields | {"key": free_key(document, key_of(fields["label"]))}
    inner = {"questions": question["questions"]} if "questions" in question else {}
    question.clear()
    question.update(fields | inner)
    if fields["key"] != old:
        _follow(document, old, fields["key"])


def problems(document: Document) -> dict[str, list[str]]:
    """What is wrong, in words, by place; under "" what concerns the form as a whole."""
    try:
        FormDefinition.model_validate(document)
    except ValidationError as fault:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for error in fault.errors():
            for place, sentence in _told(error, document):
                found[place].append(sentence)
        return dict(found)
    return {} if any(True for _ in questions_in(document)) else {"": ["The form asks nothing yet. Add a question."]}


def questions_in(document: Document) -> Iterator[tuple[str, Part]]:
    """Every question with its place, in the order in which they are asked."""
    for number, section in enumerate(document["sections"]):
        for place, question in enumerate(section["questions"]):
            yield f"s{number}.q{place}", question
            for within, inner in enumerate(question.get("questions", [])):
                yield f"s{number}.q{place}.q{within}", inner


def free_key(document: Document, wanted: str) -> str:
    """`wanted`, or it with a number behind it where the form has it already."""
    sections = {section["key"] for section in document["sections"] if "key" in section}
    taken = {question["key"] for _, question in questions_in(document)} | sections | {TITLE_KEY}
    stem, number = re.sub(r"-\d+$", "", wanted)[:45] if wanted in taken else wanted, 2
    key = wanted
    while key in taken:
        key, number = f"{stem}-{number}", number + 1
    return key


def _siblings(document: Document, place: str) -> tuple[list[Part], int]:
    found = PLACE.fullmatch(place)
    if not found:
        raise NoSuchPlace(f"{place!r} is no place in a form.")
    numbers = [int(number) for number in found.groups() if number is not None]
    parts: list[Part] = document["sections"]
    for number in numbers[:-1]:
        if number >= len(parts) or "questions" not in parts[number]:
            raise NoSuchPlace(f"The form has nothing at {place} any more.")
        parts = parts[number]["questions"]
    if numbers[-1] >= len(parts):
        raise NoSuchPlace(f"The form has nothing at {place} any more.")
    return parts, numbers[-1]


def _new_question(document: Document, kind: str) -> Part:
    key = free_key(document, "question-1")
    label = f"New question ({KINDS[kind].lower()})" if kind not in GROUPS else "New group"
    return {"key": key, "type": kind, "label": label, **_parts_of(document, kind, but=key)}


def _parts_of(document: Document, kind: str, *, but: str = "") -> Part:
    if kind in {"single-choice", "multiple-choice"}:
        return {"choices": deepcopy(list(YES_NO))}
    if kind not in GROUPS:
        return {}
    taken = free_key(document, "question-1") if not but else f"{but}-1"
    first = {"key": free_key(document, taken), "type": "single-choice", "label": "New question (one of several)"}
    inner = {"questions": [first | {"choices": deepcopy(list(YES_NO))}]}
    return inner if kind == "per-finding" else inner | {"segments": [{"key": "first", "label": "First"}]}


def _each(questions: list[Part]) -> Iterator[Part]:
    for question in questions:
        yield question
        yield from question.get("questions", [])


def _follow(document: Document, old: str, new: str) -> None:
    for _, question in questions_in(document):
        if question.get("when", {}).get("question") == old:
            question["when"]["question"] = new
    for wordings in document.get("translations", {}).values():
        if old in wordings:
            wordings[new] = wordings.pop(old)


def _told(error: ErrorDetails, document: Document) -> Iterator[tuple[str, str]]:
    if error["type"] == "form":
        for fault in error["ctx"]["faults"]:
            yield _place_of(fault.key, document), fault.sentence
        return
    place, field = _place_and_field(error["loc"])
    is_empty = error["type"] in {"string_too_short", "too_short"}
    message = "is empty; write something" if is_empty else error["msg"].removeprefix("Value error, ")
    sentence = f"{field}: {message[:1].lower()}{message[1:]}" if field else f"{message[:1].upper()}{message[1:]}"
    yield place, sentence.rstrip(".") + "."


def _place_and_field(location: tuple[str | int, ...]) -> tuple[str, str]:
    """Of ("sections", 0, "questions", 2, "scale", "labels", 1): s0.q2 and `labels 2`."""
    place: list[str] = []
    rest: list[str] = []
    around = ""
    for part in location:
        if isinstance(part, int) and around in {"sections", "questions"}:
            place.append(f"{around[0]}{part}")
            rest = []
        elif isinstance(part, int):
            rest.append(str(part + 1))
        elif part not in KINDS:
            rest.append(part)
        around = str(part)
    return ".".join(place), " ".join(rest)


def _place_of(key: str, document: Document) -> str:
    """The last place at which `key` stands, as a key or as the letter of a choice."""
    found = ""
    for place, question in questions_in(document):
        letters = [choice.get("shortcut") for choice in question.get("choices", [])]
        if question.get("key") == key or key in letters:
            found = place
    return found
