"""Exams that are brought in as files, from the page or with `manage.py ingest`: what becomes of each file.

A file takes the way that every exam takes: into the spool, fsynced, and from there to an exam or to the quarantine.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from django.db import DatabaseError
from pydicom import dcmread
from pydicom.uid import MediaStorageDirectoryStorage

from dicom_ingest import room, spool
from dicom_ingest.indexer import Outcome, file_kept
from dicom_ingest.models import STOW_AE_TITLE, AETitle, Exam, Route
from dicom_ingest.spool import Incoming, NotPart10
from portal.access import Capability, Viewer

FROM_THE_PAGE = "BRING-IN"  # what stands in a route for the calling AE title
FROM_THE_COMMAND = "INGEST"


class Fate(StrEnum):
    """What became of one file."""

    NEW = "new"
    REPEAT = "repeat"
    QUARANTINED = "quarantined"
    WAITING = "waiting"
    LEFT_OUT = "left out"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Brought:
    """One file's fate, with the reason in words where it is neither new nor a repeat."""

    fate: Fate
    sentence: str = ""
    exam: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether Overread has the bytes for good, so that nobody need bring them again."""
        return self.fate in {Fate.NEW, Fate.REPEAT, Fate.QUARANTINED, Fate.WAITING}


class NotAllowed(Exception):
    """The sender may add nothing to the exam that the file belongs to."""


def bring_in(chunks: Iterator[bytes], *, called_ae: str, calling_ae: str, sender: Viewer | None = None) -> Brought:
    """Keep one file as if it had been sent to `called_ae`, and file it.

    `chunks` go to the spool's disk as they come. A `sender` has to be allowed to add to the exam.
    Raises NotAllowed, DatabaseError, OSError (also when the disk is low), and what `chunks` raises. Then nothing is
    kept, unless the disk failed while the file was filed: the indexer does that in the end.
    """
    if not room.has_room():
        raise OSError(errno.ENOSPC, room.lack_of_room())
    try:
        with spool.incoming(chunks, called_ae=called_ae, calling_ae=calling_ae) as incoming:
            return _judged(incoming, sender)
    except NotPart10 as error:
        return Brought(fate=Fate.REFUSED, sentence=f"Not a DICOM file. {error}")


def _judged(incoming: Incoming, sender: Viewer | None) -> Brought:
    if _is_directory(incoming.file):
        return Brought(fate=Fate.LEFT_OUT, sentence="A DICOMDIR: it lists the images and holds none.")
    if sender is not None:
        try:
            study = _study_of(incoming.file)
        except Exception as error:  # noqa: BLE001 - pydicom raises whatever garbage provokes; the sender is told
            return Brought(fate=Fate.REFUSED, sentence=f"Not a DICOM file that can be read ({type(error).__name__}).")
        if not may_add_to(study, sender):
            raise NotAllowed("It belongs to an exam that came to another study. Ask that study's coordinator.")
    kept = incoming.keep()
    try:
        return _brought(file_kept(kept))
    except DatabaseError:
        return Brought(fate=Fate.WAITING, sentence="Kept; filed as soon as the database answers.")


def may_add_to(study: str, sender: Viewer) -> bool:
    """Whether each AE title that the exam came to is one `sender` may send to, or the exam is in a study of theirs."""
    theirs = AETitle.objects.sendable_by(sender).values("title")
    exams = Exam.objects.visible_to(sender, Capability.SEND_EXAMS).values("pk")
    others = Route.objects.filter(exam__study_instance_uid=study).exclude(called_ae=STOW_AE_TITLE)
    return not others.exclude(called_ae__in=theirs).exclude(exam__in=exams).exists()


def _is_directory(file: BinaryIO) -> bool:
    return bool(spool.read_meta(file).get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage)


def _study_of(file: BinaryIO) -> str:
    file.seek(0)
    header = dcmread(file, stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
    return str(header.get("StudyInstanceUID") or "")


def _brought(outcome: Outcome) -> Brought:
    if outcome.quarantined is not None:
        return Brought(fate=Fate.QUARANTINED, sentence=outcome.quarantined.explanation)
    if outcome.instance is None:
        raise RuntimeError("The indexer neither filed nor quarantined an instance.")
    exam = outcome.instance.series.exam.study_instance_uid
    return Brought(fate=Fate.REPEAT if outcome.is_repeat else Fate.NEW, exam=exam)
