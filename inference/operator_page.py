"""The page of docs/ on the shipped operators, written from their own annotations and docstrings."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Any, TypeVar

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from inference import operators
from inference.operators import registry
from inference.operators.registry import OperatorSpec


def page() -> str:
    """All shipped operators in Markdown, by the module that they stand in."""
    return "\n".join(_lines()) + "\n"


def shipped() -> list[OperatorSpec]:
    """The operators that come with this installation, by module and name; not those of other packages."""
    own = [spec for spec in registry.OPERATORS.values() if spec.function.__module__.startswith(operators.__name__)]
    return sorted(own, key=lambda spec: (spec.function.__module__, spec.name))


def _lines() -> Iterator[str]:
    yield "# Operators"
    yield ""
    yield (
        "`manage.py pipelines operators` writes this page from the code; a test notices a stale one. Each operator's "
        "docstring says more: shapes, units, what is refused, and where a formula comes from. A parameter with a "
        "dimension is written with its unit."
    )
    for module, specs in groupby(shipped(), key=lambda spec: spec.function.__module__):
        yield ""
        yield f"## {(inspect.getdoc(sys.modules[module]) or module).partition(chr(10))[0].rstrip('.')}"
        yield ""
        yield "| operator | takes | parameters | gives | what |"
        yield "|---|---|---|---|---|"
        for spec in specs:
            yield _row(spec)


def _row(spec: OperatorSpec) -> str:
    takes = ", ".join(f"{name}: {_named(kind)}{' ...' * (name == spec.variadic)}" for name, kind in spec.inputs.items())
    fields = spec.parameters.model_fields
    parameters = ", ".join(_parameter(name, field, spec) for name, field in fields.items())
    return f"| {spec.name} | {takes} | {parameters} | {_named(spec.returns)} | {spec.summary} |".replace("  ", " ")


def _parameter(name: str, field: FieldInfo, spec: OperatorSpec) -> str:
    if name in spec.models:
        return f"{name} (a model)"
    return name if field.default is PydanticUndefined else f"{name} = {field.default}"


def _named(kind: Any) -> str:
    if isinstance(kind, TypeVar):
        return " or ".join(map(_named, kind.__constraints__ or (kind.__bound__,)))
    return str(getattr(kind, "__name__", kind))
