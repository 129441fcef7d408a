"""Conditions in CEL, the Common Expression Language, over the DICOM keywords of an exam, a series and an instance.

Checked when they are saved, so that a misspelt keyword never waits for an exam to be noticed; explained when they fail,
so that nobody has to guess which value decided. Pipelines choose their series by them, and rules route exams.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from functools import lru_cache

import cel
from pydicom.datadict import keyword_dict, tag_for_keyword

from dicom_ingest import expression_text
from dicom_ingest.comparisons import check_comparisons
from dicom_ingest.expression_text import SCOPES
from dicom_ingest.headers import COUNTED_OF_EXAM, EXAM_KEYWORDS, OF_SERIES, is_identifying

SELECTION = ("exam", "series")
"""What a pipeline's conditions may ask of."""
ROUTING = (*SCOPES, "called_ae", "calling_ae")
"""What a routing rule may ask of."""
FUNCTIONS = frozenset(
    {"bytes", "contains", "double", "duration", "dyn", "endsWith", "int"}
    | {"matches", "size", "startsWith", "string", "timestamp", "type", "uint"}
)
LONGEST = 2000  # characters; the parser's stack overflows beyond some thousand operators in a row
_POSITION = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")

Facts = Mapping[str, object]
"""The variables of an expression: for a scope the attributes by keyword, for `called_ae` and `calling_ae` the title."""


class Unanswered(Exception):
    """A condition cannot be decided on these headers; the message is the reason, without a full stop."""


def check(expression: str, names: tuple[str, ...] = SELECTION) -> str:
    """Return `expression` when it can be evaluated over the variables `names`. Raises ValueError with what is wrong."""
    program = _checked_syntax(expression)
    _check_variables(expression, program, names)
    if unknown := sorted(name for name in program.functions() if name[0].isalpha() and name not in FUNCTIONS):
        raise ValueError(f'there is no function "{unknown[0]}"; there are {", ".join(sorted(FUNCTIONS))}')
    for scope, keyword in attributes_of(expression):
        _check_keyword(scope, keyword)
    for keyword in expression_text.selected_names(expression):
        _check_dicom_keyword(keyword)
    check_comparisons(expression)
    return expression


def value_of(expression: str, facts: Facts) -> object:
    """The expression's value. Raises Unanswered when an attribute is missing or of an unfitting kind."""
    try:
        return _compiled(expression).execute(_named_facts(expression, facts))
    except KeyError as missing:
        raise Unanswered(_lacks(expression, str(missing.args[0]), facts)) from missing
    except (ArithmeticError, IndexError, TypeError, RuntimeError, ValueError) as fault:
        values = describe(expression, facts)
        raise Unanswered(f"the condition {expression} cannot be evaluated ({values})") from fault


def holds(expression: str, facts: Facts) -> bool:
    """Whether the condition is met. Raises Unanswered as `value_of` does, or when its value is not true or false."""
    value = value_of(expression, facts)
    if not isinstance(value, bool):
        raise Unanswered(f"the condition {expression} gives {json.dumps(value, default=str)}, not true or false")
    return value


def first_unmet(expression: str, facts: Facts) -> str | None:
    """The first part of its && chain that is not met, or None when all are.

    Parts are asked from left to right, and none after one that is not met: so `series.Modality == "CT"` in front spares
    other series the question for attributes that only CT has. Raises Unanswered when a part cannot be decided.
    """
    return next((part for part in expression_text.conjuncts(expression) if not holds(part, facts)), None)


@lru_cache(maxsize=512)
def attributes_of(expression: str) -> tuple[tuple[str, str], ...]:
    """The attributes that an expression names, as (scope, keyword), each once, in order."""
    return tuple(dict.fromkeys((one.scope, one.keyword) for one in expression_text.attributes(expression)))


def describe(expression: str, facts: Facts) -> str:
    """The values that the expression looked at: `series.Modality is "CT"`."""
    seen = [(f"{scope}.{keyword}", _scope(facts, scope).get(keyword)) for scope, keyword in attributes_of(expression)]
    words = {token.text for token in expression_text.tokens(expression) if token.kind == "name"}
    seen += [(name, facts.get(name)) for name in ("called_ae", "calling_ae") if name in words]
    return ", ".join(f"{name} is {json.dumps(value, default=str)}" for name, value in seen if value is not None)


