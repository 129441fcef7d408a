"""Small radiographs with correct headers, and ways to spoil them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from inference.operators.values import Radiograph, Radiographs, SourceSeries


def dx(pixels: NDArray[np.unsignedinteger], *, number: int = 1, series_number: int = 1, **attributes: Any) -> Dataset:
    """One DX image for presentation, 12 bits stored unless its pixels are bytes."""
    instance = Dataset()
    instance.SOPClassUID = DigitalXRayImageStorageForPresentation
    instance.SOPInstanceUID = generate_uid(entropy_srcs=[str(series_number), str(number)])
    instance.SeriesInstanceUID = generate_uid(entropy_srcs=[str(series_number)])
    instance.StudyInstanceUID = "1.2.3"
    instance.Modality, instance.SeriesNumber, instance.InstanceNumber = "DX", series_number, number
    instance.SamplesPerPixel, instance.PhotometricInterpretation = 1, "MONOCHROME2"
    instance.Rows, instance.Columns = pixels.shape[:2]
    bits = 8 * pixels.dtype.itemsize
    instance.BitsAllocated, instance.BitsStored, instance.PixelRepresentation = bits, min(bits, 12), 0
    instance.HighBit = instance.BitsStored - 1
    instance.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    instance.file_meta = FileMetaDataset()
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in attributes.items():
        setattr(instance, keyword, value)
    return instance


def ramp() -> NDArray[np.uint16]:
    """0 to 4095 in 16 steps of 273."""
    return (273 * np.arange(16, dtype=np.uint16)).reshape(4, 4)


def series(*instances: Dataset) -> SourceSeries:
    return SourceSeries(instances)


def radiographs(*pixels: NDArray[np.floating], **attributes: Any) -> Radiographs:
    """Loaded images of the given pixels."""
    loaded = []
    for number, array in enumerate(pixels, start=1):
        instance = dx(np.zeros((2, 2), dtype=np.uint16), number=number, **attributes)
        loaded.append(Radiograph(array.astype(np.float32), None, instance))
    return Radiographs(tuple(loaded))
