"""Graphs: branches run at once, join, and leave out what has a good reason not to be there."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from inference import graph, pipeline
from inference.errors import DefinitionInvalid, NotMeasurable, OperatorContractBroken, OperatorFailed
from inference.graph import Outputs, Sources
from inference.operators.registry import operator
from inference.operators.values import (
    Box,
    Boxes,
    Classification,
    EarlierResult,
    History,
    Image,
    Labels,
    Measurement,
    PriorSeries,
)
from inference.timing import RunClock
from tests.inference.series import mr_series, numbered_voxels, source

_meeting = threading.Barrier(2)
MEETING_SECONDS = 30

HEAD = """\
name: graph-of-a-test
version: "1.0.0"
title: Graph
description: A graph.
input:
  conditions:
    - when: series.Modality == "MR"
      otherwise: The series is not MR.
steps:
  - id: image
    operator: load-volume
    inputs: {series: input}
"""


@operator("test-mean-once-both-are-here", version="1")
def mean_once_both_are_here(image: Image) -> Measurement:
    """Ends only when another step of its kind has begun."""
    _meeting.wait(MEETING_SECONDS)
    return Measurement(float(image.array.mean()), "1")


@operator("test-sum", version="1")
def add(one: Measurement, other: Measurement) -> Measurement:
    """Both together."""
    return Measurement(one.value + other.value, "1")


@operator("test-since-first", version="1")
def since_first(now: Measurement, history: History) -> Measurement:
    """How much more than at first."""
    if not history.results:
        raise NotMeasurable("There is no earlier exam to compare with.")
    return Measurement(now.value - history.results[0].measurements["Mean"].value, "1")


@operator("test-mean", version="1")
def mean(image: Image) -> Measurement:
    """The mean of all voxels."""
    return Measurement(float(image.array.mean()), "1")


@operator("test-fails", version="1")
def fails(image: Image) -> Measurement:
    """Fails as nobody foresaw."""
    raise ZeroDivisionError(f"a fault of ours in {image.ndim} dimensions")


@operator("test-has-prior", version="1")
def has_prior(prior: PriorSeries) -> Measurement:
    """One when there is a prior."""
    return Measurement(float(prior.series is not None), "1")


@operator("test-thirds", version="1")
def thirds(image: Image) -> Labels:
    """Three equal parts by value, numbered from 0."""
    parts = np.digitize(image.array, np.quantile(image.array, [1 / 3, 2 / 3]))
    return Labels(image.with_array(parts.astype(np.uint8)))


@operator("test-boxes", version="1")
def boxes(image: Image) -> Boxes:
    """One broken, one whole."""
    return Boxes(
        (
            Box("left hip", "normal", 0.9, {"normal": 0.9, "fracture": 0.1}, 0, 0, 2, 3, "1.2.3"),
            Box("right hip", "fracture", 0.7, {"normal": 0.3, "fracture": 0.7}, 0, 3, 2, 6, "1.2.3"),
        )
    )


@operator("test-class", version="1")
def classify(image: Image) -> Classification:
    """Most likely normal."""
    return Classification("normal", {"normal": 0.6, "pneumothorax": 0.4}, ("1.2.3",))


CODE = '{value: "1", scheme: 99TEST, meaning: Something}'


def measured(step: str, name: str) -> str:
    return f"    - {{step: {step}, name: {name}, unit: '1', concept: {CODE}}}\n"


def run(text: str, **sources: object) -> Outputs:
    series = source(mr_series(numbered_voxels()))
    return graph.execute(pipeline.parse(text), Sources(series, **sources), models_dir=Path("/nowhere"))  # type: ignore[arg-type]


def faults(text: str) -> str:
    with pytest.raises(DefinitionInvalid) as refusal:
        pipeline.parse(text)
    return str(refusal.value)


def step(name: str, operator_name: str, inputs: str = "{image: image}") -> str:
    return f"  - id: {name}\n    operator: {operator_name}\n    inputs: {inputs}\n"


def test_branches_that_do_not_wait_for_each_other_run_at_once_and_join() -> None:
    text = HEAD + step("one", "test-mean-once-both-are-here") + step("other", "test-mean-once-both-are-here")
    text += step("both", "test-sum", "{one: one, other: other}")
    outputs = run(text + "outputs:\n  measurements:\n" + measured("both", "Sum"))
    assert outputs.measurements[0].value == pytest.approx(2 * numbered_voxels().mean())
    starts = {timing.step: timing.started for timing in outputs.timings}
    ends = {timing.step: timing.started + timing.seconds for timing in outputs.timings}
    assert starts["other"] < ends["one"] and starts["one"] < ends["other"]
    assert starts["both"] >= max(ends["one"], ends["other"])


def test_a_number_that_cannot_be_for_a_good_reason_is_left_out_with_all_that_follows_from_it() -> None:
    text = HEAD + step("mean", "test-mean") + step("change", "test-since-first", "{now: mean, history: history}")
    text += step("twice", "test-sum", "{one: change, other: change}")
    text += "outputs:\n  measurements:\n" + measured("mean", "Mean") + measured("twice", "Twice the change")
    first = run(text)
    assert [one.name for one in first.measurements] == ["Mean"]
    assert set(first.notes) == {"There is no earlier exam to compare with."}

    earlier = EarlierResult(date(2025, 1, 1), {"Mean": Measurement(100.0, "1")})
    later = run(text, history=History((earlier,)))
    assert later.measurements[1].value == pytest.approx(2 * (numbered_voxels().mean() - 100))
    assert later.notes == ()


def test_a_step_may_look_at_the_prior() -> None:
    text = HEAD + step("prior-is-there", "test-has-prior", "{prior: prior}")
    text += "outputs:\n  measurements:\n" + measured("prior-is-there", "Prior")
    assert pipeline.parse(text).uses_prior
    assert run(text).measurements[0].value == 0
    assert run(text, prior=PriorSeries(source(mr_series(numbered_voxels())))).measurements[0].value == 1


def test_each_value_of_a_label_map_can_be_a_segment_of_its_own() -> None:
    text = HEAD + step("parts", "test-thirds") + "outputs:\n  segments:\n"
    for number in (1, 2):
        text += f"    - {{step: parts, value: {number}, number: {number}, label: P{number}, category: {CODE}, "
        text += f'type: {CODE}, colour: "#ff0000"}}\n'
    low, high = run(text).segments
    assert not np.any(low.array & high.array)
    assert low.array.sum() == pytest.approx(high.array.sum(), abs=1)
    assert "expected Mask" in faults(text.replace("value: 1, ", ""))


FINDINGS = (
    HEAD
    + step("hips", "test-boxes")
    + step("chest", "test-class")
    + f"""\
