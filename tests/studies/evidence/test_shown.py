"""Numbers in words: rounded, with units, denominators and reasons, and readers as the protocol calls them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from studies.evidence.charts import charts_of
from studies.evidence.scope import Scope
from studies.evidence.shape import Evidence, Line, Whose
from studies.evidence.shown import Shown, claim_of, digest_of, duration_in_words, number_in_words, show
from studies.models import Study
from studies.protocols.protocol_schema import Endpoint
from studies.statistics.estimate import Estimate, Interval
from studies.statistics.proportions import proportion
from tests.studies.evidence.numbers import evidence

pytestmark = pytest.mark.django_db


@pytest.fixture
def shown(study: Study) -> Shown:
    return show(evidence(), Scope(study=study))


def test_the_primary_endpoint_comes_first(shown: Shown) -> None:
    assert [(table.title, table.is_primary) for table in shown.endpoints][:2] == [
        ("Lesions found", True),
        ("Volume of the lesion", False),
    ]
    assert shown.endpoints[0].claim == "Superiority, alpha 0.05"


def test_a_share_is_said_with_its_interval_and_of_how_many(study: Study) -> None:
    made = replace(evidence().endpoints[1].lines[0], answer=proportion(21, 28))
    one = replace(evidence().endpoints[1], lines=(made,), differences=())
    [line] = show(evidence(endpoints=(one,)), Scope(study=study)).endpoints[0].lines
    assert (line.estimate, line.interval, line.count) == ("75.0 %", "56.6 to 87.3 %", "21 of 28")
    assert line.left_out == ("2 without truth", "3 not read yet")
    assert line.whose == "AI, brain-extraction 1.0.0 (dddddddddddd)"


def test_what_cannot_be_computed_says_why(shown: Shown) -> None:
    [line] = next(table for table in shown.endpoints if table.title == "Agreement with the panel").lines
    assert (line.estimate, line.interval, line.is_computed) == ("", "", False)
    assert line.reason == "No case was read by two readers yet."


def test_readers_are_called_as_the_protocol_says(shown: Shown) -> None:
    called = {line.whose for line in shown.every if line.line.whose.reader}
    assert called
    assert all(one.startswith("Aided, Reader ") and "anna" not in one for one in called)
    assert any(one.endswith("(Expert)") for one in called)


def test_equal_numbers_have_equal_digests_whenever_they_were_made() -> None:
    first = evidence()
    assert digest_of(first) == digest_of(replace(first, made_at=first.made_at + timedelta(days=1)))
    assert digest_of(first) != digest_of(replace(first, protocol=2))


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [("", -0.1234, "−0.123"), ("ml", 1234.5, "1\u202f234.5 ml"), ("mm", 0.04211, "0.0421 mm")],
)
def test_other_numbers_have_the_places_that_they_need(unit: str, value: float, words: str) -> None:
    answer = Estimate(value=value, interval=Interval(low=value, high=value), of=3, method="")
    assert number_in_words(Line(whose=Whose(), what="", answer=answer, unit=unit, expected=3), value) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.04, "4.0 s"), (119.0, "119.0 s"), (252.0, "4.2 min"), (9000, "2.5 h"), (259200, "3.0 d")]
)
def test_times_are_said_in_the_unit_that_suits_them(seconds: float, words: str) -> None:
    assert duration_in_words(seconds) == words


def test_a_margin_is_part_of_the_claim() -> None:
    claimed = Endpoint(key="a", label="A", measure="auc", hypothesis="non-inferiority", margin=0.05)
    assert claim_of(claimed) == "Non-inferiority within 0.05, alpha 0.05"


def test_charts_draw_what_the_tables_say_and_nothing_that_is_not_computed(shown: Shown) -> None:
    charts = charts_of(shown)
    json.dumps(charts, allow_nan=False)
    kinds = {key: [chart["kind"] for chart in each] for key, each in charts.items()}
    assert kinds == {
        "endpoint-found": ["forest"],
        "endpoint-volume": ["differences"],
        "endpoint-rank": ["roc", "forest"],
        "reading-times": ["times"],
        "turnaround": ["times"],
    }
    [found] = charts["endpoint-found"]
    assert [row["label"] for row in found["rows"]] == [line.whose for line in shown.endpoints[0].lines]
    assert found["domain"] == [0, 1]


def test_nothing_measured_is_shown_as_nothing(study: Study) -> None:
    bare: Evidence = evidence(endpoints=(), reading_times=(), turnaround=(), limits=())
    shown = show(bare, Scope(study=study))
    assert [table.key for table in shown.tables] == ["quality-control"]
    assert charts_of(show(evidence(endpoints=()), Scope(study=study))).keys() <= {
        "reading-times", "turnaround"
    }  # fmt: skip
