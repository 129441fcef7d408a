"""The demonstration's radiographs: five images of hips, valid DICOM, and the same each time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from inference.operators.radiographs import load_radiographs
from inference.operators.values import SourceSeries
from portal.demo import xray_exams
from portal.demo.exams import DemonstrationExam
from portal.demo.xray_exams import CAST, HIP_SPACING, PELVIS_GRID, HipRecipe

ONE_SERIES, FIVE_SERIES = (recipe for recipe in CAST if isinstance(recipe, HipRecipe))


def quiet(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def hips(tmp_path_factory: pytest.TempPathFactory) -> dict[HipRecipe, DemonstrationExam]:
    folder = tmp_path_factory.mktemp("exams")
    return {recipe: xray_exams.write_exam(recipe, None, folder, quiet) for recipe in (ONE_SERIES, FIVE_SERIES)}


def images(exam: DemonstrationExam) -> list[Dataset]:
    return [pydicom.dcmread(file) for file in sorted(exam.folder.glob("*.dcm"))]


def test_an_exam_of_hips_has_five_views_of_which_one_shows_the_pelvis(hips: dict[HipRecipe, DemonstrationExam]) -> None:
    for exam in hips.values():
        views = [(one.ViewPosition, one.ImageLaterality) for one in images(exam)]
        assert views == [("AP", "B"), ("AP", "R"), ("AP", "L"), ("RLO", "R"), ("LLO", "L")]


def test_images_come_as_one_series_or_as_one_each(hips: dict[HipRecipe, DemonstrationExam]) -> None:
    series = {recipe: {one.SeriesInstanceUID for one in images(exam)} for recipe, exam in hips.items()}
    assert len(series[ONE_SERIES]) == 1
    assert len(series[FIVE_SERIES]) == 5
    assert len({one.SOPInstanceUID for exam in hips.values() for one in images(exam)}) == 10


def test_every_image_says_that_it_is_a_phantom(hips: dict[HipRecipe, DemonstrationExam]) -> None:
    for exam in hips.values():
        for one in images(exam):
            assert "Overread demonstration data, not a patient's. A phantom" in one.DerivationDescription
            assert one.ImageType[0] == "DERIVED"


def test_the_pelvis_is_read_back_in_its_size_and_its_grey_levels(hips: dict[HipRecipe, DemonstrationExam]) -> None:
    loaded = load_radiographs(SourceSeries(tuple(images(hips[ONE_SERIES])))).images[0]
    assert loaded.pixels.shape == (PELVIS_GRID.rows, PELVIS_GRID.columns)
    assert loaded.spacing_mm == (HIP_SPACING, HIP_SPACING)
    assert (loaded.pixels.min(), loaded.pixels.max()) == (0, 1)
    thighs, between = loaded.pixels[-60:, 200:500].mean(), loaded.pixels[-60:, 690:740].mean()
    assert thighs > between


def test_dciodvfy_finds_no_error(hips: dict[HipRecipe, DemonstrationExam]) -> None:
    for exam in hips.values():
        for file in sorted(exam.folder.glob("*.dcm"))[::3]:
            said = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False)
            assert "DXImageForPresentation" in said.stderr
            assert "Error" not in said.stderr, said.stderr


def test_a_second_run_makes_the_same_exam_byte_for_byte(
    hips: dict[HipRecipe, DemonstrationExam], tmp_path: Path
) -> None:
    again = xray_exams.write_exam(ONE_SERIES, None, tmp_path, quiet)
    first = hips[ONE_SERIES]
    assert again.study_instance_uid == first.study_instance_uid == images(first)[0].StudyInstanceUID
    for file in again.folder.glob("*.dcm"):
        assert file.read_bytes() == (first.folder / file.name).read_bytes()


def test_an_exam_already_there_is_kept(hips: dict[HipRecipe, DemonstrationExam]) -> None:
    exam = hips[ONE_SERIES]
    before = {file.name: file.stat().st_mtime_ns for file in exam.folder.iterdir()}
    xray_exams.write_exam(ONE_SERIES, None, exam.folder.parent, quiet)
    assert {file.name: file.stat().st_mtime_ns for file in exam.folder.iterdir()} == before


def test_both_hips_lie_inside_the_pelvis_image() -> None:
    for recipe in (ONE_SERIES, FIVE_SERIES):
        for box in xray_exams.hip_boxes(recipe):
            corners = np.array([box.top, box.left, PELVIS_GRID.rows - box.bottom, PELVIS_GRID.columns - box.right])
            assert corners.min() > 0
