"""What a browser sends of the fields of a page."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import QueryDict

from feedback.fields import Field, SectionFields


def posted(sections: Iterable[SectionFields]) -> QueryDict:
    """The form as a browser would post it, untouched."""
    sent = QueryDict(mutable=True)
    for section in sections:
        for field in section.fields:
            _post(field, sent)
    return sent


def _post(field: Field, sent: QueryDict) -> None:
    for option in field.options:
        if option.is_chosen:
            sent.appendlist(field.name, option.value)
    if field.text and not field.options:
        sent.appendlist(field.name, field.text)
    for item in field.items:
        sent.appendlist(field.name, item.ref)
        if item.finding:
            sent.appendlist(item.name, item.finding)
        for inner in item.fields:
            _post(inner, sent)
