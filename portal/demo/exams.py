"""The demonstration's exams: a fixed cast of fictional patients, made from published brain volumes.

Every run makes the same files byte for byte, with the same UIDs. Each image says in DerivationDescription what it was
made from and how; the three dates of DEMO-0001 differ by a known change of volume, for the chart to show.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol as Structural

import highdicom as hd
import nibabel
import numpy as np
from pydicom.dataset import Dataset
from scipy.ndimage import affine_transform

from portal.demo import mr_series, series
from portal.demo.assets import COLIN27, MNI152, Assets, Progress, Volume
from portal.demo.mr_series import Protocol
from portal.demo.series import STORED_MAXIMUM, Plane, Slice, demonstration_uid

SOURCE_MAXIMUM = 255  # both volumes are 8-bit
FOLLOW_UP_VOLUMES = (0.970, 0.935)  # of the baseline's, at the second and third date of DEMO-0001
OTHER_HEAD = (1.030, 0.960, 0.990)  # DEMO-0003's size against MNI152's: right-left, front-back, foot-head
MATRIX_MULTIPLE = 8  # the grids are padded to it, as scanners' matrices are
FORMAT = 1  # raise it when the files that the same cast gives change

LOCALIZER = Protocol(
    series_number=1,
    description="Localizer",
    acquisition_type="2D",
    scanning_sequence=("GR",),
    sequence_variant=("SP", "OSP"),
    repetition_time=8.6,
    echo_time=4.0,
    flip_angle=20,
)


def _mprage(description: str) -> Protocol:
    return Protocol(
        series_number=2,
        description=description,
        acquisition_type="3D",
        scanning_sequence=("GR", "IR"),
        sequence_variant=("SP", "MP"),
        repetition_time=2300,
        echo_time=2.98,
        flip_angle=9,
        inversion_time=900,
    )


@dataclass(frozen=True)
class Patient:
    """A fictional patient."""

    patient_id: str
    name: str
    birth_date: str
    sex: str


ALDER = Patient("DEMO-0001", "Demo^Alder", "19630412", "O")
BIRCH = Patient("DEMO-0002", "Demo^Birch", "19960830", "M")
CEDAR = Patient("DEMO-0003", "Demo^Cedar", "19711105", "O")


@dataclass(frozen=True)
class Recipe:
    """How one exam is made. `scale` stretches the anatomy about the centre of the grid: right-left, front-back, up."""

    patient: Patient
    accession_number: str
    study_date: str
    study_time: str
    title: str
    source: Volume
    plane: Plane
    t1: Protocol
    ae_titles: tuple[str, ...] = ("BRAIN",)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def volume_fraction(self) -> float:
        """Volume of any structure in this exam over its volume in the source."""
        return math.prod(self.scale)

    @property
    def derivation(self) -> str:
        """DerivationDescription: what the images are made from, and how (ST, 1024 characters)."""
        parts = [
            "Overread demonstration data, not a patient's.",
            _DESCRIPTIONS[self.source],
            f"Intensities times {STORED_MAXIMUM}/{SOURCE_MAXIMUM}; padded with zeros.",
            f"Written as {self.plane.name.lower()} slices.",
        ]
        if self.scale != (1.0, 1.0, 1.0):
            factors = ", ".join(f"{factor:.5f}" for factor in self.scale)
            parts.append(
                f"Anatomy resampled (cubic) about the centre of the grid by {factors} (right-left, front-back, "
                f"foot-head): every volume is {100 * self.volume_fraction:.2f} % of the source's."
            )
        return " ".join(parts)


class Described(Structural):
    """What an exam's header says of it."""

    @property
    def patient(self) -> Patient: ...
    @property
    def accession_number(self) -> str: ...
    @property
    def study_date(self) -> str: ...
    @property
    def study_time(self) -> str: ...
    @property
    def derivation(self) -> str: ...


_DESCRIPTIONS = {
    MNI152: "Made from MNI152 2009a (nonlinear, symmetric), the skull-stripped mean T1 of 152 adults, 1 mm.",
    COLIN27: "Made from Colin27, the mean of 27 T1 scans of one adult, 1 mm.",
}


def _alder(number: int, study_date: str, title: str, volume_fraction: float) -> Recipe:
    return Recipe(
        patient=ALDER,
        accession_number=f"DEMO-A{number}",
        study_date=study_date,
        study_time="091500",
        title=title,
        source=MNI152,
        plane=Plane.AXIAL,
        t1=_mprage("AX T1 3D"),
        scale=(math.cbrt(volume_fraction),) * 3,
    )


CAST = (
    _alder(1, "20240916", "Alder, baseline", 1.0),
    _alder(2, "20250317", "Alder, after 6 months", FOLLOW_UP_VOLUMES[0]),
    _alder(3, "20250915", "Alder, after 12 months", FOLLOW_UP_VOLUMES[1]),
    Recipe(
        patient=BIRCH,
        accession_number="DEMO-B1",
        study_date="20250611",
        study_time="134000",
        title="Birch",
        source=COLIN27,
        plane=Plane.SAGITTAL,
        t1=_mprage("T1 MPRAGE SAG"),
        ae_titles=("BRAIN", "MINDGRAB"),
    ),
    Recipe(
        patient=CEDAR,
        accession_number="DEMO-C1",
        study_date="20250804",
        study_time="102500",
        title="Cedar",
        source=MNI152,
        plane=Plane.CORONAL,
        t1=_mprage("COR T1 3D"),
        scale=OTHER_HEAD,
    ),
)


@dataclass(frozen=True)
class DemonstrationExam:
    """One exam on disk, ready to send to each of `ae_titles`.

    expected_volume_fraction: volume of any structure over its volume in what the exam was made from.
    """

    study_instance_uid: str
    accession_number: str
    patient_id: str
    title: str
    folder: Path
    ae_titles: tuple[str, ...]
    expected_volume_fraction: float = 1.0


