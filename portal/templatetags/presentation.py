"""How the pages write times, durations and states."""

from datetime import datetime, timedelta

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime, now

register = template.Library()

MINUTE, HOUR, DAY = 60, 3600, 86_400


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """The time since `moment`, with the exact one on hover. The page's script keeps it current."""
    if moment is None:
        return ""
    exact = localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        exact.isoformat(timespec="seconds"),
        exact.strftime("%Y-%m-%d %H:%M:%S %Z"),
        _in_words(now() - moment, exact),
    )


@register.filter
def duration(seconds: float | None) -> str:
    """`0.42 s`, `12.3 s`, `2 min 05 s`, `1 h 03 min`; nothing for None."""
    if seconds is None:
        return ""
    if round(seconds, 2) < 10:
        return f"{seconds:.2f} s"
    if round(seconds, 1) < MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), MINUTE)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


@register.filter
def megabytes(size: float) -> str:
    """Memory in MiB or GiB."""
    return f"{size:.0f} MiB" if size < 1024 else f"{size / 1024:.1f} GiB"


def _in_words(since: timedelta, exact: datetime) -> str:
    seconds = since.total_seconds()
    if seconds < 10:
        return "just now"
    if seconds < MINUTE:
        return f"{seconds:.0f} s ago"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f} min ago"
    if seconds < DAY:
        return f"{seconds // HOUR:.0f} h ago"
    if seconds < 7 * DAY:
        return f"{seconds // DAY:.0f} d ago"
    return exact.strftime("%Y-%m-%d")
