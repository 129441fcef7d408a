"""The instances of a read as files: where the pixels lie, and whole files made when somebody asks for one."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from dicom_ingest.dicomweb.scope import Target
from dicom_ingest.dicomweb.stored import StoredInstance, content_of
from studies.blinding.grids import value
from studies.blinding.manifest import Prepared, ShownInstance, ShownSeries


@dataclass(frozen=True, kw_only=True)
class BlindedInstance(StoredInstance):
    """An instance under the UIDs that a read gives it. file: where its pixels lie."""

    file: Path

    @property
    def path(self) -> Path:
        return self.file


def stored(target: Target, instance: ShownInstance, *, file: Path | None = None) -> BlindedInstance:
    """The instance as the code that sends frames knows instances; `file` in place of its own."""
    return BlindedInstance(
        study=target.study,
        series=target.series,
        sop=instance.sop,
        transfer_syntax_uid=instance.transfer_syntax,
        rows=instance.rows,
        columns=instance.columns,
        number_of_frames=instance.number_of_frames,
        sha256=instance.mark,
        frames=[] if file else instance.frames,
        file=file or Path(settings.OVERREAD_STORE) / instance.file,
    )


def whole(read: Prepared, target: Target, instance: ShownInstance) -> BlindedInstance:
    """The instance as a Part 10 file of the read's own, of its blinded header and its pixels. Raises GoneFromStore."""
    path = read.whole(instance)
    if not path.exists():
        series = read.series(target.study, target.series)
        assert series is not None
        _write(path, _dataset(read, series, instance))
    return stored(target, instance, file=path)


def _dataset(read: Prepared, series: ShownSeries, instance: ShownInstance) -> Dataset:
    headers = json.loads(gzip.decompress(content_of(read.metadata(series))))
    header = next(one for one in headers if value(one, "SOPInstanceUID") == instance.sop)
    dataset = Dataset.from_json({tag: element for tag, element in header.items() if tag != "00083002"})
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(instance.transfer_syntax)
    if instance.file:
        _add_pixels(dataset, instance)
    return dataset


def _add_pixels(dataset: Dataset, instance: ShownInstance) -> None:
    file = Path(settings.OVERREAD_STORE) / instance.file
    if instance.is_bits:
        dataset.PixelData = content_of(file)
        dataset["PixelData"].VR = "OB"
        return
    source = dcmread(file)
    for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
        if keyword in source:
            dataset[keyword] = source[keyword]


def _write(path: Path, dataset: Dataset) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    dataset.save_as(part, enforce_file_format=True)
    os.utime(part, (0, 0))
    part.replace(path)
