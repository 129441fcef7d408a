"""Correcting the one segmentation that a read shows. Nothing that is told of it names an arm.

Whether a read has it follows from what it shows: exactly one finding, drawn as a segmentation. Reads of images alone
have none, nor have reads that compare findings side by side: there it is scored, not corrected. It is offered for
every arm of a case or for none, so that it tells none from another.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db import transaction
from django.urls import reverse
from django.utils.timezone import now
from pydicom import Dataset
from pydicom.uid import SegmentationStorage

from dicom_ingest.models import Series
from feedback import correction_clock, correction_copy
from feedback import corrections as kept
from feedback.correction_block import CorrectionBlock
from feedback.corrections import NotKept, Target, Unfit
from feedback.models import CorrectedStructure, Correction
from inference.segmentation_frames import segments_of
from portal.models import User
from studies.blinding import drawing, numbering, own_correction, preparation, salts, segmentation, selection
from studies.blinding.drawing import Drawing
from studies.blinding.errors import Unshowable
from studies.blinding.links import dicomweb_root, finding_series_uid
from studies.blinding.selection import Selection
from studies.models import Read
from studies.reading import reads
from studies.reading.reads import ClaimedElsewhere, ReadRefused
from viewer_static.links import correction_url

log = logging.getLogger(__name__)
UNFIT = (
    "Corrections cannot be saved for these images. What you drew is still in the viewer. Tell the study's coordinator."
)
NOT_MEASURED = "Tell the study's coordinator."


@dataclass(frozen=True)
class Shown:
    """The one finding of a read that can be corrected: the arm, and all that was selected for the read."""

    read: Read
    arm: str
    selection: Selection

    @property
    def series_uid(self) -> str:
        """By which the read shows the finding."""
        turn = next(one for one in self.selection.arms if one.arm == self.arm).turn
        return finding_series_uid(salts.of_read(self.read.study.slug, self.read.pk), self.arm, turn=turn)

    @property
    def predecessor(self) -> Series:
        """The arm's own segmentation."""
        return next(one for one in self.selection.arms if one.arm == self.arm).by_kind["SEG"][0].series

    @cached_property
    def drawn(self) -> Drawing:
        """Raises Unshowable."""
        found = drawing.draw(self.selection)
        assert found is not None
        return found

    @cached_property
    def own_numbers(self) -> Mapping[int, int]:
        """By the number of each structure that the read shows, its number in the arm's segmentation."""
        return numbering.own_numbers(self.selection, self.drawn, self.arm)


def shown_in(read: Read) -> Shown | None:
    """What can be corrected in the read; None where there is nothing."""
    if len(read.arms) != 1 or read.kind not in {Read.Kind.READ, *Read.DECIDING}:
        return None
    selected = selection.select(read)
    arms = drawing.drawn_arms(selected)
    can = [arm for arm in arms if len(arm.by_kind.get("SEG", ())) == 1]
    if not arms or len(can) != len(arms) or read.arms[0] not in {arm.arm for arm in arms}:
        return None
    if any(arm.by_kind["SEG"][0].sop_class_uid != SegmentationStorage for arm in arms):
        return None
    return Shown(read, read.arms[0], selected)


def block_of(read: Read, *, problem: str = "") -> CorrectionBlock | None:
    """What the read's page says of correcting; None where there is nothing to correct."""
    shown = shown_in(read)
    if shown is None:
        return None
    made = kept.current(shown.predecessor, read.reader, sitting=_sitting(read))
    closed = "" if read.is_open else "Corrections are made while a read is open."
    if closed and made is None:
        return None
    return CorrectionBlock(
        address=reverse("read-correction", args=[read.pk]),
        begin=reverse("read-correction-begin", args=[read.pk]),
        empty=reverse("read-correction-none", args=[read.pk]),
        correction=made,
        structures=_structures(shown, made) if made else (),
        failure=NOT_MEASURED if made and made.problem else "",
        closed=closed,
        problem=problem,
    )


def begin(read: Read, *, by: User, claim: str) -> tuple[str, str]:
    """Where the editor is, and the token that says when it was opened, and by which window.

    Raises Read.DoesNotExist and ReadRefused.
    """
    with transaction.atomic():
        reads.hold_claimed(read.pk, by=by, claim=claim)
    shown, salt = _only(read), salts.of_read(read.study.slug, read.pk)
    own = own_correction.latest(read)
    try:
        preparation.prepare(read)  # with the reader's own copy, if there is a newer one
    except Unshowable as reason:
        log.warning("Read %s cannot be shown: %s", read.pk, reason)
        raise ReadRefused("These images cannot be shown. Tell the study's coordinator.") from reason
    viewer = correction_url(
        salt.remapped(read.case.exam.study_instance_uid),
        segmentation_series_uid=own_correction.series_uid(salt, own) if own else shown.series_uid,
        dicomweb_root=dicomweb_root(read),
    )
    return viewer, correction_clock.start(of=_clocked(read, claim), by=by)


