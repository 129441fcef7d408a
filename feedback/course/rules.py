"""Rules of response: from which change on a course is progression or response, as documents.

A rule is a YAML file of `feedback/response_rules/`, or of the site's own folder, OVERREAD_RESPONSE_RULES. It names the
pipelines and measurements that it is for, so that neither a pipeline's digest nor a frozen protocol changes with it.
"""

from __future__ import annotations

import hashlib
import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from django.conf import settings
from pydantic import Field

from inference import definition_file
from inference.definition_file import Strict
from inference.errors import DefinitionInvalid, Problem

SHIPPED = Path(__file__).parent.parent / "response_rules"

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
Text = Annotated[str, Field(min_length=1)]
Percent = Annotated[float, Field(gt=0)]


class Growth(Strict):
    """Growth against the smallest earlier value. Where `at_least` is given, in the rule's unit, both have to be met."""

    percent: Percent
    at_least: Annotated[float, Field(gt=0)] | None = None


class Shrinkage(Strict):
    """Shrinkage against the baseline."""

    percent: Annotated[float, Field(gt=0, le=100)]


class Target(Strict):
    """What a rule is for: measurements of one pipeline by name, in which * stands for any characters.

    Several of them are the lesions of one sum.
    """

    pipeline: Text
    measurements: list[Text] = Field(min_length=1)

    def names(self, measurement: str) -> bool:
        """Whether the measurement of that name is one of the target's."""
        return any(fnmatchcase(measurement, pattern) for pattern in self.measurements)


class Rule(Strict):
    """One rule. Changes of equal to or more than a limit reach it.

    quantity: what the sum is called where there are several lesions. leaves_out: which of the published criteria are
    not looked at. measurable_from, lesions_at_most: which lesions the baseline chooses, the largest first; all without
    them. new_lesion: what one means that was not there at the baseline.
    """

    name: Slug
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    title: Annotated[str, Field(min_length=1, max_length=64)]
    source: Text
    leaves_out: Text
    quantity: Annotated[str, Field(min_length=1, max_length=64)]
    unit: Text
    applies_to: list[Target] = Field(min_length=1)
    progression: Growth
    partial_response: Shrinkage
    minor_response: Shrinkage | None = None
    measurable_from: Annotated[float, Field(gt=0)] | None = None
    lesions_at_most: Annotated[int, Field(ge=1)] | None = None
    new_lesion: Literal["progression", "not looked at"] = "not looked at"

    @property
    def digest(self) -> str:
        """SHA-256 over the document's content."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    def target_in(self, pipeline: str) -> Target | None:
        """What the rule is for in that pipeline, or None."""
        return next((target for target in self.applies_to if target.pipeline == pipeline), None)


def rules_for(pipeline: str) -> tuple[Rule, ...]:
    """The rules that are for measurements of that pipeline, those of the site first."""
    return tuple(rule for rule in _all(_folders()) if rule.target_in(pipeline))


def problems() -> list[Problem]:
    """Every fault of every rule, with its file and line."""
    found: list[Problem] = []
    for file in _files(_folders()):
        try:
            read(file)
        except DefinitionInvalid as fault:
            found.extend(fault.problems)
    return found


def read(file: Path) -> Rule:
    """The rule that `file` holds. Raises DefinitionInvalid with every fault found."""
    written = definition_file.read(file)
    rule = written.parse(Rule)
    if rule.name != file.stem:
        raise DefinitionInvalid([written.problem(("name",), f"has to be {file.stem}, as the file is called")])
    if rule.minor_response and rule.minor_response.percent >= rule.partial_response.percent:
        raise DefinitionInvalid([written.problem(("minor_response", "percent"), "has to be less than a partial one")])
    return rule


def _folders() -> tuple[Path, ...]:
    site = settings.OVERREAD_RESPONSE_RULES
    return (Path(site), SHIPPED) if site else (SHIPPED,)


@cache
def _all(folders: tuple[Path, ...]) -> tuple[Rule, ...]:
    return tuple(read(file) for file in _files(folders))


def _files(folders: tuple[Path, ...]) -> list[Path]:
    """Every rule once: a site's takes the place of the shipped one of that name."""
    found: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.yaml")):
            found.setdefault(file.stem, file)
    return list(found.values())