def write_cast(assets: Assets, out_dir: Path, progress: Progress) -> list[DemonstrationExam]:
    """Make the cast's exams under `out_dir`, one folder each; those already there are kept.

    The exam of a source that is not among `assets` is left out.
    """
    sources = {MNI152: assets.mni152, COLIN27: assets.colin27}
    made = [(recipe, path) for recipe in CAST if (path := sources[recipe.source]) is not None]
    return [write_exam(recipe, path, out_dir, progress) for recipe, path in made]


def write_exam(recipe: Recipe, source: Path, out_dir: Path, progress: Progress) -> DemonstrationExam:
    """Make one exam from the NIfTI file `source`, unless `out_dir` holds it whole, made by the same recipe."""
    folder = written_once(
        out_dir / recipe.accession_number,
        made_by=f"{FORMAT} {recipe!r} {recipe.derivation}",
        write=lambda folder: _write_files(recipe, source, folder, progress),
    )
    return DemonstrationExam(
        study_instance_uid=_study_instance_uid(recipe),
        accession_number=recipe.accession_number,
        patient_id=recipe.patient.patient_id,
        title=recipe.title,
        folder=folder,
        ae_titles=recipe.ae_titles,
        expected_volume_fraction=recipe.volume_fraction,
    )


def written_once(folder: Path, *, made_by: str, write: Callable[[Path], None]) -> Path:
    """Let `write` fill `folder`, unless it was filled before, wholly and by the same recipe `made_by`."""
    stamp = folder.with_name(f"{folder.name}.made")
    digest = hashlib.sha256(made_by.encode()).hexdigest()
    if not (folder.is_dir() and stamp.is_file() and stamp.read_text() == digest):
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write(folder)
        stamp.write_text(digest)
    return folder


def _write_files(recipe: Recipe, source: Path, folder: Path, progress: Progress) -> None:
    volume = load(source, scale=recipe.scale)
    exam = exam_header(recipe, window_width=display_width(volume))
    localizer, t1 = mr_series.localizer_of(volume), series.slices_of(volume, recipe.plane)
    for done, _ in enumerate(_both_series(recipe, exam, localizer, t1, folder), start=1):
        progress(recipe.title, done, len(localizer) + len(t1))


def _both_series(
    recipe: Recipe, exam: Dataset, localizer: list[Slice], t1: list[Slice], folder: Path
) -> Iterator[Path]:
    yield from mr_series.write_series(localizer, exam=exam, protocol=LOCALIZER, folder=folder)
    yield from mr_series.write_series(t1, exam=exam, protocol=recipe.t1, folder=folder)


def load(source: Path, *, scale: tuple[float, float, float]) -> hd.Volume:
    """Read a NIfTI file of 8-bit values as a volume of 12-bit ones, (L, P, H) uint16, affine in mm, LPS.

    `scale` stretches the anatomy about the centre of the grid (right-left, front-back, foot-head); the grid stays, but
    for a margin of zeros.
    """
    volume = hd.Volume.from_nibabel(nibabel.load(source)).to_patient_orientation("LPH")
    array = volume.array.astype(np.float32)
    if scale != (1.0, 1.0, 1.0):
        array = _scaled(array, np.array(scale))
    stored = np.rint(array * (STORED_MAXIMUM / SOURCE_MAXIMUM)).clip(0, STORED_MAXIMUM)
    padded = [math.ceil(size / MATRIX_MULTIPLE) * MATRIX_MULTIPLE for size in volume.spatial_shape]
    return volume.with_array(stored.astype(np.uint16)).pad_to_spatial_shape(padded)


def _scaled(array: np.ndarray, scale: np.ndarray) -> np.ndarray:
    centre = (np.array(array.shape) - 1) / 2
    resampled: np.ndarray = affine_transform(array, 1 / scale, offset=centre - centre / scale, order=3)
    return resampled


def display_width(volume: hd.Volume) -> float:
    """Window width that shows tissue well: up to the 99.5th percentile of what is brighter than the background."""
    tissue = volume.array[volume.array > STORED_MAXIMUM * 0.05]
    return float(np.rint(np.percentile(tissue, 99.5)))


def _study_instance_uid(recipe: Described) -> str:
    return demonstration_uid(recipe.accession_number)


def exam_header(recipe: Described, *, window_width: float) -> Dataset:
    """The attributes that all series of an MR exam share: patient, study, frame of reference, equipment, window."""
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    header.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    header.DerivationDescription = recipe.derivation
    header.PatientID = recipe.patient.patient_id
    header.PatientName = recipe.patient.name
    header.PatientBirthDate = recipe.patient.birth_date
    header.PatientSex = recipe.patient.sex
    header.PatientAge = f"{(int(recipe.study_date) - int(recipe.patient.birth_date)) // 10_000:03d}Y"
    header.StudyInstanceUID = _study_instance_uid(recipe)
    header.FrameOfReferenceUID = demonstration_uid(recipe.accession_number, "frame of reference")
    header.PositionReferenceIndicator = ""
    header.AccessionNumber = header.StudyID = recipe.accession_number
    header.StudyDate, header.StudyTime = recipe.study_date, recipe.study_time
    header.StudyDescription = "MR brain"
    header.ReferringPhysicianName = "Demo^Referrer"
    header.Manufacturer = "Overread demonstration data"
    header.ManufacturerModelName = "Published brain volumes"
    header.DeviceSerialNumber = "DEMO"
    header.SoftwareVersions = str(FORMAT)
    header.InstitutionName = "Overread demonstration"
    header.MagneticFieldStrength = 3
    header.WindowCenter, header.WindowWidth = window_width / 2, window_width
    return header