def _checked_syntax(expression: str) -> cel.Program:
    if len(expression) > LONGEST:
        raise ValueError(f"it has {len(expression)} characters; the longest that is read has {LONGEST}")
    if not expression.strip():
        raise ValueError("it is empty")
    try:
        return _compiled(expression)
    except UnicodeEncodeError as fault:
        raise ValueError("it holds half a character (a lone surrogate), which no text may") from fault
    except ValueError as fault:
        raise ValueError(_syntax(str(fault))) from fault


def _check_variables(expression: str, program: cel.Program, names: tuple[str, ...]) -> None:
    bound = expression_text.bound_names(expression)
    if taken := sorted(bound & set(ROUTING)):
        raise ValueError(f'"{taken[0]}" has a meaning already; give the variable of the macro another name')
    if unknown := sorted(set(program.variables()) - bound - set(names)):
        raise ValueError(f'expected only {_listed(names)} as variables, not "{unknown[0]}"')
    if bare := expression_text.bare_scopes(expression):
        raise ValueError(f'"{bare[0]}" is used without a keyword; write for example {bare[0]}.Modality')


def _check_keyword(scope: str, keyword: str) -> None:
    if is_identifying(keyword):
        raise ValueError(f"{keyword} identifies a person; conditions may not use it")
    if scope == "exam" and keyword not in EXAM_KEYWORDS:
        known = ", ".join(sorted(EXAM_KEYWORDS))
        raise ValueError(f"an exam has no {keyword}{_suggestion(keyword, EXAM_KEYWORDS)}; it has {known}")
    if scope == "instance" and keyword in OF_SERIES:
        raise ValueError(f"an instance has no {keyword}; write series.{keyword}")
    if scope != "exam" and keyword in COUNTED_OF_EXAM:
        raise ValueError(f"{scope}.{keyword} is not known; write exam.{keyword}")


def _check_dicom_keyword(keyword: str) -> None:
    if is_identifying(keyword):
        raise ValueError(f"{keyword} identifies a person; conditions may not use it")
    if keyword not in OF_SERIES | COUNTED_OF_EXAM and tag_for_keyword(keyword) is None:
        raise ValueError(f'"{keyword}" is not a DICOM keyword{_suggestion(keyword, [*keyword_dict, *OF_SERIES])}')


def _suggestion(keyword: str, among: list[str] | frozenset[str]) -> str:
    close = difflib.get_close_matches(keyword, among, n=1)
    return f"; did you mean {close[0]}?" if close else ""


@lru_cache(maxsize=512)
def _compiled(expression: str) -> cel.Program:
    return cel.compile(expression)


def _named_facts(expression: str, facts: Facts) -> dict[str, object]:
    """`facts` with only those attributes that the expression names: to convert whole headers costs more than to ask."""
    named: dict[str, dict[str, object]] = {scope: {} for scope in SCOPES if scope in facts}
    for scope, keyword in attributes_of(expression):
        if scope in named and keyword in _scope(facts, scope):
            named[scope][keyword] = _scope(facts, scope)[keyword]
    return {**facts, **named}


def _scope(facts: Facts, scope: str) -> Mapping[str, object]:
    header = facts.get(scope, {})
    return header if isinstance(header, Mapping) else {}


def _lacks(expression: str, keyword: str, facts: Facts) -> str:
    scopes = [scope for scope, named in attributes_of(expression) if named == keyword]
    lacking = [scope for scope in scopes if keyword not in _scope(facts, scope)]
    return f"the {[*lacking, *scopes, 'header'][0]} lacks {keyword}"


def _syntax(fault: str) -> str:
    found = _POSITION.search(fault)
    return f"line {found[1]}, character {found[2]}: {found[3]}" if found else fault.splitlines()[0]


def _listed(names: tuple[str, ...]) -> str:
    quoted = [f'"{name}"' for name in names]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"
