"""The forms of a protocol: its document holds them whole; frozen, each is a version of a form that readers answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from feedback import forms
from feedback.models import Form
from studies.protocol_schema import Protocol

Document = Mapping[str, Any]


def available() -> dict[str, dict[str, Any]]:
    """The forms that a protocol can take: those that come with Overread."""
    return shipped()


def shipped() -> dict[str, dict[str, Any]]:
    """The forms that come with Overread, by name."""
    questions = [question.model_dump(mode="json") for question in forms.QUALITY_QUESTIONS]
    title = "Quality of the segmentation"
    return {forms.QUALITY_SLUG: {"name": forms.QUALITY_SLUG, "title": title, "questions": questions}}


def problem(form: Document) -> str:
    """What keeps the form from being asked, in words; empty when nothing does."""
    try:
        asked = forms.checked_questions(_questions(form))
    except forms.MalformedForm as fault:
        return str(fault)
    return "" if asked else "It asks nothing yet."


def questions(form: Document) -> dict[str, str]:
    """The labels of its questions by their key, in their order; those inside others too."""
    return dict(_labels(_questions(form)))


def _labels(among: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for question in among:
        key = str(question.get("key", ""))
        yield key, str(question.get("label") or key)
        yield from _labels(list(_listed(question, "questions")))


def register(protocol: Protocol) -> dict[str, Form]:
    """Each form of the protocol as a version, by its name: the newest if it asks just this, else the next."""
    return {str(form["name"]): _version(str(form["name"]), form) for form in protocol.forms}


def _version(slug: str, form: Document) -> Form:
    newest = Form.objects.filter(slug=slug).order_by("-version").first()
    title, questions = str(form.get("title", form["name"])), _questions(form)
    if newest is not None and (newest.title, newest.questions) == (title, questions):
        return newest
    version = newest.version + 1 if newest else 1
    return Form.objects.create(slug=slug, version=version, title=title, questions=questions)


def _questions(form: Document) -> list[dict[str, Any]]:
    return [
        *_listed(form, "questions"),
        *(one for part in _listed(form, "sections") for one in _listed(part, "questions")),
    ]


def _listed(part: Document, name: str) -> Iterator[dict[str, Any]]:
    found = part.get(name)
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else iter(())
