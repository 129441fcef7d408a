"""Bringing exams in: C-MOVE to our receiver (PS3.4, C.4.2), C-GET (C.4.3), or WADO-RS (PS3.18, 10.4).

However they come, their bytes go through the spool as they were sent, and everything after is as for any arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import StoragePresentationContexts, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context, build_role
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FindModel
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GetModel
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as MoveModel
from requests import RequestException, Response, codes

from dicom_ingest import spool
from dicom_ingest.dicomweb.multipart import MalformedMultipart, PartTooLarge, read_parts
from dicom_ingest.models import AETitle
from dicom_ingest.pacs import queue, web
from dicom_ingest.pacs.errors import PacsError, Refused
from dicom_ingest.pacs.models import Remote, Retrieval, Transfer
from dicom_ingest.pacs.query import find
from dicom_ingest.pacs.remotes import SUCCESS, association, status_of
from dicom_ingest.store import checked_uid
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User

_MOVE_SECONDS = 300  # between two answers: an archive may have to fetch a tape
_MESSAGE_ID = 1
_PENDING = 0xFF00
_CANCELLED = 0xFE00
_UNKNOWN_DESTINATION = 0xA801
_OUT_OF_RESOURCES = 0xA700
_STORAGE_CONTEXTS = 127  # an association has 128 at most (PS3.8, 9.3.2.2), one of them for the C-GET itself
_USUAL_CLASSES = [str(context.abstract_syntax) for context in StoragePresentationContexts][:_STORAGE_CONTEXTS]
_LARGEST_PART = 1 << 31
_WEB_CALLER = "WADO-RS"
_WADO_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
# Each is proposed in a context of its own, so that the remote can send what it holds without transcoding.
_SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEG2000,
    RLELossless,
    JPEGExtended12Bit,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)


def request(
    remote: Remote,
    study_instance_uid: str,
    *,
    called_ae: str,
    by: User | None = None,
    priority: Transfer.Priority = Transfer.Priority.ROUTINE,
    description: str = "",
) -> Retrieval:
    """Queue an exam to be brought in to our AE title `called_ae`; the open retrieval of it where there is one.

    Raises Refused when the remote may not be retrieved from or the AE title is not active, MalformedUID.
    """
    if not remote.active or not remote.retrieve:
        raise Refused(f"Nothing may be brought in from {remote}. An administrator can allow it.")
    if not AETitle.objects.filter(title=called_ae, active=True).exists():
        raise Refused(f"{called_ae} is not one of Overread's active AE titles.")
    key = {"remote": remote, "study_instance_uid": checked_uid(study_instance_uid), "called_ae": called_ae}
    with transaction.atomic():
        retrieval = _open(key) or _create(key, requested_by=by, priority=priority, description=description[:200])
        detail = {"remote": remote.pk, "called_ae": called_ae}
        trail.record(Action.RETRIEVAL_REQUESTED, of=retrieval.study_instance_uid, detail=detail)
        transaction.on_commit(queue.hint)
    return retrieval


def request_again(retrieval: Retrieval) -> None:
    """Queue an ended retrieval again. Raises Refused when the same exam is on its way already."""
    try:
        with transaction.atomic():
            queue.retry(Retrieval, retrieval.pk)
    except IntegrityError:
        raise Refused("The same exam is on its way to this AE title already.") from None


def _open(key: dict[str, Any]) -> Retrieval | None:
    return Retrieval.objects.filter(**key, state__in=[Transfer.State.QUEUED, Transfer.State.RUNNING]).first()


def _create(key: dict[str, Any], **values: Any) -> Retrieval:
    try:
        with transaction.atomic():
            return Retrieval.objects.create(**key, **values)
    except IntegrityError:  # asked for twice at once
        existing = _open(key)
        if existing is None:
            raise
        return existing


def run_next() -> bool:
    """Run the retrieval that is next; False when none waits or its remote has no room."""
    retrieval = queue.claim_next(Retrieval)
    if retrieval is None:
        return False
    with queue.attempt(retrieval):
        run(retrieval)
    return True


def run(retrieval: Retrieval) -> None:
    """Bring a claimed retrieval's exam in. Raises PacsError when all of it, or some, did not come."""
    by = {Remote.Retrieve.MOVE: _move, Remote.Retrieve.GET: _get, Remote.Retrieve.WADO: _wado}
    method = by.get(Remote.Retrieve(retrieval.remote.retrieve))
    if method is None or not retrieval.remote.active:
        raise Refused(f"Nothing may be brought in from {retrieval.remote} any more.")
    queue.update(retrieval, completed=0, failed=0, warning=0, remaining=None)
    method(retrieval)


def _move(retrieval: Retrieval) -> None:
    remote = retrieval.remote
    with association(remote, [build_context(MoveModel)], answer_seconds=_MOVE_SECONDS) as opened:
        answers = opened.send_c_move(_identifier(retrieval), retrieval.called_ae, MoveModel, msg_id=_MESSAGE_ID)
        _follow(retrieval, opened, answers, MoveModel)


def _get(retrieval: Retrieval) -> None:
    """C-GET on an association that takes what the exam consists of, as the remote tells beforehand."""
    remote = retrieval.remote
    with association(remote, [build_context(FindModel)]) as opened:
        classes = _classes(retrieval, opened)
    contexts = _storage_contexts(classes)
    roles = [build_role(one, scp_role=True) for one in classes]
    keep = [(evt.EVT_C_STORE, lambda event: _keep(event, retrieval))]
    with association(
        remote, [build_context(GetModel), *contexts], roles=roles, handlers=keep, answer_seconds=_MOVE_SECONDS
    ) as opened:
        _follow(retrieval, opened, opened.send_c_get(_identifier(retrieval), GetModel, msg_id=_MESSAGE_ID), GetModel)


