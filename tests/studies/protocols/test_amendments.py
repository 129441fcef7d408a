"""What an amendment changes, field by field, in words."""

from __future__ import annotations

from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel

from studies.protocols import design_schema, protocol_schema
from studies.protocols.amendments import PIPELINES, changes
from studies.protocols.design_words import DESIGNS, FINDINGS
from studies.protocols.protocol_schema import Protocol
from studies.protocols.protocol_sections import SECTIONS
from studies.protocols.protocol_words import Field, Kinds, Listed, Part
from tests.studies.protocols.written_protocols import FORM, READ, protocols, read_protocol

several = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ARM, ENDPOINT = READ["arms"][0], READ["endpoints"][0]
EXPERTS = {"key": "expert", "label": "Experts", "findings": {"kind": "people", "reader_role": "expert"}}
INDEPENDENT = {"kind": "independent", "form": "reading", "arms": ["ai"], "readers_per_case": 2}


def _form(**other: Any) -> dict[str, Any]:
    [question] = FORM["sections"][0]["questions"]
    return FORM | {"sections": [{"questions": [question | other]}]}


@pytest.mark.parametrize(
    ("other", "sentences"),
    [
        ({"title": "Hips"}, ["Title changed from Hip fracture to Hips"]),
        ({"sponsor": "UCSF"}, ["Sponsor changed from nothing to UCSF"]),
        ({"arrival": {"ae_title": "HIP", "quiet_seconds": 60}}, ["Arrival: quiet period changed from 30 s to 60 s"]),
        (
            {"criteria": [READ["criteria"][0], READ["criteria"][1] | {"when": "true"}]},
            [f'Inclusion criterion "Adults": condition changed from {READ["criteria"][1]["when"]} to true'],
        ),
        (
            {"criteria": [READ["criteria"][0] | {"kind": "exclude"}, READ["criteria"][1]]},
            ['Inclusion criterion "Radiographs": kind changed from Inclusion to Exclusion'],
        ),
        (
            {"criteria": [READ["criteria"][0]]},
            [f'Inclusion criterion "Adults" removed: In words: Adults; Kind: Inclusion; '
             f'Condition: {READ["criteria"][1]["when"]}'],
        ),
        ({"criteria": READ["criteria"][::-1]}, ["Criteria put in another order: Adults, Radiographs"]),
        (
            {"arms": [ARM, EXPERTS]},
            ['Arm "Experts" added: Arm: Experts; Findings: People; Who: Expert; What they give: Answers; '
             "Masks start from: Nothing: they are drawn from the images alone"],
        ),
        (
            {"arms": [ARM | {"findings": {"kind": "table", "columns": ["fracture"]}}], "pipelines": []},
            [
                'Arm "AI": findings changed from A pipeline of ours (Pipeline: hip-fracture) to A table of outside '
                "results (Rows are matched by: Accession number; Columns: fracture)",
                'Pipeline "hip-fracture" removed: name: hip-fracture; digest: whichever is installed',
            ],
        ),
        (
            {"pipelines": [{"name": "hip-fracture", "digest": "ab" * 32}]},
            [f'Pipeline "hip-fracture": digest changed from whichever is installed to {"ab" * 32}'],
        ),
        (
            {"design": READ["design"] | {"order": "crossover", "reader_role": ""}},
            ["Design: who reads changed from Expert to Every reader",
             "Design: order changed from In one sitting to Crossover"],
        ),
        (
            {"design": INDEPENDENT},
            ["Design changed from Unaided, then aided (Form: Reading; Who reads: Expert; Due within: no date; The aid: "
             "AI; Order: In one sitting; Washout: 28 days) to Independent reads (Form: Reading; Who reads: Every "
             "reader; Due within: no date; Arms: AI; Readers for each case: 2)"],
        ),
        (
            {"disagreement": {"question": "fracture", "form": "reading"}},
            ["Adjudication added: Question compared: Is there a fracture?; Still agrees within: 0.0; "
             "Form of the adjudicator: Reading"],
        ),
        ({"quality_control": {"required": True}},
         ["Quality control: every case is checked first changed from no to yes"]),
        (
            {"endpoints": [ENDPOINT | {"hypothesis": "non-inferiority", "margin": 0.05}]},
            ['Endpoint "Sensitivity": hypothesis changed from Superiority to Non-inferiority',
             'Endpoint "Sensitivity": margin changed from none to 0.05'],
        ),
        ({"forms": [_form(label="Is it broken?")]},
         ['Form "reading": section 1: question "fracture": label changed from Is there a fracture? to Is it broken?']),
        ({"forms": [_form(choices=[{"value": "yes", "label": "Yes"}])]},
         ['Form "reading": section 1: question "fracture": choice "no" removed: No']),
        ({"forms": [_form(help="Look twice.")]},
         ['Form "reading": section 1: question "fracture": help added: Look twice.']),
        ({"forms": [FORM, {"name": "other", "title": "Another"}]}, ['Form "other" added: Another']),
        ({"retention_years": 15}, ["Kept for changed from 10 years to 15 years"]),
    ],
)  # fmt: skip
def test_each_difference_is_said_in_words(other: dict[str, Any], sentences: list[str]) -> None:
    assert [one.sentence for one in changes(read_protocol(), read_protocol(**other))] == sentences


