"""The shipped pipeline with its real model on real brains."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from inference import graph, pipeline
from inference.errors import ModelDigestMismatch, OperatorFailed
from inference.graph import Sources
from inference.operators.values import SourceSeries
from inference.timing import LOADING
from tests.inference import real_brain
from tests.inference.real_brain import axial_series, colin27, mni152, models_dir, sagittal_series
from tests.inference.series import source

pytestmark = pytest.mark.model

MNI152_ML = 1953
"""What the pipeline measures of the MNI152 at its full resolution of 1 mm; the tests take every second voxel."""
COLIN27_ML = 1956
"""What deepbet's own code measures of Colin27."""


def extract(series: SourceSeries) -> graph.Outputs:
    return graph.execute(pipeline.load_named("brain-extraction"), Sources(series), models_dir=models_dir())


def test_the_brain_is_found_where_it_is_and_measured() -> None:
    series = source(axial_series(mni152(), voxel=2.0))
    outputs = extract(series)
    (measured,) = outputs.measurements
    assert measured.name == "Brain volume"
    assert measured.value == pytest.approx(MNI152_ML, rel=0.01)
    # The volume is skull-stripped: nearly all that is bright must be inside the mask.
    bright = np.stack([instance.pixel_array for instance in series.instances]) > 60
    inside = outputs.segments[0].array.astype(bool)
    assert (bright & inside).sum() / bright.sum() > 0.99
    assert inside.sum() / bright.sum() < 1.2


def test_the_plane_of_acquisition_changes_nothing() -> None:
    axial = extract(source(axial_series(mni152(), voxel=2.0)))
    sagittal = extract(source(sagittal_series(mni152(), voxel=2.0)[::-1]))
    assert sagittal.measurements[0].value == axial.measurements[0].value
    towards_front = axial.segments[0].to_patient_orientation("RAH").array
    np.testing.assert_array_equal(sagittal.segments[0].to_patient_orientation("RAH").array, towards_front)


def test_a_person_measures_as_in_deepbets_own_code() -> None:
    outputs = extract(source(axial_series(colin27(), voxel=1.0)))
    assert outputs.measurements[0].value == pytest.approx(COLIN27_ML, abs=1)


def test_time_and_memory_of_every_operator_are_known() -> None:
    outputs = extract(source(axial_series(mni152(), voxel=2.0)))
    assert [timing.step for timing in outputs.timings] == [
        LOADING,
        *(step.id for step in pipeline.load_named("brain-extraction").steps),
    ]
    inference = next(timing for timing in outputs.timings if timing.operator == "brain-mask-deepbet")
    assert inference.seconds == max(timing.seconds for timing in outputs.timings)
    assert inference.peak_bytes > 300_000_000


def test_a_black_series_fails_in_words() -> None:
    with pytest.raises(OperatorFailed, match="The image has no contrast") as failure:
        extract(source(axial_series(np.zeros((40, 40, 40), dtype=np.uint16), voxel=2.0)))
    assert failure.value.is_input_fault


def test_a_model_with_one_changed_byte_is_never_run(tmp_path: Path) -> None:
    text = pipeline.source_of("brain-extraction")
    changed = shutil.copytree(real_brain.models_dir(), tmp_path / "models") / "deepbet" / "1.0.2" / "model.pt"
    content = changed.read_bytes()
    changed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    pin = pipeline.parse(text).models["deepbet"].sha256
    other = pipeline.parse(text.replace(pin, "f" * 64))
    with pytest.raises(ModelDigestMismatch, match=r"model\.pt of model deepbet 1\.0\.2"):
        graph.execute(other, Sources(source(axial_series(mni152(), voxel=2.0))), models_dir=tmp_path / "models")
