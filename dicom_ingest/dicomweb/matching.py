"""The attribute matching of QIDO-RS (PS3.18 8.3.4.1, PS3.4 C.2.2.2): query parameters to database conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from functools import reduce
from operator import or_

from django.db.models import Exists, F, Func, Lookup, OuterRef, Q, TextField, Value
from django.db.models.functions import Left, Upper
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from dicom_ingest import request_attributes
from dicom_ingest.dicomweb.refusals import BadRequest
from dicom_ingest.dicomweb.scope import Scope
from dicom_ingest.store import MalformedUID, checked_uid


class Level(IntEnum):
    """What a search lists. A search knows the keys of its own level and of those above."""

    STUDY = 0
    SERIES = 1
    INSTANCE = 2

    @property
    def plural(self) -> str:
        return ("studies", "series", "instances")[self]


LONGEST_TEXT = 324  # the longest column, a person name
LARGEST_NUMBER = 2**31 - 1
MOST_VALUES = 2000  # of a list in one parameter

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
class Matching:
    """A way in which values match: how they become a condition on a column, and what PS3.2 calls it."""

    kinds: str
    condition: Condition


@dataclass(frozen=True)
class Key:
    """An attribute that can be matched: its level, its column, and how."""

    level: Level
    column: str
    matching: Matching


@dataclass(frozen=True)
class Pair:
    """A date and a time that are one moment."""

    dates: str
    times: str


class Malformed(ValueError):
    """A value that its attribute cannot have; says what it should look like."""


class _Like(Lookup[bool]):
    """LIKE, with a pattern of `_like`."""

    lookup_name = "like"
    prepare_rhs = False

    def as_sql(self, compiler, connection):  # type: ignore[no-untyped-def]
        left, left_values = self.process_lhs(compiler, connection)
        right, right_values = self.process_rhs(compiler, connection)
        return f"{left} LIKE {right}", (*left_values, *right_values)


def condition(level: Level, matched: Mapping[str, Sequence[str]], scope: Scope) -> Q:
    """The condition on rows of `level` that each attribute has one of its values; no value matches everything.

    `matched` gives values by keyword, one in a sequence as `SequenceKeyword.Keyword`.
    Raises BadRequest for what cannot be matched there, and for values that the attribute cannot have.
    """
    wanted = {keyword: [value for value in values if value] for keyword, values in matched.items()}
    for keyword in wanted:
        _check(level, keyword)
    spans = [pair for pair in COMBINED if _is_span(wanted.get(pair.dates, []), wanted.get(pair.times, []))]
    alone = wanted.keys() - {keyword for pair in spans for keyword in (pair.dates, pair.times)}
    found = Q()
    for keyword in sorted(alone):
        with _telling(keyword):
            found &= _one(level, keyword, wanted[keyword], scope) if wanted[keyword] else Q()
    for pair in spans:
        with _telling(f"{pair.dates} with {pair.times}"):
            found &= _span(level, pair, wanted[pair.dates][0], wanted[pair.times][0])
    return found


def _check(level: Level, keyword: str) -> None:
    key = KEYS.get(keyword)
    if keyword == "ModalitiesInStudy" or (keyword == "Modality" and level == Level.STUDY):
        return
    if key is not None and key.level <= level:
        return
    sequence, dot, _ = keyword.partition(".")
    known = " and ".join(request_attributes.COLUMNS)
    if dot or sequence == request_attributes.SEQUENCE:
        raise BadRequest(
            f"A search for {level.plural} cannot match {keyword}. Within sequences, searches for series and "
            f"instances match {known}, written {request_attributes.SEQUENCE}.<keyword>."
        )
    raise BadRequest(f"A search for {level.plural} cannot match {keyword}.")


@contextmanager
def _telling(what: str) -> Iterator[None]:
    try:
        yield
    except (Malformed, MalformedUID) as malformed:
        raise BadRequest(f"{what} cannot be matched: {malformed}") from malformed


def _one(level: Level, keyword: str, values: Sequence[str], scope: Scope) -> Q:
    if keyword == "ModalitiesInStudy" or (keyword == "Modality" and level == Level.STUDY):
        return _modalities_in_study(level, values, scope)
    key = KEYS[keyword]
    return key.matching.condition(_PATHS[level, key.level] + key.column, values)


def _modalities_in_study(level: Level, values: Sequence[str], scope: Scope) -> Q:
    exam = OuterRef(_PATHS[level, Level.STUDY] + "pk")
    return Q(Exists(scope.listed_of_visible.filter(_code("modality", values), exam=exam)))


def _uid(column: str, values: Sequence[str]) -> Q:
    return Q(**{f"{column}__in": [checked_uid(uid) for uid in _listed(values)]})


def _code(column: str, values: Sequence[str]) -> Q:
    codes = [code.strip() for code in _listed(values)]
    plain = [code for code in codes if not _has_wild_card(code)]
    patterns = (_text(column, [code]) for code in codes if _has_wild_card(code))
    return _any([Q(**{f"{column}__in": [_bounded(code) for code in plain]}), *patterns])


def _number(column: str, values: Sequence[str]) -> Q:
    """Numbers that no attribute can hold match nothing."""
    try:
        numbers = [int(value) for value in _listed(values) if len(value) <= 12]
    except ValueError as error:
        raise Malformed("a whole number is wanted.") from error
    return Q(**{f"{column}__in": [number for number in numbers if abs(number) <= LARGEST_NUMBER]})


def _text(column: str, values: Sequence[str]) -> Q:
    return _any(
        Q(_Like(F(column), _like(value))) if _has_wild_card(value) else Q(**{column: _bounded(value)})
        for value in values
    )


def _text_any_case(column: str, values: Sequence[str]) -> Q:
    return _any(Q(_Like(Upper(F(column)), Upper(Value(_like(value))))) for value in values)


def _person(column: str, values: Sequence[str]) -> Q:
    """Matches one of the name's component groups, or all of them, in any case; carets at the end tell nothing."""
    return _any(_name(column, value) for value in values)