@several
@given(protocols(), protocols())
def test_there_is_a_difference_exactly_when_they_differ(one: Protocol, other: Protocol) -> None:
    assert changes(one, one) == []
    assert bool(changes(one, other)) is (one != other)


@several
@given(protocols(), protocols())
def test_a_difference_is_seen_in_both_directions(one: Protocol, other: Protocol) -> None:
    kinds = {"added": "removed", "removed": "added"}
    there = sorted((found.what, kinds.get(found.kind, found.kind)) for found in changes(one, other))
    back = sorted((found.what, found.kind) for found in changes(other, one))
    assert [kind for _, kind in there if kind in kinds] == [kind for _, kind in back if kind in kinds]


def test_every_field_of_the_schema_has_words() -> None:
    """A field that is added to the schema and not to the page would change unseen."""
    asked = {one.name: one for section in SECTIONS for one in section.asks} | {"pipelines": PIPELINES}
    assert set(Protocol.model_fields) == {*asked, "forms"}
    parts: dict[str, type[BaseModel]] = {
        "arrival": protocol_schema.Arrival,
        "criteria": protocol_schema.Criterion,
        "pipelines": protocol_schema.FrozenPipeline,
        "arms": protocol_schema.Arm,
        "reader_roles": protocol_schema.ReaderRole,
        "blinding": protocol_schema.Blinding,
        "disagreement": protocol_schema.Disagreement,
        "quality_control": protocol_schema.QualityControl,
        "reference": protocol_schema.Reference,
        "endpoints": protocol_schema.Endpoint,
        "sample_size": protocol_schema.SampleSize,
    }
    for name, model in parts.items():
        part = asked[name]
        assert isinstance(part, Part | Listed)
        assert {field.name for field in part.fields} == set(model.model_fields), name


@pytest.mark.parametrize(
    ("kinds", "schema"),
    [(DESIGNS, design_schema.Design), (FINDINGS, protocol_schema.Findings)],
    ids=["design", "findings"],
)
def test_every_kind_of_the_schema_has_words(kinds: Kinds, schema: object) -> None:
    union, *_ = get_args(schema)
    models = {one.model_fields["kind"].default: one for one in get_args(union)}
    assert {kind.value for kind in kinds.kinds} == set(models)
    for kind in kinds.kinds:
        assert {field.name for field in kind.fields} | {"kind"} == set(models[kind.value].model_fields), kind.value


def test_choices_of_the_page_are_those_of_the_schema() -> None:
    """What the page does not offer cannot be chosen, and what the schema does not know cannot be saved."""
    offered = {
        f"{part.name}.{field.name}": {one.value for one in field.choices}
        for section in SECTIONS
        for part in section.asks
        if isinstance(part, Part | Listed)
        for field in part.fields
        if isinstance(field, Field) and field.choices
    }
    known: dict[str, type[BaseModel]] = {
        "criteria.kind": protocol_schema.Criterion,
        "blinding.readers": protocol_schema.Blinding,
        "blinding.patient": protocol_schema.Blinding,
        "blinding.unblinded": protocol_schema.Blinding,
        "blinding.reader_names": protocol_schema.Blinding,
        "worklist.order": protocol_schema.Worklist,
        "reference.source": protocol_schema.Reference,
        "quality_control.reviewers": protocol_schema.QualityControl,
        "endpoints.measure": protocol_schema.Endpoint,
        "endpoints.hypothesis": protocol_schema.Endpoint,
    }
    assert offered == {
        name: {str(value) for value in _values(get_type_hints(model)[name.partition(".")[2]])}
        for name, model in known.items()
    }


def _values(hint: object) -> tuple[object, ...]:
    """The values of a Literal, or of a tuple of any of them."""
    return get_args(get_args(hint)[0]) if get_origin(hint) is tuple else get_args(hint)
