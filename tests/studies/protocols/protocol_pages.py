"""What the tests of the protocol's pages read on them, and post as a browser would."""

from __future__ import annotations

import html
import re
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse

from studies.models import Study

Posted = dict[str, Any]


def text_of(answer: HttpResponseBase) -> str:
    """What one reads on a page."""
    assert answer.status_code == 200
    assert isinstance(answer, HttpResponse)
    body = answer.content.decode().partition("<main")[2] or answer.content.decode()
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def page(client: Client, name: str, *args: object, query: str = "") -> str:
    return text_of(client.get(reverse(name, args=args) + query))


def said(study: Study) -> dict[str, Any]:
    version = study.protocols.first()
    assert version
    return dict(version.document)


def save(client: Client, study: Study, key: str, do: str = "", **fields: Any) -> str:
    """Post a section as its page would, with what `fields` say instead; what comes back."""
    posted = form_of(client, study, key) | fields
    if do:
        posted["do"] = do
    answer = client.post(reverse("study-protocol-section", args=[study.slug, key]), posted)
    assert answer.status_code == 200
    return answer.content.decode()


def form_of(client: Client, study: Study, key: str) -> Posted:
    """What the browser would post of a section that nobody touched."""
    body = client.get(reverse("study-protocol", args=[study.slug])).content.decode()
    form = re.search(rf'<form class="section-form"\s+id="form-{key}".*?</form>', body, re.S)
    assert form, key
    posted: dict[str, list[str]] = {}
    for control in _CONTROL.finditer(form[0]):
        name = re.search(r'name="([^"]*)"', control["attributes"])
        is_unticked = 'type="checkbox"' in control["attributes"] and "checked" not in control["attributes"]
        if name and not is_unticked:
            posted.setdefault(name[1], []).append(html.unescape(_written(control)))
    return {name: values[0] if len(values) == 1 else values for name, values in posted.items()}


_CONTROL = re.compile(
    r"<(?:(?P<kind>select|textarea)|input)(?P<attributes>[^>]*)>(?(kind)(?P<inside>.*?)</(?P=kind)>)", re.S
)


def _written(control: re.Match[str]) -> str:
    if control["kind"] == "textarea":
        return control["inside"]
    if control["kind"] == "select":
        chosen = re.search(r'<option value="([^"]*)" selected', control["inside"])
        return chosen[1] if chosen else ""
    value = re.search(r'value="([^"]*)"', control["attributes"])
    return value[1] if value else "on"
