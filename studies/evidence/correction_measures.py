"""How far what people corrected differs from what the pipelines drew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from feedback.models import CorrectedStructure, Correction
from studies.evidence import groups
from studies.evidence.groups import FindingGroup
from studies.evidence.overlap_measures import limits
from studies.evidence.shape import Line, Missing
from studies.evidence.study_rows import StudyRows
from studies.statistics.estimate import LEVEL
from studies.statistics.overlap import mean_dice
from studies.statistics.proportions import proportion

NOT_MEASURED = "not measured yet, or could not be"


def of(rows: StudyRows) -> Iterator[Line]:
    """By arm and structure, each author's newest correction in each sitting. Two queries."""
    drawn = {one.drawn: case for (case, _), one in rows.findings.items() if one.drawn is not None}
    found = Correction.objects.filter(predecessor__in=drawn, replaced_by=None).prefetch_related("structures")
    by_case: dict[tuple[int, int], list[Correction]] = defaultdict(list)
    for one in found.order_by("made_at"):
        by_case[drawn[one.predecessor_id], one.predecessor_id].append(one)
    for arm in rows.scope.arms:
        for group in groups.of_findings(rows, arm):
            mine = [by_case.get((case, one.drawn or 0), []) for case, one in group.cases if one is not None]
            if any(mine):
                yield from _lines(group, mine)


def _lines(group: FindingGroup, corrections: Sequence[Sequence[Correction]]) -> Iterator[Line]:
    every = [one for each in corrections for one in each]
    yield Line(
        whose=group.whose,
        what="Cases with a correction",
        answer=proportion(sum(bool(each) for each in corrections), len(corrections)),
        expected=len(group.cases),
    )
    measured = [one for one in every if one.state == Correction.State.MEASURED]
    left = len(every) - len(measured)
    missing = (Missing(count=left, reason=NOT_MEASURED),) if left else ()
    by_label: dict[str, list[CorrectedStructure]] = defaultdict(list)
    for one in measured:
        for structure in one.structures.all():
            by_label[structure.label].append(structure)
    for label, structures in by_label.items():
        dice = [one.dice for one in structures if one.dice is not None]
        empty = len(structures) - len(dice)
        yield Line(
            whose=group.whose,
            what=f"{label}: mean Dice of the pipeline's with the corrected",
            answer=mean_dice(dice),
            expected=len(every),
            missing=(*missing, *((Missing(count=empty, reason="empty before and after"),) if empty else ())),
        )
        yield from limits(
            group.whose,
            f"{label}, the pipeline's less the corrected",
            [(one.before_ml, one.ml) for one in structures],
            expected=len(every),
            missing=missing,
            level=LEVEL,
        )
