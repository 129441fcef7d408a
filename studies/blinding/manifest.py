"""What one read shows, as it lies on disk: what there is, under which UIDs, and where its pixels are."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

Element = dict[str, Any]
MANIFEST = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ShownInstance(_Part):
    """One object. file: where its pixels lie, from the store's root, "" for none; frames: as `ByteRange.column`.

    mark: stands for its content in ETags. is_bits: `file` is nothing but pixel data.
    """

    sop: str
    sop_class: str
    number: int | None
    transfer_syntax: str
    rows: int
    columns: int
    number_of_frames: int
    file: str
    frames: list[list[Any]]
    mark: str
    is_bits: bool = False


class ShownSeries(_Part):
    """One series. attributes: of it and of what is above it, as DICOM JSON, for searches."""

    uid: str
    attributes: Element
    instances: tuple[ShownInstance, ...]

    @property
    def modality(self) -> str:
        return str(next(iter(self.attributes.get("00080060", {}).get("Value", [])), ""))


class ShownExam(_Part):
    """One exam, its series in the order of their UIDs."""

    uid: str
    series: tuple[ShownSeries, ...]


class Manifest(_Part):
    """All that a read shows."""

    exams: tuple[ShownExam, ...]


class Prepared:
    """A read that is ready: its manifest, and the folder with the metadata of its series."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self._series = {(exam.uid, series.uid): series for exam in manifest.exams for series in exam.series}
        self._instances = {
            (*path, instance.sop): instance for path, series in self._series.items() for instance in series.instances
        }

    def exam(self, uid: str) -> ShownExam | None:
        return next((exam for exam in self.manifest.exams if exam.uid == uid), None)

    def series(self, exam: str, uid: str) -> ShownSeries | None:
        return self._series.get((exam, uid))

    def instance(self, exam: str, series: str, sop: str) -> ShownInstance | None:
        return self._instances.get((exam, series, sop))

    def metadata(self, series: ShownSeries) -> Path:
        """The gzipped JSON array of the series' headers."""
        return self.folder / f"{series.uid}.json.gz"

    def whole(self, instance: ShownInstance) -> Path:
        """Where the instance lies as a file once somebody asked for it whole."""
        return self.folder / f"{instance.sop}.dcm"


def load(folder: Path) -> Prepared:
    """The read that was prepared in `folder`. Raises FileNotFoundError."""
    file = folder / MANIFEST
    return _load(folder, file.stat().st_ino)


@lru_cache(maxsize=16)
def _load(folder: Path, _made: int) -> Prepared:
    return Prepared(folder, Manifest.model_validate_json((folder / MANIFEST).read_bytes()))
