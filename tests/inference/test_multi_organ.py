"""The multi-organ pipeline: four demonstration models at once on the demonstration's real CT."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from inference import graph, pipeline
from inference.graph import Sources
from inference.timing import OperatorTiming
from inference.training.ct.case import Structure
from tests.inference import real_ct

pytestmark = pytest.mark.model

NAME = "multi-organ"
ACCEPTED = 0.90
ORGANS = {
    "Liver": (Structure.RIGHT_LOBE, Structure.LEFT_LOBE),
    "Spleen": (Structure.SPLEEN,),
    "Kidneys": (Structure.KIDNEYS,),
    "Lungs": (Structure.LUNGS,),
}


@lru_cache(maxsize=1)
def outputs() -> graph.Outputs:
    return graph.execute(pipeline.load_named(NAME), Sources(real_ct.series()), models_dir=real_ct.models_dir(NAME))


@pytest.mark.parametrize(("number", "organ"), list(enumerate(ORGANS)))
def test_each_organ_lies_where_it_is(number: int, organ: str) -> None:
    wanted = np.isin(real_ct.reference().array, ORGANS[organ])
    assert real_ct.dice(outputs().segments[number], wanted) >= ACCEPTED


def test_the_four_are_stitched_without_overlap_and_measured() -> None:
    segments, measured = outputs().segments, outputs().measurements
    assert np.sum([segment.array for segment in segments], axis=0).max() == 1
    voxel_ml = real_ct.reference().voxel_volume / 1000
    for organ, segment, measurement in zip(ORGANS, segments, measured, strict=True):
        assert measurement.name == f"{organ} volume"
        assert measurement.value == pytest.approx(np.count_nonzero(segment.array) * voxel_ml)


def test_organs_are_looked_at_at_the_same_time() -> None:
    looks = [timing for timing in outputs().timings if timing.step in {f"{organ.lower()}-scores" for organ in ORGANS}]
    assert len(looks) == len(ORGANS)
    assert any(_overlap(one, other) for one in looks for other in looks if one is not other)


def _overlap(one: OperatorTiming, other: OperatorTiming) -> bool:
    return one.started < other.started + other.seconds and other.started < one.started + one.seconds
