"""The files of a folder or a zip, listed before one of them is read. Nothing is ever unpacked to disk."""

import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

LARGEST_FILE = 4 << 30  # bytes
CHUNK = 1 << 20
MOST_ENTRIES = 1_000_000
# Deflate shrinks a black image a thousandfold, but never a whole exam; what swells more than this is no exam.
LARGEST_RATIO = 100
HARMLESS_SIZE = 1 << 30  # bytes to which any archive may swell
_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)  # NotImplementedError too
_IGNORED_NAMES = {".ds_store", "thumbs.db", "desktop.ini"}
Faults = type[Exception] | tuple[type[Exception], ...]


class UnusableSource(ValueError):
    """A folder or archive from which nothing is taken, with the reason in words."""


class Unreadable(ValueError):
    """One file that cannot be read, with the reason in words."""


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file to bring in.

    `name` is its path inside the source. `identity` is the same as long as path, size and time are. `obstacle` says why
    it is not to be read, if it is not; `is_ignored` marks what is there by nature and is no image.
    `chunks` raises Unreadable, at any of them.
    """

    name: str
    size: int
    identity: str
    chunks: Callable[[], Iterator[bytes]]
    obstacle: str = ""
    is_ignored: bool = False


@contextmanager
def opened(source: Path) -> Iterator[list[SourceFile]]:
    """The files of a folder, at any depth, or of a zip, by name. Raises UnusableSource."""
    if source.is_dir():
        yield sorted(_of_folder(source), key=_by_name)
        return
    if not source.is_file():
        raise UnusableSource(f"{source} does not exist. Name a folder or a zip.")
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError) as error:
        raise UnusableSource(f"{source} is neither a folder nor a zip that can be read ({error}).") from error
    with archive:
        _check_archive(archive, packed=source.stat().st_size)
        yield sorted(_of_archive(archive), key=_by_name)


def _by_name(file: SourceFile) -> str:
    return file.name


def _of_folder(folder: Path) -> Iterator[SourceFile]:
    for parent, _, names in os.walk(folder, onerror=_raise_unusable):
        for name in names:
            yield _of_disk(Path(parent, name), root=folder)


def _raise_unusable(error: OSError) -> None:
    raise UnusableSource(f"{error.filename} cannot be listed ({error.strerror}). Mend its permissions.") from error


def _of_disk(path: Path, *, root: Path) -> SourceFile:
    name = path.relative_to(root).as_posix()
    found = path.lstat()
    return SourceFile(
        name=name,
        size=found.st_size,
        identity=_identity(name, found.st_size, found.st_mtime_ns),
        chunks=lambda: _chunks_of_disk(path),
        obstacle=_obstacle_on_disk(found),
        is_ignored=_is_ignored(name),
    )


def _obstacle_on_disk(found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return "A link: name the folder that it leads to."
    if not stat.S_ISREG(found.st_mode):
        return "Not a regular file."
    return _too_large(found.st_size)


def _chunks_of_disk(path: Path) -> Iterator[bytes]:
    with _unreadable(OSError, "It cannot be read"):
        file = path.open("rb")
    with file:
        yield from _chunks(partial(file.read, CHUNK), OSError, "It cannot be read")


def _chunks(read: Callable[[], bytes], faults: Faults, what: str) -> Iterator[bytes]:
    """What `read` gives until it gives nothing; only its own faults are Unreadable, not those of whoever consumes."""
    while True:
        with _unreadable(faults, what):
            chunk = read()
        if not chunk:
            return
        yield chunk


@contextmanager
def _unreadable(faults: Faults, what: str) -> Iterator[None]:
    try:
        yield
    except faults as error:
        raise Unreadable(f"{what} ({type(error).__name__}).") from error


def _check_archive(archive: zipfile.ZipFile, *, packed: int) -> None:
    """Refuse what is dangerous or needs a password before anything is taken from it. Raises UnusableSource."""
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise UnusableSource(f"The zip lists {len(entries)} files, more than {MOST_ENTRIES}. Bring them in parts.")
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise UnusableSource("The zip is encrypted. Unpack it with its password, then bring the folder.")
    swollen = sum(entry.file_size for entry in entries)
    if swollen > max(HARMLESS_SIZE, LARGEST_RATIO * packed):
        raise UnusableSource(
            f"The zip claims to unpack to {swollen / 2**30:.1f} GiB, more than {LARGEST_RATIO} times its size. "
            "No exam is so small when packed; if it is one, unpack it and bring the folder."
        )


def _of_archive(archive: zipfile.ZipFile) -> Iterator[SourceFile]:
    for entry in archive.infolist():
        if not entry.filename.endswith("/"):
            yield _of_entry(entry, archive)


def _of_entry(entry: zipfile.ZipInfo, archive: zipfile.ZipFile) -> SourceFile:
    return SourceFile(
        name=entry.filename,
        size=entry.file_size,
        identity=_identity(entry.filename, entry.file_size, entry.CRC),
        chunks=lambda: _chunks_of_entry(entry, archive),
        obstacle=_obstacle_in_archive(entry),
        is_ignored=_is_ignored(entry.filename),
    )


def _obstacle_in_archive(entry: zipfile.ZipInfo) -> str:
    path = PurePosixPath(entry.orig_filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in entry.orig_filename or PureWindowsPath(path).drive:
        return "Its path leads out of the zip. Nothing is taken from such a path."
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "A link: only what it leads to can be brought."
    return _too_large(entry.file_size)


def _chunks_of_entry(entry: zipfile.ZipInfo, archive: zipfile.ZipFile) -> Iterator[bytes]:
    """At most as many bytes as the zip claims: zipfile reads no further, and compares the checksum at the end."""
    what = "The zip is damaged here, or packed by a method that is not supported. Pack it again"
    with _unreadable(_ZIP_FAULTS, what):
        file = archive.open(entry)
    with file:
        yield from _chunks(partial(file.read, CHUNK), _ZIP_FAULTS, what)


def _too_large(size: int) -> str:
    return f"Larger than {LARGEST_FILE >> 30} GiB: send it over DICOM." if size > LARGEST_FILE else ""


def _is_ignored(name: str) -> bool:
    """What a disc or an operating system adds: the list of the images, and its own notes."""
    path = PurePosixPath(name)
    return path.name.lower() in {"dicomdir", *_IGNORED_NAMES} or path.name.startswith("._") or "__MACOSX" in path.parts


def _identity(name: str, size: int, changed: int) -> str:
    return hashlib.sha256(f"{name}\0{size}\0{changed}".encode(errors="surrogateescape")).hexdigest()
