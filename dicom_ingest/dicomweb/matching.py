"""The attribute matching of QIDO-RS (PS3.18 8.3.4.1, PS3.4 C.2.2.2): query parameters to database conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from functools import reduce
from operator import or_

from django.db.models import Q
from django.db.models.functions import Left
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from dicom_ingest.dicomweb.refusals import BadRequest
from dicom_ingest.dicomweb.scope import Scope
from dicom_ingest.store import MalformedUID, checked_uid


class Level(IntEnum):
    """What a search lists. A search knows the keys of its own level and of those above."""

    STUDY = 0
    SERIES = 1
    INSTANCE = 2


LONGEST_TEXT = 324  # the longest column, a person name

# From the rows of a level (first) to those of a level at or above it (second).
_PATHS = {
    (Level.STUDY, Level.STUDY): "",
    (Level.SERIES, Level.STUDY): "exam__",
    (Level.SERIES, Level.SERIES): "",
    (Level.INSTANCE, Level.STUDY): "series__exam__",
    (Level.INSTANCE, Level.SERIES): "series__",
    (Level.INSTANCE, Level.INSTANCE): "",
}

Condition = Callable[[str, Sequence[str]], Q]


@dataclass(frozen=True)
class Key:
    """An attribute that can be matched: its level, its column, and how values become a condition on the column."""

    level: Level
    column: str
    condition: Condition


class Malformed(ValueError):
    """A value that its attribute cannot have; says what it should look like."""


def conditions(level: Level, *, keyword: str, values: Sequence[str], scope: Scope) -> Q | None:
    """The condition on rows of `level` that `keyword` has one of `values`, or None when it cannot be matched there.

    Empty values match everything. Raises BadRequest for values that the attribute cannot have.
    """
    wanted = [value for value in values if value]
    try:
        if keyword == "ModalitiesInStudy" or (keyword == "Modality" and level == Level.STUDY):
            return _modalities_in_study(level, wanted, scope) if wanted else Q()
        key = KEYS.get(keyword)
        if key is None or key.level > level:
            return None
        return key.condition(_PATHS[level, key.level] + key.column, wanted) if wanted else Q()
    except (Malformed, MalformedUID) as malformed:
        raise BadRequest(f"{keyword} cannot be matched: {malformed}") from malformed


def _modalities_in_study(level: Level, values: Sequence[str], scope: Scope) -> Q:
    with_modality = scope.listed.filter(_code("modality", values))
    return Q(**{_PATHS[level, Level.STUDY] + "pk__in": with_modality.values("exam")})


def _uid(column: str, values: Sequence[str]) -> Q:
    return Q(**{f"{column}__in": [checked_uid(uid) for uid in _listed(values)]})


def _code(column: str, values: Sequence[str]) -> Q:
    return _any(_text(column, [code.strip()]) for code in _listed(values))


def _number(column: str, values: Sequence[str]) -> Q:
    try:
        return Q(**{f"{column}__in": [int(value) for value in _listed(values)]})
    except ValueError as error:
        raise Malformed("a whole number is wanted.") from error


def _text(column: str, values: Sequence[str]) -> Q:
    return _any(_pattern(column, value, "regex") for value in values)


def _text_any_case(column: str, values: Sequence[str]) -> Q:
    return _any(_pattern(column, value, "iregex") for value in values)


def _person(column: str, values: Sequence[str]) -> Q:
    """Matches the whole name or one of its component groups, in any case."""
    return _any(Q(**{f"{column}__iregex": rf"(^|=){_expression(value)}\^*(=|$)"}) for value in values)


def _pattern(column: str, value: str, lookup: str) -> Q:
    if not set("*?") & set(value) and lookup == "regex":
        return Q(**{column: value})
    return Q(**{f"{column}__{lookup}": f"^{_expression(value)}$"})


def _expression(value: str) -> str:
    """Wild cards of PS3.4 C.2.2.2.4 as a regular expression of PostgreSQL."""
    if len(value) > LONGEST_TEXT:
        raise Malformed(f"it has {len(value)} characters; no attribute holds more than {LONGEST_TEXT}.")
    return "".join({"*": ".*", "?": "."}.get(character) or re.escape(character) for character in value)


def _date(column: str, values: Sequence[str]) -> Q:
    return _any(_range(column, value) for value in values)


def _range(column: str, value: str) -> Q:
    low, dash, high = value.partition("-")
    if not dash:
        return Q(**{column: _day(low)})
    if not low and not high:
        raise Malformed('a range needs at least one end: "20240101-", "-20241231" or both.')
    return (Q(**{f"{column}__gte": _day(low)}) if low else Q()) & (Q(**{f"{column}__lte": _day(high)}) if high else Q())


def _day(text: str) -> date:
    wanted = 'a date is written YYYYMMDD, a range "YYYYMMDD-YYYYMMDD".'
    if not re.fullmatch(r"[0-9]{8}", text):
        raise Malformed(wanted)
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError as error:
        raise Malformed(wanted) from error


def _time(column: str, values: Sequence[str]) -> Q:
    return _any(_time_range(column, value) for value in values)


def _time_range(column: str, value: str) -> Q:
    """Compares as many digits as the request gives: 10 means the whole hour."""
    low, dash, high = value.partition("-")
    ends = [end for end in (low, high) if end]
    if not ends or not all(re.fullmatch(r"[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?", end) for end in ends):
        raise Malformed('a time is written HHMMSS, or shorter, a range "HHMMSS-HHMMSS".')
    if not dash:
        return Q(**{f"{column}__startswith": low})
    return _time_end(column, low, GreaterThanOrEqual) & _time_end(column, high, LessThanOrEqual)


def _time_end(column: str, end: str, comparison: type[GreaterThanOrEqual] | type[LessThanOrEqual]) -> Q:
    if not end:
        return Q()
    return Q(comparison(Left(column, len(end)), end)) & ~Q(**{column: ""})


def _listed(values: Sequence[str]) -> list[str]:
    """The values of a list that is separated by backslashes or commas, or given by repeating the parameter."""
    return [item for value in values for item in re.split(r"[\\,]", value) if item]


def _any(alternatives: Iterable[Q]) -> Q:
    return reduce(or_, alternatives, Q(pk__in=[]))


KEYS: dict[str, Key] = {
    "StudyInstanceUID": Key(Level.STUDY, "study_instance_uid", _uid),
    "StudyID": Key(Level.STUDY, "study_id", _text),
    "StudyDate": Key(Level.STUDY, "study_date", _date),
    "StudyTime": Key(Level.STUDY, "study_time", _time),
    "StudyDescription": Key(Level.STUDY, "study_description", _text_any_case),
    "AccessionNumber": Key(Level.STUDY, "accession_number", _text),
    "PatientID": Key(Level.STUDY, "patient_id", _text),
    "PatientName": Key(Level.STUDY, "patient_name", _person),
    "PatientBirthDate": Key(Level.STUDY, "patient_birth_date", _date),
    "PatientSex": Key(Level.STUDY, "patient_sex", _code),
    "ReferringPhysicianName": Key(Level.STUDY, "referring_physician_name", _person),
    "SeriesInstanceUID": Key(Level.SERIES, "series_instance_uid", _uid),
    "SeriesNumber": Key(Level.SERIES, "series_number", _number),
    "SeriesDescription": Key(Level.SERIES, "series_description", _text_any_case),
    "Modality": Key(Level.SERIES, "modality", _code),
    "SOPInstanceUID": Key(Level.INSTANCE, "sop_instance_uid", _uid),
    "SOPClassUID": Key(Level.INSTANCE, "sop_class_uid", _uid),
    "InstanceNumber": Key(Level.INSTANCE, "instance_number", _number),
}
