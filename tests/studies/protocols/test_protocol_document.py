"""A protocol as JSON and as YAML: the same wherever it is written."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.errors import DefinitionInvalid
from studies.protocols.protocol_document import digest_of, document_of, parse, to_yaml
from studies.protocols.protocol_schema import Protocol
from tests.studies.protocols.written_protocols import READ, protocols, read_protocol

several = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@several
@given(protocols())
def test_what_is_written_reads_back_the_same_and_is_written_again_byte_for_byte(protocol: Protocol) -> None:
    written = to_yaml(document_of(protocol))
    read = parse(written)
    assert read == protocol
    assert to_yaml(document_of(read)) == written


@several
@given(protocols(), st.randoms())
def test_the_order_in_which_a_document_is_kept_changes_neither_digest_nor_yaml(
    protocol: Protocol, chance: object
) -> None:
    document = document_of(protocol)
    shuffled = json.loads(json.dumps(document, sort_keys=True))
    assert digest_of(shuffled) == digest_of(document)
    assert to_yaml(shuffled) == to_yaml(document)


def test_the_file_names_fields_in_the_schemas_order_and_conditions_as_blocks() -> None:
    condition = 'series.Modality == "CT"\n  && has(series.ContrastBolusAgent)'
    written = to_yaml(document_of(read_protocol(criteria=[{"name": "CT", "when": condition}])))
    assert written.startswith("title: Hip fracture\nquestion: Is a fracture found sooner?\n")
    assert '    when: |-\n      series.Modality == "CT"\n        && has(series.ContrastBolusAgent)\n' in written


def test_a_field_of_an_older_schema_is_kept_in_digest_and_file_as_it_was_stored() -> None:
    """A document without a field that the schema has today is written without it."""
    document = document_of(read_protocol())
    del document["retention_years"]
    assert "retention_years" not in to_yaml(document)
    assert digest_of(document) != digest_of(document_of(read_protocol()))


@pytest.mark.parametrize(
    ("text", "line", "field", "expected"),
    [
        ("title: A\n", 1, "arrival", "is required and missing"),
        ("title: A\narrival: {ae_title: A}\nsponsors: B\n", 3, "sponsors", "is not a field that exists here"),
        ("title: A\narrival: {ae_title: A}\ncriteria:\n- name: B\n  when: series.Modalty == 'MR'\n", 5,
         "criteria[0].when", "did you mean Modality?"),
        ("title: A\narrival: {ae_title: A}\narms:\n- key: a\n  label: B\n  findings: {kind: pipeline, pipeline: x}\n",
         1, "definition", 'there is no pipeline "x"'),
        ("title: A\ntitle: B\n", 2, "title", "is given twice"),
        ("title: A\narrival: {ae_title: A}\ndesign:\n  kind: telepathy\n", 3, "design", "does not match any of the"),
        ("title: [", 1, "syntax", "is not valid YAML"),
        ("", 1, "file", "is empty"),
        ("- a\n", 1, "definition", "valid dictionary"),
        ("title: &a A\nquestion: *a\n", 1, "protocol", "anchor or alias"),
        ("[" * 60, 1, "protocol", "nested too deeply"),
        ('title: "A\\u2028B"\narrival: {ae_title: A}\n', 1, "title", "U+2028"),
        ("title: A\narrival: {ae_title: A}\nforms:\n- name: a\n  since: 2024-01-01\n", 5, "forms[0].since", "JSON"),
        ("title: A\narrival: {ae_title: A}\nforms:\n- title: a\n", 4, "forms[0]", "a form needs a name"),
        ("title: A\narrival: {ae_title: A}\nforms:\n- name: a\n  most: 1.0e+17\n", 4, "forms[0]", "too large"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_protocol_is_refused_with_line_field_and_what_was_expected(
    text: str, line: int, field: str, expected: str
) -> None:
    with pytest.raises(DefinitionInvalid) as refused:
        parse(text)
    told = [(problem.line, problem.field, problem.expected) for problem in refused.value.problems]
    assert any((at, where) == (line, field) and expected in what for at, where, what in told), told


def test_every_fault_of_a_file_is_told_at_once() -> None:
    text = to_yaml(document_of(read_protocol())).replace("kind: include", "kind: maybe")
    with pytest.raises(DefinitionInvalid) as refused:
        parse(text)
    assert [problem.field for problem in refused.value.problems] == ["criteria[0].kind", "criteria[1].kind"]


def test_the_example_lacks_nothing() -> None:
    assert Protocol.model_validate(READ).is_read
