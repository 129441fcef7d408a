"""What a read shows as files, for a drawing program: blinded as the read's own root serves them."""

from __future__ import annotations

import tempfile
from typing import IO
from zipfile import ZIP_STORED, ZipFile

from dicom_ingest.dicomweb.scope import Target
from studies.blinding import preparation
from studies.blinding.grids import value
from studies.blinding.stored import whole
from studies.models import Read


def packed(read: Read) -> IO[bytes]:
    """A ZIP of all that the read shows, a folder for each series, to be read from its begin. Raises Unshowable."""
    shown = preparation.prepare(read)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    with ZipFile(file, "w", ZIP_STORED, strict_timestamps=False) as archive:
        for exam in shown.manifest.exams:
            for series in exam.series:
                folder = f"series-{value(series.attributes, 'SeriesNumber') or series.uid[-6:]}"
                for number, instance in enumerate(series.instances, start=1):
                    target = Target(study=exam.uid, series=series.uid, instance=instance.sop)
                    archive.write(whole(shown, target, instance).path, f"{folder}/{number:05}.dcm")
    file.seek(0)
    return file
