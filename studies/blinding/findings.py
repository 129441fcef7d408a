"""What a structured report says, as far as that does not tell who made it: findings, where they are, how large.

Of each measurement group (PS3.16, TID 1410, 1411 and 1501) stay the codes of finding and site, the regions drawn on
images, and measurements; each only where its code is of a scheme that DICOM uses. All else goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from studies.blinding.codes import Concept, concept_of, own_words

GROUP, FINDING = Concept("DCM", "125007"), Concept("DCM", "121071")
SITES = (Concept("SCT", "363698007"), Concept("SCT", "G-C0E3"))
_DIGITS = 1
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, order=True)
class Region:
    """What is drawn on one image, or one frame of one: points as (column, row)."""

    sop: str
    sop_class: str
    frame: int
    kind: str
    points: Points


@dataclass(frozen=True, order=True)
class Number:
    """A measurement: what, in which unit, how much."""

    concept: Concept
    unit: Concept
    value: float


@dataclass(frozen=True, order=True)
class Finding:
    """One measurement group. The order of groups is that of what they say, not the report's."""

    finding: Concept | None
    sites: tuple[Concept, ...]
    regions: tuple[Region, ...]
    numbers: tuple[Number, ...]

    @property
    def says(self) -> tuple[object, ...]:
        """By which groups are put in order."""
        return (str(self.finding), str(self.sites), self.regions, str(self.numbers))


@dataclass(frozen=True)
class Report:
    """The findings of a report, in an order of their own. words: what its maker calls the codes."""

    findings: tuple[Finding, ...]
    words: Mapping[Concept, str]


def of_reports(paths: Sequence[Path]) -> Report:
    """What one or several reports say together."""
    datasets = [dcmread(path) for path in paths]
    found = [_finding(group) for dataset in datasets for group in _groups(dataset)]
    kept = sorted((one for one in found if one.finding or one.regions or one.numbers), key=lambda one: one.says)
    return Report(tuple(kept), {code: words for dataset in datasets for code, words in _words(dataset)})


def _words(item: Dataset) -> Iterator[tuple[Concept, str]]:
    for inner in item.get("ContentSequence") or []:
        for keyword in ("ConceptNameCodeSequence", "ConceptCodeSequence"):
            if (code := concept_of(_first(inner, keyword))) is not None:
                yield code, own_words(_first(inner, keyword))
        yield from _words(inner)


def _groups(item: Dataset) -> Iterator[Dataset]:
    for inner in item.get("ContentSequence") or []:
        if _named(inner) == GROUP:
            yield inner
        else:
            yield from _groups(inner)


def _finding(group: Dataset) -> Finding:
    items = list(group.get("ContentSequence") or [])
    return Finding(
        finding=next((code for item in items if _named(item) == FINDING and (code := _value(item))), None),
        sites=tuple(sorted(code for item in items if _named(item) in SITES and (code := _value(item)))),
        regions=tuple(sorted(region for item in items for region in _regions(item))),
        numbers=tuple(sorted(number for item in items if (number := _number(item)))),
    )


def _named(item: Dataset) -> Concept | None:
    return concept_of(_first(item, "ConceptNameCodeSequence"))


def _value(item: Dataset) -> Concept | None:
    """A coded value of a scheme that DICOM uses."""
    code = concept_of(_first(item, "ConceptCodeSequence"))
    return code if code and code.is_public else None


def _regions(item: Dataset) -> Iterator[Region]:
    if item.get("ValueType") != "SCOORD":
        return
    for inner in item.get("ContentSequence") or []:
        if (image := _first(inner, "ReferencedSOPSequence")) is not None:
            numbers = np.asarray(item.GraphicData, dtype=np.float64).reshape(-1, 2).round(_DIGITS)
            yield Region(
                sop=str(image.ReferencedSOPInstanceUID),
                sop_class=str(image.ReferencedSOPClassUID),
                frame=int(_one(image.get("ReferencedFrameNumber")) or 0),
                kind=str(item.GraphicType),
                points=_points(str(item.GraphicType), numbers),
            )


def _points(kind: str, numbers: NDArray[np.float64]) -> Points:
    """As drawn; a rectangle always from its upper left corner, since where it begins may be a habit of its maker."""
    corners = {(float(column), float(row)) for column, row in numbers}
    columns, rows = {column for column, _ in corners}, {row for _, row in corners}
    if kind == "POLYLINE" and len(corners) == 4 and len(columns) == len(rows) == 2:
        (left, right), (top, bottom) = sorted(columns), sorted(rows)
        return ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    return tuple((float(column), float(row)) for column, row in numbers)


def _number(item: Dataset) -> Number | None:
    measured, concept = _first(item, "MeasuredValueSequence"), _named(item)
    if item.get("ValueType") != "NUM" or measured is None or concept is None or not concept.is_public:
        return None
    unit = concept_of(_first(measured, "MeasurementUnitsCodeSequence"))
    return Number(concept, unit, float(measured.NumericValue)) if unit and unit.scheme == "UCUM" else None


def _first(dataset: Dataset, keyword: str) -> Dataset | None:
    items = dataset.get(keyword) or ()
    return next(iter(items), None)


def _one(value: object) -> int | None:
    """The first of what may be one number or several."""
    if value in (None, ""):
        return None
    return int(value[0]) if isinstance(value, list) else int(str(value))
