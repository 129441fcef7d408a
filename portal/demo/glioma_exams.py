"""One fictional patient with a glioma, seen six times: it shrinks under treatment, then grows again.

The head is drawn from MNI152's tissue maps and the lesion into it, so that its true volume is known at every date and
stands in DerivationDescription. Every run makes the same exams with the same UIDs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import highdicom as hd
import numpy as np
from numpy.typing import NDArray

from inference.training import brains
from inference.training.brain_lesions import Patient as Head
from inference.training.brain_lesions import new_patient
from inference.training.brains import Brain
from inference.training.glioma_cases import axial_grid, pose
from inference.training.mr_acquisition import Acquired, Scan, acquire
from inference.training.mr_contrasts import FLAIR, T1, Contrast
from portal.demo import mr_series, series
from portal.demo.assets import Progress, TissueMaps, fetch_tissue_maps
from portal.demo.exams import DemonstrationExam, Patient, display_width, exam_header, written_once
from portal.demo.mr_series import Protocol
from portal.demo.series import STORED_MAXIMUM, Plane, demonstration_uid

ASH = Patient("DEMO-0011", "Demo^Ash", "19780319", "F")
AE_TITLE = "GLIOMA"
HEAD_SEED = 24
"""Of the warp and the lesion; the model was trained on others."""
DRAWN_FOR_ML = 13.0
IN_PLANE, THICKNESS = 1.25, 4.0
FIELD_OF_VIEW = (172.0, 235.0, 200.0)
LAYERS = (2.5, 8.0, 12.5, 14.5)
"""Where fluid, bone, fat and skin end, in mm outside the brain."""
FULL_SCALE = 2.0
"""Signal that is stored as the largest value."""
FORMAT = 1  # raise it when the files that the same visits give change

AX_FLAIR = Protocol(
    series_number=2,
    description="AX FLAIR",
    acquisition_type="2D",
    scanning_sequence=("SE", "IR"),
    sequence_variant=("SK", "SP"),
    repetition_time=9000,
    echo_time=120,
    flip_angle=150,
    inversion_time=2500,
)
AX_T1 = Protocol(
    series_number=3,
    description="AX T1 SE",
    acquisition_type="2D",
    scanning_sequence=("SE",),
    sequence_variant=("SP",),
    repetition_time=550,
    echo_time=9,
    flip_angle=90,
)
Series = tuple[tuple[Protocol, Contrast], ...]


@dataclass(frozen=True)
class Visit:
    """One date, and the volume that the lesion has then, in ml."""

    number: int
    study_date: str
    study_time: str
    title: str
    lesion_ml: float
    series: Series = ((AX_FLAIR, FLAIR),)
    patient: Patient = ASH

    @property
    def accession_number(self) -> str:
        return f"DEMO-G{self.number}"

    @property
    def derivation(self) -> str:
        """DerivationDescription: what the images are made from, and the truth (ST, 1024 characters)."""
        return (
            "Overread demonstration data, not a patient's. Drawn from the tissue maps of MNI152 2009a (nonlinear, "
            "symmetric; BSD-3), bent to another head; skull, scalp, lesion and acquisition parameters are invented. "
            f"The lesion (core, necrosis and oedema, out to where its change of signal has fallen to half) measures "
            f"{self.lesion_ml:.1f} ml."
        )


VISITS = (
    Visit(1, "20240911", "091500", "Ash, baseline", 12.0),
    Visit(2, "20241204", "101000", "Ash, 3 months", 11.0),
    Visit(3, "20250305", "084500", "Ash, 6 months", 10.0),
    Visit(4, "20250611", "111500", "Ash, 9 months", 10.5),
    Visit(5, "20250910", "093000", "Ash, 12 months", 15.0),
    Visit(6, "20251210", "102000", "Ash, 15 months", 23.0, ((AX_FLAIR, FLAIR), (AX_T1, T1))),
)


def write_glioma_exams(cache_dir: Path, out_dir: Path, progress: Progress) -> list[DemonstrationExam]:
    """Make the six exams under `out_dir`, one folder each; those already there are kept. Raises AssetError."""
    maps = fetch_tissue_maps(cache_dir, progress)
    try:
        return [write_visit(visit, maps, out_dir, progress) for visit in VISITS]
    finally:
        for kept in (_head, _brain):
            kept.cache_clear()  # a quarter of a GB


def write_visit(visit: Visit, maps: TissueMaps, out_dir: Path, progress: Progress) -> DemonstrationExam:
    """Make one exam, unless `out_dir` holds it whole, made in the same way."""
    folder = written_once(
        out_dir / visit.accession_number,
        made_by=f"{FORMAT} {visit!r} {visit.derivation}",
        write=lambda folder: _write_files(visit, maps, folder, progress),
    )
    return DemonstrationExam(
        study_instance_uid=demonstration_uid(visit.accession_number),
        accession_number=visit.accession_number,
        patient_id=visit.patient.patient_id,
        title=visit.title,
        folder=folder,
        ae_titles=(AE_TITLE,),
    )


def drawn(visit: Visit, maps: TissueMaps, contrast: Contrast) -> Acquired:
    """The visit's scan in one contrast, with the lesion's true mask. The head lies a little otherwise every time."""
    turned = pose(np.random.default_rng([HEAD_SEED, visit.number]), degrees=4, mm=5)
    scan = Scan(
        grid=axial_grid(in_plane=IN_PLANE, thickness=THICKNESS, field_of_view=FIELD_OF_VIEW),
        pose=turned,
        contrast=contrast,
        shading=0.08,
        noise=0.025,
        layers=LAYERS,
        has_dark_background=False,
    )
    noise = np.random.default_rng([HEAD_SEED, visit.number, len(contrast.name)])
    return acquire(_head(maps), scan, noise, lesion_ml=visit.lesion_ml)


@cache
def _brain(maps: TissueMaps) -> Brain:
    return brains.mni152(maps.t1, maps.grey, maps.white)


@cache
def _head(maps: TissueMaps) -> Head:
    return new_patient(_brain(maps), np.random.default_rng(HEAD_SEED), lesion_ml=DRAWN_FOR_ML)


def _write_files(visit: Visit, maps: TissueMaps, folder: Path, progress: Progress) -> None:
    for done, (protocol, contrast) in enumerate(visit.series, start=1):
        acquired = drawn(visit, maps, contrast)
        volume = hd.Volume(_stored(acquired.image), affine=acquired.grid.affine, coordinate_system="PATIENT")
        exam = exam_header(visit, window_width=display_width(volume))
        exam.ManufacturerModelName = "Drawn brains"
        for _ in mr_series.write_series(
            series.slices_of(volume, Plane.AXIAL), exam=exam, protocol=protocol, folder=folder
        ):
            pass
        progress(visit.title, done, len(visit.series))


def _stored(signal: NDArray[np.float32]) -> NDArray[np.uint16]:
    scaled = np.rint(signal * (STORED_MAXIMUM / FULL_SCALE))
    return np.asarray(scaled.clip(0, STORED_MAXIMUM), dtype=np.uint16)