def keep(read: Read, sent: Dataset, *, by: User, original: bytes, opened: str) -> Correction:
    """Keep the correction `sent`, which is under the store's UIDs. Raises Read.DoesNotExist and ReadRefused."""
    shown = _only(read)
    _renumber(sent, shown)
    try:
        return kept.deposit(sent, to=_target(shown, by=by, opened=opened), original=original)
    except NotKept as refused:
        raise _said(read, refused) from refused


def say_empty(read: Read, *, by: User, opened: str, claim: str) -> Correction:
    """Keep that nothing should be drawn. Raises Read.DoesNotExist and ReadRefused."""
    shown = _only(read)
    try:
        with transaction.atomic():
            reads.hold_claimed(read.pk, by=by, claim=claim)
            return kept.say_empty(to=_target(shown, by=by, opened=opened or _token(read, claim, by)))
    except NotKept as refused:
        raise _said(read, refused) from refused


def _only(read: Read) -> Shown:
    shown = shown_in(read)
    if shown is None:
        raise ReadRefused("This read has nothing to correct. Nothing was saved.")
    return shown


def _said(read: Read, refused: NotKept) -> ReadRefused:
    """The refusal in words that name nothing of the store."""
    if not isinstance(refused, Unfit):
        return ReadRefused(str(refused))
    log.warning("No correction is kept for read %s: %s", read.pk, refused)
    return ReadRefused(UNFIT)


def _target(shown: Shown, *, by: User, opened: str) -> Target:
    read = shown.read
    seconds = correction_clock.seconds_since(opened, of=_clocked(read, read.claim), by=by)
    if seconds is None or not read.claim:
        raise ClaimedElsewhere
    finding = selection.findings_at(read.case, [shown.arm], read.opened_at or now())[0]
    return Target(
        author=by,
        exam=read.case.exam,
        predecessor=shown.predecessor,
        hold=lambda: _hold(read, by),
        result=finding.result,
        sitting=_sitting(read),
        seconds=seconds,
        study=read.study.slug,
        case=read.case.number,
    )


def _hold(read: Read, by: User) -> None:
    try:
        reads.hold_claimed(read.pk, by=by, claim=read.claim)
    except ReadRefused as refused:
        raise NotKept(str(refused)) from refused


def _renumber(sent: Dataset, shown: Shown) -> None:
    """Give the segments the numbers and labels of the arm's own; what it does not draw keeps what the read calls it."""
    places = correction_copy.matched(sent, _segments_shown(shown))
    own = segments_of(kept.read_segmentation(shown.predecessor))
    numbers: dict[int, int] = {}
    for number, place in places.items():
        numbers[number] = shown.own_numbers.get(place) or max([*own, *numbers.values()], default=0) + 1
    sent.SegmentSequence = [
        _named(one, numbers[number], places[number], own, shown) for number, one in segments_of(sent).items()
    ]
    correction_copy.renumber(sent, numbers)


def _named(sent: Dataset, number: int, place: int, own: Mapping[int, Dataset], shown: Shown) -> Dataset:
    if number in own:
        sent.SegmentLabel = own[number].SegmentLabel
    elif place <= len(shown.drawn.structures):
        sent = segmentation.segment(shown.drawn.structures[place - 1], number)
    sent.SegmentNumber = number
    return sent


def _segments_shown(shown: Shown) -> Dataset:
    found = Dataset()
    found.SegmentSequence = [
        segmentation.segment(named, number) for number, named in enumerate(shown.drawn.structures, start=1)
    ]
    return found


def _structures(shown: Shown, made: Correction) -> Sequence[CorrectedStructure]:
    """What was measured, in the read's order and under its names, of every structure that it shows."""
    measured = {one.number: one for one in made.structures.all()}
    if not measured:
        return ()
    try:
        numbers, structures = shown.own_numbers, shown.drawn.structures
    except Unshowable as reason:
        log.warning("What was corrected in read %s cannot be named: %s", shown.read.pk, reason)
        return ()
    new = {one.label: number for number, one in measured.items() if number not in numbers.values()}
    named = []
    for place, structure in enumerate(structures, start=1):
        number = numbers.get(place) or new.get(structure.label, 0)
        found = measured.pop(number, None) or CorrectedStructure(ml=0.0, before_ml=0.0, added_ml=0.0, removed_ml=0.0)
        found.label = structure.label
        named.append(found)
    return [*named, *measured.values()]


def _token(read: Read, claim: str, by: User) -> str:
    """Of a page whose editor was never opened."""
    return correction_clock.start(of=_clocked(read, claim), by=by)


def _clocked(read: Read, claim: str) -> str:
    return f"{_sitting(read)}/{claim}"


def _sitting(read: Read) -> str:
    return f"read/{read.pk}"
