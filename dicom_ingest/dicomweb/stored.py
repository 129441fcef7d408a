"""The stored files of instances, and what is known of them without opening one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from dicom_ingest import store
from dicom_ingest.dicomweb.refusals import Refusal
from dicom_ingest.models import Instance


class GoneFromStore(Refusal):
    """A file that the index knows is not in the store, or not whole: a fault of this server."""

    status = 500


@dataclass(frozen=True, kw_only=True)
class StoredInstance:
    """One instance as its row describes it; see Instance. None of it ever changes."""

    study: str
    series: str
    sop: str
    transfer_syntax_uid: str
    rows: int
    columns: int
    number_of_frames: int
    sha256: str
    frames: list[list[Any]] = field(default_factory=list)  # each as ByteRange.column has it

    @property
    def path(self) -> Path:
        """The Part 10 file."""
        return store.instance_path(self.study, self.series, self.sop)

    @property
    def header(self) -> Path:
        """The file of its DICOM JSON."""
        return store.header_path(self.study, self.series, self.sop)


_COLUMNS = {
    "study": "series__exam__study_instance_uid",
    "series": "series__series_instance_uid",
    "sop": "sop_instance_uid",
    "transfer_syntax_uid": "transfer_syntax_uid",
    "rows": "rows",
    "columns": "columns",
    "number_of_frames": "number_of_frames",
    "sha256": "sha256",
    "frames": "frames",
}


def described(instances: QuerySet[Instance], *, with_frames: bool = True) -> list[StoredInstance]:
    """The instances in the order of `instances`, in one query. Without their frames where only whole files are sent."""
    columns = {name: column for name, column in _COLUMNS.items() if with_frames or name != "frames"}
    found = instances.values_list(*columns.values())
    return [_described(dict(zip(columns, values, strict=True))) for values in found]


def _described(values: dict[str, Any]) -> StoredInstance:
    return StoredInstance(**values | {"rows": values["rows"] or 0, "columns": values["columns"] or 0})


def size_of(path: Path) -> int:
    """Bytes of a stored file. Raises GoneFromStore, so that a response is refused rather than cut off."""
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise _gone(path) from error


def content_of(path: Path) -> bytes:
    """A stored file as a whole. Raises GoneFromStore."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _gone(path) from error


def _gone(path: Path) -> GoneFromStore:
    return GoneFromStore(f"{path.name} is indexed but gone from the store. Have the operator restore it from backup.")
