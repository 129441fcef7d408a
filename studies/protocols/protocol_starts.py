"""What a new study can start from: a template, a file, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from studies.protocols import protocol_forms
from studies.protocols.design_words import DESIGNS
from studies.protocols.protocol_document import parse
from studies.protocols.protocol_schema import Arrival, Protocol

TEMPLATES = Path(__file__).parent / "protocol_templates"
EXAMPLES = ("bts", "lts", "hfd")
"""Whole studies; the other templates show one design each."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """A protocol to start from. `is_example`: it is a whole study, not just a design."""

    name: str
    protocol: Protocol
    is_example: bool

    @property
    def design(self) -> str:
        """Its reading design in words."""
        return DESIGNS.of(self.protocol.design.kind).label


class UnknownTemplate(LookupError):
    """There is no template of that name."""


def templates() -> tuple[Template, ...]:
    """Every template; whole studies first, then designs in the order in which the page explains them."""
    order = [kind.value for kind in DESIGNS.kinds]
    found = [template(file.stem) for file in TEMPLATES.glob("*.yaml")]
    return tuple(sorted(found, key=lambda one: (not one.is_example, order.index(one.protocol.design.kind), one.name)))


@lru_cache
def template(name: str) -> Template:
    """The template of that name. Raises UnknownTemplate with those that there are."""
    names = sorted(file.stem for file in TEMPLATES.glob("*.yaml"))
    if name not in names:
        raise UnknownTemplate(f'There is no template "{name}"; there are {", ".join(names)}.')
    text = (TEMPLATES / f"{name}.yaml").read_text(encoding="utf-8")
    whole = yaml.safe_dump(_with_whole_forms(yaml.safe_load(text)), sort_keys=False)
    return Template(name=name, protocol=parse(whole, file=Path(f"{name}.yaml")), is_example=name in EXAMPLES)


def from_template(name: str, *, title: str, ae_title: str) -> Protocol:
    """The template's protocol under a title and an AE title of its own.

    Raises UnknownTemplate, and pydantic's ValidationError for a title or AE title that cannot be used.
    """
    start = template(name).protocol
    arrival = {"ae_title": ae_title, "quiet_seconds": start.arrival.quiet_seconds}
    return Protocol.model_validate(start.model_dump(mode="json") | {"title": title, "arrival": arrival})


def empty(*, title: str, ae_title: str) -> Protocol:
    """A protocol that says nothing but its title and AE title. Raises pydantic's ValidationError."""
    return Protocol(title=title, arrival=Arrival(ae_title=ae_title))


def _with_whole_forms(document: dict[str, Any]) -> dict[str, Any]:
    """Templates name a shipped form; protocols hold it whole."""
    shipped = protocol_forms.shipped()
    forms = [shipped[form["name"]] if set(form) == {"name"} else form for form in document.get("forms", [])]
    return document | {"forms": forms}
