"""What becomes of one instance that was sent over STOW-RS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

from django.db import DatabaseError
from pydicom import dcmread

from dicom_ingest import spool
from dicom_ingest.indexer import file_kept
from dicom_ingest.models import STOW_AE_TITLE, Exam, Instance, QuarantinedInstance, Route
from portal.access import Capability, Viewer


class Failure(IntEnum):
    """Values of FailureReason (PS3.18 I.2.2, PS3.7 annex C)."""

    PROCESSING = 0x0110
    DUPLICATE = 0x0111
    INVALID_INSTANCE = 0x0117
    MISSING_ATTRIBUTE = 0x0120
    NOT_AUTHORIZED = 0x0124
    OUT_OF_RESOURCES = 0xA700
    DOES_NOT_MATCH = 0xA900
    NOT_UNDERSTOOD = 0xC000


_QUARANTINED: dict[str, Failure] = {
    QuarantinedInstance.Reason.NOT_DICOM: Failure.NOT_UNDERSTOOD,
    QuarantinedInstance.Reason.TRUNCATED: Failure.NOT_UNDERSTOOD,
    QuarantinedInstance.Reason.NO_PIXELS: Failure.DOES_NOT_MATCH,
    QuarantinedInstance.Reason.BAD_UID: Failure.INVALID_INSTANCE,
    QuarantinedInstance.Reason.MISSING_ATTRIBUTE: Failure.MISSING_ATTRIBUTE,
    QuarantinedInstance.Reason.CONFLICT: Failure.DUPLICATE,
}


@dataclass(frozen=True, kw_only=True)
class Claims:
    """How an instance that was sent identifies itself; "" for what it leaves out."""

    sop_class: str = ""
    sop: str = ""
    study: str = ""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An instance that is filed now, or was already with the same bytes."""

    claims: Claims
    instance: Instance


@dataclass(frozen=True, kw_only=True)
class Failed:
    """An instance that is not filed, with a sentence that says why, without a patient's data."""

    reason: Failure
    sentence: str
    claims: Claims = Claims()


def store(chunks: Iterator[bytes], *, study: str, sender: Viewer) -> Stored | Failed:
    """Keep and file one Part 10 file, sent by `sender` to the exam `study`, or to any where that is "".

    The file goes to the spool's disk as it arrives. What cannot be read at all, or may not be sent, is not kept: the
    sender is told instead. Raises what reading `chunks` raises, with nothing kept.
    """
    try:
        with spool.incoming(chunks, called_ae=STOW_AE_TITLE) as incoming:
            return _judged(incoming, study=study, sender=sender)
    except spool.NotPart10 as error:
        unreadable = f"A part does not read as a DICOM file with preamble and meta information. {error}"
        return Failed(reason=Failure.NOT_UNDERSTOOD, sentence=unreadable)
    except OSError as error:
        return _unkept(error, Claims())


def _judged(incoming: spool.Incoming, *, study: str, sender: Viewer) -> Stored | Failed:
    try:
        claims = _claims(incoming.file)
    except Exception as error:  # noqa: BLE001 - pydicom raises whatever garbage provokes; the sender is told
        unreadable = f"A part does not read as a DICOM file ({type(error).__name__})."
        return Failed(reason=Failure.NOT_UNDERSTOOD, sentence=unreadable)
    return _turned_down(claims, study=study, sender=sender) or _filed(incoming, claims)


def _claims(file: BinaryIO) -> Claims:
    keywords = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"]
    file.seek(0)
    header = dcmread(file, stop_before_pixels=True, specific_tags=list(keywords))
    sop_class, sop, study = (str(header.get(keyword) or "") for keyword in keywords)
    return Claims(sop_class=sop_class, sop=sop, study=study)


def _turned_down(claims: Claims, *, study: str, sender: Viewer) -> Failed | None:
    if study and claims.study != study:
        sentence = f"Instance {claims.sop} belongs to another study than the one in the URL."
        return Failed(reason=Failure.DOES_NOT_MATCH, sentence=sentence, claims=claims)
    if not _may_add_to(claims.study, sender):
        sentence = f"Instance {claims.sop} belongs to an exam to which you may add nothing."
        return Failed(reason=Failure.NOT_AUTHORIZED, sentence=sentence, claims=claims)
    return None


def _may_add_to(study: str, sender: Viewer) -> bool:
    """An exam that came over DIMSE takes more from those only who may send exams to one of its studies.

    One that came over STOW-RS alone belongs to no study until it is complete, so it takes more from every sender.
    """
    over_dimse = Route.objects.filter(exam__study_instance_uid=study).exclude(called_ae=STOW_AE_TITLE)
    sendable = Exam.objects.visible_to(sender, Capability.SEND_EXAMS)
    return not over_dimse.exclude(exam__in=sendable.values("pk")).exists()


def _filed(incoming: spool.Incoming, claims: Claims) -> Stored | Failed:
    try:
        outcome = file_kept(incoming.keep())
    except OSError as error:
        return _unkept(error, claims)
    except DatabaseError:
        sentence = f"Instance {claims.sop} is kept but not filed yet. Look for it later, or send it again."
        return Failed(reason=Failure.PROCESSING, sentence=sentence, claims=claims)
    if outcome.instance is not None:
        return Stored(claims=claims, instance=outcome.instance)
    if outcome.quarantined is None:
        raise RuntimeError("The indexer neither filed nor quarantined an instance.")
    reason = _QUARANTINED.get(outcome.quarantined.reason, Failure.PROCESSING)
    return Failed(reason=reason, sentence=f"Instance {claims.sop}: {outcome.quarantined.explanation}", claims=claims)


def _unkept(error: OSError, claims: Claims) -> Failed:
    which = f"Instance {claims.sop}" if claims.sop else "An instance"
    sentence = f"{which} could not be kept ({error.strerror}). Send it again later."
    return Failed(reason=Failure.OUT_OF_RESOURCES, sentence=sentence, claims=claims)
