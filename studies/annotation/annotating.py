"""From an annotator's mask to the finding of an arm: submitted in a read, or uploaded by who runs the study."""

from __future__ import annotations

from typing import IO
from uuid import UUID

from django.db import transaction

from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from portal.tasks import hint
from studies.annotation import dealing, showing, taking
from studies.annotation.errors import NotAMask
from studies.annotation.taking import For
from studies.blinding import preparation
from studies.blinding.errors import Unshowable
from studies.cases import arm_findings
from studies.cases.arm_findings import Made
from studies.models import ArmMask, Case, Read
from studies.reading import reads, reassignment
from studies.reading.reads import ReadRefused
from studies.refusals import Refused

HAS_BEGUN = "Readers have begun with this case: what they are shown of the arm stays as it is."


def upload(read_id: UUID, *, by: User, claim: str, file: IO[bytes], name: str) -> ArmMask:
    """Take a file as the mask of the annotator's read; submitting makes it the arm's. Raises NotAMask, ReadRefused,
    Read.DoesNotExist."""
    read = reads.claimed(read_id, by=by, claim=claim)
    mask = taking.take_upload(file, name, _whose(read, by))
    show(read)
    return mask


def save_drawn(read: Read, file: IO[bytes], *, by: User) -> ArmMask:
    """Take what the viewer saved as the mask of the annotator's read. Raises ReadRefused."""
    if read.kind != Read.Kind.ANNOTATION or read.state != Read.State.OPENED:
        raise ReadRefused("This read takes no mask now: it is submitted, or was not opened. Open it from My work.")
    try:
        mask = taking.take_drawn(file, read, by=by)
        show(read)
    except NotAMask as refusal:
        raise ReadRefused(str(refusal)) from refusal
    return mask


def submit(read_id: UUID, *, by: User, claim: str, is_absent: bool, notes: str, active: float) -> ArmMask:
    """Make the read's newest mask the finding of its arm, or with `is_absent` a mask of nothing.

    Raises NotAMask, ReadRefused and what `reads.submit` raises.
    """
    read = reads.claimed(read_id, by=by, claim=claim)
    if is_absent:
        taking.take_absence(_whose(read, by))
    return _submit(read_id, by=by, claim=claim, notes=notes, active=active)


def upload_for(case: Case, arm: str, *, by: User, file: IO[bytes] | None, name: str = "", made_by: str = "") -> ArmMask:
    """Take a file as the mask of an arm for somebody outside of the portal; without a file, that nothing is there.

    made_by: who drew it. The annotator who had the case in this arm need not draw it any more.
    Raises NotAMask, Refused.
    """
    if not case.protocol.content.arm(arm).is_annotated:
        raise Refused("The findings of this arm are no masks that people give.")
    if case.state != Case.State.ENROLLED:
        raise Refused(f"Case {case.number} is not enrolled: it is {case.get_state_display().lower()}.")
    if arm_findings.is_being_read(case) and arm_findings.current(case).filter(arm=arm).exists():
        raise Refused(HAS_BEGUN)
    whose = For(case=case, arm=arm, by=by, note=made_by.strip())
    mask = taking.take_upload(file, name, whose) if file is not None else taking.take_absence(whose)
    _found_for(mask, by)
    return mask


def show(read: Read) -> None:
    """Have the read's root show the newest mask at once: whoever remembers the earlier one looks again."""
    try:
        preparation.prepare(read)
    except Unshowable as reason:
        raise NotAMask(f"The mask is kept, and the viewer cannot show it: {reason}") from reason


@transaction.atomic
def _submit(read_id: UUID, *, by: User, claim: str, notes: str, active: float) -> ArmMask:
    read = reads.claimed(read_id, by=by, claim=claim)
    mask = showing.newest_mask(read)
    if mask is None:
        raise ReadRefused(
            "There is no mask yet. Draw one and save it in the viewer, or upload one; or say that the structure is "
            "absent."
        )
    answers = {"mask": dealing.ABSENT if mask.is_absent else dealing.DRAWN} | ({"notes": notes} if notes else {})
    reads.submit(read_id, by=by, claim=claim, answers=answers, active=active)
    _found(mask, origin=f"Drawn by {by}")
    return mask


@transaction.atomic
def _found_for(mask: ArmMask, by: User) -> None:
    held = Read.objects.filter(
        case=mask.case_id, kind=Read.Kind.ANNOTATION, condition=mask.arm, state__in=Read.OPEN
    ).select_related("study")
    if pending := list(held):
        reassignment.withdraw(pending, reason="A mask was uploaded on the case's page.", by=by)
    whom = f" for {mask.note}" if mask.note else ""
    _found(mask, origin=f"Uploaded by {by}{whom}"[:200])


def _found(mask: ArmMask, *, origin: str) -> None:
    """Part of the caller's transaction. Readers get the case when it was the last that they waited for."""
    if not arm_findings.keep(mask.case, mask.arm, Made(series=mask.series, origin=origin)):
        raise Refused(HAS_BEGUN)
    detail = {"case": mask.case.number, "arm": mask.arm, "series": mask.series.series_instance_uid}
    trail.record(Action.MASK_FOUND, of=f"case:{mask.case_id}", study=mask.case.study.slug, detail=detail)
    transaction.on_commit(lambda: hint("studies.tasks.assign_reads", queue="ingest"))


def _whose(read: Read, by: User) -> For:
    if read.kind != Read.Kind.ANNOTATION:
        raise ReadRefused("This read asks for answers, not for a mask.")
    return For(case=read.case, arm=read.condition, by=by, read=read)
