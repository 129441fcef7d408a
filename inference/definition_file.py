"""YAML definitions read into typed models, every fault told with its file, line and field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, SequenceNode

from inference.errors import DefinitionInvalid, Problem

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of all definitions: unknown fields and silent conversions are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True)
class DefinitionFile:
    """The plain content of one YAML file, and the line on which each of its fields stands."""

    file: Path
    content: object
    lines: Mapping[Location, int]

    def problem(self, location: Location, expected: str) -> Problem:
        """A fault at `location`, or at the nearest field around it that is written in the file."""
        known = location
        while known and known not in self.lines:
            known = known[:-1]
        return Problem(self.file, self.lines.get(known, 1), _dotted(location), expected)

    def parse(self, model: type[Model]) -> Model:
        """The content as `model`. Raises DefinitionInvalid with every fault found."""
        try:
            return model.model_validate(self.content)
        except ValidationError as fault:
            problems = [self.problem(self._written(error["loc"]), _expected(error)) for error in fault.errors()]
            raise DefinitionInvalid(problems) from fault

    def _written(self, location: Location) -> Location:
        """The location without the names of a union's members, which stand in pydantic's and in no file."""
        written: Location = ()
        around = self.content
        for part in location[:-1]:
            inner = _inside(around, part)
            if isinstance(inner, dict | list):
                written, around = (*written, part), inner
        return (*written, *location[-1:])


def refuse_references(text: str, file: Path, *, what: str, deepest: int) -> None:
    """Raise DefinitionInvalid for anchors and aliases, by which a short text grows without bound, and for deep nesting.

    what: what the text is to be, for the sentence. deepest: how many lists and mappings may stand within each other.
    """
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                sentence = "holds an anchor or alias (& or *); write the part out"
                raise DefinitionInvalid([Problem(file, line, what, sentence)])
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > deepest:
                raise DefinitionInvalid([Problem(file, line, what, f"is nested too deeply for a {what}")])
    except yaml.YAMLError:
        return  # `parse` says where and why


def read(file: Path) -> DefinitionFile:
    """Read `file`. Raises DefinitionInvalid when it is not readable as YAML or gives one key twice."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise DefinitionInvalid([Problem(file, 1, "file", f"cannot be read: {fault}")]) from fault
    return parse(text, file)


def parse(text: str, file: Path) -> DefinitionFile:
    """Parse the YAML `text` that came from `file`."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as fault:
        raise DefinitionInvalid([_syntax_problem(fault, file)]) from fault
    if root is None:
        raise DefinitionInvalid([Problem(file, 1, "file", "is empty; expected a definition")])
    reader = _Reader(file)
    content = reader.value(root, ())
    if reader.problems:
        raise DefinitionInvalid(reader.problems)
    return DefinitionFile(file, content, reader.lines)


@dataclass
class _Reader:
    file: Path
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    scalars: SafeConstructor = field(default_factory=SafeConstructor)

    def value(self, node: Node, location: Location) -> object:
        self.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return self._mapping(node, location)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
        try:
            return self.scalars.construct_object(node)
        except yaml.YAMLError as fault:
            self.problems.append(_syntax_problem(fault, self.file))
            return None

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, object]:
        content: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in content:
                self.problems.append(Problem(self.file, line, _dotted((*location, key)), "is given twice; keep one"))
            self.lines[(*location, key)] = line
            content[key] = self.value(value_node, (*location, key))
        return content


def _inside(content: object, part: str | int) -> object:
    if isinstance(content, dict):
        return content.get(part)
    if isinstance(content, list) and isinstance(part, int):
        return content[part]
    return None


def _syntax_problem(fault: yaml.YAMLError, file: Path) -> Problem:
    mark = getattr(fault, "problem_mark", None)
    detail = getattr(fault, "problem", None) or str(fault)
    return Problem(file, mark.line + 1 if mark else 1, "syntax", f"is not valid YAML: {detail}")


def _dotted(location: Location) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).lstrip(".") or "definition"


def _expected(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "is required and missing"
    if error["type"] == "extra_forbidden":
        return "is not a field that exists here; remove it or correct its name"
    message = error["msg"].removeprefix("Value error, ")
    return f"{message} (got {_shortened(error['input'])})"


def _shortened(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
