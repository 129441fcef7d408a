"""Where bytes lie under OVERREAD_STORE, and the guard that keeps a UID from reaching a path unchecked."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

# PS3.5, 9.1: components of digits joined by dots, no leading zero unless the component is "0", 64 characters at most.
_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")
_UID_LENGTH = 64


class MalformedUID(ValueError):
    """A UID that breaks the grammar of PS3.5, 9.1."""


def checked_uid(uid: str) -> str:
    """Return `uid` unchanged when it follows the grammar of PS3.5, 9.1.

    Raises MalformedUID otherwise, without repeating more of the value than a UID could hold.
    """
    if len(uid) > _UID_LENGTH:
        raise MalformedUID(f"A UID of {len(uid)} characters; at most {_UID_LENGTH} are allowed.")
    if _UID.fullmatch(uid) is None:
        raise MalformedUID(f"{uid!r} is not a UID: digits in components joined by dots, without leading zeros.")
    return uid


def spool_folder() -> Path:
    """Acknowledged files that are not yet indexed; `*.part` are still being written."""
    return _store() / "spool" / "incoming"


def association_slot(title: str, number: int) -> Path:
    """The file whose lock is one of the associations that an AE title takes at a time; the title is no path."""
    return _store() / "spool" / "associations" / f"{title.encode().hex()}.{number}"


def quarantine_folder() -> Path:
    """Acknowledged files that could not be filed; each has its row in QuarantinedInstance."""
    return _store() / "quarantine"


def exams_folder() -> Path:
    """One folder per exam, in it one per series."""
    return _store() / "exams"


def series_folder(study: str, series: str) -> Path:
    """The folder of one series. Raises MalformedUID."""
    return exams_folder() / checked_uid(study) / checked_uid(series)


def instance_path(study: str, series: str, sop: str) -> Path:
    """The Part 10 file of one instance, as received. Raises MalformedUID."""
    return series_folder(study, series) / f"{checked_uid(sop)}.dcm"


def header_path(study: str, series: str, sop: str) -> Path:
    """The DICOM JSON object of one instance, UTF-8, without pixel data. Raises MalformedUID."""
    return series_folder(study, series) / f"{checked_uid(sop)}.json"


def metadata_path(study: str, series: str) -> Path:
    """The gzipped JSON array of the series' headers; there only while nothing joins the series. Raises MalformedUID."""
    return series_folder(study, series) / "metadata.json.gz"


def write_durably(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees all of it or nothing, and a power cut loses none of it.

    Raises OSError (a full disk, for one); what was half written is removed.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_all_durably(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write each of `files`, by name, as `write_durably` does, the folder fsynced once for all of them.

    Raises OSError; files written before stay.
    """
    parts = {folder / name: folder / f"{name}.{os.getpid()}.part" for name in files}
    try:
        for path, part in parts.items():
            part.write_bytes(files[path.name])
        for part in parts.values():
            _sync_file(part)
        for path, part in parts.items():
            part.replace(path)
    except OSError:
        for part in parts.values():
            part.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def durable_folder(folder: Path) -> None:
    """Make `folder` and those above it, so that they outlast a power cut."""
    if folder.is_dir():
        return
    durable_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in `folder` outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _store() -> Path:
    return Path(settings.OVERREAD_STORE)