outputs:
  boxes:
    - step: hips
      regions: {{left hip: {CODE}, right hip: {CODE}}}
      findings: {{normal: {CODE}, fracture: {CODE}}}
  classifications:
    - {{step: chest, name: Chest, classes: {{normal: {CODE}, pneumothorax: {CODE}}}}}
  triage: {{step: chest, urgent_when: [pneumothorax], above: 0.35}}
"""
)


def test_boxes_and_classes_come_out_under_the_names_of_the_definition() -> None:
    outputs = run(FINDINGS)
    assert [(box.region, box.finding) for box in outputs.boxes] == [("left hip", "normal"), ("right hip", "fracture")]
    (chest,) = outputs.classifications
    assert (chest.name, chest.label, chest.probabilities["pneumothorax"]) == ("Chest", "normal", 0.4)


def test_triage_goes_by_probability_and_not_by_the_likeliest_class() -> None:
    assert run(FINDINGS).is_urgent
    assert not run(FINDINGS.replace("above: 0.35", "above: 0.4")).is_urgent
    by_box = FINDINGS.replace("step: chest, urgent_when: [pneumothorax]", "step: hips, urgent_when: [fracture]")
    assert run(by_box).is_urgent
    assert not run(by_box.replace("above: 0.35", "above: 0.7")).is_urgent


def test_a_label_without_a_code_is_a_fault_of_the_definition() -> None:
    with pytest.raises(OperatorContractBroken, match='no code for "fracture" in the boxes of step hips'):
        run(FINDINGS.replace(f", fracture: {CODE}", ""))


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("urgent_when: [pneumothorax]", "urgent_when: [effusion]", 'expected one of "normal", "pneumothorax"'),
        ("{step: chest, urgent", "{step: image, urgent", "expected a step whose boxes or classes are an output"),
        ("step: hips\n", "step: chest\n", 'expected Boxes, but "chest" makes Classification'),
        ("{step: chest, name", "{step: hips, name", 'expected Classification, but "hips" makes Boxes'),
        ("id: hips", "id: prior", 'give every step its own name, other than "input", "prior", "history"'),
    ],
)
def test_findings_that_do_not_fit_are_told_when_the_definition_is_read(right: str, wrong: str, expected: str) -> None:
    assert expected in faults(FINDINGS.replace(right, wrong, 1))


def test_a_segments_number_is_checked_where_a_measurement_names_it() -> None:
    text = HEAD + step("mean", "test-mean") + "outputs:\n  measurements:\n"
    text += measured("mean", "Mean").replace("unit:", "segment: 4, unit:")
    assert "expected the number of a segment, not 4" in faults(text)


def test_the_first_fault_ends_the_run_and_branches_beside_it_leave_nothing() -> None:
    text = HEAD + step("broken", "test-fails") + step("mean", "test-mean") + step("more", "test-mean")
    with pytest.raises(OperatorFailed, match="broken"):
        run(text + "outputs:\n  measurements:\n" + measured("mean", "Mean"))


def test_a_clock_times_only_what_ended() -> None:
    clock = RunClock()
    with pytest.raises(ZeroDivisionError), clock.timed("broken") as timings:
        raise ZeroDivisionError
    assert timings == []
