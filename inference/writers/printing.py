"""What turns HTML into PDF: WeasyPrint, which is an extra of the installation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inference.errors import InstallationFault

MISSING = (
    "No PDF can be written: WeasyPrint, or the Pango library that it draws with, is missing ({fault}). "
    'Install both: pip install "overread[report]" and, on Debian, apt-get install libpango-1.0-0 libpangoft2-1.0-0 '
    "fonts-dejavu-core."
)


def printer() -> Callable[..., Any]:
    """WeasyPrint's `HTML`. Raises InstallationFault with what to install."""
    try:
        from weasyprint import HTML  # noqa: PLC0415 - an extra, and a second of loading for those who need it
    except (ImportError, OSError) as fault:
        raise InstallationFault(MISSING.format(fault=fault)) from fault
    found: Callable[..., Any] = HTML
    return found
