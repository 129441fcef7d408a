"""The demonstration's CT exam: every density in its place, valid DICOM, the same each time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest

from inference.operators.loading import load_volume
from inference.operators.values import SourceSeries
from portal.demo import ct_exams
from portal.demo.ct_series import INTERCEPT_HU
from portal.demo.exams import DemonstrationExam
from portal.demo.series import STORED_MAXIMUM

SPACING_MM = (0.703125, 0.703125, 2.5)
BELOW_AIR_HU, SKULL_HU = -2048, 3071


def quiet(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    """A NIfTI file of HU, its axes towards left, front and head, with corners that DICOM cannot write in 16 digits."""
    densities = np.random.default_rng(4).integers(-1024, 2000, (40, 36, 12)).astype(np.int16)
    densities[0, 0, 0], densities[1, 2, 3] = BELOW_AIR_HU, SKULL_HU
    affine = np.diag([-SPACING_MM[0], SPACING_MM[1], SPACING_MM[2], 1.0])
    affine[:3, 3] = (166.0, -187.59687805, -340.0)
    path = tmp_path / "ct.nii.gz"
    nibabel.save(nibabel.Nifti1Image(densities, affine), path)
    return path


@pytest.fixture
def exam(ct: Path, tmp_path: Path) -> DemonstrationExam:
    return ct_exams.write_ct_exam(ct, tmp_path / "out", quiet)


def test_every_density_is_read_back_where_it_was(exam: DemonstrationExam, ct: Path) -> None:
    published = ct_exams.load(ct)
    read = load_volume(SourceSeries.from_files(sorted(exam.folder.glob("*.dcm"))))
    matched = read.match_geometry(published, tol=1e-4)
    assert np.array_equal(matched.array, published.array.clip(INTERCEPT_HU, INTERCEPT_HU + STORED_MAXIMUM))


def test_the_geometry_is_the_published_one(exam: DemonstrationExam) -> None:
    read = load_volume(SourceSeries.from_files(exam.folder.glob("*.dcm")))
    assert read.spatial_shape == (12, 36, 40)
    assert read.spacing == pytest.approx((2.5, 0.703125, 0.703125))
    assert read.direction[:, 0] == pytest.approx([0, 0, 1])


def test_dciodvfy_finds_no_error(exam: DemonstrationExam) -> None:
    for file in sorted(exam.folder.glob("*.dcm"))[:2]:
        said = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False)
        assert "Error" not in said.stderr, said.stderr


def test_a_second_run_makes_the_same_exam_byte_for_byte(exam: DemonstrationExam, ct: Path, tmp_path: Path) -> None:
    again = ct_exams.write_ct_exam(ct, tmp_path / "again", quiet)
    first, second = ([file.read_bytes() for file in sorted(one.folder.glob("*.dcm"))] for one in (exam, again))
    assert first == second
    assert len(first) == 12


def test_an_exam_that_was_left_half_made_is_made_again(exam: DemonstrationExam, ct: Path, tmp_path: Path) -> None:
    (exam.folder / "02-0005.dcm").unlink()
    (tmp_path / "out" / f"{exam.accession_number}.made").unlink()
    ct_exams.write_ct_exam(ct, tmp_path / "out", quiet)
    assert len(list(exam.folder.glob("*.dcm"))) == 12


def test_the_description_of_the_derivation_fits_its_attribute() -> None:
    assert len(ct_exams.DERIVATION) <= 1024
