"""What Django checks of the rules of response before any command runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from feedback.course import rules


def check_rules(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Every rule can be read: a page of a course would fail at one that cannot."""
    found = [Error(f"The rule of response is invalid: {problem}.", id="feedback.E002") for problem in rules.problems()]
    site = settings.OVERREAD_RESPONSE_RULES
    if site and not Path(site).is_dir():
        sentence = f"OVERREAD_RESPONSE_RULES names {site}, which is no folder. Make it, or leave the variable empty."
        found.append(Error(sentence, id="feedback.E001"))
    return [*found]
