"""A study's numbers as they are now, ready to be shown."""

from __future__ import annotations

from studies.evidence import measures
from studies.evidence.scope import Scope
from studies.evidence.shown import Shown, show


def numbers_of(scope: Scope) -> Shown:
    """The numbers of the scope's cases, real or pilot."""
    return show(measures.of(scope), scope)
