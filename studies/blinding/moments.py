"""Dates and times of DICOM JSON, moved together so that every interval between them stays.

A date and the time beside it are one moment. A time alone goes round the clock, as it did before.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.valuerep import DA, DT, TM

from studies.blinding.attributes import tag_of

Element = dict[str, Any]
_SOME_DAY = date(2000, 1, 1)
_TIME, _MOMENT = "%H%M%S.%f", "%Y%m%d%H%M%S.%f"


def moved(attributes: Element, *, by: timedelta) -> Element:
    """Those of `attributes` that are dates and times, moved; what cannot be read as such is left out."""
    times = {tag: element for tag, element in attributes.items() if element["vr"] == "TM"}
    result: Element = {}
    for tag, element in attributes.items():
        if element["vr"] == "DA":
            partner = _partner(tag)
            result |= _moved_date(tag, element, partner, times.pop(partner, None), by)
        elif element["vr"] == "DT":
            result[tag] = _written("DT", [_moved_moment(str(value), by) for value in element.get("Value", [])])
    for tag, element in times.items():
        result[tag] = _written("TM", [_moved_time(str(value), by) for value in element.get("Value", [])])
    return result


def _moved_date(tag: str, element: Element, time_tag: str, beside: Element | None, by: timedelta) -> Element:
    """A date with the time beside it, if there is one."""
    days, times = element.get("Value", []), beside.get("Value", []) if beside else []
    if len(days) != 1 or len(times) > 1 or (beside and not times):
        alone = {tag: _written("DA", [_moved_day(str(day), by) for day in days])}
        return alone | ({time_tag: {"vr": "TM"}} if beside else {})
    day, clock = _day(str(days[0])), _clock(str(times[0])) if times else time()
    if day is None or clock is None:
        return {}
    moment = datetime.combine(day, clock) + by
    if not times:
        return {tag: _written("DA", [moment.strftime("%Y%m%d")])}
    return {tag: _written("DA", [moment.strftime("%Y%m%d")]), time_tag: _written("TM", [moment.strftime(_TIME)])}


def _partner(tag: str) -> str:
    """The tag of the time that belongs to a date, such as SeriesTime to SeriesDate; "" where there is none."""
    try:
        return tag_of(f"{keyword_for_tag(tag).removesuffix('Date')}Time")
    except KeyError:
        return ""


def _moved_day(text: str, by: timedelta) -> str:
    day = _day(text)
    return "" if day is None else (datetime.combine(day, time()) + by).strftime("%Y%m%d")


def _moved_time(text: str, by: timedelta) -> str:
    clock = _clock(text)
    return "" if clock is None else (datetime.combine(_SOME_DAY, clock) + by).strftime(_TIME)


def _moved_moment(text: str, by: timedelta) -> str:
    """Without its offset from UTC, which would tell where it was."""
    try:
        moment = DT(text)
    except ValueError:
        return ""
    return "" if not moment else (moment.replace(tzinfo=None) + by).strftime(_MOMENT)


def _day(text: str) -> date | None:
    try:
        return DA(text)
    except ValueError:
        return None


def _clock(text: str) -> time | None:
    try:
        return TM(text)
    except ValueError:
        return None


def _written(vr: str, values: list[str]) -> Element:
    kept = [value for value in values if value]
    return {"vr": vr, "Value": kept} if kept else {"vr": vr}
