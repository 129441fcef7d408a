"""The forms of a protocol: its document holds them whole; frozen, each is a version of a form that readers answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from feedback import form_schema, form_text, forms
from feedback.form_schema import FormDefinition
from feedback.models import Form
from studies.protocols.protocol_schema import Protocol
from studies.refusals import ProtocolRefused

Document = Mapping[str, Any]


def shipped() -> dict[str, dict[str, Any]]:
    """The forms that come with Overread, by name."""
    return {name: dict(form_text.plain(forms.example(name))) for name in forms.examples()}


def available() -> dict[str, dict[str, Any]]:
    """The forms that a protocol can take, by name: those that were published here, and those that are shipped."""
    newest = Form.objects.order_by("slug", "-version").distinct("slug")
    published = {form.slug: dict(form_text.plain(forms.definition_of(form))) for form in newest}
    return shipped() | published


def problem(form: Document) -> str:
    """What keeps the form from being asked, in words; empty when nothing does."""
    try:
        definition = FormDefinition.model_validate(form)
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}." if place else f"{first['msg']}"
    return "" if definition.questions else "It asks nothing yet."


def questions(form: Document) -> dict[str, str]:
    """The labels of its questions by their key, in their order, those inside others too; none when it is malformed."""
    try:
        definition = FormDefinition.model_validate(form)
    except ValidationError:
        return {}
    return {question.key: question.label for question in form_schema.each(definition.questions)}


def register(protocol: Protocol) -> dict[str, Form]:
    """Each form of the protocol as a version, by its name: the newest if it asks just this, else the next. All are
    kept for ever.

    Raises ProtocolRefused for a form that has a `problem`.
    """
    for form in protocol.forms:
        if fault := problem(form):
            raise ProtocolRefused(f'The form "{form["name"]}" cannot be asked. {fault}')
    definitions = {str(form["name"]): FormDefinition.model_validate(form) for form in protocol.forms}
    return {name: forms.freeze(forms.register(name, one)) for name, one in definitions.items()}
