"""Definitions: checked whole before anything runs, every fault with its file, line and field."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom import Volume

from inference import graph, pipeline
from inference.errors import (
    BlankImage,
    DefinitionInvalid,
    InputRefused,
    ModelNotInstalled,
    OperatorContractBroken,
    OperatorFailed,
    PipelineNotFound,
)
from inference.graph import Sources
from inference.operators import registry
from inference.operators.registry import operator
from inference.operators.values import Image, Mask
from inference.schema import Pipeline
from inference.timing import LOADING, OperatorTiming
from tests.inference.series import mr_series, numbered_voxels, source

DEFINITION = """\
name: bright-volume
version: "1.0.0"
title: Bright volume
description: Volume of what is bright, without any model.
input:
  conditions:
    - when: series.Modality == "MR"
      otherwise: The series is not MR.
steps:
  - id: image
    operator: load-volume
    inputs: {series: input}
  - id: turned
    operator: reorient
    inputs: {volume: image}
    parameters: {orientation: RAH}
  - id: bright
    operator: test-brighter-than
    inputs: {image: turned}
    parameters: {level: 99.5}
  - id: mask
    operator: match-grid
    inputs: {volume: bright, reference: image}
  - id: volume
    operator: volume-ml
    inputs: {mask: mask}
outputs:
  segments:
    - step: mask
      number: 1
      label: Bright
      category: {value: "85756007", scheme: SCT, meaning: Tissue}
      type: {value: "85756007", scheme: SCT, meaning: Tissue}
      colour: "#ff0000"
  measurements:
    - step: volume
      name: Bright volume
      unit: ml
      concept: {value: "118565006", scheme: SCT, meaning: Volume}
