"""Segmentations of arms held against the truth's, or where the truth has none, against each other's.

What is missing is found from the database alone, so that a lost message matters to nobody. A pair is compared once:
stored series never change. What cannot be compared is kept with its reason. A worker claims a pair by its row; one that
was stopped meanwhile leaves it to be taken again an hour later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.timezone import now
from numpy.typing import NDArray

from dicom_ingest.dicomweb.stored import GoneFromStore
from dicom_ingest.models import Exam, Instance, Series
from inference.decoding import UNDECODABLE
from inference.operators.components import CUBIC_MM_PER_ML
from studies.blinding import drawing, selection
from studies.blinding.errors import Unshowable
from studies.blinding.grids import Grid
from studies.blinding.selection import ArmObjects
from studies.cases import truth
from studies.evidence.models import UNDER_WAY, MaskComparison, StructureOverlap
from studies.models import ArmFinding, Case, CaseTruth, Study
from studies.protocols import protocol
from studies.protocols.protocol_schema import Endpoint

PAIRS_PER_TICK = 5
DRAWN = frozenset({"dice", "volume-difference"})
"""Measures of endpoints that are about segmentations."""
TAKEN_AGAIN = timedelta(hours=1)
UNEVEN = 0.01
"""How far, as a share of it, the distance of images may vary before their voxels have no one volume."""
FIRST, SECOND = "first", "second"

Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """Two segmentations of one exam, by the primary keys of all three."""

    exam: int
    first: int
    second: int


def compare_waiting() -> int:
    """Compare some of the pairs that wait for it; return how many."""
    return sum(compare(pair) is not None for pair in waiting()[:PAIRS_PER_TICK])


def waiting() -> list[Pair]:
    """The pairs of all studies that nobody compared yet."""
    found = [Pair(*row) for row in _against_truth()[:PAIRS_PER_TICK]]
    for study in Study.objects.exclude(stage__in=[Study.Stage.DRAFT, Study.Stage.CLOSED]):
        if len(found) >= PAIRS_PER_TICK:
            break
        found += [Pair(*row) for arms in arms_compared(study) for row in _between(study, *arms)[:PAIRS_PER_TICK]]
    return list(dict.fromkeys(found))


def arms_compared(study: Study) -> list[tuple[str, str]]:
    """The arms whose segmentations are held against each other: of each endpoint the first against each other one.

    None where the reference standard brings segmentations, or may.
    """
    version = protocol.in_force(study)
    if version is None or version.content.reference.source == "import":
        return []
    return list(dict.fromkeys(pair for one in version.content.endpoints for pair in arms_of(one)))


def arms_of(endpoint: Endpoint) -> list[tuple[str, str]]:
    """The same of one endpoint; none of one that is not about segmentations."""
    return [(endpoint.arms[0], other) for other in endpoint.arms[1:]] if endpoint.measure in DRAWN else []


def compare(pair: Pair) -> MaskComparison | None:
    """Lay both on the grid of their images, and keep what comes out, or why nothing does.

    None where another worker is at it.
    """
    claimed = _claim(pair)
    if claimed is None:
        return None
    exam = Exam.objects.get(pk=pair.exam)
    try:
        rows, problem = list(_overlaps(exam, _objects(FIRST, pair.first), _objects(SECOND, pair.second))), ""
    except (Unshowable, GoneFromStore, *UNDECODABLE) as reason:
        rows, problem = [], str(reason) or type(reason).__name__
    with transaction.atomic():
        claimed.problem, claimed.compared_at = problem, now()
        claimed.save()
        for row in rows:
            row.comparison = claimed
        StructureOverlap.objects.bulk_create(rows)
    return claimed


def _claim(pair: Pair) -> MaskComparison | None:
    """The pair's row, where it is new or was left by a worker that was stopped."""
    row, is_new = MaskComparison.objects.get_or_create(
        first_id=pair.first, second_id=pair.second, defaults={"problem": UNDER_WAY}
    )
    left = MaskComparison.objects.filter(_left_behind(), pk=row.pk)
    return row if is_new or left.update(compared_at=now()) else None


