"""The stored files of instances, found by their database rows."""

from __future__ import annotations

from pathlib import Path

from dicom_ingest import store
from dicom_ingest.dicomweb.refusals import Refusal
from dicom_ingest.models import Instance


class GoneFromStore(Refusal):
    """A file that the index knows is not in the store, or not whole: a fault of this server."""

    status = 500


def instance_file(instance: Instance) -> Path:
    """The Part 10 file."""
    series = instance.series
    return store.instance_path(series.exam.study_instance_uid, series.series_instance_uid, instance.sop_instance_uid)


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
