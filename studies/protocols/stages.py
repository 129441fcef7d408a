"""The stages of a study and the steps between them. Each step is refused until nothing stands in its way."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from portal.audit import trail
from portal.audit.trail import Action
from portal.models import User
from studies.models import StageChange, Study
from studies.protocol_models import ProtocolVersion
from studies.protocols import protocol
from studies.protocols.obstacles import Obstacle, obstacles
from studies.refusals import ProtocolRefused

__all__ = ["NEXT", "Obstacle", "StageRefused", "obstacles"]

Stage = Study.Stage
NEXT: dict[Stage, tuple[Stage, ...]] = {
    Stage.DRAFT: (Stage.PILOT, Stage.ACTIVE),
    Stage.PILOT: (Stage.ACTIVE,),
    Stage.ACTIVE: (Stage.LOCKED,),
    Stage.LOCKED: (Stage.CLOSED, Stage.ACTIVE),
    Stage.CLOSED: (),
}
"""Where a study may go from each stage. Back goes only what was locked, with a reason."""


class StageRefused(Exception):
    """The study stays in its stage; `obstacles` has what stands in the way."""

    def __init__(self, obstacles: Sequence[Obstacle]) -> None:
        super().__init__(" ".join(one.sentence for one in obstacles))
        self.obstacles = tuple(obstacles)


def start_pilot(study: Study, *, by: User | None) -> Study:
    """Freeze the protocol and take exams as pilot cases, which never count with those that come later.

    Raises StageRefused.
    """
    return _step(study, Stage.PILOT, by=by)


def activate(study: Study, *, by: User | None) -> Study:
    """Freeze what of the protocol is not frozen yet, and take exams as cases. Raises StageRefused."""
    return _step(study, Stage.ACTIVE, by=by, among=(Stage.DRAFT, Stage.PILOT))


def lock(study: Study, *, by: User | None) -> Study:
    """Take neither cases nor answers any more. Raises StageRefused."""
    return _step(study, Stage.LOCKED, by=by)


def reopen(study: Study, *, reason: str, by: User | None) -> Study:
    """Take cases and answers again after locking. Raises StageRefused, also without a reason."""
    if not reason.strip():
        raise StageRefused([Obstacle(sentence="Say why the study is opened again: those who inspect it will ask.")])
    return _step(study, Stage.ACTIVE, by=by, reason=reason.strip(), among=(Stage.LOCKED,))


def close(study: Study, *, by: User | None) -> Study:
    """End the study for good. Raises StageRefused."""
    return _step(study, Stage.CLOSED, by=by)


@transaction.atomic
def put_in_force(study: Study, *, by: User | None) -> ProtocolVersion:
    """Freeze the amendment that was written: what comes from now on is judged by it.

    Raises StageRefused for what is missing, ProtocolRefused when no amendment is being written.
    """
    kept = Study.objects.select_for_update().get(pk=study.pk)
    written = protocol.draft(kept)
    if written is None or not kept.enrols:
        raise ProtocolRefused("There is no amendment to put in force.")
    if standing := obstacles(kept, Stage(kept.stage)):
        raise StageRefused(standing)
    return protocol.freeze(written, by=by)


@transaction.atomic
def _step(
    study: Study, to: Stage, *, by: User | None, reason: str = "", among: tuple[Stage, ...] = tuple(Stage)
) -> Study:
    kept = Study.objects.select_for_update().select_related("ae_title").get(pk=study.pk)
    before = Stage(kept.stage)
    if to not in NEXT[before] or before not in among:
        raise StageRefused([_wrong_way(before, to)])
    reopens = (before, to) == (Stage.LOCKED, Stage.ACTIVE)
    if not reopens and (standing := obstacles(kept, to)):
        raise StageRefused(standing)
    if to in (Stage.PILOT, Stage.ACTIVE) and (written := protocol.draft(kept)) is not None:
        protocol.freeze(written, by=by)
    Study.objects.filter(pk=kept.pk).update(stage=to)
    StageChange.objects.create(study=kept, before=before, after=to, reason=reason, made_by=by)
    trail.record(
        Action.STUDY_STAGE_CHANGED, of=kept.slug, study=kept.slug, detail={"before": str(before), "after": str(to)}
    )
    study.refresh_from_db()
    return study


def _wrong_way(before: Stage, to: Stage) -> Obstacle:
    ways = " or ".join(one.label.lower() for one in NEXT[before]) or "no other"
    return Obstacle(
        sentence=f"The study is {before.label.lower()}; from there it goes to {ways}, not to {to.label.lower()}."
    )
