"""The liver pipeline with its demonstration models on the demonstration's real CT."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from inference import graph, pipeline
from inference.graph import Sources
from inference.training.ct.case import Structure
from tests.inference import real_ct

pytestmark = pytest.mark.model

NAME = "liver-transplant"
ACCEPTED = {"right lobe": 0.90, "left lobe": 0.90, "vessels": 0.85}
"""Least Dice. A vein is some voxels wide, and the model's card says how far its outlines can be trusted."""
PARTS = {"right lobe": Structure.RIGHT_LOBE, "left lobe": Structure.LEFT_LOBE, "vessels": Structure.VESSELS}


@lru_cache(maxsize=1)
def outputs() -> graph.Outputs:
    return graph.execute(pipeline.load_named(NAME), Sources(real_ct.series()), models_dir=real_ct.models_dir(NAME))


@pytest.mark.parametrize(("number", "part"), list(enumerate(PARTS)))
def test_each_part_of_the_liver_lies_where_it_is(number: int, part: str) -> None:
    wanted = real_ct.reference().array == PARTS[part]
    assert real_ct.dice(outputs().segments[number], wanted) >= ACCEPTED[part]


def test_no_voxel_belongs_to_two_parts() -> None:
    assert np.sum([segment.array for segment in outputs().segments], axis=0).max() == 1


def test_volumes_and_remnant_add_up() -> None:
    measured = {one.name: one.value for one in outputs().measurements}
    right, left = measured["Right lobe volume"], measured["Left lobe volume"]
    assert measured["Liver volume"] == pytest.approx(right + left)
    assert measured["Future liver remnant"] == pytest.approx(100 * left / (right + left))
    voxel_ml = real_ct.reference().voxel_volume / 1000
    assert right == pytest.approx(np.count_nonzero(outputs().segments[0].array) * voxel_ml)
    wanted = np.isin(real_ct.reference().array, (Structure.RIGHT_LOBE, Structure.LEFT_LOBE))
    assert measured["Liver volume"] == pytest.approx(np.count_nonzero(wanted) * voxel_ml, rel=0.08)


def test_the_pipeline_says_that_it_is_for_demonstration() -> None:
    assert pipeline.load_named(NAME).notice == "Demonstration model, not for clinical use"
