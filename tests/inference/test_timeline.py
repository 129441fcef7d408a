"""The picture of a job's steps."""

import pytest

from inference.models import OperatorRun
from inference.timeline import timeline


def run(step: str, started: float, seconds: float, *, memory: float = 100.0) -> OperatorRun:
    return OperatorRun(step=step, started=started, seconds=seconds, peak_memory_mb=memory)


def test_steps_stand_where_they_began_and_are_as_wide_as_they_took() -> None:
    drawn = timeline([run("load", 0.0, 1.0), run("left", 1.0, 3.0), run("right", 1.0, 2.0), run("write", 4.0, 0.0)])
    assert [(bar.offset, bar.width) for bar in drawn.bars] == [(0, 25), (25, 75), (25, 50), (99.6, 0.4)]
    assert drawn.seconds == 4.0
    assert drawn.saved == 2.0


def test_rows_that_know_no_begin_stand_one_after_the_other() -> None:
    drawn = timeline([run("a", 0.0, 1.0), run("b", 0.0, 3.0)])
    assert [(bar.offset, bar.width) for bar in drawn.bars] == [(0, 25), (25, 75)]
    assert drawn.saved == 0.0


def test_steps_come_in_the_order_in_which_they_began() -> None:
    drawn = timeline([run("quick", 2.0, 0.5), run("slow", 1.0, 5.0)])
    assert [bar.run.step for bar in drawn.bars] == ["slow", "quick"]


def test_memory_is_shown_against_the_largest() -> None:
    drawn = timeline([run("a", 0.0, 1.0, memory=500.0), run("b", 1.0, 1.0, memory=2000.0)])
    assert [bar.memory for bar in drawn.bars] == [25.0, 100.0]


@pytest.mark.parametrize(
    ("end", "seconds"),
    [(0.9, [0, 0.2, 0.4, 0.6, 0.8]), (6.4, [0, 2, 4, 6]), (5.0, [0, 1, 2, 3, 4, 5]), (130.0, [0, 50, 100])],
)
def test_the_axis_has_a_few_round_numbers(end: float, seconds: list[float]) -> None:
    marks = timeline([run("a", 0.0, end)]).marks
    assert [mark.seconds for mark in marks] == pytest.approx(seconds)
    assert [mark.at for mark in marks] == pytest.approx([100 * value / end for value in seconds], abs=0.01)


def test_no_step_makes_an_empty_picture() -> None:
    assert (timeline([]).bars, timeline([]).marks) == ((), ())
