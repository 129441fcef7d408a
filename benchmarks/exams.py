"""Exams to measure with: slices of noise around what CT and MR numbers look like, as files on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What an exam is made of; pixels are `rows` x `rows` of 16 bits, evenly spread over `values`.

    pixel_spacing: mm; slices are 1 mm apart.
    """

    modality: str
    sop_class: UID
    slices: int
    values: tuple[int, int]
    rows: int = 512
    pixel_spacing: float = 0.7


CT = Kind(modality="CT", sop_class=CTImageStorage, slices=300, values=(-1024, 2048))
MR = Kind(modality="MR", sop_class=MRImageStorage, slices=2000, values=(0, 1500))


@dataclass(frozen=True, kw_only=True)
class Exam:
    """One exam as files in `folder`."""

    folder: Path
    study: str
    slices: int

    @property
    def megabytes(self) -> float:
        return sum(path.stat().st_size for path in self.folder.iterdir()) / 1e6


def make(kind: Kind, folder: Path) -> Exam:
    """Write a new exam of one series into `folder`."""
    folder.mkdir(parents=True)
    study, series, noise = generate_uid(), generate_uid(), np.random.default_rng(1)
    for number in range(1, kind.slices + 1):
        pixels = noise.integers(*kind.values, (kind.rows, kind.rows), dtype=np.int16)
        image = _slice(kind, pixels.tobytes(), number=number)
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.save_as(folder / f"{number:05}.dcm", enforce_file_format=True)
    return Exam(folder=folder, study=study, slices=kind.slices)


def _slice(kind: Kind, pixels: bytes, *, number: int) -> Dataset:
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = kind.sop_class, generate_uid()
    image.StudyDate, image.StudyTime, image.AccessionNumber = "20240131", "101500", "BENCH"
    image.Modality, image.Manufacturer, image.StudyDescription = kind.modality, "Overread", "Benchmark"
    image.SeriesDescription, image.PatientName, image.PatientID = "Noise", "Bench^Mark", "BENCH"
    image.PatientBirthDate, image.PatientSex, image.SliceThickness = "19700101", "O", 1
    image.StudyID, image.SeriesNumber, image.InstanceNumber = "1", 1, number
    image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, float(number)], [1, 0, 0, 0, 1, 0]
    image.FrameOfReferenceUID, image.PixelSpacing = "1.2.826.0.1.3680043.8.498.1", [kind.pixel_spacing] * 2
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = kind.rows
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 1
    image.PixelData = pixels
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return image
