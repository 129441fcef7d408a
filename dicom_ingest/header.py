"""Reading a waiting file as far as its pixel data, and judging whether it can be filed."""

import hashlib
import os
import zlib
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import BinaryIO

from pydicom.charset import convert_encodings
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, SegmentationStorage

from dicom_ingest import spool
from dicom_ingest.frames import UNDEFINED_LENGTH, ByteRange, PixelElement, frame_ranges
from dicom_ingest.refusal import Reason, Refused
from dicom_ingest.store import MalformedUID, checked_uid

_PIXEL_TAGS = {0x7FE00008, 0x7FE00009, 0x7FE00010}  # of floats, of doubles, of integers
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_SEND_AGAIN = "The transfer was cut short; send the instance again."


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is known of one instance before it is filed. `size` and `frames` are in bytes of the whole file."""

    dataset: Dataset
    transfer_syntax_uid: str
    called_ae: str
    calling_ae: str
    sha256: str
    size: int
    frames: list[ByteRange]

    @property
    def study_uid(self) -> str:
        return str(self.dataset.StudyInstanceUID)

    @property
    def series_uid(self) -> str:
        return str(self.dataset.SeriesInstanceUID)

    @property
    def sop_uid(self) -> str:
        return str(self.dataset.SOPInstanceUID)


@dataclass
class _Elements:
    """The dataset's elements before its pixel data, read as far as they go."""

    found: dict[BaseTag, object] = field(default_factory=dict)
    pixels: PixelElement | None = None
    fault: str = ""


def read_header(file: BinaryIO) -> Header:
    """Read a file of the spool, of which the pixel data only pass through the digest. Raises Refused."""
    try:
        meta = spool.read_meta(file)
    except spool.NotPart10 as error:
        raise Refused(Reason.NOT_DICOM, f"This is not a DICOM file. {error} Send DICOM instances only.") from error
    start, size = file.tell(), os.fstat(file.fileno()).st_size
    sha256 = _digest_of_rest(file)
    file.seek(start)
    syntax = UID(meta.TransferSyntaxUID)
    body = _inflated(file) if syntax == DeflatedExplicitVRLittleEndian else file
    dataset, frames = _read_body(body, syntax, size=body.seek(0, os.SEEK_END), start=0 if body is not file else start)
    return Header(
        dataset=dataset,
        transfer_syntax_uid=str(syntax),
        called_ae=ae_title(meta, "ReceivingApplicationEntityTitle"),
        calling_ae=ae_title(meta, "SendingApplicationEntityTitle"),
        sha256=sha256,
        size=size,
        frames=frames if body is file else [],  # a deflated frame is no range of the file
    )


def ae_title(meta: FileMetaDataset, keyword: str) -> str:
    """An AE title of the file meta information, "" when there is none; never longer than AE titles are."""
    return str(meta.get(keyword) or "").replace("\0", "").strip()[:16]


def _digest_of_rest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    for chunk in iter(partial(file.read, 1 << 20), b""):
        digest.update(chunk)
    return digest.hexdigest()


def _read_body(body: BinaryIO, syntax: UID, *, start: int, size: int) -> tuple[Dataset, list[ByteRange]]:
    """The dataset before its pixel data, and where in `body` its frames lie. Raises Refused."""
    body.seek(start)
    elements = _read_elements(body, syntax, size=size)
    dataset = Dataset(elements.found)  # type: ignore[arg-type] # raw elements, as pydicom itself passes them
    encoding = convert_encodings(dataset.get("SpecificCharacterSet"))
    dataset.set_original_encoding(*_encoding(syntax), encoding)
    if elements.fault:
        raise _refused_for(elements.fault, dataset, syntax)
    _check_uids(dataset)
    _check_has_pixels(dataset, elements.pixels)
    return dataset, _frames(dataset, elements.pixels, body, size=size)


