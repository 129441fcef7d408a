"""Networks over volumes larger than their window, held to MONAI's numbers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference.backends import Floats
from inference.errors import OperatorContractBroken
from inference.operators.networks import arg_max, classify_volume, sliding_window, sliding_window_probability
from tests.inference.operators.volumes import image, scores
from tests.inference.series import mr_series, numbered_voxels, source

RNG = np.random.default_rng(7)


class Network:
    """A model of one network, `model.pt`, that is a function of arrays."""

    def __init__(self, answer: Callable[[Floats], Floats]) -> None:
        self._answer = answer
        self.shapes: list[tuple[int, ...]] = []

    def predict(self, network: str, batch: Floats) -> Floats:
        assert network == "model.pt"
        self.shapes.append(batch.shape)
        return self._answer(batch)


def place_dependent(batch: Floats) -> Floats:
    """Logits that depend on where in its window a voxel lies, so that wrong blending shows."""
    ramp = np.linspace(0, 1, batch[0, 0].size, dtype=np.float32).reshape(batch.shape[2:])
    return np.concatenate([batch, 2 * batch * ramp - 1, ramp - batch], axis=1)


MONAI = """
import sys, numpy, torch
from monai.inferers import sliding_window_inference
array = numpy.load(sys.argv[1])
def network(batch):
    ramp = torch.linspace(0, 1, batch[0, 0].numel()).reshape(batch.shape[2:])
    return torch.cat([batch, 2 * batch * ramp - 1, (ramp - batch)], dim=1)
made = [
    sliding_window_inference(
        torch.from_numpy(array)[None, None], window, 2, network, overlap=overlap, mode="gaussian"
    ).softmax(dim=1)[0].numpy()
    for window, overlap in [((8, 8, 8), 0.25), ((7, 16, 9), 0.5), ((32, 20, 5), 0.0)]
]
numpy.savez(sys.argv[2], *made)
"""


@pytest.mark.model
def test_windows_are_placed_weighted_and_blended_as_monai_does(tmp_path: Path) -> None:
    array = RNG.random((19, 24, 15), dtype=np.float32)
    np.save(tmp_path / "in.npy", array)
    subprocess.run([sys.executable, "-c", MONAI, tmp_path / "in.npy", tmp_path / "out.npz"], check=True)
    theirs = np.load(tmp_path / "out.npz")
    for name, window, overlap in [("arr_0", (8, 8, 8), 0.25), ("arr_1", (7, 16, 9), 0.5), ("arr_2", (32, 20, 5), 0.0)]:
        ours = sliding_window(image(array), model=Network(place_dependent), window=window, overlap=overlap, batch=3)
        np.testing.assert_allclose(np.moveaxis(ours.array, -1, 0), theirs[name], atol=2e-5)


def test_scores_add_up_to_1_and_batches_hold_as_many_windows_as_asked() -> None:
    network = Network(place_dependent)
    made = sliding_window(image(RNG.random((20, 8, 8))), model=network, window=(8, 8, 8), batch=2)
    assert network.shapes == [(2, 1, 8, 8, 8), (1, 1, 8, 8, 8)]
    np.testing.assert_allclose(made.array.sum(axis=-1), 1, atol=1e-6)
    assert made.array.shape == (20, 8, 8, 3)


def test_a_volume_smaller_than_the_window_is_padded_and_cut_back() -> None:
    network = Network(lambda batch: np.concatenate([0 * batch, batch], axis=1))
    small = image(RNG.random((3, 12, 5)))
    made = sliding_window(small, model=network, window=(8, 8, 8))
    assert all(shape == (1, 1, 8, 8, 8) for shape in network.shapes)
    np.testing.assert_allclose(made.array[..., 1], 1 / (1 + np.exp(-small.array)), atol=1e-6)


def test_a_network_with_one_logit_gives_probabilities() -> None:
    logits = image(RNG.normal(0, 30, (6, 6, 6)))
    made = sliding_window_probability(logits, model=Network(lambda batch: batch), window=(4, 4, 4))
    np.testing.assert_allclose(made.array, 1 / (1 + np.exp(-logits.array.astype(np.float64))), atol=1e-5)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda batch: batch * np.nan, "not numbers"),
        (lambda batch: np.concatenate([batch, batch / 0.0], axis=1), "not numbers"),
        (lambda batch: batch[:, 0], r"answered \(1, 4, 4, 4\)"),
        (lambda batch: batch[:, :, :2], r"answered \(1, 1, 2, 4, 4\)"),
        (lambda batch: batch, 'Use the operator "sliding-window-probability"'),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_network_that_breaks_its_contract_is_told_so(answer: Callable[[Floats], Floats], message: str) -> None:
    with pytest.raises(OperatorContractBroken, match=message) as fault:
        sliding_window(image(np.ones((6, 6, 6))), model=Network(answer), window=(4, 4, 4))
    assert fault.value.is_permanent


def test_several_logits_are_no_single_probability() -> None:
    with pytest.raises(OperatorContractBroken, match="gives 3 values a voxel"):
        sliding_window_probability(image(np.ones((6, 6, 6))), model=Network(place_dependent), window=(4, 4, 4))


def test_the_most_probable_class_wins_and_of_equal_ones_the_lower() -> None:
    given = RNG.random((4, 3, 3, 3))
    given[2, 0, 0, 0] = given[3, 0, 0, 0] = 2
    made = arg_max(scores(*given))
    np.testing.assert_array_equal(made.array, given.argmax(axis=0))
    assert made.array.dtype == np.uint8
    assert made.number_of_channel_dimensions == 0


def test_a_volume_is_given_the_most_probable_class_and_names_its_images() -> None:
    series = source(mr_series(numbered_voxels()))
    network = Network(lambda _batch: np.array([[1.0, 3.0, 2.0]], dtype=np.float32))
    found = classify_volume(image(np.ones((4, 4, 4))), series, model=network, classes=["low", "high", "none"])
    assert network.shapes == [(1, 1, 4, 4, 4)]
    assert found.label == "high"
    assert found.probabilities == pytest.approx(
        dict(zip(("low", "high", "none"), np.exp([1, 3, 2]) / np.exp([1, 3, 2]).sum(), strict=True))
    )
    assert found.sop_instance_uids == tuple(one.SOPInstanceUID for one in series.instances)


@pytest.mark.parametrize("answer", [np.ones((1, 3)), np.array([[np.nan, 1.0]]), np.ones((2,))])
def test_a_classifier_that_breaks_its_contract_is_told_so(answer: Floats) -> None:
    with pytest.raises(OperatorContractBroken, match=r"where \(1, 2\) finite numbers are expected"):
        classify_volume(
            image(np.ones((4, 4, 4))),
            source(mr_series(numbered_voxels())),
            model=Network(lambda _batch: answer),
            classes=["a", "b"],
        )
