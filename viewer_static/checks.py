"""What must be true of the fetched viewer before the portal serves it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's own word

from viewer_static.build import OHIF_INDEX
from viewer_static.page import PageError, page


def check_viewer(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """Refuse another OHIF than the one the portal knows; warn when none was fetched yet."""
    return findings(OHIF_INDEX)


def findings(index: Path) -> list[CheckMessage]:
    """What is wrong with the OHIF whose page is `index`."""
    try:
        page(index)
    except PageError as error:
        kind = Error if index.exists() else Warning
        return [kind(str(error), id="viewer_static.E001" if index.exists() else "viewer_static.W001")]
    return []
