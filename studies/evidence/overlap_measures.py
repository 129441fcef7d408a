"""Endpoints of segmentations: overlap with the truth, and how volumes differ from its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from studies.evidence import groups, mask_comparisons
from studies.evidence.groups import NO_FINDING, Left, sort_out
from studies.evidence.meaning import NO_TRUTH, number, said_by, true_values, truth_key
from studies.evidence.shape import EndpointEvidence, Line, Missing, Whose
from studies.evidence.study_rows import FindingRow, Overlap, ReadRow, StudyRows
from studies.protocols.protocol_schema import Endpoint
from studies.statistics.agreement import bland_altman
from studies.statistics.estimate import NotComputable
from studies.statistics.overlap import mean_dice

Case = tuple[int, FindingRow | None]
Volumes = tuple[float, float]
NOT_COMPARED = "not compared yet"
NOT_THERE = "neither segmentation draws it"
NOTHING = "There is no pair of segmentations, and no volume in the truth, to compare."


@dataclass(frozen=True, kw_only=True)
class Partners:
    """What an arm's segmentations are held against. whose: of both; of: the other's series, by case."""

    whose: Whose
    cases: Sequence[Case]
    of: Mapping[int, int]
    lacking: str


def dice(rows: StudyRows, endpoint: Endpoint) -> EndpointEvidence:
    """The mean Dice coefficient of each structure, by arm."""
    lines = []
    for partners in _partners(rows, endpoint):
        for structure in _structures(rows, partners):
            found = sort_out(_overlaps(rows, partners, structure), _dice)
            lines.append(
                Line(
                    whose=partners.whose,
                    what=f"{structure}: mean Dice",
                    answer=mean_dice(found.values, level=1 - endpoint.alpha),
                    expected=len(partners.cases),
                    missing=found.missing,
                )
            )
    return EndpointEvidence(endpoint=endpoint, lines=tuple(lines), reason="" if lines else NOTHING)


def volumes(rows: StudyRows, endpoint: Endpoint) -> EndpointEvidence:
    """Bias and limits of agreement: of each structure's volumes, or of numbers with the truth's."""
    lines: list[Line] = []
    for partners in _partners(rows, endpoint):
        for structure in _structures(rows, partners):
            found = sort_out(_overlaps(rows, partners, structure), _volumes)
            lines += limits(
                partners.whose,
                structure,
                found.values,
                expected=len(partners.cases),
                missing=found.missing,
                level=1 - endpoint.alpha,
            )
    lines += _of_numbers(rows, endpoint)
    notes = ("Differences are the arm's, or the reader's, less the truth's.",)
    return EndpointEvidence(endpoint=endpoint, lines=tuple(lines), reason="" if lines else NOTHING, notes=notes)


def limits(
    whose: Whose,
    what: str,
    pairs: Sequence[Volumes],
    *,
    expected: int,
    missing: tuple[Missing, ...],
    level: float,
    unit: str = "ml",
) -> Iterator[Line]:
    """Bias, both limits of agreement and the slope of pairs, as lines."""
    found = bland_altman([one for one, _ in pairs], [other for _, other in pairs], level=level)
    if isinstance(found, NotComputable):
        yield Line(whose=whose, what=f"{what}: bias", answer=found, unit=unit, expected=expected, missing=missing)
        return
    points = tuple(((one + other) / 2, one - other) for one, other in pairs)
    for name, answer, of_unit, shown in (
        ("bias", found.bias, unit, points),
        ("lower limit of agreement", found.lower, unit, ()),
        ("upper limit of agreement", found.upper, unit, ()),
        ("slope of the difference on the mean", found.proportional_bias, "", ()),
    ):
        yield Line(
            whose=whose,
            what=f"{what}: {name}",
            answer=answer,
            unit=of_unit,
            expected=expected,
            missing=missing,
            points=shown,
        )


def _partners(rows: StudyRows, endpoint: Endpoint) -> Iterator[Partners]:
    """Each arm against the truth's segmentations; where there are none, the first arm against each other one."""
    true = {case: one.drawn for case, one in rows.truths.items() if one.drawn is not None}
    named = set(groups.arms_with_findings(rows, endpoint))
    if true:
        for arm in rows.scope.arms:
            if arm not in named:
                continue
            for group in groups.of_findings(rows, arm):
                yield Partners(whose=group.whose, cases=group.cases, of=true, lacking=NO_TRUTH)
        return
    for arm, other in mask_comparisons.arms_of(endpoint):
        label = rows.scope.arms.get(other, other)
        theirs = {case: one.drawn for case, one in rows.of_arm(other).items() if one.drawn is not None}
        group = next(groups.of_findings(rows, arm))
        whose = Whose(
            arm=f"{arm}-{other}", arm_label=f"{group.whose.arm_label} with {label}", pipeline=group.whose.pipeline
        )
        yield Partners(whose=whose, cases=group.cases, of=theirs, lacking=f"{label} has no segmentation of the case")


