"""The codes that results carry: those of DICOM's own lists, with the meanings that stand there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from inference import pipeline
from inference.writers import sr
from portal.demo import dx_series

NOT_IN_DICOMS_LISTS = {
    ("SCT", "48521005"): "Right lobe of liver",
    ("SCT", "69842003"): "Left lobe of liver",
    ("SCT", "72704001"): "Fracture",
    ("SCT", "113091000"): "Magnetic resonance imaging",
    ("SCT", "82918005"): "Positron emission tomography",
}
"""SNOMED CT's own; docs/data-scientists/reference-pipelines.md names each."""


@pytest.fixture(scope="module")
def meanings() -> dict[tuple[str, str], set[str]]:
    """What pydicom's dictionary calls each code of the schemes that DICOM's lists use."""
    found: dict[tuple[str, str], set[str]] = {}
    for scheme, listed in (("SCT", codes.SCT), ("DCM", codes.DCM)):
        for keyword in listed.dir():
            code = getattr(listed, keyword)
            found.setdefault((scheme, code.value), set()).add(code.meaning)
    return found


def _in(definition: Any) -> Iterator[Code]:
    """Every code that a part of a definition holds."""
    if isinstance(definition, list):
        for part in definition:
            yield from _in(part)
    elif isinstance(definition, dict):
        if {"value", "scheme", "meaning"} <= definition.keys():
            yield Code(definition["value"], definition["scheme"], definition["meaning"])
        for part in definition.values():
            yield from _in(part)


def used() -> list[Code]:
    """The codes of the shipped pipelines, of reports, and of the demonstration's radiographs."""
    of_pipelines = [code for one in pipeline.available() for code in _in(one.outputs.model_dump(mode="json"))]
    concepts = [one for one in vars(dx_series).values() if isinstance(one, dx_series.Concept)]
    of_radiographs = [Code(one.value, "SCT", one.meaning) for one in concepts]
    of_reports = [*sr.PROCEDURES.values(), sr.ANY_PROCEDURE, *sr.LATERALITIES.values()]
    return sorted({*of_pipelines, *of_radiographs, *of_reports})


def test_every_code_means_what_pydicoms_dictionary_says(meanings: dict[tuple[str, str], set[str]]) -> None:
    seen = used()
    assert len(seen) > 30
    for code in seen:
        key = (code.scheme_designator, code.value)
        if key in meanings:
            assert code.meaning in meanings[key], code


def test_codes_that_are_not_in_dicoms_lists_are_known(meanings: dict[tuple[str, str], set[str]]) -> None:
    standard = [code for code in used() if code.scheme_designator in {"SCT", "DCM"}]
    absent = {
        (code.scheme_designator, code.value): code.meaning
        for code in standard
        if (code.scheme_designator, code.value) not in meanings
    }
    assert absent == NOT_IN_DICOMS_LISTS


def test_codes_of_our_own_are_under_our_own_scheme() -> None:
    assert {code.scheme_designator for code in used()} == {"SCT", "DCM", sr.OWN_SCHEME}
