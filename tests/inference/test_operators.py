"""Each operator on arrays small enough to check by eye."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from highdicom import Volume
from numpy.typing import NDArray

from inference.backends import Floats
from inference.errors import BlankImage, EmptyMask, NothingFound, OperatorContractBroken
from inference.operators import registry
from inference.operators.components import Connectivity, fill_holes, keep_largest_component
from inference.operators.deepbet import brain_box, brain_probability, resample_nearest, standardise
from inference.operators.grids import match_grid, reorient
from inference.operators.loading import load_volume
from inference.operators.masks import threshold
from inference.operators.measures import measure_volume
from inference.operators.registry import operator
from inference.operators.values import Image, Mask, Probability
from tests.inference.series import PLANES, mr_series, numbered_voxels, source


def volume(array: NDArray[np.generic], affine: NDArray[np.float64] | None = None) -> Volume:
    return Volume(array, affine=np.eye(4) if affine is None else affine, coordinate_system="PATIENT")


def mask(array: NDArray[np.generic]) -> Mask:
    return Mask(volume(array.astype(np.uint8)))


@pytest.mark.parametrize("plane", PLANES)
def test_a_reoriented_volume_returns_to_the_very_same_grid(plane: str) -> None:
    original = load_volume(source(mr_series(numbered_voxels(), orientation=PLANES[plane])))
    turned = reorient(original, orientation="RAH")
    assert "".join(axis.value for axis in turned.get_closest_patient_orientation()) == "RAH"
    returned = match_grid(turned, original)
    np.testing.assert_array_equal(returned.array, original.array)
    np.testing.assert_allclose(returned.affine, original.affine, atol=1e-9)


def test_a_volume_of_other_voxels_is_not_matched_by_force() -> None:
    original = load_volume(source(mr_series(numbered_voxels())))
    with pytest.raises(OperatorContractBroken, match="same voxels"):
        match_grid(reorient(original, orientation="RAH")[1:], original)
    oblique = load_volume(source(mr_series(numbered_voxels(), orientation=PLANES["oblique"])))
    with pytest.raises(OperatorContractBroken, match="axes"):
        match_grid(oblique, original)


def test_threshold_takes_what_lies_above_and_not_what_equals() -> None:
    probability = Probability(volume(np.array([[[0.2, 0.5, 0.51]]], dtype=np.float32)))
    assert threshold(probability).array.tolist() == [[[0, 0, 1]]]
    assert threshold(probability, above=0.1).array.tolist() == [[[1, 1, 1]]]


def test_only_the_largest_component_is_kept() -> None:
    array = np.zeros((6, 6, 6))
    array[0, 0, :2] = 1
    array[3:5, 3:5, 3:5] = 1
    kept = keep_largest_component(mask(array)).array
    assert kept.sum() == 8
    assert kept[4, 4, 4] == 1


@pytest.mark.parametrize(("connectivity", "voxels"), [(6, 1), (18, 1), (26, 2)])
def test_connectivity_decides_whether_voxels_that_share_a_corner_belong_together(
    connectivity: Connectivity, voxels: int
) -> None:
    corner = np.zeros((3, 3, 3))
    corner[0, 0, 0] = corner[1, 1, 1] = 1
    assert keep_largest_component(mask(corner), connectivity=connectivity).array.sum() == voxels


def test_an_empty_mask_has_no_largest_component_and_stays_empty() -> None:
    assert keep_largest_component(mask(np.zeros((3, 3, 3)))).array.sum() == 0


def test_cavities_are_filled_and_bays_stay_open() -> None:
    shell = np.zeros((7, 7, 7))
    shell[1:6, 1:6, 1:6] = 1
    shell[3, 3, 3] = 0
    shell[1, 2, 2] = 0
    filled = fill_holes(mask(shell)).array
    assert filled[3, 3, 3] == 1
    assert filled[1, 2, 2] == 0
    assert filled[0].sum() == 0


def test_volume_counts_voxels_of_one_label_times_the_determinant() -> None:
    labels = np.zeros((4, 4, 4), dtype=np.uint8)
    labels[0, :2, :3] = 1
    labels[3] = 2
    stretched = Mask(volume(labels, np.diag([2.0, 1.5, 3.0, 1.0])))
    assert measure_volume(stretched).value == pytest.approx(6 * 9 / 1000)
    assert measure_volume(stretched).unit == "ml"
    assert measure_volume(stretched, label=2).value == pytest.approx(16 * 9 / 1000)


def test_volume_of_nothing_is_an_error_not_a_zero() -> None:
    with pytest.raises(EmptyMask, match="found nothing"):
        measure_volume(mask(np.zeros((2, 2, 2))))


class Networks:
    """Stands where a model stands: says brain wherever the second channel is asked for and the image is bright."""

    def __init__(self, *, finds: bool = True) -> None:
        self.asked: list[tuple[str, tuple[int, ...]]] = []
        self._finds = finds

    def predict(self, network: str, batch: Floats) -> Floats:
        self.asked.append((network, batch.shape))
        brain = (batch[:, 0] > batch.mean()) & self._finds
        return np.stack([~brain, brain], axis=1).astype(np.float32)


def head(shape: tuple[int, int, int] = (40, 50, 44)) -> Image:
    array = np.zeros(shape, dtype=np.float32)
    array[10:30, 12:40, 8:36] = 100
    return Image(volume(array).to_patient_orientation("RAH"))


def test_deepbet_looks_coarsely_then_closely_and_answers_on_the_images_grid() -> None:
    networks = Networks()
    probability = brain_probability(head(), model=networks)
    assert networks.asked == [("bbox_model.pt", (1, 1, 128, 128, 128)), ("model.pt", (1, 1, 256, 256, 256))]
    np.testing.assert_array_equal(probability.array > 0.5, head().array > 0)
    np.testing.assert_array_equal(probability.affine, head().affine)


def test_deepbet_refuses_what_has_no_contrast_and_what_holds_no_brain() -> None:
    flat = Image(head().with_array(np.full((40, 50, 44), 7, dtype=np.float32)))
    with pytest.raises(BlankImage, match="no contrast"):
        brain_probability(flat, model=Networks())
    with pytest.raises(NothingFound, match="no brain"):
        brain_probability(head(), model=Networks(finds=False))


def test_deepbet_asks_for_the_orientation_it_was_trained_on() -> None:
    with pytest.raises(OperatorContractBroken, match="RAH"):
        brain_probability(Image(head().to_patient_orientation("LPH")), model=Networks())


def test_nearest_resampling_takes_the_voxel_at_each_centre() -> None:
    row = np.arange(4, dtype=np.float32).reshape(4, 1, 1)
    assert resample_nearest(row, (2, 1, 1)).ravel().tolist() == [1, 3]
    assert resample_nearest(row, (8, 1, 1)).ravel().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert resample_nearest(row, (3, 1, 1)).ravel().tolist() == [0, 2, 3]


@pytest.mark.parametrize(("given", "wanted"), [(181, 128), (233, 256), (256, 181), (71, 256), (256, 512)])
def test_nearest_resampling_agrees_with_torch(given: int, wanted: int) -> None:
    import torch

    values = np.arange(given, dtype=np.float32)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], wanted, mode="nearest-exact")
    ours = resample_nearest(values.reshape(-1, 1, 1), (wanted, 1, 1))
    np.testing.assert_array_equal(ours.ravel(), theirs.numpy().ravel())


def test_standardised_values_have_the_networks_mean_and_spread() -> None:
    values = standardise(np.linspace(0, 1000, 10_000, dtype=np.float32), low=np.float32(0), high=np.float32(1000))
    assert values.mean() == pytest.approx(0.449, abs=1e-4)
    assert values.std(ddof=1) == pytest.approx(0.226, abs=1e-4)


def test_the_box_is_scaled_widened_and_kept_inside_the_image() -> None:
    coarse = np.zeros((10, 10, 10), dtype=np.bool_)
    coarse[2:8, 0:6, 4:6] = True
    assert brain_box(coarse, (20, 20, 20)) == (slice(3, 17), slice(0, 13), slice(7, 12))


def test_two_operators_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match='two operators are called "threshold"'):

        @operator("threshold", version="2")
        def another(mask: Mask) -> Mask:
            return mask


def test_an_unknown_operator_is_answered_with_the_nearest_or_all_names() -> None:
    with pytest.raises(KeyError, match=r'did you mean "threshold"'):
        registry.find("treshold")
    with pytest.raises(KeyError, match=r"there are .*arg-max, .*volume-ml"):
        registry.find("zzz")


def test_operators_and_engine_load_without_the_deep_learning_framework_and_without_django() -> None:
    code = (
        "import sys, inference.graph, inference.pipeline, inference.standalone, inference.writers.seg; "
        "print([name for name in ('torch', 'django', 'dicom_ingest.models') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_who_receives_exams_loads_no_operator() -> None:
    code = (
        "import sys, django; django.setup(); import dicom_ingest.management.commands.receive; "
        "print([name for name in ('inference.operators', 'SimpleITK', 'scipy') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
