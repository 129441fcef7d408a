"""What the demonstration's series of each modality share: the places of slices, UIDs, and how files are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

STORED_MAXIMUM = 4095  # 12 bits, as scanners and detectors store


class Plane(StrEnum):
    """Acquisition plane, as highdicom's orientation letters: slices towards, rows down towards, columns towards."""

    AXIAL = "HPL"
    SAGITTAL = "LFP"
    CORONAL = "PFL"


@dataclass(frozen=True)
class Slice:
    """One image: uint16 pixels (R, C), and its place in mm, LPS."""

    pixels: np.ndarray
    image_position_patient: tuple[float, ...]
    image_orientation_patient: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    slice_thickness: float


def demonstration_uid(*parts: str) -> UID:
    """A UID that is the same for the same parts in every run, so that a second demonstration sends the same exams."""
    return generate_uid(entropy_srcs=["overread demonstration 1", *parts])


def slices_of(volume: hd.Volume, plane: Plane) -> list[Slice]:
    """Every slice of `volume` (uint16, affine in mm, LPS) along `plane`, in the plane's order."""
    oriented = volume.to_patient_orientation(plane)
    return [slice_at(index, oriented, oriented.array[index]) for index in range(oriented.shape[0])]


def slice_at(index: int, oriented: hd.Volume, pixels: np.ndarray, *, planes: int = 1) -> Slice:
    """`pixels` (R, C) in the place of one plane of `oriented` (affine in mm, LPS), as thick as `planes` of them."""
    return Slice(
        pixels=pixels,
        image_position_patient=_plain(oriented.get_plane_position(index)[0].ImagePositionPatient),
        image_orientation_patient=_plain(oriented.direction_cosines),
        pixel_spacing=_plain(oriented.pixel_spacing),
        slice_thickness=float(planes * oriented.spacing[0]),
    )


def series_header(exam: Dataset, *, modality: str, number: int, description: str) -> Dataset:
    """A copy of `exam` with what makes it the exam's series of that number, begun as many seconds after the exam."""
    header = deepcopy(exam)  # Dataset(exam) would share its elements
    header.Modality = modality
    header.SeriesNumber = number
    header.SeriesInstanceUID = demonstration_uid(exam.StudyInstanceUID, str(number))
    header.SeriesDescription = header.ProtocolName = description
    begin_after(header, number)
    return header


def begin_after(header: Dataset, seconds: int) -> None:
    """Set when series, acquisition and content began: `seconds` after the exam, within its minute."""
    header.SeriesDate = header.AcquisitionDate = header.ContentDate = header.StudyDate
    time = f"{int(header.StudyTime) + seconds:06d}"
    header.SeriesTime = header.AcquisitionTime = header.ContentTime = time


def slice_instance(series: Dataset, image: Slice, *, sop_class: UID, number: int) -> Dataset:
    """One slice of a series of patient-based slices, ready to be written."""
    instance = deepcopy(series)
    instance.InstanceNumber = number
    identify(instance, sop_class=sop_class, sop_instance=demonstration_uid(series.SeriesInstanceUID, str(number)))
    instance.file_meta.ImplementationClassUID = demonstration_uid("implementation")
    instance.file_meta.ImplementationVersionName = "OVERREAD_DEMO_1"
    instance.ImagePositionPatient = list(image.image_position_patient)
    instance.ImageOrientationPatient = list(image.image_orientation_patient)
    instance.PixelSpacing = list(image.pixel_spacing)
    instance.SliceThickness = image.slice_thickness
    set_pixels(instance, image.pixels)
    return instance


def identify(instance: Dataset, *, sop_class: UID, sop_instance: UID) -> None:
    """Name the instance, in its dataset and in its file meta information."""
    instance.SOPClassUID, instance.SOPInstanceUID = sop_class, sop_instance
    instance.file_meta = meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, sop_instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian


def set_pixels(instance: Dataset, pixels: np.ndarray) -> None:
    """Set the Image Pixel module: one sample of 12 bits in 16. pixels: (R, C), 0 to STORED_MAXIMUM."""
    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = "MONOCHROME2"
    instance.Rows, instance.Columns = pixels.shape
    instance.BitsAllocated, instance.BitsStored, instance.HighBit = 16, 12, 11
    instance.PixelRepresentation = 0
    instance.PixelData = pixels.astype("<u2").tobytes()


def write(instances: Iterable[Dataset], folder: Path) -> Iterator[Path]:
    """Write each instance into `folder`, named by its series and number; yield each path as it is written."""
    for instance in instances:
        path = folder / f"{instance.SeriesNumber:02d}-{instance.InstanceNumber:04d}.dcm"
        pydicom.dcmwrite(path, instance, enforce_file_format=True)
        yield path


def _plain(numbers: object) -> tuple[float, ...]:
    # Adding zero turns -0.0, which some viewers print, into 0.0.
    return tuple(float(number) + 0.0 for number in np.asarray(numbers, dtype=float))
