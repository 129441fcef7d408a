"""The steps that a study may take next, in the words of their buttons, and what stands in the way of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from portal.access import Capability
from studies import protocol
from studies.models import Study
from studies.obstacles import Obstacle, obstacles
from studies.stages import NEXT
from studies.study_frame import StudyFrame

Stage = Study.Stage


@dataclass(frozen=True, kw_only=True)
class Way:
    """A step that the study may take, in the words of its button, and what it does."""

    to: Stage
    button: str
    does: str
    needs_reason: bool = False


_WAYS: dict[tuple[Stage, Stage], Way] = {
    (Stage.DRAFT, Stage.PILOT): Way(
        to=Stage.PILOT,
        button="Start the pilot",
        does="The protocol freezes: its forms and the versions of its pipelines too. Exams that come become pilot "
        "cases, which are marked and never count with the real ones. What is to change then is an amendment.",
    ),
    (Stage.DRAFT, Stage.ACTIVE): Way(
        to=Stage.ACTIVE,
        button="Activate",
        does="The protocol freezes: its forms and the versions of its pipelines too. Exams that come become cases. "
        "What is to change then is an amendment.",
    ),
    (Stage.PILOT, Stage.ACTIVE): Way(
        to=Stage.ACTIVE,
        button="Activate",
        does="Exams that come from now on become real cases; pilot cases stay apart. An amendment that is being "
        "written freezes and is in force.",
    ),
    (Stage.ACTIVE, Stage.LOCKED): Way(
        to=Stage.LOCKED,
        button="Lock",
        does="No exam becomes a case any more, and no reader answers any more.",
    ),
    (Stage.LOCKED, Stage.CLOSED): Way(
        to=Stage.CLOSED,
        button="Close for good",
        does="The study ends. Nothing of it changes any more, and it cannot be opened again.",
    ),
    (Stage.LOCKED, Stage.ACTIVE): Way(
        to=Stage.ACTIVE,
        button="Open again",
        does="Exams become cases and readers answer again. Who opened it, when and why is kept.",
        needs_reason=True,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step and what stands in its way, as the checklist shows it."""

    way: Way
    obstacles: tuple[tuple[Obstacle, str], ...]


def checklist_context(frame: StudyFrame) -> dict[str, Any]:
    """What the right-hand checklist shows: the steps from here, and what stands in the way of each."""
    study = frame.study
    now = Stage(study.stage)
    steps = [_step(study, _WAYS[now, to], is_back=now == Stage.LOCKED and to == Stage.ACTIVE) for to in NEXT[now]]
    force = None
    if study.enrols and protocol.draft(study) is not None:
        force = [(one, one.url(study)) for one in obstacles(study, now)]
    return {"frame": frame, "steps": steps, "force": force, "may_design": frame.may(Capability.DESIGN_STUDY)}


def _step(study: Study, way: Way, *, is_back: bool) -> Step:
    found = [] if is_back else obstacles(study, way.to)
    return Step(way=way, obstacles=tuple((one, one.url(study)) for one in found))
