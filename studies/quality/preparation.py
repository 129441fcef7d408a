"""Pictures of cases that wait for QC, made ahead of their reviewers and kept until the check is over.

They lie in the store's folder `quality`, by case, round and what they show; all of it may be deleted at any time, for
it is made again when somebody asks.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

from django.db.models import Q, QuerySet
from django.utils.timezone import now
from pydantic import ValidationError

from dicom_ingest import store
from dicom_ingest.exam_headers import HeaderUnreadable
from dicom_ingest.models import Exam, Instance, Series
from inference import dispatch
from inference.models import Finding, Job
from inference.orders import selected_series
from inference.schema import Pipeline
from inference.writers.drawing import colour_of
from inference.writers.pictures import BOX_COLOURS
from studies.blinding import drawing
from studies.models import ENROLLING, Case
from studies.quality import pictures, showing
from studies.quality.drawing import SIDE, SMALL_SIDE, Box, webp
from studies.quality.manifest import (
    MANIFEST,
    KeptChoice,
    KeptFinding,
    KeptPicture,
    KeptSeries,
    KeptStructure,
    Manifest,
    Prepared,
    quality_folder,
)
from studies.quality.pictures import Pictures, Source
from studies.quality.showing import Shown

log = logging.getLogger(__name__)
CODE_VERSION = 1
"""Counted up when the same case would look otherwise."""
CASES_AHEAD = 40
CASES_PER_TICK = 5
KEPT = timedelta(days=7)
TRIED_AGAIN_AFTER = timedelta(minutes=5)


def prepared(case: Case, shown: list[Shown] | None = None) -> Prepared:
    """The pictures of the case as it is now, made where they are not; it comes with its study, protocol and exam."""
    found = showing.of(case) if shown is None else shown
    folder = _folder(case, found)
    if not _counts(folder):
        _make(case, found, folder)
    return Prepared(folder)


def ready(case: Case) -> Prepared | None:
    """The pictures of the case where they are made already."""
    folder = _folder(case, showing.of(case))
    return Prepared(folder) if _counts(folder) else None


def prepare_waiting() -> int:
    """Make the pictures of cases that wait for QC, those whose turn comes first; return for how many."""
    made = 0
    for case in waiting().order_by("state_at", "pk")[:CASES_AHEAD]:
        if any((quality_folder() / str(case.pk)).glob(f"{case.qc_round}-*/{MANIFEST}")):
            continue
        prepared(case)
        made += 1
        if made == CASES_PER_TICK:
            break
    return made


def waiting() -> QuerySet[Case]:
    """The cases that wait for QC, with all that `prepared` asks of them."""
    cases = Case.objects.filter(state=Case.State.AWAITING_QC, study__stage__in=ENROLLING)
    return cases.select_related("study__ae_title", "protocol", "exam")


def tidy() -> int:
    """Delete the pictures of cases whose check is over for a week; return of how many."""
    folders = {folder.name: folder for folder in quality_folder().iterdir()} if quality_folder().is_dir() else {}
    open_ = Case.objects.filter(state__in=[Case.State.AWAITING_QC, Case.State.PROCESSING])
    recent = Case.objects.filter(state_at__gt=now() - KEPT)
    kept = {str(pk) for pk in (open_ | recent).values_list("pk", flat=True)}
    over = [folder for name, folder in folders.items() if name not in kept]
    for folder in over:
        shutil.rmtree(folder, ignore_errors=True)
    return len(over)


def _folder(case: Case, shown: list[Shown]) -> Path:
    told = [str(CODE_VERSION)]
    told += [
        f"{one.pk} {one.changed_at} {one.instance_count} {one.superseded_at}" for one in _relevant(case.exam, shown)
    ]
    told += [
        f"{one.title} {one.result.pk if one.result else ''} {one.job.selection if one.job else ''}" for one in shown
    ]
    digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]
    return quality_folder() / str(case.pk) / f"{case.qc_round}-{digest}"


def _relevant(exam: Exam, shown: list[Shown]) -> list[Series]:
    drawn = [one.segmentation.pk for one in shown if one.segmentation]
    return list(exam.series.filter(Q(origin=Series.Origin.RECEIVED) | Q(pk__in=drawn)).order_by("pk"))


def _counts(folder: Path) -> bool:
    """Whether the folder is there; where something was missing, it is looked for again after a while."""
    kept = folder / MANIFEST
    if not kept.exists():
        return False
    is_old = time.time() - kept.stat().st_mtime > TRIED_AGAIN_AFTER.total_seconds()
    if is_old and not Prepared(folder).manifest.is_whole:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def _make(case: Case, shown: list[Shown], folder: Path) -> None:
    store.durable_folder(folder.parent)
    part = Path(mkdtemp(dir=folder.parent, suffix=".part"))
    findings = [_kept_finding(one, number, part) for number, one in enumerate(shown)]
    kept = Manifest(findings=findings, choices=[_choice(one.job) for one in shown if one.job])
    (part / MANIFEST).write_text(kept.model_dump_json())
    drawing.put_in_place(part, folder)


def _kept_finding(shown: Shown, number: int, part: Path) -> KeptFinding:
    try:
        drawn = pictures.of_finding(_source(shown))
    except Exception as fault:  # whatever a file may hold, the case can still be judged in the viewer, or skipped
        log.exception("No pictures of %s for QC.", shown.title)
        problem = f"No picture could be made of it ({type(fault).__name__}: {fault}). Look at it in the viewer."
        return KeptFinding(title=shown.title, pictures=[], structures=[], problem=problem)
    structures = [KeptStructure(label=one.label, colour=one.colour) for one in drawn.structures]
    return KeptFinding(
        title=shown.title,
        pictures=_written(drawn, number, part),
        structures=[*structures, *_box_legend(shown)],
        problem=drawn.problem,
    )


def _written(drawn: Pictures, number: int, part: Path) -> list[KeptPicture]:
    kept = []
    for place, one in enumerate(drawn.pictures):
        width, height = one.plain.size
        found = KeptPicture(name=f"{number}-{place}", caption=one.caption, width=width, height=height)
        (part / found.plain).write_bytes(webp(one.plain, side=SIDE))
        (part / found.overlaid).write_bytes(webp(one.overlaid, side=SIDE))
        (part / found.small).write_bytes(webp(one.overlaid, side=SMALL_SIDE))
        kept.append(found)
    return kept


def _source(shown: Shown) -> Source:
    images = _instances([one.pk for one in shown.images])
    drawn = _instances([shown.segmentation.pk] if shown.segmentation else [])
    return Source(
        headers=[drawing.header_of(one) for one in images],
        files={one.sop_instance_uid: drawing.file_of(one) for one in images},
        segmentations=[drawing.file_of(one) for one in drawn],
        boxes=_boxes(shown),
    )


def _instances(series: list[int]) -> list[Instance]:
    found = Instance.objects.filter(series__in=series).select_related("series__exam")
    return list(found.order_by("series_id", "instance_number", "pk"))


def _found_boxes(shown: Shown) -> list[tuple[Finding, str]]:
    """The boxes of a result, each with the colour of its region."""
    found = list(shown.result.findings.filter(kind=Finding.Kind.BOX)) if shown.result else []
    regions = list(dict.fromkeys(one.name for one in found))
    return [(one, BOX_COLOURS[regions.index(one.name) % len(BOX_COLOURS)]) for one in found]


def _boxes(shown: Shown) -> dict[str, list[Box]]:
    by_image: dict[str, list[Box]] = {}
    for one, colour in _found_boxes(shown):
        if None in (edges := (one.top, one.left, one.bottom, one.right)):
            continue
        top, left, bottom, right = (float(edge or 0) for edge in edges)
        box = Box(top=top, left=left, bottom=bottom, right=right, colour=colour_of(colour))
        by_image.setdefault(one.sop_instance_uid, []).append(box)
    return by_image


def _box_legend(shown: Shown) -> list[KeptStructure]:
    return [
        KeptStructure(label=f"{one.name}: {one.label} {one.probability:.0%}", colour=colour)
        for one, colour in _found_boxes(shown)
    ]


def _choice(job: Job) -> KeptChoice:
    """Why each series of the exam was taken or left, by the pipeline's own conditions."""
    taken = {one.series_instance_uid for one in selected_series(job)}
    reason = job.selection or "It is not recorded how its series were chosen."
    try:
        definition = Pipeline.model_validate(job.pipeline.definition, strict=False)
        verdicts = dispatch.select_own(job.exam, definition).verdicts
    except (ValidationError, HeaderUnreadable):
        log.exception("No verdicts on the series of job %s.", job.pk)
        verdicts = ()
    series = [
        KeptSeries(
            uid=one.series_instance_uid,
            label=one.label,
            is_taken=one.series_instance_uid in taken,
            reason=one.reason or "",
        )
        for one in verdicts
    ]
    return KeptChoice(
        pipeline=job.pipeline.name, reason=reason, series=sorted(series, key=lambda one: not one.is_taken)
    )
