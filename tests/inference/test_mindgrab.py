"""Brain extraction with MindGrab: the operator on arrays, and the pipeline beside deepbet's on a real head."""

from __future__ import annotations

import numpy as np
import pytest
from highdicom import Volume

from inference import graph, pipeline
from inference.backends import Floats
from inference.errors import BlankImage, OperatorContractBroken
from inference.graph import Sources
from inference.operators.mindgrab import brain_probability, head_box, scale
from inference.operators.values import Image
from tests.inference.real_brain import axial_series, colin27, models_dir
from tests.inference.series import source


class Networks:
    """Stands where the model stands: says brain wherever the scaled image is at its brightest."""

    def __init__(self) -> None:
        self.given: list[Floats] = []

    def predict(self, _network: str, batch: Floats) -> Floats:
        self.given.append(batch)
        brain = batch[:, 0]
        return np.stack([1 - brain, brain], axis=1) * 20


def head(*, spacing: float = 1.0, value: float = 900.0) -> Image:
    array = np.zeros((40, 50, 60), dtype=np.float32)
    array[5:30, 10:45, 8:52] = value / 3
    array[10:25, 20:35, 20:40] = value
    volume = Volume(array, affine=np.diag([spacing] * 3 + [1.0]), coordinate_system="PATIENT")
    return Image(volume.to_patient_orientation("LFA"))


def test_the_network_sees_the_head_alone_scaled_to_the_whole_grids_percentiles() -> None:
    small = np.zeros((60, 60, 60), dtype=np.float32)
    small[10:50, 10:50, 10:50] = 1000
    with pytest.raises(BlankImage, match="no contrast"):
        scale(small)  # a head of 64 ml is less than 2 % of the grid
    grid = np.zeros((256, 256, 200), dtype=np.float32)
    grid[50:200, 50:200, 50:150] = np.arange(100)
    scaled = scale(grid)
    below = np.quantile(np.concatenate([grid.ravel(), np.zeros(256**3 - grid.size)]), 0.98)
    assert scaled.max() == 1
    assert (scaled == 1).sum() == (grid >= below).sum()
    assert head_box(scaled) == (slice(50, 200), slice(50, 200), slice(50 + int(np.ceil(0.1 * below)), 150))


def test_the_answer_lies_on_the_images_grid_and_nothing_outside_the_head_is_brain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inference.operators.mindgrab.GRID_VOXELS", 0)
    networks, image = Networks(), head()
    probability = brain_probability(image, model=networks)
    assert [given.shape for given in networks.given] == [(1, 1, 25, 44, 35)]
    assert networks.given[0].dtype == np.float32
    np.testing.assert_array_equal(probability.array > 0.5, image.array == 900)
    np.testing.assert_array_equal(probability.affine, image.affine)
    outside = image.array == 0
    assert probability.array[outside].max() == 0
    assert probability.array.dtype == np.float32


def test_it_asks_for_the_grid_that_the_network_was_trained_on() -> None:
    with pytest.raises(OperatorContractBroken, match="LFA"):
        brain_probability(Image(head().to_patient_orientation("RAH")), model=Networks())
    with pytest.raises(OperatorContractBroken, match='resample the image to "1 mm"'):
        brain_probability(head(spacing=2.0), model=Networks())


def test_both_pipelines_give_the_same_structure_and_the_same_number() -> None:
    deepbet, mindgrab = (pipeline.load_named(name) for name in ("brain-extraction", "brain-extraction-mindgrab"))
    assert [one.model_dump(exclude={"step"}) for one in deepbet.outputs.segments] == [
        one.model_dump(exclude={"step"}) for one in mindgrab.outputs.segments
    ]
    assert [one.model_dump(exclude={"step"}) for one in deepbet.outputs.measurements] == [
        one.model_dump(exclude={"step"}) for one in mindgrab.outputs.measurements
    ]
    assert deepbet.input == mindgrab.input


@pytest.mark.model
def test_two_models_of_one_task_agree_on_a_real_head() -> None:
    series = Sources(source(axial_series(colin27(), voxel=1.0)))
    masks = {}
    for name in ("brain-extraction", "brain-extraction-mindgrab"):
        outputs = graph.execute(pipeline.load_named(name), series, models_dir=models_dir(name))
        masks[name] = outputs.segments[0].array.astype(bool)
        print(name, [(timing.step, round(timing.seconds, 1)) for timing in outputs.timings], outputs.measurements[0])
    deepbet, mindgrab = masks.values()
    dice = 2 * (deepbet & mindgrab).sum() / (deepbet.sum() + mindgrab.sum())
    print(dice)
    assert dice >= 0.97
