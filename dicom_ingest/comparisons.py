"""Comparisons in CEL that could never be true: of a list with a text, of a number with a text.

CEL answers them with "not equal" instead of an error, so they are found when an expression is saved.
"""

from __future__ import annotations

from pydicom.datadict import dictionary_VM, dictionary_VR, tag_for_keyword

from dicom_ingest.expression_text import Attribute, Token, attributes
from dicom_ingest.headers import COUNTED, COUNTED_OF_EXAM, DECIMALS, DERIVED, INTEGERS

_EQUALITIES = frozenset({"==", "!="})
_LITERALS = frozenset({"text", "number"})
_COUNTS = COUNTED | COUNTED_OF_EXAM
_NAMED = {"text": "a text", "number": "a number"}


def check_comparisons(expression: str) -> None:
    """Raises ValueError for a comparison of an attribute with a literal of a kind that the attribute never has."""
    for attribute in attributes(expression):
        after, before = attribute.after[:2], attribute.before[-2:][::-1]
        if after and after[0].text in _EQUALITIES:
            _check_equal(attribute, after[1:])
        if before and before[0].text in _EQUALITIES and _ends(attribute):
            _check_equal(attribute, before[1:])
        if before and before[0].text == "in" and _ends(attribute):
            _check_member(attribute, before[1:])
        if len(after) == 2 and after[0].text == "in" and after[1].text == "[":
            _check_one_of(attribute, attribute.after[2:3])


def _check_equal(attribute: Attribute, literal: tuple[Token, ...]) -> None:
    if not literal or literal[0].kind not in _LITERALS:
        return
    name, given = _name(attribute), literal[0]
    if _is_list(attribute.keyword):
        raise ValueError(f"{name} is a list; write {given.text} in {name}")
    _check_kind(attribute, given)


def _check_member(attribute: Attribute, literal: tuple[Token, ...]) -> None:
    if not literal or literal[0].kind not in _LITERALS:
        return
    name, given = _name(attribute), literal[0]
    if not _is_list(attribute.keyword):
        raise ValueError(f"{name} is one value, not a list; write {name} == {given.text}")
    _check_kind(attribute, given)


def _check_one_of(attribute: Attribute, literal: tuple[Token, ...]) -> None:
    if not literal or literal[0].kind not in _LITERALS:
        return
    name = _name(attribute)
    if _is_list(attribute.keyword):
        raise ValueError(f"{name} is a list; write {name}.exists(value, value in [...])")
    _check_kind(attribute, literal[0])


def _check_kind(attribute: Attribute, given: Token) -> None:
    kind = _kind(attribute.keyword)
    if kind is not None and kind != given.kind:
        raise ValueError(f"{_name(attribute)} is {_NAMED[kind]}, and {given.text} is {_NAMED[given.kind]}")


def _ends(attribute: Attribute) -> bool:
    """Whether the attribute itself is compared, not something taken out of it."""
    return not attribute.after or attribute.after[0].text not in {".", "["}


def _name(attribute: Attribute) -> str:
    return f"{attribute.scope}.{attribute.keyword}"


def _is_list(keyword: str) -> bool:
    tag = tag_for_keyword(keyword)
    return keyword not in _COUNTS and tag is not None and (dictionary_VM(tag) != "1" or dictionary_VR(tag) == "SQ")


def _kind(keyword: str) -> str | None:
    """text, number, or None where both would be wrong or it is not known."""
    tag = tag_for_keyword(keyword)
    if keyword in _COUNTS:
        return "number"
    if keyword in DERIVED:
        return "text"
    if tag is None or dictionary_VR(tag) == "SQ":
        return None
    vrs = set(dictionary_VR(tag).split(" or "))
    return "number" if vrs <= INTEGERS | DECIMALS else "text" if not vrs & (INTEGERS | DECIMALS) else None
