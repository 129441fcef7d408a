"""Which languages somebody wants forms in: what they chose, then what their browser asks for."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header

CHOSEN = "form_language"
PARAMETER = "language"


def wanted_by(request: HttpRequest) -> tuple[str, ...]:
    """The languages, the most wanted first. One that is chosen now, in the address or the form, is remembered."""
    chosen = request.POST.get(PARAMETER) or request.GET.get(PARAMETER, "")
    if chosen and len(chosen) <= 10:
        request.session[CHOSEN] = chosen
    accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    remembered = request.session.get(CHOSEN, "")
    return tuple(language for language in (remembered, *(code for code, _ in accepted)) if language)
