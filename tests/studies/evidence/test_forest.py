"""Drawings for paper: marks lie where their numbers say, and ticks at round ones."""

from __future__ import annotations

import pytest

from studies.evidence import forest
from studies.evidence.charts import Plot, PlotRow
from studies.evidence.forest import LEFT, RIGHT


def plot(*rows: tuple[float, float, float], is_share: bool = False, label: str = "AI") -> Plot:
    return Plot(
        title="Bias",
        unit="ml",
        is_share=is_share,
        rows=tuple(
            PlotRow(label=label, value=value, low=low, high=high, number="1 (0 to 2), n = 3", is_pooled=True)
            for low, value, high in rows
        ),
    )


def test_a_mark_lies_between_the_ends_of_its_interval_and_within_the_axis() -> None:
    drawn = forest.draw(plot((-3.0, 1.0, 2.5), (0.0, 8.0, 40.0)))
    for mark in drawn.marks:
        assert LEFT < mark.low < mark.value < mark.high < RIGHT
        assert mark.number == "1 (0 to 2)"
    assert drawn.marks[0].y < drawn.marks[1].y < drawn.axis_y < drawn.height
    assert drawn.title == "Bias (ml)"


def test_shares_are_drawn_from_nothing_to_all() -> None:
    drawn = forest.draw(plot((0.0, 0.5, 1.0), is_share=True))
    assert (drawn.marks[0].low, drawn.marks[0].high) == (LEFT, RIGHT)
    assert [tick.label for tick in drawn.ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


@pytest.mark.parametrize(("low", "high"), [(-0.003, 0.004), (-7.4, 8.6), (12.0, 1300.0), (5.0, 5.0), (0.0, 0.0)])
def test_ticks_are_few_round_and_within_the_axis(low: float, high: float) -> None:
    drawn = forest.draw(plot((low, (low + high) / 2, high)))
    assert 3 <= len(drawn.ticks) <= 9
    assert all(LEFT <= tick.x <= RIGHT for tick in drawn.ticks)
    assert all(len(tick.label) <= 6 for tick in drawn.ticks)


def test_a_long_label_is_broken_into_lines() -> None:
    [mark] = forest.draw(
        plot((0, 1, 2), label="Model of the study, Reader 4F2A1C (Expert), brain-extraction 1.0.0")
    ).marks
    assert len(mark.label) == 2
    assert [text for _, text in mark.label_lines] == list(mark.label)
