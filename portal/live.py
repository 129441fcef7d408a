"""Parts of a page that keep themselves up to date.

A live part asks again after a while and says which version it shows. Nothing new is answered with 204, so that nothing
moves under the pointer; a part that is final is sent without the instruction to ask, and polling ends.
"""

import hashlib
import re

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

CLOCK = re.compile(r"(<time\b[^>]*>)[^<]*")  # "3 min ago" is no change of what is shown
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"')


def part(
    request: HttpRequest, template: str, context: dict[str, object], *, name: str, url: str, is_final: bool
) -> SafeString:
    """The rendered part, to stand in a page as `id="name"`. Unless it is final it asks `url` again after 2 s."""
    inner = render_to_string(template, context, request=request)
    body = mark_safe(inner)  # noqa: S308 - rendered by a template, which escapes
    if is_final:
        return format_html('<div id="{}" class="live">{}</div>', name, body)
    return format_html(
        '<div id="{}" class="live" hx-get="{}" hx-trigger="every 2s" hx-swap="outerHTML" data-version="{}">{}</div>',
        name,
        f"{url}{'&' if '?' in url else '?'}seen={_version(inner)}",
        _version(inner),
        body,
    )


def answer(request: HttpRequest, rendered: SafeString) -> HttpResponse:
    """`rendered` by `part`, or 204 when it is the version that the page already shows."""
    seen = request.GET.get("seen")
    if seen and f'data-version="{seen}"' in rendered:
        return HttpResponse(status=204)
    return HttpResponse(rendered)


def _version(inner: str) -> str:
    steady = CSRF.sub("", CLOCK.sub(r"\1", inner))
    return hashlib.sha256(steady.encode()).hexdigest()[:16]