def _name(column: str, value: str) -> Q:
    groups = [each.rstrip("^") for each in value.split("=")][:3]
    if len(groups) > 1:
        wanted = enumerate(groups, start=1)
        return reduce(lambda all_of, one: all_of & _group(column, *one), wanted, Q())
    return _any(_group(column, number, groups[0]) for number in (1, 2, 3))


def _group(column: str, number: int, wanted: str) -> Q:
    """In the words of migration 0002, so that its indexes serve."""
    if not wanted:
        return Q()
    part = Func(F(column), Value("="), Value(number), function="split_part")
    group = Func(part, Value("^"), function="rtrim", output_field=TextField())
    return Q(_Like(Upper(group), Upper(Value(_like(wanted)))))


def _member(column: str, values: Sequence[str]) -> Q:
    """Matches one of the values that the column holds with backslashes between."""
    return _any(Q(**{f"{column}__regex": rf"(^|\\){_expression(value)}(\\|$)"}) for value in values)


def _has_wild_card(value: str) -> bool:
    return bool(set("*?") & set(value))


def _bounded(value: str) -> str:
    if len(value) > LONGEST_TEXT:
        raise Malformed(f"it has {len(value)} characters; no attribute holds more than {LONGEST_TEXT}.")
    return value


def _like(value: str) -> str:
    """Wild cards of PS3.4 C.2.2.2.4 as a pattern of LIKE."""
    escaped = {"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"}
    return "".join(escaped.get(character, character) for character in _bounded(value))


def _expression(value: str) -> str:
    """Wild cards as a regular expression of PostgreSQL that stays within one value."""
    wild = {"*": r"[^\\]*", "?": r"[^\\]"}
    return "".join(wild.get(character) or re.escape(character) for character in _bounded(value))


def _date(column: str, values: Sequence[str]) -> Q:
    return _any(_range(column, *_days(value)) for value in values)


def _range(column: str, low: date | None, high: date | None) -> Q:
    return (Q(**{f"{column}__gte": low}) if low else Q()) & (Q(**{f"{column}__lte": high}) if high else Q())


def _days(value: str) -> tuple[date | None, date | None]:
    """The first and the last day."""
    low, dash, high = value.partition("-")
    if not dash:
        return _day(low), _day(low)
    if not low and not high:
        raise Malformed('a range needs at least one end: "20240101-", "-20241231" or both.')
    return _day(low) if low else None, _day(high) if high else None


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
    low, dash, high = _times(value)
    if not dash:
        return Q(**{f"{column}__startswith": low})
    return _time_end(column, low, GreaterThanOrEqual) & _time_end(column, high, LessThanOrEqual)


def _times(value: str) -> tuple[str, str, str]:
    """The ends of a range with the dash between, or one time alone."""
    low, dash, high = value.partition("-")
    ends = [end for end in (low, high) if end]
    if not ends or not all(re.fullmatch(r"[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?", end) for end in ends):
        raise Malformed('a time is written HHMMSS, or shorter, a range "HHMMSS-HHMMSS".')
    return low, dash, high


