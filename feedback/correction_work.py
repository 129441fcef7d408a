"""Measuring what was corrected, by a worker, from the geometry of the source.

The rows that wait say what there is to do. A worker holds one on a lease; what a dead worker held is taken again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from django.db import transaction
from django.db.models import F, Q
from django.utils.timezone import now
from pydicom import Dataset

from feedback.correction_grid import Drawn, NotOnGrid, Source, source_of
from feedback.correction_measures import compared
from feedback.corrections import NotKept, read_segmentation, source_series
from feedback.models import CorrectedStructure, Correction
from inference.segmentation_frames import segments_of

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 3


def measure_waiting() -> int:
    """Measure every correction that waits for it; return how many were taken."""
    taken = 0
    while (correction := claim()) is not None:
        taken += 1
        measure(correction)
    return taken


@transaction.atomic
def claim() -> Correction | None:
    """Take the correction that waits longest, or that a worker took and did not finish; None where there is none."""
    free = Q(leased_until=None) | Q(leased_until__lt=now())
    waiting = Correction.objects.filter(free, state=Correction.State.MEASURING).order_by("made_at")
    found = waiting.select_for_update(skip_locked=True, of=("self",)).first()
    if found is None:
        return None
    Correction.objects.filter(pk=found.pk).update(attempts=F("attempts") + 1, leased_until=now() + LEASE)
    return Correction.objects.select_related("predecessor", "series", "exam").get(pk=found.pk)


def measure(correction: Correction) -> None:
    """Measure a claimed correction. What fails each time ends as failed, with the reason."""
    try:
        structures = list(_measured(correction))
    except (NotKept, NotOnGrid) as fault:
        _fail(correction, str(fault))
        return
    except Exception as fault:
        log.exception("Correction %s could not be measured.", correction.pk)
        if correction.attempts >= MOST_ATTEMPTS:
            _fail(correction, f"It failed {correction.attempts} times ({type(fault).__name__}). Tell the operator.")
        return
    _finish(correction, structures)


@transaction.atomic
def _finish(correction: Correction, structures: list[CorrectedStructure]) -> None:
    held = Correction.objects.select_for_update().get(pk=correction.pk)
    if held.state != Correction.State.MEASURING or held.attempts != correction.attempts:
        return  # another worker took it meanwhile
    CorrectedStructure.objects.bulk_create(structures)
    Correction.objects.filter(pk=correction.pk).update(state=Correction.State.MEASURED, leased_until=None)


def _fail(correction: Correction, why: str) -> None:
    mine = Correction.objects.filter(pk=correction.pk, state=Correction.State.MEASURING, attempts=correction.attempts)
    mine.update(state=Correction.State.FAILED, problem=why, leased_until=None)


def _measured(correction: Correction) -> Iterator[CorrectedStructure]:
    """Each structure before and now, on the grid of the series that it is drawn on. Raises NotKept and NotOnGrid."""
    before = read_segmentation(correction.predecessor)
    drawn = read_segmentation(correction.series) if correction.series else None
    source = _source(before if drawn is None else drawn, correction)
    was, is_now = Drawn(before, source), Drawn(drawn, source) if drawn else None
    empty = np.zeros(source.stack.shape, dtype=np.bool_)
    for number, segment in sorted({**segments_of(drawn or Dataset()), **segments_of(before)}.items()):
        difference = compared(
            is_now.mask(number) if is_now and number in is_now.numbers else empty,
            was.mask(number) if number in was.numbers else empty,
            spacing=source.stack.spacing,
        )
        yield CorrectedStructure(
            correction=correction,
            number=number,
            label=str(segment.SegmentLabel)[:64],
            ml=difference.ml,
            before_ml=difference.before_ml,
            dice=difference.dice,
            hausdorff95_mm=difference.hausdorff95_mm,
            added_ml=difference.added_ml,
            removed_ml=difference.removed_ml,
        )


def _source(segmentation: Dataset, correction: Correction) -> Source:
    series = source_series(segmentation, correction.exam)
    if series is None:
        raise NotOnGrid("The segmentation names no series of this exam on which it is drawn.")
    return source_of(series)
