"""Files put in the spool, and what becomes of them."""

import struct
import time
from collections.abc import Callable
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
)

from dicom_ingest import spool, store
from dicom_ingest.indexer import index
from dicom_ingest.models import Instance, QuarantinedInstance
from tests.dicom_ingest.scanner import encoded, mr_series


def spooled(dataset: Dataset | bytes, *, called_ae: str = "BRAIN", syntax: UID = ExplicitVRLittleEndian) -> Path:
    payload = dataset if isinstance(dataset, bytes) else encoded(dataset, syntax)
    return spool.write(
        payload,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=syntax,
        called_ae=called_ae,
        calling_ae="SCANNER",
    )


def filed(dataset: Dataset | bytes, *, called_ae: str = "BRAIN", syntax: UID = ExplicitVRLittleEndian) -> Instance:
    instance = index(spooled(dataset, called_ae=called_ae, syntax=syntax)).instance
    assert instance is not None
    return instance


def quarantined(dataset: Dataset | bytes, *, syntax: UID = ExplicitVRLittleEndian) -> QuarantinedInstance:
    row = index(spooled(dataset, syntax=syntax)).quarantined
    assert row is not None
    assert (store.quarantine_folder() / row.file_name).is_file()
    assert spool.waiting() == []
    return row


def path_of(instance: Instance) -> Path:
    series = instance.series
    return store.instance_path(series.exam.study_instance_uid, series.series_instance_uid, instance.sop_instance_uid)


def frame(instance: Instance, number: int = 1) -> bytes:
    offset, length = instance.frames[number - 1]
    return path_of(instance).read_bytes()[offset : offset + length]


def image(**attributes: object) -> Dataset:
    dataset = mr_series(slices=1)[0]
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def compressed(fragments: list[bytes], *, frames: int, table: list[int] | None = None) -> bytes:
    """An image of `fragments`, with an offset table that says `table` where that is given."""
    dataset = image(NumberOfFrames=frames)
    dataset.PixelData = encapsulate(fragments, has_bot=table is None)
    if table is not None:
        empty = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
        told = struct.pack(f"<HHL{len(table)}L", 0xFFFE, 0xE000, 4 * len(table), *table)
        dataset.PixelData = told + dataset.PixelData.removeprefix(empty)
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    return encoded(dataset)


def until(condition: Callable[[], bool], *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()