def _time_end(column: str, end: str, comparison: type[GreaterThanOrEqual] | type[LessThanOrEqual]) -> Q:
    if not end:
        return Q()
    return Q(comparison(Left(column, len(end)), Value(end))) & ~Q(**{column: ""})


def _is_span(dates: Sequence[str], times: Sequence[str]) -> bool:
    """Whether a range of dates and a range of times are the two ends of one span of time (PS3.4 C.2.2.2.5)."""
    return len(dates) == len(times) == 1 and "-" in dates[0] and "-" in times[0]


def _span(level: Level, pair: Pair, dates: str, times: str) -> Q:
    """From the first time of the first day to the last time of the last day, not those hours of each day."""
    path = _PATHS[level, KEYS[pair.dates].level]
    day, time = path + KEYS[pair.dates].column, path + KEYS[pair.times].column
    (first, last), (low, _, high) = _days(dates), _times(times)
    found = Q(**{f"{day}__isnull": False})
    if first:
        found &= Q(**{f"{day}__gt": first}) | (Q(**{day: first}) & _time_end(time, low, GreaterThanOrEqual))
    if last:
        found &= Q(**{f"{day}__lt": last}) | (Q(**{day: last}) & _time_end(time, high, LessThanOrEqual))
    return found


def _listed(values: Sequence[str]) -> list[str]:
    """The values of a list that is separated by backslashes or commas, or given by repeating the parameter."""
    listed = [item for value in values for item in re.split(r"[\\,]", value) if item]
    if len(listed) > MOST_VALUES:
        raise Malformed(f"{len(listed)} values are given; at most {MOST_VALUES} are taken. Ask several times.")
    return listed


def _any(alternatives: Iterable[Q]) -> Q:
    return reduce(or_, alternatives, Q(pk__in=[]))


UIDS = Matching("one value or a list of UIDs", _uid)
CODE = Matching("one value, a list, wild cards", _code)
NUMBER = Matching("one value or a list", _number)
TEXT = Matching("one value or wild cards", _text)
ANY_CASE = Matching("one value or wild cards, in any case", _text_any_case)
PERSON = Matching("one value or wild cards, in any case, of a component group", _person)
DATE = Matching("one value or a range", _date)
TIME = Matching("one value or a range", _time)
MEMBER = Matching("one value or wild cards, of any item", _member)

KEYS: dict[str, Key] = {
    "StudyInstanceUID": Key(Level.STUDY, "study_instance_uid", UIDS),
    "StudyID": Key(Level.STUDY, "study_id", TEXT),
    "StudyDate": Key(Level.STUDY, "study_date", DATE),
    "StudyTime": Key(Level.STUDY, "study_time", TIME),
    "StudyDescription": Key(Level.STUDY, "study_description", ANY_CASE),
    "AccessionNumber": Key(Level.STUDY, "accession_number", TEXT),
    "PatientID": Key(Level.STUDY, "patient_id", TEXT),
    "IssuerOfPatientID": Key(Level.STUDY, "issuer_of_patient_id", TEXT),
    "PatientName": Key(Level.STUDY, "patient_name", PERSON),
    "PatientBirthDate": Key(Level.STUDY, "patient_birth_date", DATE),
    "PatientSex": Key(Level.STUDY, "patient_sex", CODE),
    "ReferringPhysicianName": Key(Level.STUDY, "referring_physician_name", PERSON),
    "SeriesInstanceUID": Key(Level.SERIES, "series_instance_uid", UIDS),
    "SeriesNumber": Key(Level.SERIES, "series_number", NUMBER),
    "SeriesDescription": Key(Level.SERIES, "series_description", ANY_CASE),
    "SeriesDate": Key(Level.SERIES, "series_date", DATE),
    "SeriesTime": Key(Level.SERIES, "series_time", TIME),
    "Modality": Key(Level.SERIES, "modality", CODE),
    "PerformedProcedureStepStartDate": Key(Level.SERIES, "performed_procedure_step_start_date", DATE),
    "PerformedProcedureStepStartTime": Key(Level.SERIES, "performed_procedure_step_start_time", TIME),
    **{
        f"{request_attributes.SEQUENCE}.{keyword}": Key(Level.SERIES, column, MEMBER)
        for keyword, column in request_attributes.COLUMNS.items()
    },
    "SOPInstanceUID": Key(Level.INSTANCE, "sop_instance_uid", UIDS),
    "SOPClassUID": Key(Level.INSTANCE, "sop_class_uid", UIDS),
    "InstanceNumber": Key(Level.INSTANCE, "instance_number", NUMBER),
}

COMBINED = (
    Pair("StudyDate", "StudyTime"),
    Pair("SeriesDate", "SeriesTime"),
    Pair("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
)
