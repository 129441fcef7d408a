"""Operators by name: small typed callables, shared between pipelines.

Positional arguments are values that earlier steps made; `*parts` takes any number of them. Keyword-only arguments are
parameters that the definition gives; one annotated `LoadedModel` names a model of the pipeline and receives it warm.
Operators of other installed packages come by entry points, see `inference.operators.packages`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from inference import entry_points
from inference.backends import LoadedModel

Function = TypeVar("Function", bound=Callable[..., object])


@dataclass(frozen=True)
class OperatorSpec:
    """An operator, its code's version, and what its annotations say of it.

    inputs: annotation of each positional argument; variadic: the one of them that takes a list, if any; parameters:
    schema of the keyword-only ones, in which a model is the alias that the pipeline gives it; models: the names of
    those arguments; returns: annotation of the result.
    """

    name: str
    version: str
    summary: str
    function: Callable[..., object]
    inputs: Mapping[str, Any]
    variadic: str | None
    parameters: type[BaseModel]
    models: frozenset[str]
    returns: Any

    def call(self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> object:
        """The operator's result for `inputs` by name, a list where it takes any number, and `parameters`."""
        single = [inputs[name] for name in self.inputs if name != self.variadic]
        several = inputs[self.variadic] if self.variadic else ()
        return self.function(*single, *several, **parameters)


OPERATORS: dict[str, OperatorSpec] = {}
"""Every operator that was imported, by name."""


def operator(name: str, *, version: str) -> Callable[[Function], Function]:
    """Register the decorated function as the operator `name`.

    version: of the operator's code; raise it whenever the same input would give another output, because results of the
    old code must not pass for results of the new. That of another package is followed by the package's own.
    Raises ValueError when the name is taken, TypeError when an argument or the result has no type.
    """

    def register(function: Function) -> Function:
        if name in OPERATORS:
            raise ValueError(f'two operators are called "{name}"')
        OPERATORS[name] = _spec(name, version, function)
        return function

    return register


def find(name: str) -> OperatorSpec:
    """The operator `name`. Raises KeyError whose message suggests what may have been meant."""
    if name in OPERATORS:
        return OPERATORS[name]
    close = difflib.get_close_matches(name, OPERATORS, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"there are {', '.join(sorted(OPERATORS))}"
    raise KeyError(f'there is no operator "{name}"; {hint}')


def _spec(name: str, version: str, function: Callable[..., object]) -> OperatorSpec:
    hints = get_type_hints(function, include_extras=True)
    arguments = inspect.signature(function).parameters.values()
    keywords = [argument for argument in arguments if argument.kind is argument.KEYWORD_ONLY]
    untyped = [argument.name for argument in arguments if argument.name not in hints]
    if untyped or "return" not in hints:
        raise TypeError(f'operator "{name}": give a type to {", ".join(untyped) or "what it returns"}')
    owner = entry_points.owner(function.__module__)
    return OperatorSpec(
        name=name,
        version=f"{version} ({owner})" if owner else version,
        summary=(inspect.getdoc(function) or "").partition("\n")[0],
        function=function,
        inputs={argument.name: hints[argument.name] for argument in arguments if argument not in keywords},
        parameters=_parameters(name, keywords, hints),
        variadic=next((one.name for one in arguments if one.kind is one.VAR_POSITIONAL), None),
        models=frozenset(argument.name for argument in keywords if hints[argument.name] is LoadedModel),
        returns=hints["return"],
    )


def _parameters(name: str, keywords: list[inspect.Parameter], hints: Mapping[str, Any]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for argument in keywords:
        annotation = str if hints[argument.name] is LoadedModel else hints[argument.name]
        fields[argument.name] = (annotation, ... if argument.default is argument.empty else argument.default)
    schema: type[BaseModel] = create_model(name, __config__=ConfigDict(extra="forbid", strict=True), **fields)
    return schema
