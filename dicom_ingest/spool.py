"""The spool: where acknowledged bytes wait for the indexer.

A file is written as `<uuid>.part`, fsynced, renamed to `<uuid>.dcm`, and its folder fsynced; only then may its
sender be told that it was stored. The AE titles travel in the file meta information (PS3.10, 7.1), so one file is all.
The time a file was last written is the time at which it arrived.
"""

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID

from dicom_ingest.store import durable_folder, spool_folder, sync_folder

_PREAMBLE = b"\0" * 128 + b"DICM"
_GROUP_LENGTH = struct.Struct("<HH2sHL")  # (0002,0000) in explicit VR little endian
_LONGEST_META = 1 << 20
_ABANDONED_SECONDS = 3600


class NotPart10(ValueError):
    """Bytes that do not begin as a DICOM file does (PS3.10, 7.1)."""


@dataclass(frozen=True, kw_only=True)
class Spooled:
    """A waiting file, open for reading and claimed: no other process files it meanwhile."""

    path: Path
    file: BinaryIO

    @property
    def arrived_at(self) -> datetime:
        return datetime.fromtimestamp(os.fstat(self.file.fileno()).st_mtime, tz=UTC)

    @property
    def is_waiting(self) -> bool:
        """Whether the file is still in the spool; another process may have filed it before it was claimed here."""
        return self.path.exists() and os.path.samestat(os.fstat(self.file.fileno()), self.path.stat())


def write(
    dataset: bytes,
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    called_ae: str,
    calling_ae: str,
) -> Path:
    """Keep one encoded dataset exactly as received, and return where. Raises OSError with nothing kept."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    with _create(_head(meta, called_ae=called_ae, calling_ae=calling_ae), dataset) as spooled:
        return spooled.path


@contextmanager
def part10(payload: bytes, *, called_ae: str, calling_ae: str = "") -> Iterator[Spooled]:
    """Keep one DICOM file: its dataset as it is, in its meta information only the AE titles replaced.

    Claimed until the block ends, so whoever received the file may file it at once.
    Raises NotPart10 before anything is kept, and OSError when it cannot be kept.
    """
    stream = BytesIO(payload)
    meta = read_meta(stream)
    with _create(_head(meta, called_ae=called_ae, calling_ae=calling_ae), payload[stream.tell() :]) as spooled:
        yield spooled


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """A file that has been written but is not kept yet. `file` is open for reading."""

    part: Path
    file: BinaryIO

    def keep(self) -> Spooled:
        """Have it outlast a power cut, claimed by this process. Raises OSError with nothing kept."""
        return Spooled(path=_settled(self.part, self.file), file=self.file)


@contextmanager
def incoming(chunks: Iterator[bytes], *, called_ae: str, calling_ae: str = "") -> Iterator[Incoming]:
    """Write one DICOM file as it arrives, as `part10` does, but a chunk at a time and without keeping it.

    What is not kept inside the block is gone after it. Raises NotPart10 and OSError with nothing left behind.
    """
    durable_folder(spool_folder())
    part = spool_folder() / f"{uuid4()}.part"
    try:
        with part.open("x+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            first = _begin(chunks)
            head = BytesIO(first)
            meta = read_meta(head)
            file.write(_head(meta, called_ae=called_ae, calling_ae=calling_ae))
            file.write(first[head.tell() :])
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            yield Incoming(part=part, file=file)
    finally:
        part.unlink(missing_ok=True)


def _begin(chunks: Iterator[bytes]) -> bytes:
    """As much of a file as holds its meta information."""
    first, wanted = bytearray(), len(_PREAMBLE) + _GROUP_LENGTH.size
    for chunk in chunks:
        first += chunk
        if len(first) >= wanted:
            length = _GROUP_LENGTH.unpack_from(first, len(_PREAMBLE))[4]
            wanted += min(length, _LONGEST_META)
            if len(first) >= wanted:
                break
    return bytes(first)


def read_meta(file: BinaryIO) -> FileMetaDataset:
    """The file meta information; `file` is left at the first byte of the dataset. Raises NotPart10."""
    file.seek(0)
    start = file.read(len(_PREAMBLE) + _GROUP_LENGTH.size)
    if start[128:132] != b"DICM" or len(start) < len(_PREAMBLE) + _GROUP_LENGTH.size:
        raise NotPart10("No DICOM prefix after 128 bytes.")
    group, element, vr, _, length = _GROUP_LENGTH.unpack_from(start, len(_PREAMBLE))
    if (group, element, vr) != (2, 0, b"UL") or length > _LONGEST_META:
        raise NotPart10("No length of the file meta information.")
    try:
        meta: FileMetaDataset = dcmread(BytesIO(start + file.read(length))).file_meta
    except (InvalidDicomError, EOFError, ValueError, struct.error) as error:
        raise NotPart10(f"Unreadable file meta information ({type(error).__name__}).") from error
    if not meta.get("TransferSyntaxUID"):
        raise NotPart10("No transfer syntax in the file meta information.")
    return meta


def waiting() -> list[Path]:
    """The files to be indexed, in order of arrival."""
    return [path for _, path in sorted(_arrivals())]


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What waits to be filed."""

    files: int
    oldest: datetime | None