def _classes(retrieval: Retrieval, opened: Association) -> list[str]:
    """The SOP classes of the exam's instances; the usual ones where the remote does not tell (the key is optional)."""
    study = {"StudyInstanceUID": retrieval.study_instance_uid}
    found: dict[str, None] = {}
    is_empty = True
    for series in find(opened, retrieval.remote, "SERIES", study | {"SeriesInstanceUID": ""}):
        keys = study | {"SeriesInstanceUID": str(series.SeriesInstanceUID), "SOPInstanceUID": "", "SOPClassUID": ""}
        for image in find(opened, retrieval.remote, "IMAGE", keys):
            is_empty = False
            found |= {str(image.SOPClassUID): None} if image.get("SOPClassUID") else {}
    if is_empty:
        raise Refused(f"{retrieval.remote} has no image of this exam any more. Search again.")
    return list(found) or _USUAL_CLASSES


def _storage_contexts(classes: Sequence[str]) -> list[PresentationContext]:
    """A context for each class and syntax, as far as there is room; a class's last one takes the remaining syntaxes."""
    each = max(1, min(_STORAGE_CONTEXTS // len(classes), len(_SYNTAXES)))
    sets = [*([one] for one in _SYNTAXES[: each - 1]), list(_SYNTAXES[each - 1 :])]
    return [build_context(one, syntaxes) for syntaxes in sets for one in classes][:_STORAGE_CONTEXTS]


def _keep(event: evt.Event, retrieval: Retrieval) -> int:
    """Put one instance in the spool; success is told only when it is safe there."""
    request = event.request
    try:
        spool.write(
            request.DataSet.getvalue(),
            sop_class_uid=str(request.AffectedSOPClassUID),
            sop_instance_uid=str(request.AffectedSOPInstanceUID),
            transfer_syntax_uid=str(UID(event.context.transfer_syntax)),
            called_ae=retrieval.called_ae,
            calling_ae=retrieval.remote.ae_title,
        )
    except OSError:
        return _OUT_OF_RESOURCES
    return SUCCESS


def _follow(
    retrieval: Retrieval, opened: Association, answers: Iterable[tuple[Dataset, Dataset | None]], model: UID
) -> None:
    """Write down each answer's counts until the last one; a cancelled retrieval is cancelled at the remote too."""
    code, last = _PENDING, Dataset()
    for status, _ in answers:
        code, last = status_of(status, retrieval.remote), status
        try:
            queue.update(retrieval, **_counts(status))
        except queue.TransferTaken:
            opened.send_c_cancel(_MESSAGE_ID, query_model=model)
            raise
    _judge(retrieval, code, last)


def _counts(status: Dataset) -> dict[str, int]:
    names = {"completed": "Completed", "failed": "Failed", "warning": "Warning", "remaining": "Remaining"}
    numbers = {name: status.get(f"NumberOf{word}Suboperations") for name, word in names.items()}
    counts = {name: int(number) for name, number in numbers.items() if number is not None}
    return counts if status.Status == _PENDING else {"remaining": 0, **counts}


def _judge(retrieval: Retrieval, code: int, last: Dataset) -> None:
    remote, counts = retrieval.remote, _counts(last)
    came, failed = counts.get("completed", 0) + counts.get("warning", 0), counts.get("failed", 0)
    if code == _UNKNOWN_DESTINATION:
        raise Refused(
            f"{remote} does not know our AE title {retrieval.called_ae}. Enter it there, with the address and port of "
            f"the receiver, or bring the exam in to another one."
        )
    if failed:
        raise PacsError(f"{remote} could not send {failed} of {came + failed} instances.")
    if code == _CANCELLED:
        raise PacsError(f"{remote} cancelled the retrieval.")
    if code != SUCCESS:
        raise PacsError(f"{remote} failed with status 0x{code:04X}{_comment(last)}.")
    if not came and "completed" in counts:
        raise Refused(f"{remote} has no image of this exam any more. Search again.")


def _comment(status: Dataset) -> str:
    """Which attributes the remote complains of; its own words may name a patient and are left out."""
    offending = status.get("OffendingElement")
    return f" about {offending}" if offending else ""


def _identifier(retrieval: Retrieval) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = retrieval.study_instance_uid
    return identifier


def _wado(retrieval: Retrieval) -> None:
    remote = retrieval.remote
    path = f"/studies/{retrieval.study_instance_uid}"
    with web.session(remote) as session, web.get(session, remote, path, accept=_WADO_ACCEPT) as response:
        if response.status_code != codes.ok:
            raise web.refusal(remote, response)
        came = sum(1 for _ in _kept_parts(retrieval, response))
    if not came:
        raise Refused(f"{remote} has no image of this exam any more. Search again.")


def _kept_parts(retrieval: Retrieval, response: Response) -> Iterator[int]:
    """Put each part in the spool as it comes, and count."""
    boundary = web.boundary(response)
    try:
        parts = read_parts(web.Body(response), boundary, largest_part=_LARGEST_PART)
        for number, part in enumerate(parts, start=1):
            with spool.incoming(part.chunks, called_ae=retrieval.called_ae, calling_ae=_WEB_CALLER) as incoming:
                incoming.keep()
            queue.update(retrieval, completed=number)
            yield number
    except (MalformedMultipart, PartTooLarge) as error:
        raise PacsError(f"{retrieval.remote} did not send what WADO-RS promises. {error}") from error
    except spool.NotPart10 as error:
        raise PacsError(f"{retrieval.remote} sent a part that is no DICOM file. {error}") from error
    except RequestException:  # an OSError too, but the remote's
        raise
    except OSError as error:
        raise PacsError(f"The exam could not be kept ({error.strerror}). Free space under OVERREAD_STORE.") from error
