"""The six exams of the patient with a glioma: their truth, their headers, and their place in space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from inference.operators.loading import load_volume
from inference.operators.values import SourceSeries
from inference.training.mr_contrasts import FLAIR
from portal.demo import glioma_exams
from portal.demo.assets import TissueMaps
from portal.demo.glioma_exams import FULL_SCALE, VISITS, Visit, drawn, write_visit
from portal.demo.series import STORED_MAXIMUM

BASELINE, LAST = VISITS[0], VISITS[-1]
COARSE = 4.0
"""Spacing of the plain tissue maps, in mm: a quarter of MNI152's grid."""


def quiet(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module", autouse=True)
def _coarse_scans() -> Iterator[None]:
    """Scans of few voxels, since these tests look at their headers and their geometry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glioma_exams, "IN_PLANE", 4.0)
        yield


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> TissueMaps:
    """White matter in a shell of grey matter, as three NIfTI files."""
    folder = tmp_path_factory.mktemp("maps")
    sizes = (48, 56, 48)
    centre = (np.array(sizes) - 1) / 2
    points = (np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1) - centre) * COARSE
    outward = (np.linalg.norm(points / (66, 82, 64), axis=-1) - 1) * 64
    parts = {"t1": outward <= 0, "gm": (outward <= 0) & (outward > -9), "wm": outward <= -9}
    for name, part in parts.items():
        image = nibabel.Nifti1Image((255 * part).astype(np.uint8), np.diag([COARSE, COARSE, COARSE, 1.0]))
        nibabel.save(image, folder / f"{name}.nii.gz")
    return TissueMaps(*(folder / f"{name}.nii.gz" for name in ("t1", "gm", "wm")))


def flair(visit: Visit, maps: TissueMaps, folder: Path) -> list[Dataset]:
    exam = write_visit(visit, maps, folder, quiet)
    return [pydicom.dcmread(path) for path in sorted(exam.folder.glob("02-*.dcm"))]


def test_the_patient_answers_to_treatment_and_then_progresses() -> None:
    volumes = [visit.lesion_ml for visit in VISITS]
    assert len(volumes) == 6
    assert min(volumes) < volumes[0] < volumes[-1]
    assert all(later >= 1.4 * min(volumes) for later in volumes[-2:])
    assert [visit.study_date for visit in VISITS] == sorted(visit.study_date for visit in VISITS)


def test_the_truth_stands_in_every_image(maps: TissueMaps, tmp_path: Path) -> None:
    for instance in flair(BASELINE, maps, tmp_path):
        assert "measures 12.0 ml" in instance.DerivationDescription
        assert len(instance.DerivationDescription) <= 1024
        assert (instance.SeriesDescription, instance.Modality) == ("AX FLAIR", "MR")
        assert instance.InversionTime == 2500
    assert drawn(BASELINE, maps, FLAIR).lesion_ml == pytest.approx(12.0, abs=0.04)


def test_what_is_read_back_lies_where_it_was_drawn(maps: TissueMaps, tmp_path: Path) -> None:
    volume = load_volume(SourceSeries(tuple(flair(BASELINE, maps, tmp_path))))
    acquired = drawn(BASELINE, maps, FLAIR)
    assert volume.affine == pytest.approx(acquired.grid.affine, abs=1e-4)
    assert volume.array == pytest.approx(acquired.image * STORED_MAXIMUM / FULL_SCALE, abs=0.51)


def test_a_second_run_sends_the_same_exam(maps: TissueMaps, tmp_path: Path) -> None:
    first, second = (flair(BASELINE, maps, tmp_path / name) for name in ("one", "two"))
    assert [one.SOPInstanceUID for one in first] == [one.SOPInstanceUID for one in second]
    assert first[20].PixelData == second[20].PixelData


def test_each_date_is_a_study_and_a_frame_of_its_own(maps: TissueMaps, tmp_path: Path) -> None:
    first, last = flair(BASELINE, maps, tmp_path)[0], flair(LAST, maps, tmp_path)[0]
    assert first.PatientID == last.PatientID
    assert first.StudyInstanceUID != last.StudyInstanceUID
    assert first.FrameOfReferenceUID != last.FrameOfReferenceUID
    assert len(list((tmp_path / LAST.accession_number).glob("03-*.dcm"))) > 20  # and T1, which is not to be taken


def test_another_volume_makes_the_exam_anew(maps: TissueMaps, tmp_path: Path) -> None:
    flair(BASELINE, maps, tmp_path)
    assert "measures 9.0 ml" in flair(replace(BASELINE, lesion_ml=9.0), maps, tmp_path)[0].DerivationDescription
