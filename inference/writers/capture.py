"""Pictures of a run's result as secondary captures (PS3.3 A.8), for viewers that show nothing but images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import MultiFrameTrueColorSecondaryCaptureImageStorage, SecondaryCaptureImageStorage

from inference.products import FinishedRun, WrittenFile
from inference.writers import provenance
from inference.writers.pictures import Picture, pictures_of
from inference.writers.planes import Plane

PAGE_NUMBER_VECTOR = 0x00182001


def write(run: FinishedRun, folder: Path) -> list[WrittenFile]:
    """Write the run's pictures: key slices as frames of `capture.dcm`, a single one or radiographs each alone.

    They are true colour with 8 bits a sample. Outlines, boxes, a legend and the result's standing are burned in.
    """
    pictures = pictures_of(run)
    if not pictures:
        return []
    if run.outputs.segments and len(pictures) > 1:
        return [_save(_many(run, pictures), folder / "capture.dcm", "Key slices (DICOM secondary capture)")]
    return [
        _save(_one(run, picture, number), folder / f"capture-{number}.dcm", f"Image {number} (DICOM secondary capture)")
        for number, picture in enumerate(pictures, start=1)
    ]


def _save(capture: Dataset, file: Path, description: str) -> WrittenFile:
    capture.save_as(file, enforce_file_format=True)
    return WrittenFile("capture", file, description)


def _one(run: FinishedRun, picture: Picture, number: int) -> Dataset:
    capture = _capture(run, [picture], sop_class=SecondaryCaptureImageStorage, number=number)
    capture.PixelData = _even(picture.pixels)
    return capture


def _many(run: FinishedRun, pictures: Sequence[Picture]) -> Dataset:
    capture = _capture(run, pictures, sop_class=MultiFrameTrueColorSecondaryCaptureImageStorage, number=1)
    capture.NumberOfFrames = len(pictures)
    capture.FrameIncrementPointer = PAGE_NUMBER_VECTOR
    capture.PageNumberVector = list(range(1, len(pictures) + 1))
    capture.PixelData = _even(np.stack([picture.pixels for picture in pictures]))
    return capture


def _capture(run: FinishedRun, pictures: Sequence[Picture], *, sop_class: str, number: int) -> Dataset:
    capture = provenance.new_object(run, "capture", sop_class=sop_class, modality="OT", number=number)
    capture.ConversionType = "WSD"
    capture.ImageType = ["DERIVED", "SECONDARY"]
    capture.BurnedInAnnotation = "YES"
    capture.PatientOrientation, capture.Laterality = "", pictures[0].plane.instance.get("Laterality", "")
    capture.ImageComments = run.pipeline.notice
    capture.DerivationDescription = f"{run.pipeline.title} {run.pipeline.version}, drawn over the source image"
    capture.SourceImageSequence = [_source(picture.plane) for picture in pictures]
    capture.SamplesPerPixel, capture.PhotometricInterpretation, capture.PlanarConfiguration = 3, "RGB", 0
    capture.Rows, capture.Columns = pictures[0].pixels.shape[:2]
    capture.BitsAllocated, capture.BitsStored, capture.HighBit, capture.PixelRepresentation = 8, 8, 7, 0
    return capture


def _source(plane: Plane) -> Dataset:
    item = plane.reference
    item.PurposeOfReferenceCodeSequence = [provenance.SOURCE_IMAGE]
    return item


def _even(pixels: NDArray[np.uint8]) -> bytes:
    return pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
