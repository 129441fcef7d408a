"""How the pages write measured values and their changes."""

from django import template

register = template.Library()

MINUS = "\N{MINUS SIGN}"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"


@register.filter
def figure(value: float) -> str:
    """`1 465.3`, and three significant digits below 10: `0.0421`."""
    if value != 0 and abs(value) < 10:
        return f"{value:.3g}".replace("-", MINUS)
    return f"{value:,.1f}".replace(",", THIN_SPACE).replace("-", MINUS)


@register.filter
def signed(value: float) -> str:
    """`+12.0`, `−0.4`."""
    return f"{'+' if value >= 0 else ''}{figure(value)}"


@register.filter
def percentage(value: float | None) -> str:
    """`+3.4 %`; a dash where there is none, since its base is zero."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:+.1f}{THIN_SPACE}%".replace("-", MINUS)
