"""Writes a volume as the files of one classic MR series: MR Image Storage, Explicit VR Little Endian."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

STORED_MAXIMUM = 4095  # 12 bits, as MR scanners store
LOCALIZER_THICKNESS = 5
LOCALIZER_OFFSETS = (-15, 0, 15)


class Plane(StrEnum):
    """Acquisition plane, as highdicom's orientation letters: slices towards, rows down towards, columns towards."""

    AXIAL = "HPL"
    SAGITTAL = "LFP"
    CORONAL = "PFL"


@dataclass(frozen=True)
class Protocol:
    """What the MR Image module records of how a series was acquired. Times in milliseconds, angle in degrees."""

    series_number: int
    description: str
    acquisition_type: str
    scanning_sequence: tuple[str, ...]
    sequence_variant: tuple[str, ...]
    repetition_time: float
    echo_time: float
    flip_angle: float
    inversion_time: float | None = None


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
    return [_slice(oriented, index, oriented.array[index], oriented.spacing[0]) for index in range(oriented.shape[0])]


def localizer_of(volume: hd.Volume) -> list[Slice]:
    """Three thick slices in each of three planes through the middle of a volume of 1 mm voxels."""
    return [thick for plane in Plane for thick in _thick_slices(volume.to_patient_orientation(plane))]


def _thick_slices(oriented: hd.Volume) -> Iterator[Slice]:
    middle, half = oriented.shape[0] // 2, LOCALIZER_THICKNESS // 2
    for index in (middle + offset for offset in LOCALIZER_OFFSETS):
        mean = oriented.array[index - half : index + half + 1].mean(axis=0)
        yield _slice(oriented, index, np.rint(mean).astype(np.uint16), LOCALIZER_THICKNESS * oriented.spacing[0])


def _slice(oriented: hd.Volume, index: int, pixels: np.ndarray, thickness: float) -> Slice:
    return Slice(
        pixels=pixels,
        image_position_patient=_plain(oriented.get_plane_position(index)[0].ImagePositionPatient),
        image_orientation_patient=_plain(oriented.direction_cosines),
        pixel_spacing=_plain(oriented.pixel_spacing),
        slice_thickness=float(thickness),
    )


def _plain(numbers: object) -> tuple[float, ...]:
    # Adding zero turns -0.0, which some viewers print, into 0.0.
    return tuple(float(number) + 0.0 for number in np.asarray(numbers, dtype=float))


def write_series(slices: list[Slice], *, exam: Dataset, protocol: Protocol, folder: Path) -> Iterator[Path]:
    """Write one file a slice into `folder`, yielding each path as it is written.

    `exam` holds the patient, study, frame of reference and equipment attributes, and WindowCenter and WindowWidth.
    """
    series = _series_header(exam, protocol)
    for number, image in enumerate(slices, start=1):
        path = folder / f"{protocol.series_number:02d}-{number:04d}.dcm"
        pydicom.dcmwrite(path, _instance(series, image, number=number), enforce_file_format=True)
        yield path


def _series_header(exam: Dataset, protocol: Protocol) -> Dataset:
    header = deepcopy(exam)  # Dataset(exam) would share its elements
    header.Modality = "MR"
    header.SeriesNumber = protocol.series_number
    header.SeriesInstanceUID = demonstration_uid(exam.StudyInstanceUID, str(protocol.series_number))
    header.SeriesDescription = header.ProtocolName = protocol.description
    header.SeriesDate = header.AcquisitionDate = header.ContentDate = exam.StudyDate
    time = f"{int(exam.StudyTime) + protocol.series_number:06d}"
    header.SeriesTime = header.AcquisitionTime = header.ContentTime = time
    header.BodyPartExamined = "HEAD"
    header.PatientPosition = "HFS"
    header.AcquisitionNumber = 1
    header.ScanningSequence = list(protocol.scanning_sequence)
    header.SequenceVariant = list(protocol.sequence_variant)
    header.ScanOptions = ""
    header.MRAcquisitionType = protocol.acquisition_type
    header.RepetitionTime = protocol.repetition_time
    header.EchoTime = protocol.echo_time
    header.EchoTrainLength = 1
    header.FlipAngle = protocol.flip_angle
    if protocol.inversion_time is not None:
        header.InversionTime = protocol.inversion_time
    return header


def _instance(series: Dataset, image: Slice, *, number: int) -> Dataset:
    instance = deepcopy(series)
    instance.file_meta = _file_meta(demonstration_uid(series.SeriesInstanceUID, str(number)))
    instance.SOPClassUID = MRImageStorage
    instance.SOPInstanceUID = instance.file_meta.MediaStorageSOPInstanceUID
    instance.InstanceNumber = number
    instance.ImagePositionPatient = list(image.image_position_patient)
    instance.ImageOrientationPatient = list(image.image_orientation_patient)
    instance.PixelSpacing = list(image.pixel_spacing)
    instance.SliceThickness = image.slice_thickness
    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = "MONOCHROME2"
    instance.Rows, instance.Columns = image.pixels.shape
    instance.BitsAllocated, instance.BitsStored, instance.HighBit = 16, 12, 11
    instance.PixelRepresentation = 0
    instance.SmallestImagePixelValue = int(image.pixels.min())
    instance.LargestImagePixelValue = int(image.pixels.max())
    instance.PixelData = image.pixels.astype("<u2").tobytes()
    return instance


def _file_meta(sop_instance_uid: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = sop_instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = demonstration_uid("implementation")
    meta.ImplementationVersionName = "OVERREAD_DEMO_1"
    return meta
