"""The exam of the DICOMweb benchmark: 300 CT slices of 512 x 512 pixels, 157 MB."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

SLICES, SIZE = 300, 512
STUDY = "1.2.826.0.1.3680043.8.498.2000"
SERIES = f"{STUDY}.1"
_WITHOUT_FOOT = "This is made up: no patient was ever here."


def instance_uid(number: int) -> str:
    """Of slice `number`, 1 to SLICES."""
    return f"{SERIES}.{number}"


def slices() -> Iterator[bytes]:
    """The DICOM files, one by one: a bright ellipse in noise, with the attributes that scanners send."""
    noise = np.random.default_rng(7).normal(0, 12, (SIZE, SIZE))
    rows, columns = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    for number in range(1, SLICES + 1):
        radius = 0.3 + 0.4 * number / SLICES
        body = np.where((rows / radius) ** 2 + (columns / 0.8) ** 2 < 1, 1064, 24)
        yield _encoded(number, (body + np.roll(noise, number)).clip(0, 4095).astype("<u2"))


def _encoded(number: int, pixels: np.ndarray[tuple[int, int], np.dtype[np.uint16]]) -> bytes:
    dataset = _described(number)
    dataset.PixelData = pixels.tobytes()
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _described(number: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    values = {
        **{"SpecificCharacterSet": "ISO_IR 192", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]},
        **{"SOPClassUID": CTImageStorage, "SOPInstanceUID": instance_uid(number)},
        **{"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "FrameOfReferenceUID": f"{STUDY}.9"},
        **{"PatientName": "Bench^Made Up", "PatientID": "BENCH-1", "PatientBirthDate": "19600101", "PatientSex": "O"},
        **{"StudyDate": "20240315", "StudyTime": "101500", "SeriesDate": "20240315", "SeriesTime": "101600"},
        **{
            "AcquisitionDate": "20240315",
            "AcquisitionTime": f"1016{number % 60:02d}.{number:03d}",
            "AccessionNumber": "B1",
        },
        **{"StudyID": "1", "StudyDescription": "CT Thorax", "SeriesDescription": "Axial 1.0", "Modality": "CT"},
        **{"Manufacturer": "Overread", "ManufacturerModelName": "Benchmark", "ReferringPhysicianName": "House^Gregory"},
        **{"KVP": 120, "XRayTubeCurrent": 200 + number % 50, "ExposureTime": 500, "ConvolutionKernel": "B30f"},
        **{"BodyPartExamined": "CHEST", "PatientPosition": "HFS", "SeriesNumber": 2, "InstanceNumber": number},
        **{"ImagePositionPatient": [-180.0, -180.0, float(number)], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        **{"PixelSpacing": [0.703125, 0.703125], "SliceThickness": 1, "SliceLocation": float(number)},
        **{"ImageComments": _WITHOUT_FOOT, "RescaleIntercept": -1024, "RescaleSlope": 1, "RescaleType": "HU"},
        **{"WindowCenter": 40, "WindowWidth": 400, "Rows": SIZE, "Columns": SIZE, "SamplesPerPixel": 1},
        **{"PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0},
        **{"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11},
    }
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset
