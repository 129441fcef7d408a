"""Corrected segmentations: who may save one, how it is kept, and who may see it.

For other parts of Overread:

    deposit(sent, to=Target, original=bytes) -> Correction   keep what a person drew; a worker measures it
    say_empty(to=Target) -> Correction                       "no lesion": nothing should be drawn
    current(predecessor, author, sitting="") -> Correction | None
    newest_outside_reads(result, user) -> Correction | None  what `user` may see of a result's own page
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from dicom_ingest import indexer, store
from dicom_ingest.models import Exam, Series
from feedback import correction_copy
from feedback.correction_copy import Structures
from feedback.correction_grid import Drawn, NotOnGrid, Source, source_of
from feedback.models import Correction
from feedback.responses import current_version_of, may_answer
from inference import orders, segmentation_frames
from inference.models import Job, Result
from inference.segmentation_frames import Bits
from portal.access import Capability, Viewer
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from portal.tasks import hint

MEASURE = "feedback.tasks.measure_corrections"
_AGAIN = "Nothing was saved; what you drew is still in the viewer."


class NotKept(Exception):
    """A correction that cannot be saved as it is; the text says why and what to do."""


class Unfit(NotKept):
    """The images, or what is to be corrected, let nobody save one. The text may name a series of the store."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is corrected, and by whom. sitting: the read, or "" on the result's page; seconds: since the editor opened.

    hold: called within the transaction that saves; raises NotKept where it may not be saved any more, and keeps that
    from changing until the transaction ends. study, case: of the read, for the audit trail.
    """

    author: User
    exam: Exam
    predecessor: Series
    hold: Callable[[], None]
    result: Result | None = None
    sitting: str = ""
    seconds: float | None = None
    study: str = ""
    case: int | None = None
    id: uuid.UUID = field(default_factory=uuid.uuid4)


def may_correct(user: User, result: Result) -> bool:
    """Whether `user` may correct the result's segmentation: who may give feedback on it, while it is current."""
    return not why_not(user, result)


def why_not(user: User, result: Result) -> str:
    """Why `user` cannot correct the result's segmentation; empty when they can."""
    if result.segmentation is None:
        return "This result has no segmentation to correct."
    if not may_answer(user, result):
        return "Corrections are made by the readers of the exam's study."
    if current_version_of(result) != result:
        return "A newer run has replaced this result. Open the current result and correct that."
    return ""


def check(user: User, result: Result) -> None:
    """Raises NotKept where `user` cannot correct the result's segmentation."""
    if problem := why_not(user, result):
        raise NotKept(f"{problem} {_AGAIN}")


def deposit(sent: Dataset, *, to: Target, original: bytes) -> Correction:
    """Keep the segmentation `sent`, with the bytes as they were received, and a corrected copy in a series of its own.

    sent: of the store's own UIDs; its segments are numbered as the predecessor's. Raises NotKept, and OSError with
    nothing kept.
    """
    source, predecessor = _source_of(sent, to), read_segmentation(to.predecessor)
    structures = _structures(sent, source, predecessor)
    copy = correction_copy.make_copy(structures, source, predecessor, author=_name_of(to.author))
    kept = _original_path(to)
    store.durable_folder(kept.parent)
    store.write_durably(kept, original)
    try:
        return _keep(to, copy, original)
    except BaseException:
        kept.unlink(missing_ok=True)
        shutil.rmtree(store.series_folder(to.exam.study_instance_uid, copy.SeriesInstanceUID), ignore_errors=True)
        raise


@transaction.atomic
def say_empty(*, to: Target) -> Correction:
    """Keep that nothing should be drawn at all: viewers cannot save an empty mask."""
    return _add(to, is_empty=True)


def current(predecessor: Series, author: User, *, sitting: str = "") -> Correction | None:
    """The author's correction that counts, of one segmentation in one sitting."""
    own = Correction.objects.filter(predecessor=predecessor, author=author, sitting=sitting, replaced_by=None)
    return own.select_related("author", "series").prefetch_related("structures").first()


def visible_corrections(user: Viewer) -> QuerySet[Correction]:
    """Those outside reads that `user` may see: their own, and everybody's where they may see all feedback."""
    own = Q(author=user.pk, exam__in=Exam.objects.visible_to(user))
    everybodys = Q(exam__in=Exam.objects.visible_to(user, Capability.VIEW_ALL_FEEDBACK))
    return Correction.objects.filter(own | everybodys, sitting="").select_related("author", "series")


def newest_outside_reads(result: Result, user: Viewer) -> Correction | None:
    """The newest correction of the result that `user` may see and that was measured."""
    seen = visible_corrections(user).filter(result=result, replaced_by=None, state=Correction.State.MEASURED)
    return seen.prefetch_related("structures").order_by("-made_at").first()


def read_segmentation(series: Series) -> Dataset:
    """The one segmentation of a stored series. Raises NotKept."""
    files = orders.files_of([series])
    if len(files) != 1:
        raise Unfit(f"The segmentation to correct has {len(files)} files, not one, so it cannot be corrected here.")
    try:
        found = pydicom.dcmread(files[0])
    except (OSError, InvalidDicomError) as fault:
        raise Unfit(f"The segmentation to correct cannot be read. {_AGAIN} Tell the portal's operator.") from fault
    if found.SOPClassUID not in segmentation_frames.CLASSES:
        raise Unfit("What is to be corrected is no DICOM Segmentation. Only those can be corrected here.")
    return found


def source_series(segmentation: Dataset, exam: Exam) -> Series | None:
    """The series of the exam on which a segmentation says that it was drawn."""
    named = [str(one.SeriesInstanceUID) for one in segmentation.get("ReferencedSeriesSequence") or ()]
    received = Series.objects.filter(exam=exam, origin=Series.Origin.RECEIVED, series_instance_uid__in=named)
    return received.order_by("pk").first()


def _source_of(sent: Dataset, to: Target) -> Source:
    if sent.get("SOPClassUID") not in segmentation_frames.CLASSES:
        raise NotKept(f"What was sent is no DICOM Segmentation. {_AGAIN} Save it as a segmentation (DICOM SEG).")
    if sent.get("StudyInstanceUID") != to.exam.study_instance_uid:
        raise NotKept(f"This segmentation belongs to another exam. {_AGAIN} Open this exam's images and draw there.")
    series = source_series(sent, to.exam)
    if series is None:
        raise NotKept(
            f"This segmentation is not drawn on a series of this exam. {_AGAIN} Reload the page, and draw on the "
            "images that the segmentation to correct lies on."
        )
    try:
        source = source_of(series)
    except NotOnGrid as fault:
        raise Unfit(f"{fault} {_AGAIN} Tell the study's coordinator.") from fault
    if str(sent.get("FrameOfReferenceUID", "")) != source.stack.frame_of_reference:
        raise NotKept(
            f"This segmentation is drawn in another frame of reference than the images. {_AGAIN} Reload the page, and "
            "draw on the images that the segmentation to correct lies on."
        )
    return source


def _structures(sent: Dataset, source: Source, predecessor: Dataset) -> Structures:
    drawn = Drawn(sent, source)
    if not drawn.lies_on_images:
        raise NotKept(f"Some of its frames lie on none of the images. {_AGAIN} Reload the page, and draw once more.")
    numbers = correction_copy.matched(sent, predecessor)
    masks: dict[int, Bits] = {}
    for number in drawn.numbers:
        try:
            mask = drawn.mask(number)
        except NotOnGrid as fault:
            raise NotKept(f"{fault} {_AGAIN} Save once more.") from fault
        masks[numbers[number]] = np.logical_or(masks[numbers[number]], mask) if numbers[number] in masks else mask
    if not any(mask.any() for mask in masks.values()):
        raise NotKept(f'Nothing is drawn in it. {_AGAIN} If there is nothing to draw, press "No lesion" on the page.')
    return Structures(masks, correction_copy.corrected_segments(sent, predecessor, numbers))


@transaction.atomic
def _keep(to: Target, copy: Dataset, original: bytes) -> Correction:
    try:
        filed = indexer.file_deposit(copy, exam=to.exam, origin=Series.Origin.CORRECTED)
    except indexer.NotFiled as fault:
        raise Unfit(f"{fault} {_AGAIN} Save once more.") from fault
    return _add(
        to,
        series=filed.series,
        original=str(_original_path(to).relative_to(settings.OVERREAD_STORE)),
        original_sha256=hashlib.sha256(original).hexdigest(),
    )


def _add(to: Target, **what: object) -> Correction:
    """The row, in place of the author's one before it, within the caller's transaction."""
    User.objects.select_for_update(no_key=True).get(pk=to.author.pk)  # one save of an author after the other
    to.hold()
    before = Correction.objects.filter(
        predecessor=to.predecessor, author=to.author, sitting=to.sitting, replaced_by=None
    )
    before.update(replaced_by=to.id)  # its key is checked at the end of the transaction
    correction = Correction.objects.create(
        pk=to.id,
        predecessor=to.predecessor,
        result=to.result,
        exam=to.exam,
        sitting=to.sitting,
        author=to.author,
        seconds=to.seconds,
        **what,
    )
    transaction.on_commit(lambda: hint(MEASURE, queue="reports"))
    _note(correction, to)
    return correction


def hold_current(result: Result) -> None:
    """Keep the result from being superseded until the transaction ends. Raises NotKept when it is."""
    job = Job.objects.select_for_update(of=("self",)).get(result=result)
    if job.state != Job.State.SUCCEEDED:
        raise NotKept(f"A newer run has replaced this result. {_AGAIN} Open the current result and correct that.")


def _note(correction: Correction, to: Target) -> None:
    kind = "no lesion" if correction.is_empty else "drawn"
    exam = to.exam.study_instance_uid
    if to.sitting:
        detail = {"exam": exam, "case": to.case, "kind": kind}
        trail.record(Action.CORRECTION_SAVED, of=to.sitting.replace("/", ":"), study=to.study, detail=detail)
        return
    result = {"result": to.result.pk} if to.result else {}
    trail.record_on_exam(Action.CORRECTION_SAVED, exam=exam, of=str(correction.pk), detail={**result, "kind": kind})


def _original_path(to: Target) -> Path:
    return Path(settings.OVERREAD_STORE) / "deposits" / f"{to.id}.dcm"


def _name_of(author: User) -> str:
    family, given = author.last_name.strip(), author.first_name.strip()
    return f"{family}^{given}" if family else author.get_username()
