"""Conditions in CEL, the Common Expression Language, over the DICOM keywords of an exam and one of its series.

Checked when a definition is loaded, so that a misspelt keyword never waits for an exam to be noticed; explained when
they fail, so that nobody has to guess which value decided.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from functools import lru_cache

import cel
from pydicom.datadict import keyword_dict, tag_for_keyword

from inference.headers import COUNTED, EXAM_KEYWORDS, is_identifying

SCOPES = ("exam", "series")
FUNCTIONS = frozenset(
    {"bytes", "contains", "double", "duration", "dyn", "endsWith", "int"}
    | {"matches", "size", "startsWith", "string", "timestamp", "type", "uint"}
)
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_ATTRIBUTE = re.compile(r"\b(exam|series)\.(\w+)")
_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*(\w+)\s*,")

Header = Mapping[str, object]


class Unanswered(Exception):
    """A condition cannot be decided on these headers; the message is the reason, without a full stop."""


def check(expression: str) -> str:
    """Return `expression` when it can be evaluated at all. Raises ValueError with what is wrong in it."""
    program = _compiled(expression)
    bound = set(_BOUND.findall(expression))
    if unknown := sorted(set(program.variables()) - bound - set(SCOPES)):
        raise ValueError(f'expected only "exam" and "series" as variables, not "{unknown[0]}"')
    if unknown := sorted(name for name in program.functions() if name[0].isalpha() and name not in FUNCTIONS):
        raise ValueError(f'there is no function "{unknown[0]}"; there are {", ".join(sorted(FUNCTIONS))}')
    for scope, keyword in attributes_of(expression):
        _check_keyword(scope, keyword)
    return expression


def value_of(expression: str, *, exam: Header, series: Header) -> object:
    """The expression's value. Raises Unanswered when an attribute is missing or of an unfitting kind."""
    try:
        return _compiled(expression).execute({"exam": dict(exam), "series": dict(series)})
    except KeyError as missing:
        raise Unanswered(_lacks(expression, str(missing.args[0]))) from missing
    except (TypeError, RuntimeError, ValueError) as fault:
        values = describe(expression, exam=exam, series=series)
        raise Unanswered(f"the condition {expression} cannot be evaluated ({values})") from fault


def holds(expression: str, *, exam: Header, series: Header) -> bool:
    """Whether the condition is met. Raises Unanswered as `value_of` does, or when its value is not true or false."""
    value = value_of(expression, exam=exam, series=series)
    if not isinstance(value, bool):
        raise Unanswered(f"the condition {expression} gives {json.dumps(value, default=str)}, not true or false")
    return value


def attributes_of(expression: str) -> tuple[tuple[str, str], ...]:
    """The attributes that an expression names, as (scope, keyword), each once, in order."""
    return tuple(dict.fromkeys(_ATTRIBUTE.findall(_TEXT.sub('""', expression))))


def describe(expression: str, *, exam: Header, series: Header) -> str:
    """The values that the expression looked at: `series.Modality is "CT"`."""
    headers = {"exam": exam, "series": series}
    return ", ".join(
        f"{scope}.{keyword} is {json.dumps(headers[scope][keyword], default=str)}"
        for scope, keyword in attributes_of(expression)
        if keyword in headers[scope]
    )


@lru_cache(maxsize=512)
def _compiled(expression: str) -> cel.Program:
    return cel.compile(expression)


def _lacks(expression: str, keyword: str) -> str:
    scopes = [scope for scope, named in attributes_of(expression) if named == keyword]
    return f"the {scopes[0] if scopes else 'header'} lacks {keyword}"


def _check_keyword(scope: str, keyword: str) -> None:
    if is_identifying(keyword):
        raise ValueError(f"{keyword} identifies a person; conditions may not use it")
    if scope == "exam" and keyword not in EXAM_KEYWORDS:
        raise ValueError(f"an exam has no {keyword}; it has {', '.join(sorted(EXAM_KEYWORDS))}")
    if scope == "series" and keyword not in COUNTED and tag_for_keyword(keyword) is None:
        raise ValueError(f'"{keyword}" is not a DICOM keyword{_suggestion(keyword)}')


def _suggestion(keyword: str) -> str:
    close = difflib.get_close_matches(keyword, [*keyword_dict, *COUNTED], n=1)
    return f"; did you mean {close[0]}?" if close else ""
