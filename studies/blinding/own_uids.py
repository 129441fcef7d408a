"""From the UIDs of an object that was made on what a read shows to those of the store."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset
from pydicom.multival import MultiValue

from dicom_ingest.dicomweb.included import header
from studies.blinding import preparation, salts
from studies.blinding.grids import value
from studies.models import Read


def in_store(read: Read, dataset: Dataset) -> None:
    """Put the store's own UIDs of the case's exam in place of those by which `read` shows it. Others stay.

    Raises Unshowable, as `preparation.prepare` does.
    """
    known = _real_uids(read)
    for element in dataset.iterall():
        if element.VR != "UI" or not element.value:
            continue
        if isinstance(element.value, MultiValue | list):
            element.value = [known.get(str(one), str(one)) for one in element.value]
        else:
            element.value = known.get(str(element.value), str(element.value))


def _real_uids(read: Read) -> dict[str, str]:
    """Of the exam, its series and their images, and their frames of reference, by the UIDs that the read gave them."""
    salt, exam = salts.of_read(read.study.slug, read.pk), preparation.prepare(read).manifest.exams[0]
    known = {exam.uid: read.case.exam.study_instance_uid}
    for series in exam.series:
        images = [Path(one.file) for one in series.instances if one.file and not one.is_bits]
        if not images:
            continue
        own = images[0].parent.name
        known |= {series.uid: own, **{salt.remapped(image.stem): image.stem for image in images}}
        frame = str(value(header(known[exam.uid], own, images[0].stem), "FrameOfReferenceUID") or "")
        known[salt.remapped(frame)] = frame
    known.pop("", None)
    return known
