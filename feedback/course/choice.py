"""What somebody asked to see of a course: all of it stands in the address, so that it can be handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

FIRST, NADIR = "first", "nadir"
AI, CORRECTED = "ai", "corrected"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """finding: a quantity's key; rule: a rule's name; empty for the first there is.

    baseline: `first`, `nadir`, or the result whose exam it is. values: the AI's, or corrected ones where there are any.
    """

    finding: str = ""
    rule: str = ""
    baseline: Literal["first", "nadir"] | UUID = "first"
    values: Literal["ai", "corrected"] = "ai"

    @classmethod
    def of(cls, query: Mapping[str, str], *, usual: str = FIRST) -> Choice:
        """What `query` asks for. usual: the baseline where it names none. What is not understood is the default."""
        return cls(
            finding=query.get("finding", ""),
            rule=query.get("rule", ""),
            baseline=_baseline(query.get("baseline", "")) or _baseline(usual) or "first",
            values="corrected" if query.get("values") == CORRECTED else "ai",
        )

    @property
    def query(self) -> str:
        """The choice as it stands in an address, with the `?`. The baseline is always named: usual ones differ."""
        named = {"finding": self.finding, "rule": self.rule, "baseline": str(self.baseline)}
        if self.values == CORRECTED:
            named["values"] = self.values
        return "?" + urlencode({name: value for name, value in named.items() if value})

    def but(self, **changed: object) -> Choice:
        """The same choice with something else in it."""
        return replace(self, **changed)  # type: ignore[arg-type]  # names and types are those of the fields


def _baseline(text: str) -> Literal["first", "nadir"] | UUID | None:
    if text == FIRST:
        return "first"
    if text == NADIR:
        return "nadir"
    try:
        return UUID(text)
    except ValueError:
        return None
