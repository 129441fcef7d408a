"""Sending results out: C-STORE (PS3.4, annex B) or STOW-RS (PS3.18, 10.5); resumed where it stopped."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import requests
from django.db import transaction
from django.utils.timezone import now
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import _config
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification
from requests import codes

from dicom_ingest import store
from dicom_ingest.dicomweb.multipart import FilePart, MultipartBody
from dicom_ingest.models import Exam
from dicom_ingest.pacs import commitment, gate, queue, web
from dicom_ingest.pacs.errors import PacsError, Refused
from dicom_ingest.pacs.models import Remote, Sending, SentInstance, Transfer
from dicom_ingest.pacs.remotes import SUCCESS, association, status_of
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User

_config.STORE_SEND_CHUNKED_DATASET = True  # files go out as they lie there, neither decoded nor held in memory

_MOST_CONTEXTS = 127
_BATCH = 16  # instances in one STOW-RS request
_WARNINGS = {0xB000, 0xB006, 0xB007}  # stored, with reservations (PS3.4, B.2.3)
State = SentInstance.State


def request(
    exam: Exam,
    remote: Remote,
    *,
    study: str,
    by: User | None = None,
    priority: Transfer.Priority = Transfer.Priority.ROUTINE,
) -> Sending | None:
    """Queue what of the exam's results `study` may send to `remote` and has not yet; None when nothing is new.

    Raises Refused when no governance decision of the study names the remote.
    """
    series = gate.sendable(study, remote, exam)
    with transaction.atomic():
        Remote.objects.select_for_update().get(pk=remote.pk)  # two requests at once queue an instance once
        sent = SentInstance.objects.filter(sending__remote=remote, sending__study=study, instance__series__exam=exam)
        from_series = [one for each in series for one in each.instances.exclude(pk__in=sent.values("instance_id"))]
        if not from_series:
            return None
        sending = Sending.objects.create(exam=exam, remote=remote, study=study, requested_by=by, priority=priority)
        SentInstance.objects.bulk_create(SentInstance(sending=sending, instance=one) for one in from_series)
        detail = {"remote": remote.pk, "instances": len(from_series)}
        trail.record(Action.RESULTS_QUEUED, of=exam.study_instance_uid, study=study, detail=detail)
        transaction.on_commit(queue.hint)
    return sending


def retry(sending_id: uuid.UUID) -> bool:
    """Queue an ended sending again, with the instances that failed; False when it had not failed or been cancelled."""
    with transaction.atomic():
        if not queue.retry(Sending, sending_id):
            return False
        failed = SentInstance.objects.filter(sending_id=sending_id, state=State.FAILED)
        failed.update(state=State.WAITING, reason="")
    return True


def run_next() -> bool:
    """Run the sending that is next; False when none waits or its remote has no room."""
    sending = queue.claim_next(Sending)
    if sending is None:
        return False
    with queue.attempt(sending):
        run(sending)
    return True


def run(sending: Sending) -> None:
    """Send what of a claimed sending still waits. Raises PacsError when it stopped, Refused when it may not go on."""
    series = gate.sendable(sending.study, sending.remote, sending.exam)  # the decision may have changed since
    waiting = sending.instances.filter(state=State.WAITING)
    withdrawn = waiting.exclude(instance__series__in=series)
    withdrawn.update(state=State.FAILED, reason="A newer result superseded it, or it may not leave any more.", at=now())
    items = list(waiting.filter(instance__series__in=series).select_related("instance__series__exam"))
    if items and sending.remote.kind == Remote.Kind.DICOMWEB:
        _stow(sending, items)
    elif items:
        _store(sending, items)
    if sending.remote.commitment:
        commitment.ask(sending)
    _judge(sending)


def _judge(sending: Sending) -> None:
    sent, failed = (sending.instances.filter(state=state).count() for state in (State.SENT, State.FAILED))
    detail = {"remote": sending.remote_id, "instances": sent, "failed": failed}
    trail.record(Action.RESULTS_SENT, of=sending.exam.study_instance_uid, study=sending.study, detail=detail)
    if failed:
        raise Refused(f"{failed} of {sending.instances.count()} instances were not taken. Each has its reason.")


def _store(sending: Sending, items: Sequence[SentInstance]) -> None:
    with association(sending.remote, [build_context(Verification), *_contexts(items)]) as opened:
        for item in items:
            _store_one(sending, item, opened)


def _contexts(items: Iterable[SentInstance]) -> list[PresentationContext]:
    kinds = dict.fromkeys((item.instance.sop_class_uid, item.instance.transfer_syntax_uid) for item in items)
    return [build_context(sop_class, syntax) for sop_class, syntax in kinds][:_MOST_CONTEXTS]


def _store_one(sending: Sending, item: SentInstance, opened: Association) -> None:
    queue.update(sending)  # still ours?
    try:
        answer = opened.send_c_store(_path(item))
    except ValueError:
        kind = f"{UID(item.instance.sop_class_uid).name} as {UID(item.instance.transfer_syntax_uid).name}"
        _note(item, State.FAILED, f"{sending.remote} does not take {kind}.")
        return
    except RuntimeError:
        raise PacsError(f"{sending.remote} broke the association off. The rest is sent later.") from None
    except OSError as error:
        _note(item, State.FAILED, f"Its file cannot be read ({error.strerror}).")
        return
    status = status_of(answer, sending.remote)
    if status >> 8 == 0xA7:
        raise PacsError(f"{sending.remote} is out of resources (0x{status:04X}). The rest is sent later.")
    is_taken = status == SUCCESS or status in _WARNINGS
    _note(item, State.SENT if is_taken else State.FAILED, "" if status == SUCCESS else f"Status 0x{status:04X}.")


def _stow(sending: Sending, items: Sequence[SentInstance]) -> None:
    with web.session(sending.remote) as session:
        for start in range(0, len(items), _BATCH):
            queue.update(sending)
            _stow_batch(session, sending, items[start : start + _BATCH])


def _stow_batch(session: requests.Session, sending: Sending, items: Sequence[SentInstance]) -> None:
    remote, body = sending.remote, MultipartBody.of([_part(_path(item)) for item in items])
    content_type = f'multipart/related; type="application/dicom"; boundary={body.boundary}'
    response = web.post(session, remote, "/studies", body=body, content_type=content_type)
    if response.status_code not in {codes.ok, codes.accepted, codes.conflict}:
        raise web.refusal(remote, response)
    _note_each(items, remote, response)


def _note_each(items: Sequence[SentInstance], remote: Remote, response: requests.Response) -> None:
    try:
        answer = Dataset.from_json(response.json())
    except (ValueError, TypeError, KeyError, AttributeError):
        raise PacsError(f"{remote} answered STOW-RS with something else than DICOM JSON.") from None
    stored = {str(one.ReferencedSOPInstanceUID) for one in answer.get("ReferencedSOPSequence", [])}
    failed = {str(uid): code for uid, code in _failures(answer)}
    for item in items:
        uid = item.instance.sop_instance_uid
        if uid in stored:
            _note(item, State.SENT, "")
        else:
            _note(item, State.FAILED, f"Failure reason {failed.get(uid, 'not given')}.")


def _failures(answer: Dataset) -> Iterator[tuple[str, str]]:
    for one in answer.get("FailedSOPSequence", []):
        reason = one.get("FailureReason")
        yield str(one.get("ReferencedSOPInstanceUID")), "not given" if reason is None else f"0x{int(reason):04X}"


def _part(path: Path) -> FilePart:
    return FilePart(content_type="application/dicom", path=path, offset=0, length=path.stat().st_size)


def _path(item: SentInstance) -> Path:
    series = item.instance.series
    exam = series.exam.study_instance_uid
    return store.instance_path(exam, series.series_instance_uid, item.instance.sop_instance_uid)


def _note(item: SentInstance, state: SentInstance.State, reason: str) -> None:
    SentInstance.objects.filter(pk=item.pk).update(state=state, reason=reason, at=now())
