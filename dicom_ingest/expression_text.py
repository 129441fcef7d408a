"""A CEL expression as text: its tokens, the attributes it names, and the parts of its && chain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

SCOPES = ("exam", "series", "instance")
"""Variables that hold attributes by DICOM keyword."""

_TOKEN = re.compile(
    r'''
      (?P<comment>//[^\n]*)
    | (?P<text>(?:[bB]?[rR][bB]?)(?:"""(?s:.)*?"""|\'\'\'(?s:.)*?\'\'\'|"[^"\n]*"|'[^'\n]*')
             |[bB]?(?:"""(?:\\(?s:.)|[^\\])*?"""|\'\'\'(?:\\(?s:.)|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<number>(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?[uU]?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<space>\s+)
    | (?P<sign>&&|\|\||[=!<>]=|(?s:.))
    ''',
    re.VERBOSE,
)
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class Token:
    """One word of an expression. kind: text (quoted), number, name, sign or space; comments are spaces."""

    kind: str
    text: str


@dataclass(frozen=True)
class Attribute:
    """`scope.keyword` in an expression, with the tokens on either side of it (spaces left out, "" at the ends)."""

    scope: str
    keyword: str
    before: tuple[Token, ...]
    after: tuple[Token, ...]


@lru_cache(maxsize=512)
def tokens(expression: str) -> tuple[Token, ...]:
    """The expression word by word; nothing is lost but the wording of comments."""
    return tuple(_token(match) for match in _TOKEN.finditer(expression))


def attributes(expression: str) -> tuple[Attribute, ...]:
    """Every `exam.Keyword`, `series.Keyword` and `instance.Keyword`, in order."""
    words = _words(expression)
    return tuple(
        Attribute(words[at].text, words[at + 2].text, tuple(words[:at]), tuple(words[at + 3 :]))
        for at in _scope_positions(words)
        if _is_selection(words, at)
    )


def bare_scopes(expression: str) -> tuple[str, ...]:
    """The scopes that are used as a whole, without a keyword."""
    words = _words(expression)
    return tuple(words[at].text for at in _scope_positions(words) if not _is_selection(words, at))


def selected_names(expression: str) -> tuple[str, ...]:
    """Every name after a point that is no function: keywords, also those inside sequences."""
    words = [*_words(expression), Token("sign", "")]
    return tuple(
        name.text
        for point, name, after in zip(words, words[1:], words[2:], strict=False)
        if point.text == "." and name.kind == "name" and after.text != "("
    )


def bound_names(expression: str) -> frozenset[str]:
    """The names that macros bind: `x` in `series.ImageType.exists(x, x == "LOCALIZER")`."""
    macros = {"all", "exists", "exists_one", "map", "filter"}
    words = _words(expression)
    return frozenset(
        words[at + 2].text
        for at in range(1, len(words) - 3)
        if words[at].text in macros and words[at - 1].text == "." and words[at + 1].text == "("
        if words[at + 2].kind == "name" and words[at + 3].text == ","
    )


@lru_cache(maxsize=512)
def conjuncts(expression: str) -> tuple[str, ...]:
    """The parts that must all hold: those between the outermost `&&`. Together they mean what the whole means."""
    return tuple(_conjuncts(list(tokens(expression))))


def _conjuncts(of: Sequence[Token]) -> Iterator[str]:
    inner = _without_parentheses(of)
    depths = _depths(inner)
    outermost = [token.text for token, depth in zip(inner, depths, strict=True) if depth == 0 and token.kind == "sign"]
    if "&&" not in outermost or "||" in outermost or "?" in outermost:
        yield "".join(token.text for token in inner).strip()
        return
    part: list[Token] = []
    for token, depth in zip(inner, depths, strict=True):
        if depth == 0 and token.text == "&&":
            yield from _conjuncts(part)
            part = []
        else:
            part.append(token)
    yield from _conjuncts(part)


def _without_parentheses(of: Sequence[Token]) -> Sequence[Token]:
    words = [at for at, token in enumerate(of) if token.kind != "space"]
    if len(words) < 3 or of[words[0]].text != "(" or of[words[-1]].text != ")":
        return of
    depths = _depths(of)
    encloses_all = all(depths[at] > 0 for at in words[1:-1])
    return _without_parentheses(of[words[0] + 1 : words[-1]]) if encloses_all else of


def _depths(of: Sequence[Token]) -> list[int]:
    """How many brackets are open around each token; a bracket itself stands outside."""
    depth, depths = 0, []
    for token in of:
        opens, closes = (token.kind == "sign" and token.text in signs for signs in (_OPENING, _CLOSING))
        depth -= closes
        depths.append(depth)
        depth += opens
    return depths


def _token(match: re.Match[str]) -> Token:
    kind = match.lastgroup or "sign"
    return Token("space", " ") if kind in {"space", "comment"} else Token(kind, match[0])


def _words(expression: str) -> list[Token]:
    return [token for token in tokens(expression) if token.kind != "space"]


def _scope_positions(words: Sequence[Token]) -> Iterator[int]:
    for at, word in enumerate(words):
        if word.kind == "name" and word.text in SCOPES and (at == 0 or words[at - 1].text != "."):
            yield at


def _is_selection(words: Sequence[Token], at: int) -> bool:
    return at + 2 < len(words) and words[at + 1].text == "." and words[at + 2].kind == "name"
