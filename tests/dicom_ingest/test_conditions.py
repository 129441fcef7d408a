"""The CEL layer: what is refused when it is saved, and what no exam may ever get away with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_ingest import conditions, judging
from dicom_ingest.conditions import ROUTING, Unanswered, check, first_unmet, holds
from dicom_ingest.expression_text import conjuncts
from dicom_ingest.headers import SeriesHeader
from dicom_ingest.judging import Outcome

CT = {"Modality": "CT", "SeriesNumber": 2, "SliceThickness": 1.5, "ImageType": ["ORIGINAL", "PRIMARY"]}


def facts(**series: Any) -> conditions.Facts:
    exam = {"Modality": "CT", "ModalitiesInStudy": ["CT"], "NumberOfSeries": 1}
    return {"exam": exam, "series": CT | series, "instance": CT | series, "called_ae": "LIVER", "calling_ae": "CT1"}


REFUSED = [
    ("series.Modalty == 'CT'", '"Modalty" is not a DICOM keyword; did you mean Modality?'),
    ("instance.Modalty == 'CT'", '"Modalty" is not a DICOM keyword; did you mean Modality?'),
    ("exam.Modalty == 'CT'", "an exam has no Modalty; did you mean Modality?"),
    ("series.PatientName == 'x'", "PatientName identifies a person"),
    ("series.Modality == 'CT", "line 1, character 20: Syntax error"),
    ("size(series) > 0", '"series" is used without a keyword; write for example series.Modality'),
    ('"Modality" in series', '"series" is used without a keyword'),
    ('series["Modality"] == "CT"', '"series" is used without a keyword'),
    ("study.Modality == 'CT'", 'not "study"'),
    ("called_aet == 'LIVER'", 'not "called_aet"'),
    ("series.Modality.like('C%')", 'there is no function "like"'),
    ("series.ImageType.exists(series, series == 'LOCALIZER')", '"series" has a meaning already'),
    ("instance.NumberOfInstances > 1", "write series.NumberOfInstances"),
    ("series.NumberOfSeries > 1", "write exam.NumberOfSeries"),
    ("series.SeriesNumber == '3'", "series.SeriesNumber is a number, and '3' is a text"),
    ("'3' == series.SeriesNumber", "series.SeriesNumber is a number, and '3' is a text"),
    ("series.StationName != 3", "series.StationName is a text, and 3 is a number"),
    ("series.StationName in [1, 2]", "series.StationName is a text, and 1 is a number"),
    ("series.ImageType == 'LOCALIZER'", "series.ImageType is a list; write 'LOCALIZER' in series.ImageType"),
    ("series.ImageType in ['LOCALIZER']", "series.ImageType is a list"),
    ("'CT' in series.Modality", "series.Modality is one value, not a list; write series.Modality == 'CT'"),
    ("series.ProcedureCodeSequence[0].CodeValeu == 'x'", '"CodeValeu" is not a DICOM keyword; did you mean CodeValue?'),
    ("series.ProcedureCodeSequence[0].PatientID == 'x'", "PatientID identifies a person"),
    ("", "it is empty"),
    ("true" + " && true" * 300, "the longest that is read has 2000"),
]


@pytest.mark.parametrize(("expression", "reason"), REFUSED)
def test_what_could_never_work_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        check(expression, ROUTING)
    assert reason in str(refused.value)


ACCEPTED = [
    'called_ae == "LIVER" && calling_ae.startsWith("CT")',
    "instance.SliceThickness < 2",
    '"PRIMARY" in series.ImageType // not a localizer: series.Nonsense',
    'series.ImageType[0] == "ORIGINAL"',
    'series.ImageType.exists(kind, kind == "PRIMARY")',
    'series . Modality == """CT"""',
    'series.Modality.matches(r"^C\\w$")',
    "series.SliceThickness == 1.5",
    "!has(series.EchoTime)",
    'exam.Modality == "CT" && "CT" in exam.ModalitiesInStudy && exam.NumberOfSeries == 1',
]


@pytest.mark.parametrize("expression", ACCEPTED)
def test_what_makes_sense_is_accepted_and_true(expression: str) -> None:
    assert holds(check(expression, ROUTING), facts())


def test_pipelines_may_not_ask_how_an_exam_came() -> None:
    with pytest.raises(ValueError, match='only "exam" and "series" as variables, not "called_ae"'):
        check('called_ae == "LIVER"')


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("series.EchoTime < 5", "the series lacks EchoTime"),
        ("instance.EchoTime < 5", "the instance lacks EchoTime"),
        ("exam.StationName == 'x'", "the exam lacks StationName"),
        ("series.ImageType[7] == 'x'", "cannot be evaluated"),
        ("series.SeriesNumber / 0 == 1", "cannot be evaluated"),
        ("series.SeriesNumber + 9223372036854775807 == 1", "cannot be evaluated"),
        ("series.SeriesNumber", "gives 2, not true or false"),
    ],
)
def test_what_cannot_be_decided_is_an_error_with_its_reason(expression: str, reason: str) -> None:
    with pytest.raises(Unanswered) as undecided:
        first_unmet(check(expression, ROUTING), facts())
    assert reason in str(undecided.value)


def test_the_failing_part_is_the_first_that_is_false() -> None:
    expression = (
        "series.Modality == 'CT' && (series.SliceThickness < 1 && series.SeriesNumber == 9) && series.EchoTime > 1"
    )
    assert first_unmet(expression, facts()) == "series.SliceThickness < 1"


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("true", ("true",)),
        ("((a && b)) && (c)", ("a", "b", "c")),
        ("a && b || c", ("a && b || c",)),
        ("(a || b) && c", ("a || b", "c")),
        ("a && b ? c : d", ("a && b ? c : d",)),
        ('x == "a && b" && y', ('x == "a && b"', "y")),
        ("a // b && c\n && d", ("a", "d")),
        ("f(a && b) && [a && b][0]", ("f(a && b)", "[a && b][0]")),
    ],
)
def test_a_chain_falls_into_its_parts(expression: str, parts: tuple[str, ...]) -> None:
    assert conjuncts(expression) == parts


def judged(expression: str, *series: dict[str, Any]) -> judging.Judgement:
    headers = [SeriesHeader(f"1.{n}", {"SeriesNumber": n} | values) for n, values in enumerate(series, start=1)]
    return judging.judge(expression, judging.candidates(headers, called_ae="A", calling_ae="B"))


def test_one_series_that_matches_is_enough_and_is_named() -> None:
    judgement = judged(
        "series.Modality == 'CT' && series.KVP > 90", {"Modality": "MR"}, {"Modality": "CT", "KVP": 120.0}
    )
    assert judgement.outcome == Outcome.MATCHED
    assert judgement.explanation == 'Series 2: series.Modality is "CT", series.KVP is 120.0'


def test_without_a_match_every_series_has_its_failing_part_and_shared_reasons_stand_once() -> None:
    judgement = judged("series.Modality == 'CT'", {"Modality": "MR"}, {"Modality": "MR"}, {"Modality": "SR"})
    assert judgement.outcome == Outcome.NOT_MATCHED
    assert judgement.explanation.splitlines() == [
        "Series 1, Series 2: series.Modality == 'CT' is false (series.Modality is \"MR\")",
        "Series 3: series.Modality == 'CT' is false (series.Modality is \"SR\")",
    ]


def test_one_series_that_cannot_be_decided_makes_a_no_impossible() -> None:
    judgement = judged("series.Modality == 'CT' && series.KVP > 90", {"Modality": "MR"}, {"Modality": "CT"})
    assert judgement.outcome == Outcome.ERROR
    assert judgement.explanation == "Series 2: the series lacks KVP"


def test_an_exam_without_series_is_an_error() -> None:
    assert judged("true").outcome == Outcome.ERROR


# Whatever is written

WORDS = r"""exam series instance called_ae . Modality KVP Nonsense == < in && || ! ? : ( ) [ ] { } , " ' "CT" 1 1.5 0
    null true has matches size exists x // \ r" - + / % 9223372036854775807 timestamp int"""