def backlog() -> Backlog:
    """How much waits in the spool, and since when."""
    arrivals = [arrived for arrived, _ in _arrivals()]
    return Backlog(files=len(arrivals), oldest=datetime.fromtimestamp(min(arrivals), tz=UTC) if arrivals else None)


def oldest_arrival() -> datetime | None:
    """When the file that waits longest arrived; everything acknowledged before has been indexed."""
    return min((datetime.fromtimestamp(arrived, tz=UTC) for arrived, _ in _arrivals()), default=None)


def sweep() -> None:
    """Remove what was being written when a process was killed; none of it was acknowledged."""
    for part in spool_folder().glob("*.part"):
        if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
            part.unlink(missing_ok=True)


@contextmanager
def claimed(path: Path) -> Iterator[Spooled]:
    """Open a waiting file for this process alone, after any other has finished with it.

    Raises FileNotFoundError when another process filed it before it was opened.
    """
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield Spooled(path=path, file=file)


@contextmanager
def claimed_if_free(path: Path) -> Iterator[Spooled | None]:
    """Open a waiting file for this process alone; None when another has it, or has filed it."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        spooled = Spooled(path=path, file=file)
        yield spooled if spooled.is_waiting else None


def _head(meta: FileMetaDataset, *, called_ae: str, calling_ae: str) -> bytes:
    """Preamble and file meta information with the AE titles in it; what the sender left out of it stays out."""
    meta.FileMetaInformationGroupLength = 0  # counted as it is written
    meta.FileMetaInformationVersion = b"\0\1"
    meta.ImplementationClassUID = meta.get("ImplementationClassUID") or PYDICOM_IMPLEMENTATION_UID
    meta.SourceApplicationEntityTitle = calling_ae
    meta.SendingApplicationEntityTitle = calling_ae
    meta.ReceivingApplicationEntityTitle = called_ae
    buffer = DicomBytesIO()
    buffer.write(_PREAMBLE)
    write_file_meta_info(buffer, meta, enforce_standard=False)
    return buffer.getvalue()


@contextmanager
def _create(*chunks: bytes) -> Iterator[Spooled]:
    durable_folder(spool_folder())
    part = spool_folder() / f"{uuid4()}.part"
    with part.open("x+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            for chunk in chunks:
                file.write(chunk)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        yield Spooled(path=_settled(part, file), file=file)


def _settled(part: Path, file: BinaryIO) -> Path:
    """Give a written file its name among those that wait, durably. Raises OSError with nothing kept."""
    path = part.with_suffix(".dcm")
    try:
        file.flush()
        os.fsync(file.fileno())
        part.rename(path)
        sync_folder(path.parent)
    except OSError:
        part.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise
    return path


def _arrivals() -> Iterator[tuple[float, Path]]:
    if not spool_folder().is_dir():
        return
    for path in spool_folder().glob("*.dcm"):
        try:
            yield path.stat().st_mtime, path
        except FileNotFoundError:  # indexed meanwhile
            continue
