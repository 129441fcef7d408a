"""The page on which an annotator gives a mask: what is to be drawn, what is there, and what was submitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from feedback.forms import describe
from feedback.models import Response
from inference.writers.drawn import DrawnStructure
from portal.models import User
from studies.annotation import dealing, showing, starting, structures
from studies.annotation.starting import Start
from studies.blinding.links import viewer_url
from studies.models import ArmMask, Read
from studies.reading import reading_list, reads
from studies.reading.read_panel import patient_of

State = Read.State


@dataclass(frozen=True, kw_only=True)
class Entered:
    """What stands in the form, and why it was not taken."""

    is_absent: bool = False
    notes: str = ""
    claim: str = ""
    active: float = 0.0
    problem: str = ""
    has_lost_claim: bool = False


@dataclass(frozen=True, kw_only=True)
class MaskPart:
    """The mask as far as it is made. viewer: the address at which it is edited; problem: why a file was not taken."""

    read: Read
    mask: ArmMask | None
    start: Start | None
    viewer: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class AnnotationPage:
    """Everything on the page. `closed` says why there is nothing to do; `saved` is what was submitted."""

    read: Read
    number: int
    of: int
    patient: str
    task: str
    structures: Sequence[DrawnStructure]
    part: MaskPart
    entered: Entered = field(default_factory=Entered)
    saved: Response | None = None
    closed: str = ""
    next: Read | None = None

    @property
    def saved_answers(self) -> Sequence[tuple[str, str]]:
        return describe(self.saved.form, self.saved.answers) if self.saved else ()

    @property
    def is_open(self) -> bool:
        return not (self.saved or self.closed)


def page_of(read: Read, annotator: User, entered: Entered | None = None) -> AnnotationPage:
    """What `annotator` finds on opening the page of their read; `entered`: what was not taken just now."""
    number, of = reading_list.place_of(read, annotator)
    saved = reads.latest_response(read) if read.state == State.SUBMITTED else None
    closed = "" if saved else reads.why_not_open(read)
    is_over = bool(saved or closed)
    return AnnotationPage(
        read=read,
        number=number,
        of=of,
        patient=patient_of(read),
        task=read.protocol.content.arm(read.condition).label,
        structures=structures.expected(read.protocol.content, read.condition),
        part=part_of(read),
        entered=entered or _drafted(read),
        saved=saved,
        closed=closed,
        next=reading_list.read_after(read, annotator) if is_over else None,
    )


def part_of(read: Read, *, problem: str = "") -> MaskPart:
    """The mask of the read as it is now."""
    return MaskPart(
        read=read,
        mask=showing.newest_mask(read),
        start=starting.of(read),
        viewer=viewer_url(read) if read.state == State.OPENED else "",
        problem=problem,
    )


def _drafted(read: Read) -> Entered:
    return Entered(
        is_absent=read.draft.get("mask") == dealing.ABSENT,
        notes=str(read.draft.get("notes", "")),
        active=read.active_seconds,
    )