"""


@operator("test-brighter-than", version="7")
def brighter_than(image: Image, *, level: float) -> Mask:
    """What is brighter than `level`."""
    if level < 0:
        raise BlankImage("Nothing is that dark. Choose another level.")
    return Mask(image.with_array((image.array > level).astype(np.uint8)))


@operator("test-breaks", version="1")
def breaks(image: Image) -> Image:
    """Fails as nobody foresaw."""
    raise ZeroDivisionError(f"a fault of ours in {image.ndim} dimensions")


def faults(text: str) -> list[str]:
    with pytest.raises(DefinitionInvalid) as refusal:
        pipeline.parse(text, file=Path("studies/bright.yaml"))
    return [str(problem) for problem in refusal.value.problems]


def test_a_right_definition_is_read() -> None:
    read = pipeline.parse(DEFINITION)
    assert [step.id for step in read.steps] == ["image", "turned", "bright", "mask", "volume"]
    assert read.input.conditions[0].otherwise == "The series is not MR", "its full stop is set where it is shown"


WRONG: list[tuple[str, str, str]] = [
    ('version: "1.0.0"', "version: 1.0", r"line 2: version: Input should be a valid string (got 1.0)"),
    ("title: Bright volume\n", "", r"line 1: title: is required and missing"),
    ("title: Bright volume", "titel: Bright volume", r"line 3: titel: is not a field that exists here"),
    ("title: Bright volume", "name: again", r"line 3: name: is given twice; keep one"),
    ("title: Bright volume", "title: [Bright", r"line 4: syntax: is not valid YAML"),
    ("title: Bright volume", "title: !!python/none x", r"line 3: syntax: is not valid YAML"),
    ("operator: match-grid", "operator: macth-grid", r'line 22: steps[3].operator: there is no operator "macth-grid"'),
    (
        "{image: turned}",
        "{image: later}",
        r'line 19: steps[2].inputs.image: expected "input", "prior", "history" or an earlier step',
    ),
    (
        "{image: turned}",
        "{image: volume}",
        r'line 19: steps[2].inputs.image: expected "input", "prior", "history" or an earlier step',
    ),
    ("{image: turned}", "{image: input}", r'line 19: steps[2].inputs.image: expected Image, but "input" makes Source'),
    (
        "{mask: mask}",
        "{mask: turned}",
        r'line 26: steps[4].inputs.mask: expected Mask or Labels, but "turned" makes Image',
    ),
    ("{image: turned}", "{picture: turned}", r"line 19: steps[2].inputs.picture: is no input of test-brighter-than"),
    ("{image: turned}", "{image: [turned]}", r"line 19: steps[2].inputs.image: expected one step"),
    ("{image: turned}", "{image: []}", r"line 19: steps[2].inputs.image: expected the id of a step, or a list of them"),
    ("{image: turned}", "{image: 3}", r"line 19: steps[2].inputs.image: expected the id of a step, or a list of them"),
    ("{image: turned}", "{}", r"line 19: steps[2].inputs.image: is required by test-brighter-than: Image"),
    ("id: mask\n", "id: image\n", r'line 21: steps[3].id: "image" is taken'),
    ("id: mask\n", "id: input\n", r'line 21: steps[3].id: "input" is taken'),
    ("{level: 99.5}", "{level: high}", r"line 20: steps[2].parameters.level: Input should be a valid number"),
    ("{level: 99.5}", "{}", r"line 20: steps[2].parameters.level: Field required (test-brighter-than)"),
    ("{level: 99.5}", "{level: 1, lavel: 2}", r"line 20: steps[2].parameters.lavel: Extra inputs are not permitted"),
    ("orientation: RAH", "orientation: RAX", r"line 16: steps[1].parameters.orientation: String should match"),
    ("    - step: mask", "    - step: image", r'line 29: outputs.segments[0].step: expected Mask, but "image" makes'),
    (
        "    - step: mask",
        "    - step: nope",
        r'line 29: outputs.segments[0].step: expected the id of a step, not "nope"',
    ),
    ("      number: 1", "      number: 2", r"line 30: outputs.segments[0].number: expected 1: segments are numbered"),
    ('"#ff0000"', "red", r"line 34: outputs.segments[0].colour: String should match pattern"),
    ("- step: volume", "- step: mask", r'line 36: outputs.measurements[0].step: expected Measurement, but "mask"'),
    (
        "steps:",
        "models: {m: {name: a, version: b, sha256: c}}\nsteps:",
        r"line 9: models.m.sha256: String should match",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "expected"), WRONG)
def test_a_fault_is_told_with_file_line_field_and_expectation(right: str, wrong: str, expected: str) -> None:
    assert right in DEFINITION
    problems = faults(DEFINITION.replace(right, wrong, 1))
    assert any(problem.startswith(f"bright.yaml, {expected}") for problem in problems), problems


CONDITIONS: list[tuple[str, str]] = [
    ('series.Modality == "MR', "line 1, character 20: Syntax error"),
    ('series.Modalty == "MR"', '"Modalty" is not a DICOM keyword; did you mean Modality?'),
    ('study.Modality == "MR"', 'expected only "exam" and "series" as variables, not "study"'),
    ('series.Modality.lower() == "mr"', 'there is no function "lower"; there are bytes, contains'),
    ('exam.SliceThickness == "MR"', "an exam has no SliceThickness; it has BodyPartExamined"),
    ('series.PatientName == "MR"', "PatientName identifies a person; conditions may not use it"),
    ('exam.PatientID == "MR"', "PatientID identifies a person; conditions may not use it"),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS)
def test_a_condition_that_cannot_work_is_refused_when_the_pipeline_is_loaded(condition: str, expected: str) -> None:
    (problem,) = faults(DEFINITION.replace('series.Modality == "MR"', f"'{condition}'"))
    assert problem.startswith(f"bright.yaml, line 7: input.conditions[0].when: {expected}")


def test_every_fault_is_told_at_once() -> None:
    text = DEFINITION.replace("operator: volume-ml", "operator: nope").replace("number: 1", "number: 3")
    assert len(faults(text)) == 2


def test_models_are_checked_against_the_steps_that_name_them() -> None:
    text = pipeline.source_of("brain-extraction")
    (unknown, unused) = faults(text.replace("model: deepbet", "model: other"))
    assert 'parameters.model: expected one of the pipeline\'s models, not "other"' in unknown
    assert "models.deepbet: is used by no step" in unused


def test_a_repeated_measurement_name_is_refused() -> None:
    repeated = DEFINITION + DEFINITION[DEFINITION.index("    - step: volume") :]
    (problem,) = faults(repeated)
    assert problem.startswith('bright.yaml, line 41: outputs.measurements[1].name: "Bright volume" is taken')


def test_files_that_are_no_definition_are_told_apart(tmp_path: Path) -> None:
    assert faults("") == ["bright.yaml, line 1: file: is empty; expected a definition"]
    assert faults("- 1\n")[0].startswith("bright.yaml, line 1: definition: Input should be a valid dictionary")
    with pytest.raises(DefinitionInvalid, match=r"gone\.yaml, line 1: file: cannot be read"):
        pipeline.load(tmp_path / "gone.yaml")


def test_pipelines_are_found_by_name_or_the_nearest_is_suggested() -> None:
    assert pipeline.load_named("brain-extraction").name == "brain-extraction"
    with pytest.raises(PipelineNotFound, match='Did you mean "brain-extraction"'):
        pipeline.load_named("brain-extracton")
    with pytest.raises(PipelineNotFound, match="There are: brain-extraction"):
        pipeline.load_named("../../etc/passwd")


def test_every_shipped_pipeline_is_valid_and_lies_under_its_own_name() -> None:
    names = [shipped.name for shipped in pipeline.available()]
    assert names == [file.stem for file in sorted(pipeline.SHIPPED.glob("*.yaml"))]


def test_a_definition_survives_being_stored_as_json() -> None:
    original = pipeline.load_named("brain-extraction")
    assert Pipeline.model_validate(original.model_dump(mode="json")).digest == original.digest


def test_the_digest_changes_with_the_definition_and_not_with_its_layout() -> None:
    digest = pipeline.parse(DEFINITION).digest
    assert len(digest) == 64
    assert pipeline.parse("# a comment\n" + DEFINITION.replace("99.5", "9.95e+1")).digest == digest
    assert pipeline.parse(DEFINITION.replace("99.5", "99.6")).digest != digest


def test_the_digest_changes_with_the_code_version_of_an_operator() -> None:
    """Two operators whose definitions read alike, but for the version of their code."""
    digest = pipeline.parse(DEFINITION).digest
    spec = registry.find("test-brighter-than")
    renewed = replace(spec, version="8")
    try:
        registry.OPERATORS[spec.name] = renewed
        assert pipeline.parse(DEFINITION).digest != digest
    finally:
        registry.OPERATORS[spec.name] = spec


def test_the_digest_changes_with_the_model() -> None:
    text = pipeline.source_of("brain-extraction")
    pin = pipeline.parse(text).models["deepbet"].sha256
    assert pipeline.parse(text).digest != pipeline.parse(text.replace(pin, "f" * 64)).digest


def run(text: str, **options: Any) -> graph.Outputs:
    instances = mr_series(numbered_voxels())
    return graph.execute(pipeline.parse(text), Sources(source(instances)), models_dir=Path("/nowhere"), **options)


def test_steps_run_in_order_and_leave_masks_and_measurements() -> None:
    outputs = run(DEFINITION)
    bright = numbered_voxels() > 99.5
    np.testing.assert_array_equal(outputs.segments[0].array, bright)
    (measured,) = outputs.measurements
    assert (measured.name, measured.unit) == ("Bright volume", "ml")
    assert measured.value == pytest.approx(bright.sum() * 2 / 1000)


def test_every_step_is_timed_and_told_as_it_ends() -> None:
    heard: list[OperatorTiming] = []
    outputs = run(DEFINITION, on_step=heard.append)
    assert tuple(heard) == outputs.timings
    assert [timing.step for timing in heard] == ["image", "turned", "bright", "mask", "volume"]
    assert heard[2].operator == "test-brighter-than"
    assert heard[2].operator_version == "7"
    assert all(timing.seconds >= 0 and timing.peak_bytes > 10_000_000 for timing in heard)


def test_a_run_stops_where_its_listener_raises() -> None:
    class LeaseLostError(Exception): ...

    heard: list[str] = []

    def listener(timing: OperatorTiming) -> None:
        heard.append(timing.step)
        if timing.step == "turned":
            raise LeaseLostError

    with pytest.raises(LeaseLostError):
        run(DEFINITION, on_step=listener)
    assert heard == ["image", "turned"]


def test_values_are_dropped_after_their_last_use() -> None:
    alive: list[int] = []

    def images() -> int:
        gc.collect()
        return sum(type(one) is Volume and one.dtype == np.float32 for one in gc.get_objects())

    @operator("test-count-images", version="1")
    def count(mask: Mask) -> Mask:
        alive.append(images())
        return mask

    before = images()

    text = DEFINITION.replace("operator: match-grid\n    inputs: {volume: bright, reference: image}", "COUNT")
    run(text.replace("COUNT", "operator: test-count-images\n    inputs: {mask: bright}"))
    assert alive == [before]


def test_an_input_that_an_operator_refuses_is_a_permanent_fault_in_the_operators_words() -> None:
    with pytest.raises(OperatorFailed) as failure:
        run(DEFINITION.replace("99.5", "-1.0"))
    assert (failure.value.step, failure.value.operator) == ("bright", "test-brighter-than")
    assert failure.value.reason == str(failure.value) == "Nothing is that dark. Choose another level."
    assert isinstance(failure.value.cause, InputRefused)
    assert failure.value.is_permanent
    assert failure.value.is_input_fault


def test_a_fault_of_ours_says_so_and_may_be_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    text = DEFINITION.replace("operator: reorient", "operator: test-breaks").replace(
        "volume: image}", "image: image}", 1
    )
    with pytest.raises(OperatorFailed) as failure:
        run(text.replace("    parameters: {orientation: RAH}\n", ""))
    assert str(failure.value) == (
        'Step "turned" (test-breaks) failed: ZeroDivisionError: a fault of ours in 3 dimensions. '
        "This is a fault of the portal, not of the exam."
    )
    assert not failure.value.is_permanent
    assert not failure.value.is_input_fault
    assert "ZeroDivisionError" in caplog.text, "what nobody foresaw is logged whole"


def test_a_measurement_in_another_unit_than_promised_is_refused() -> None:
    with pytest.raises(OperatorContractBroken, match=r'"Bright volume" is defined in mm, .* measures in ml'):
        run(DEFINITION.replace("unit: ml", "unit: mm"))


def test_an_absent_model_ends_the_run_before_its_first_step() -> None:
    heard: list[OperatorTiming] = []
    with pytest.raises(ModelNotInstalled):
        graph.execute(
            pipeline.load_named("brain-extraction"),
            Sources(source(mr_series(numbered_voxels()))),
            models_dir=Path("/nowhere"),
            on_step=heard.append,
        )
    assert heard == []


def test_no_step_can_be_called_as_the_loading_of_models_is() -> None:
    assert faults(DEFINITION.replace("id: turned", f"id: {LOADING}"))[0].startswith("bright.yaml, line 13: steps[1].id")


def test_an_input_that_takes_any_number_takes_a_list_in_its_order() -> None:
    several = DEFINITION.replace(
        "inputs: {volume: bright, reference: image}", "inputs: {reference: image, parts: [bright, inner]}"
    )
    several = several.replace("operator: match-grid", "operator: stitch\n    parameters: {numbers: [1, 2]}")
    several = several.replace(
        "  - id: mask\n",
        "  - id: inner\n    operator: test-brighter-than\n    inputs: {image: turned}\n"
        "    parameters: {level: 149.5}\n  - id: mask\n",
    )
    read = pipeline.parse(several.replace("      number: 1\n", "      number: 1\n      value: 1\n"))
    assert read.steps[4].origins == ("image", "bright", "inner")
    series = source(mr_series(numbered_voxels()))
    made = graph.execute(read, Sources(series), models_dir=Path("none"))
    assert made.segments[0].array.sum() == (numbered_voxels() > 99.5).sum()
    wrong = several.replace("parts: [bright, inner]", "parts: [bright, image]")
    assert any('steps[4].inputs.parts[1]: expected Mask or Labels, but "image"' in line for line in faults(wrong))
    single = several.replace("parts: [bright, inner]", "parts: bright")
    assert any("steps[4].inputs.parts: expected a list of steps (stitch)" in line for line in faults(single))
