"""What the arms found: volumes and other measurements, classes and boxes with their probabilities, outside tables."""

from __future__ import annotations

from collections.abc import Iterator

from inference.models import Finding
from studies.evidence.arms import maker_of
from studies.evidence.cells import Value
from studies.evidence.scope import Scope, cases_in
from studies.evidence.tables import Row, Table, column
from studies.models import ArmFinding

_AT_ONCE = 200

COLUMNS = (
    column("study", "Short name of the study", "key"),
    column("is_pilot", "Whether the case belongs to the pilot", "flag"),
    column("case", "Number of the case", "whole"),
    column("exam", "Pseudonym of the case's exam", "key"),
    column("arm", "Key of the arm", "key"),
    column("arm_label", "The arm in words"),
    column("finding", "Number of the finding in this installation; its values have it in common", "whole"),
    column("counts", "Whether it is what the arm says now; false where a newer finding replaced it", "flag"),
    column(
        "kind",
        "`measurement`, `class` (an exam's class and its probability), `box` (a place in an image and the probability "
        "of what it holds), `table` (a column of outside results), `segmentation` (a series from elsewhere), or "
        "`nothing` where the arm found nothing that has a value",
        "key",
    ),
    column("name", "What was measured or classified, the region of a box, or the table's column"),
    column("item", "The structure that was measured, or the class whose probability it is"),
    column("value", "The value: a number, or what the table said", "value"),
    column("unit", "Unit of the value (UCUM); empty for probabilities"),
    column("image", "Of a box: pseudonym of the image's SOP instance UID", "key"),
    column("left", "Of a box: its left edge", "number", "pixel"),
    column("top", "Of a box: its upper edge", "number", "pixel"),
    column("right", "Of a box: its right edge", "number", "pixel"),
    column("bottom", "Of a box: its lower edge", "number", "pixel"),
    column("pipeline", "Name of the pipeline that found it; empty where none of this installation did", "key"),
    column("pipeline_version", "Its version", "key"),
    column("pipeline_digest", "Its digest, SHA-256 over definition, operators and models", "digest"),
    column("added_at", "When the finding came to the case", "time"),
)


def rows(scope: Scope) -> Iterator[Row]:
    """By case, arm and time."""
    found = (
        ArmFinding.objects.filter(cases_in(scope, "case__"))
        .select_related("case__exam", "result__job__pipeline", "series")
        .defer("result__job__log")
        .prefetch_related("result__measurements", "result__findings")
        .order_by("case__number", "arm", "added_at", "pk")
    )
    for one in found.iterator(chunk_size=_AT_ONCE):
        about = _about(one, scope)
        for values in list(_values(one, scope)) or [_value("nothing")]:
            yield about | values


def _about(one: ArmFinding, scope: Scope) -> dict[str, Value]:
    maker = maker_of(one.result)
    return {
        "study": scope.study.slug,
        "is_pilot": one.case.is_pilot,
        "case": one.case.number,
        "exam": scope.exam(one.case.exam),
        "arm": one.arm,
        "arm_label": scope.arms.get(one.arm, one.arm),
        "finding": one.pk,
        "counts": one.replaced_at is None,
        "pipeline": maker.pipeline,
        "pipeline_version": maker.version,
        "pipeline_digest": maker.digest,
        "added_at": one.added_at,
    }


def _values(one: ArmFinding, scope: Scope) -> Iterator[dict[str, Value]]:
    exam = one.case.exam
    if one.result is not None:
        for measured in one.result.measurements.all():
            yield _value("measurement", measured.name, measured.structure, measured.value, measured.unit)
        for found in one.result.findings.all():
            yield from _of_finding(found, scope)
    if one.series is not None:
        yield _value("segmentation", one.series.modality, "", scope.free(one.series.series_description, exam))
    for name, value in sorted(one.values.items()):
        yield _value("table", name, "", scope.free(value, exam) if isinstance(value, str) else value)


def _of_finding(found: Finding, scope: Scope) -> Iterator[dict[str, Value]]:
    if found.kind == Finding.Kind.BOX:
        edges = {"left": found.left, "top": found.top, "right": found.right, "bottom": found.bottom}
        image = scope.uid(found.sop_instance_uid)
        yield _value("box", found.name, found.label, found.probability) | edges | {"image": image}
        return
    for label, probability in sorted(found.probabilities.items()):
        yield _value("class", found.name, label, probability)


def _value(kind: str, name: str = "", item: str = "", value: Value = None, unit: str = "") -> dict[str, Value]:
    nowhere: dict[str, Value] = {"image": "", "left": None, "top": None, "right": None, "bottom": None}
    return {"kind": kind, "name": name, "item": item, "value": value, "unit": unit, **nowhere}


FINDINGS = Table(
    file="findings.csv",
    title="Findings of the arms",
    one_row="One value of one arm's finding in one case. Replaced ones stay; `counts` tells the last.",
    columns=COLUMNS,
    rows=rows,
)
