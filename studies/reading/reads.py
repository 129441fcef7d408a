"""A read, from being opened to being submitted and amended.

Only its reader opens it, and one window at a time may save and submit: the one that opened it last holds the claim.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.timezone import now

from feedback import responses
from feedback.models import Response
from portal.access import Role
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from portal.tasks import hint
from studies.blinding import originals
from studies.blinding.errors import Unshowable
from studies.cases import truth
from studies.models import Membership, ProtocolVersion, Read, ReadResponse, Study
from studies.protocols import protocol
from studies.protocols.protocol_schema import Protocol
from studies.read_models import ReadQuerySet
from studies.reading.assignment import due_at

State = Read.State
LONGEST_DRAFT = 1_000_000


class ReadRefused(Exception):
    """What cannot be done with the read as things are; the text says why and what to do."""


class AlreadySubmitted(ReadRefused):
    """The reader submitted it before, maybe in another window; `response` is what counts."""

    def __init__(self, response: Response) -> None:
        super().__init__(
            f"You submitted this read already, at {response.submitted_at:%Y-%m-%d %H:%M} UTC, probably in another "
            "window. What you entered here is not saved."
        )
        self.response = response


class ClaimedElsewhere(ReadRefused):
    """Another window opened the read since."""

    def __init__(self) -> None:
        super().__init__(
            "This read was opened in another window or on another workstation since, so nothing is saved from here. "
            "Your answers are still here."
        )


def mine(user: User) -> ReadQuerySet:
    """The reads of `user`, withdrawn ones left out, as far as they still have a role in the study that reads."""
    held = Membership.objects.in_force().filter(study=OuterRef("study"), user=user)
    reads = Q(kind=Read.Kind.READ) & Exists(held.filter(role=Role.READER))
    decides = Q(kind__in=Read.DECIDING) & Exists(held.filter(role=Role.ADJUDICATOR))
    draws = Q(kind=Read.Kind.ANNOTATION) & Exists(held.filter(role=Role.ANNOTATOR))
    return Read.objects.filter(reads | decides | draws, reader=user).exclude(state=State.WITHDRAWN)


def latest_response(read: Read) -> Response | None:
    """What counts as the answer to the read."""
    counting = Response.objects.filter(read_response__read=read, amended_by=None)
    return counting.select_related("form", "author").first()


@transaction.atomic
def open_read(read_id: UUID, *, by: User) -> Read:
    """Claim the read for the window that asks. The first time, its clock starts.

    Raises Read.DoesNotExist for everybody but its reader, AlreadySubmitted, ReadRefused.
    """
    read = hold(read_id, by)
    moment = now()
    read.state, read.opened_at = State.OPENED, read.opened_at or moment
    read.claim, read.counted_at = secrets.token_hex(8), moment
    read.save(update_fields=["state", "opened_at", "claim", "counted_at"])
    _note(Action.READ_OPENED, read)
    return read


@transaction.atomic
def claimed(read_id: UUID, *, by: User, claim: str) -> Read:
    """The open read of `by`, as the window that holds its claim has it, held until the transaction ends.

    Raises Read.DoesNotExist, AlreadySubmitted, ClaimedElsewhere, ReadRefused.
    """
    return _claimed(read_id, by, claim)


@transaction.atomic
def save_draft(read_id: UUID, *, by: User, claim: str, answers: Mapping[str, object], active: float) -> Read:
    """Keep what was entered so far. `active`: seconds in all in which the page was visible and its reader not idle.

    Raises Read.DoesNotExist, AlreadySubmitted, ClaimedElsewhere, ReadRefused.
    """
    read = _claimed(read_id, by, claim)
    read.draft = _storable(answers)
    _count(read, active)
    read.save(update_fields=["draft", "active_seconds", "counted_at"])
    return read


def hold_claimed(read_id: UUID, *, by: User, claim: str) -> Read:
    """The read, which stays open and claimed by the window that asks until the caller's transaction ends.

    Raises Read.DoesNotExist, AlreadySubmitted, ClaimedElsewhere, ReadRefused.
    """
    return _claimed(read_id, by, claim)


@transaction.atomic
def submit(read_id: UUID, *, by: User, claim: str, answers: Mapping[str, object], active: float) -> Response:
    """Lock the answers of the read. What waited for it may be opened from now, or after its washout.

    Raises Read.DoesNotExist, AlreadySubmitted, ClaimedElsewhere, ReadRefused, InvalidAnswers.
    """
    read = _claimed(read_id, by, claim)
    _count(read, active)
    moment = now()
    response = responses.submit(
        author=by,
        form=read.form,
        answers=_on_true_images(read, answers),
        exam=read.case.exam,
        sitting=_sitting(read),
        seconds=(moment - read.opened_at).total_seconds() if read.opened_at else None,
        active_seconds=read.active_seconds,
    )
    version = protocol.current(read.study)
    ReadResponse.objects.create(read=read, response=response, protocol=version)
    read.state, read.submitted_at, read.draft, read.claim = State.SUBMITTED, moment, {}, ""
    read.save(update_fields=["state", "submitted_at", "draft", "claim", "active_seconds", "counted_at"])
    _free_followers(read, version, moment)
    _keep_decision(read, response, version.content)
    transaction.on_commit(lambda: hint("studies.tasks.assign_reads", queue="ingest"))
    _note(Action.READ_SUBMITTED, read, response)
    return response


@transaction.atomic
def amend(read_id: UUID, *, by: User, answers: Mapping[str, object], reason: str) -> Response:
    """Add an answer that counts instead of the one before, for a reason.

    Raises Read.DoesNotExist, ReadRefused, InvalidAnswers, feedback.responses.NotAccepted.
    """
    _hold_study(read_id, by)
    read = mine(by).select_for_update(of=("self",)).select_related("study", "form", "case__exam").get(pk=read_id)
    latest = latest_response(read)
    if latest is None:
        raise ReadRefused("There is no answer to amend yet: submit the read.")
    if problem := why_not_amendable(read):
        raise ReadRefused(problem)
    amendment = responses.submit(
        author=by,
        form=latest.form,
        answers=_on_true_images(read, answers),
        exam=read.case.exam,
        sitting=_sitting(read),
        seconds=None,
        amends=latest,
        reason=reason,
    )
    version = protocol.current(read.study)
    ReadResponse.objects.create(read=read, response=amendment, protocol=version)
    _keep_decision(read, amendment, version.content)
    _note(Action.READ_AMENDED, read, amendment)
    return amendment


def why_not_amendable(read: Read) -> str:
    """Why the answer to a submitted read stays as it is; empty when it may be amended."""
    if problem := _closed(read):
        return problem
    if read.followers.exclude(opened_at=None).exists():
        return "This answer is locked: you have opened the read that follows it."
    return ""


def why_not_open(read: Read) -> str:
    """Why an open read cannot be opened now; empty when it can."""
    if problem := _closed(read):
        return problem
    if read.after is not None and read.after.state != State.SUBMITTED:
        return "This read opens once you have submitted the one before it."
    if read.not_before is not None and read.not_before > now():
        return f"This read opens on {read.not_before:%Y-%m-%d at %H:%M} UTC, when enough time has passed."
    return ""


def _closed(read: Read) -> str:
    if not read.study.is_being_read:
        return f"The study is {read.study.get_stage_display().lower()}: it takes no answers now."
    if read.is_pilot != (read.study.stage == Study.Stage.PILOT):
        return "This read belongs to the pilot, which is over."
    return ""


def _hold_study(read_id: UUID, by: User) -> None:
    """Keep the study in its stage until this transaction ends."""
    study = mine(by).values_list("study", flat=True).get(pk=read_id)
    Study.objects.select_for_update(no_key=True).get(pk=study)


def hold(read_id: UUID, by: User) -> Read:
    """The read of `by`, which may be opened, with nobody else at it until this transaction ends.

    Raises Read.DoesNotExist for everybody but its reader, AlreadySubmitted, ReadRefused.
    """
    _hold_study(read_id, by)
    held = mine(by).select_for_update(of=("self",)).select_related("study", "form", "after", "case__exam")
    read = held.get(pk=read_id)
    if read.state == State.SUBMITTED and (response := latest_response(read)):
        raise AlreadySubmitted(response)
    if problem := why_not_open(read):
        raise ReadRefused(problem)
    return read


def _claimed(read_id: UUID, by: User, claim: str) -> Read:
    read = hold(read_id, by)
    if not claim:
        raise ReadRefused("This read is still being opened here. Try again in a moment.")
    if read.claim != claim:
        raise ClaimedElsewhere
    return read


def _count(read: Read, active: float) -> None:
    """Add the active seconds that the page reports beyond those known, at most as many as went by."""
    moment = now()
    passed = (moment - read.counted_at).total_seconds() if read.counted_at else 0.0
    read.active_seconds += min(max(0.0, active - read.active_seconds), max(0.0, passed))
    read.counted_at = moment


def _free_followers(read: Read, version: ProtocolVersion, moment: datetime) -> None:
    for follower in read.followers.filter(state__in=Read.OPEN):
        follower.not_before = moment + timedelta(days=follower.washout_days) if follower.washout_days else None
        follower.due_at = due_at(version.content, from_when=follower.not_before or moment)
        follower.save(update_fields=["not_before", "due_at"])


def _keep_decision(read: Read, response: Response, content: Protocol) -> None:
    """What is decided is the case's truth, where the protocol says that it comes from there."""
    if read.kind == Read.Kind.READ or content.reference.source != read.kind:
        return
    wanted = content.reference.answers or tuple(response.answers)
    values = {key: response.answers[key] for key in wanted if key in response.answers}
    truth.record_decision(read.case, values, by=response.author)


def _note(action: Action, read: Read, response: Response | None = None) -> None:
    """Put on record what was done with the read, and whose images were looked at for it."""
    detail: dict[str, object] = {"exam": read.case.exam.study_instance_uid, "case": read.case.number}
    if response is not None:
        detail["response"] = str(response.pk)
    trail.record(action, of=f"read:{read.pk}", study=read.study.slug, detail=detail)


def _on_true_images(read: Read, answers: Mapping[str, object]) -> dict[str, object]:
    """What the reader drew lies in the images that the read shows, and is kept as lying in the store's own."""
    try:
        return originals.in_store(read, answers)
    except Unshowable as reason:
        raise ReadRefused("The images of this read cannot be shown any more. Ask the study's coordinator.") from reason


def _sitting(read: Read) -> str:
    return f"read/{read.pk}"


def _storable(answers: Mapping[str, object]) -> dict[str, object]:
    """Raises ReadRefused for what PostgreSQL cannot keep."""
    text = json.dumps(answers)
    if len(text) > LONGEST_DRAFT or "\\u0000" in text:
        raise ReadRefused("What you entered is too long, or holds a character that cannot be stored. Shorten it.")
    stored: dict[str, object] = json.loads(text)
    return stored