def _structures(rows: StudyRows, partners: Partners) -> list[str]:
    """Those of all compared pairs, in their order."""
    found = [rows.comparisons.get(key) for one in partners.cases if (key := _key(partners, one)) is not None]
    names = dict.fromkeys(each.structure for one in found if one is not None for each in one.overlaps)
    return list(names) or (["All structures"] if partners.of else [])


def _key(partners: Partners, row: Case) -> tuple[int, int] | None:
    case, finding = row
    if finding is None or finding.drawn is None or case not in partners.of:
        return None
    return finding.drawn, partners.of[case]


def _overlaps(rows: StudyRows, partners: Partners, structure: str) -> list[Overlap | Left]:
    return [_overlap(rows, partners, row, structure) for row in partners.cases]


def _overlap(rows: StudyRows, partners: Partners, row: Case, structure: str) -> Overlap | Left:
    key = _key(partners, row)
    if key is None:
        lacks_finding = row[1] is None or row[1].drawn is None
        return Left(NO_FINDING if lacks_finding else partners.lacking)
    if key[0] == key[1]:
        return Left("the arm's segmentation is the truth itself")
    found = rows.comparisons.get(key)
    if found is None:
        return Left(NOT_COMPARED)
    if found.problem:
        return Left(f"cannot be compared: {found.problem}")
    return next((one for one in found.overlaps if one.structure == structure), Left(NOT_THERE))


def _dice(found: Overlap | Left) -> float | Left:
    if isinstance(found, Left):
        return found
    return Left(NOT_THERE) if found.dice is None else found.dice


def _volumes(found: Overlap | Left) -> Volumes | Left:
    if isinstance(found, Left):
        return found
    if found.first_ml is None or found.second_ml is None:
        return Left("the images have no volume")
    return found.first_ml, found.second_ml


def _of_numbers(rows: StudyRows, endpoint: Endpoint) -> Iterator[Line]:
    """Numbers that the truth gives as values, against readers' answers, measurements, and tables of values."""
    key = truth_key(rows, endpoint)
    true = {
        case: value
        for case in rows.truths
        for one in true_values(rows, case, key)[:1]
        if (value := number(one)) is not None
    }
    if true:
        yield from _of_answers(rows, endpoint, key, true)
        yield from _of_measurements(rows, endpoint, key, true)


def _of_answers(rows: StudyRows, endpoint: Endpoint, key: str, true: Mapping[int, float]) -> Iterator[Line]:
    def take(read: ReadRow) -> Volumes | Left:
        said = said_by(read, endpoint.question)
        return said if isinstance(said, Left) else _paired(number(said[0]), true.get(read.case))

    for condition in groups.conditions(rows, endpoint) if endpoint.question else ():
        for group in groups.of_reads(rows, condition):
            found = sort_out(group.reads, take)
            yield from limits(
                group.whose,
                key,
                found.values,
                expected=len(group.reads),
                missing=found.missing,
                level=1 - endpoint.alpha,
                unit="",
            )


def _of_measurements(rows: StudyRows, endpoint: Endpoint, key: str, true: Mapping[int, float]) -> Iterator[Line]:
    def take(row: Case) -> Volumes | Left:
        case, finding = row
        if finding is None:
            return Left(NO_FINDING)
        return _paired(_number_of(finding, (endpoint.question, key)), true.get(case))

    for arm in groups.arms_with_findings(rows, endpoint):
        for group in groups.of_findings(rows, arm):
            found = sort_out(group.cases, take)
            if found.taken:
                yield from limits(
                    group.whose,
                    key,
                    found.values,
                    expected=len(group.cases),
                    missing=found.missing,
                    level=1 - endpoint.alpha,
                    unit="",
                )


def _paired(value: float | None, true: float | None) -> Volumes | Left:
    if value is None:
        return Left("there is no number")
    return Left(NO_TRUTH) if true is None else (value, true)


def _number_of(finding: FindingRow, keys: Sequence[str]) -> float | None:
    """The measurement or the column of one of those names, or the only one that there is."""
    named = {**finding.values, **finding.numbers}
    found = next((named[key] for key in keys if key in named), None)
    return number(found if found is not None or len(named) != 1 else next(iter(named.values())))
