"""Values that attributes must not have."""

from pydicom.dataset import Dataset

from tests.dicom_ingest.scanner import encoded

# Tag and VR as they are encoded, explicit VR little endian.
SPOILED = {
    "SeriesNumber": b"\x20\x00\x11\x00IS",
    "InstanceNumber": b"\x20\x00\x13\x00IS",
    "SliceThickness": b"\x18\x00\x50\x00DS",
    "PixelSpacing": b"\x28\x00\x30\x00DS",
    "ImagePositionPatient": b"\x20\x00\x32\x00DS",
    "StudyDate": b"\x08\x00\x20\x00DA",
    "StudyTime": b"\x08\x00\x30\x00TM",
    "PatientBirthDate": b"\x10\x00\x30\x00DA",
    "Modality": b"\x08\x00\x60\x00CS",
    "PatientSex": b"\x10\x00\x40\x00CS",
    "SeriesDescription": b"\x08\x00\x3e\x10LO",
}


def spoil(image: Dataset, keyword: str, value: bytes) -> bytes:
    """The image's bytes with another value of one attribute."""
    raw, marker = encoded(image), SPOILED[keyword]
    start = raw.index(marker) + len(marker)
    length = int.from_bytes(raw[start : start + 2], "little")
    return raw[:start] + len(value).to_bytes(2, "little") + value + raw[start + 2 + length :]