def _refused_for(fault: str, dataset: Dataset, syntax: UID) -> Refused:
    if "SOPClassUID" in dataset:
        return Refused(Reason.TRUNCATED, f"The dataset ends too early: {fault}. {_SEND_AGAIN}")
    return Refused(
        Reason.NOT_DICOM,
        f"The bytes do not read as a DICOM dataset in {syntax.name}: {fault}. Send DICOM instances only.",
    )


def _inflated(file: BinaryIO) -> BytesIO:
    try:
        return BytesIO(zlib.decompress(file.read(), -zlib.MAX_WBITS))
    except zlib.error as error:
        raise Refused(Reason.TRUNCATED, f"The deflated dataset cannot be inflated. {_SEND_AGAIN}") from error


def _encoding(syntax: UID) -> tuple[bool, bool]:
    """Whether VRs are implicit and bytes little-endian; unknown syntaxes are explicit little-endian (PS3.5, A.4)."""
    if syntax.is_transfer_syntax and not syntax.is_private:
        return syntax.is_implicit_VR, syntax.is_little_endian
    return False, True


def _read_elements(file: BinaryIO, syntax: UID, *, size: int) -> _Elements:
    """Read element by element, so that what came before a fault is known."""
    elements = _Elements()

    def at_pixels(tag: BaseTag, _vr: str | None, length: int) -> bool:
        if tag not in _PIXEL_TAGS:
            return False
        elements.pixels = PixelElement(offset=file.tell(), length=length)
        return True

    position = file.tell()
    try:
        for element in data_element_generator(file, *_encoding(syntax), stop_when=at_pixels):
            position = file.tell()
            elements.found[element.tag] = element
            if isinstance(element, RawDataElement) and _is_short(element, size=size):
                elements.fault = f"the value of {element.tag} lacks bytes"
                return elements
    except Exception as error:  # noqa: BLE001 - pydicom raises whatever garbage provokes; the file is quarantined for it
        elements.fault = f"unreadable after byte {position} ({type(error).__name__})"
        return elements
    if elements.pixels is None and not file.tell() == position == size:
        elements.fault = f"unreadable after byte {position}"
    return elements


def _is_short(element: RawDataElement, *, size: int) -> bool:
    return element.length != UNDEFINED_LENGTH and element.value_tell + element.length > size


def _check_uids(dataset: Dataset) -> None:
    missing = [keyword for keyword in _UIDS if not dataset.get(keyword)]
    if len(missing) == len(_UIDS):
        raise Refused(Reason.NOT_DICOM, "A dataset that identifies no SOP instance. Send DICOM instances only.")
    if missing:
        raise Refused(
            Reason.MISSING_ATTRIBUTE,
            f"{', '.join(missing)} missing. Mend the exporting system, then send the instance again.",
        )
    for keyword in _UIDS:
        try:
            checked_uid(str(dataset[keyword].value))
        except MalformedUID as error:
            raise Refused(
                Reason.BAD_UID, f"{keyword}: {error} Mend the exporting system, then send the instance again."
            ) from error


def _check_has_pixels(dataset: Dataset, pixels: PixelElement | None) -> None:
    sop_class = UID(str(dataset.SOPClassUID))
    if pixels is None and ("Image Storage" in sop_class.name or sop_class == SegmentationStorage):
        raise Refused(
            Reason.NO_PIXELS,
            f"An instance of {sop_class.name} without pixel data. Send the exam from where its images are complete.",
        )


def _frames(dataset: Dataset, pixels: PixelElement | None, body: BinaryIO, *, size: int) -> list[ByteRange]:
    if pixels is None:
        return []
    try:
        return frame_ranges(dataset, pixels, body, size=size)
    except (TypeError, ValueError, AttributeError) as error:
        raise Refused(
            Reason.MISSING_ATTRIBUTE,
            f"The attributes that describe the pixel data are unusable ({type(error).__name__}). "
            "Mend the exporting system, then send the instance again.",
        ) from error
