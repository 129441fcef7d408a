"""The steps that a study may take next, in the words of their buttons, and what stands in the way of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from portal.access import Capability
from studies.models import Study
from studies.protocols import protocol
from studies.protocols.obstacles import Obstacle, obstacles
from studies.protocols.protocol_sections import SECTIONS
from studies.protocols.stages import NEXT
from studies.study_frame import StudyFrame

Stage = Study.Stage


@dataclass(frozen=True, kw_only=True)
class Way:
    """A step that the study may take, in the words of its button, and what it does."""

    to: Stage
    button: str
    does: str
    done: str
    needs_reason: bool = False


_WAYS: dict[tuple[Stage, Stage], Way] = {
    (Stage.DRAFT, Stage.PILOT): Way(
        to=Stage.PILOT,
        button="Start the pilot",
        does="The protocol freezes: its forms and the versions of its pipelines too. Exams that come become pilot "
        "cases, which are marked and never count with the real ones. What is to change then is an amendment.",
        done="The pilot has started.",
    ),
    (Stage.DRAFT, Stage.ACTIVE): Way(
        to=Stage.ACTIVE,
        button="Activate",
        does="The protocol freezes: its forms and the versions of its pipelines too. Exams that come become cases. "
        "What is to change then is an amendment.",
        done="The study is active.",
    ),
    (Stage.PILOT, Stage.ACTIVE): Way(
        to=Stage.ACTIVE,
        button="Activate",
        does="Exams that come from now on become real cases; pilot cases stay apart. An amendment that is being "
        "written freezes and is in force.",
        done="The study is active.",
    ),
    (Stage.ACTIVE, Stage.LOCKED): Way(
        to=Stage.LOCKED,
        button="Lock",
        does="No exam becomes a case any more, and no reader answers any more.",
        done="The study is locked.",
    ),
    (Stage.LOCKED, Stage.CLOSED): Way(
        to=Stage.CLOSED,
        button="Close for good",
        does="The study ends. Nothing of it changes any more, and it cannot be opened again.",
        done="The study is closed.",
    ),
    (Stage.LOCKED, Stage.ACTIVE): Way(
        to=Stage.ACTIVE,
        button="Open again",
        does="Exams become cases and readers answer again. Who opened it, when and why is kept.",
        done="The study is open again.",
        needs_reason=True,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step and what stands in its way, as the checklist shows it."""

    way: Way
    obstacles: tuple[tuple[Obstacle, str], ...]
    before: tuple[tuple[Obstacle, str], ...] = ()
    """What already stands in the way of the step that is shown in front of it."""

    @property
    def more(self) -> tuple[tuple[Obstacle, str], ...]:
        """What stands in the way of this step alone."""
        return tuple(one for one in self.obstacles if one not in self.before)

    @property
    def shared(self) -> bool:
        """Whether something stands in the way of both."""
        return len(self.more) < len(self.obstacles)


def done_words(before: Stage, to: Stage) -> str:
    """What is said once the step was taken."""
    return _WAYS[before, to].done


def checklist_context(frame: StudyFrame) -> dict[str, Any]:
    """What the right-hand checklist shows: the steps from here, and what stands in the way of each."""
    study = frame.study
    now = Stage(study.stage)
    steps: list[Step] = []
    for to in NEXT[now]:
        before = steps[0].obstacles if steps else ()
        steps.append(Step(way=_WAYS[now, to], obstacles=_in_the_way(study, now, to), before=before))
    force = None
    if study.enrols and protocol.draft(study) is not None:
        force = [(one, one.url(study)) for one in obstacles(study, now)]
    may_design = frame.may(Capability.DESIGN_STUDY)
    return {"frame": frame, "steps": steps, "force": force, "may_design": may_design, "all_sections": SECTIONS}


def _in_the_way(study: Study, now: Stage, to: Stage) -> tuple[tuple[Obstacle, str], ...]:
    if (now, to) == (Stage.LOCKED, Stage.ACTIVE):
        return ()
    return tuple((one, one.url(study)) for one in obstacles(study, to))