FRAGMENTS = st.sampled_from([*WORDS.split(), "\n", '"' * 3])
TEXTS = st.one_of(
    st.text(max_size=60), st.lists(FRAGMENTS, max_size=25).map(" ".join), st.lists(FRAGMENTS).map("".join)
)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_no_text_raises_anything_but_the_typed_errors(expression: str) -> None:
    try:
        check(expression, ROUTING)
    except ValueError:
        return
    try:
        first_unmet(expression, facts())
    except Unanswered:
        return


ATOMS = {
    "series.KVP > 90.0": "KVP",
    "series.KVP == 120.0": "KVP",
    'series.StationName == "A"': "StationName",
    'series.StationName.startsWith("A")': "StationName",
    '"X" in series.ImageType': "ImageType",
    'series.ImageType[0] != "X"': "ImageType",
}
VALUES: dict[str, list[object]] = {
    "KVP": [80.0, 100.0, 120.0],
    "StationName": ["A", "B", "AB"],
    "ImageType": [["X"], ["Y"], ["Y", "X"]],
}
FILLED = st.fixed_dictionaries({keyword: st.sampled_from(values) for keyword, values in VALUES.items()})
EXPRESSIONS = st.recursive(
    st.sampled_from(sorted(ATOMS)),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, FILLED, st.sets(st.sampled_from(sorted(VALUES))))
def test_a_no_is_only_said_when_no_missing_value_could_turn_it(
    expression: str, values: dict[str, object], missing: set[str]
) -> None:
    known = {keyword: value for keyword, value in values.items() if keyword not in missing}
    outcome = judged(expression, known).outcome
    if outcome != Outcome.ERROR:
        assert judged(expression, values).outcome == outcome


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(ATOMS)), FILLED)
def test_a_question_for_a_missing_attribute_is_always_an_error(atom: str, values: dict[str, object]) -> None:
    without = {keyword: value for keyword, value in values.items() if keyword != ATOMS[atom]}
    judgement = judged(atom, without)
    assert judgement.outcome == Outcome.ERROR
    assert f"lacks {ATOMS[atom]}" in judgement.explanation


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, EXPRESSIONS, FILLED)
def test_the_parts_together_mean_what_the_chain_means(first: str, second: str, values: dict[str, object]) -> None:
    chain = f"{first} && ({second})"
    given_facts = facts(**values)
    assert all(holds(part, given_facts) for part in conjuncts(chain)) == holds(chain, given_facts)