def _left_behind() -> Q:
    return Q(problem=UNDER_WAY, compared_at__lt=now() - TAKEN_AGAIN)


def _overlaps(exam: Exam, first: ArmObjects, second: ArmObjects) -> Iterator[StructureOverlap]:
    grid, aligned = drawing.aligned(selection.shown_exam(exam, 0), [first, second])
    voxel_ml = volume_of_voxel(grid)
    for position, named in enumerate(aligned.structures):
        one, other = (aligned.by_arm[arm][position] for arm in (FIRST, SECOND))
        mine, theirs, both = _count(one), _count(other), _count(None if one is None or other is None else one & other)
        yield StructureOverlap(
            position=position,
            structure=named.label,
            dice=2 * both / (mine + theirs) if mine + theirs else None,
            first_ml=None if voxel_ml is None else mine * voxel_ml,
            second_ml=None if voxel_ml is None else theirs * voxel_ml,
        )


def volume_of_voxel(grid: Grid) -> float | None:
    """In millilitres, from the geometry of the images; None of a projection or of one image alone.

    Raises Unshowable for images whose distances vary: their voxels have no one volume.
    """
    plane = grid.planes[0]
    if len(grid.planes) < 2 or plane.orientation is None or plane.spacing is None:
        return None
    normal = np.cross(plane.orientation[:3], plane.orientation[3:])
    heights = np.asarray([one.position @ normal for one in grid.planes if one.position is not None])
    gaps = np.diff(heights)
    if np.ptp(gaps) > UNEVEN * np.abs(gaps).max():
        raise Unshowable(f"the images lie {gaps.min():.2f} to {gaps.max():.2f} mm apart, so no volume can be told")
    return float(abs(gaps.mean()) * plane.spacing[0] * plane.spacing[1] / CUBIC_MM_PER_ML)


def _count(bits: Bits | None) -> int:
    return 0 if bits is None else int(np.bitwise_count(bits).sum())


def _objects(name: str, series: int) -> ArmObjects:
    instances = Instance.objects.filter(series=series).select_related("series__exam").order_by("pk")
    return ArmObjects(arm=name, by_kind={Series.objects.get(pk=series).modality: tuple(instances)})


def drawn_findings() -> QuerySet[Any]:
    """What counts as the arms' findings of enrolled cases, as far as it is drawn: in the series `drawn`."""
    counting = ArmFinding.objects.filter(replaced_at=None, case__state=Case.State.ENROLLED)
    return counting.annotate(drawn=Coalesce("series_id", "result__segmentation_id")).filter(drawn__isnull=False)


def _against_truth() -> QuerySet[Any, Any]:
    of_case = CaseTruth.objects.filter(case=OuterRef("case"), version__in=truth.counting().values("pk"))
    findings = drawn_findings().annotate(true=Subquery(of_case.values("series")[:1])).filter(true__isnull=False)
    return _unknown(findings, "true")


def _between(study: Study, arm: str, other: str) -> QuerySet[Any, Any]:
    theirs = drawn_findings().filter(case=OuterRef("case"), arm=other)
    findings = drawn_findings().filter(case__study=study, arm=arm).annotate(other=Subquery(theirs.values("drawn")[:1]))
    return _unknown(findings.filter(other__isnull=False), "other")


def _unknown(findings: QuerySet[Any], second: str) -> QuerySet[Any, Any]:
    """Exam, the finding's series, and the other's, of the pairs that were not compared."""
    known = MaskComparison.objects.filter(~_left_behind(), first=OuterRef("drawn"), second=OuterRef(second))
    new = findings.filter(~Exists(known)).exclude(drawn=F(second))
    return new.order_by("pk").values_list("case__exam", "drawn", second)
