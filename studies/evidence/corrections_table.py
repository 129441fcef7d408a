"""Segmentations as people would have them: what each correction changed, in volume and in overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.db.models import Q

from feedback.models import CorrectedStructure, Correction
from studies.evidence import arms
from studies.evidence.arms import BETWEEN, maker_of
from studies.evidence.cells import Value
from studies.evidence.scope import Scope
from studies.evidence.tables import Row, Table, column
from studies.models import Case, Read

_AT_ONCE = 500
SITTING = "read/"

COLUMNS = (
    column("study", "Short name of the study", "key"),
    column("is_pilot", "Whether the case belongs to the pilot", "flag"),
    column("case", "Number of the case", "whole"),
    column("exam", "Pseudonym of the case's exam", "key"),
    column("correction", "The correction; its structures have it in common", "key"),
    column("read", "The read in which it was made; empty for a result's page", "key"),
    column("arm", "Keys of the arms shown in that read, or whose finding the result is", "key"),
    column("reader", "Who made it: a pseudonym or a user name, as the protocol has it", "key"),
    column("reader_role", "The protocol's kind of reader, such as expert, that the reader has"),
    column("pipeline", "Name of the pipeline that had drawn it; empty where none of this installation did", "key"),
    column("pipeline_version", "Its version", "key"),
    column("pipeline_digest", "Its digest, SHA-256 over definition, operators and models", "digest"),
    column("counts", "Whether it is the reader's last word; false where a newer one replaced it", "flag"),
    column("is_empty", "Whether the reader said that there is nothing to draw (`No lesion`)", "flag"),
    column("state", "`measured`, `measuring` or `failed`", "key"),
    column("structure", "What was corrected; empty while nothing is measured"),
    column("before_ml", "Volume as it was shown", "number", "ml"),
    column("corrected_ml", "Volume as corrected", "number", "ml"),
    column("added_ml", "Volume that was added", "number", "ml"),
    column("removed_ml", "Volume that was removed", "number", "ml"),
    column("dice", "Overlap of both: 2 |A and B| / (|A| + |B|); empty where both are empty", "number"),
    column("hausdorff95_mm", "95th percentile of the distances between both surfaces", "number", "mm"),
    column("seconds", "From the editor's opening to the save", "number", "s"),
    column("made_at", "When it was saved", "time"),
)


def rows(scope: Scope) -> Iterator[Row]:
    """By case, time and number of the structure."""
    cases = {one.exam_id: one for one in scope.study.cases.filter(is_pilot=scope.is_pilot).select_related("exam")}
    reads = {f"{SITTING}{one.pk}": one for one in scope.study.reads.filter(is_pilot=scope.is_pilot)}
    found = (
        Correction.objects.filter(Q(sitting__in=list(reads)) | Q(sitting=""), exam__in=list(cases))
        .select_related("author", "result__job__pipeline")
        .defer("result__job__log")
        .prefetch_related("structures")
    )
    by_case = sorted(found, key=lambda one: (cases[one.exam_id].number, one.made_at, str(one.pk)))
    for one in by_case:
        about = _about(one, cases[one.exam_id], reads, scope)
        structures: list[CorrectedStructure | None] = [*one.structures.all()]
        for structure in structures or [None]:
            yield about | _of_structure(structure)


def _about(one: Correction, case: Case, reads: Mapping[str, Read], scope: Scope) -> dict[str, Value]:
    read = reads.get(one.sitting)
    return {
        "study": scope.study.slug,
        "is_pilot": case.is_pilot,
        "case": case.number,
        "exam": scope.exam(case.exam),
        "correction": str(one.pk),
        "read": str(read.pk) if read else "",
        "arm": BETWEEN.join(_arms(one, read, scope)),
        "reader": scope.person(one.author),
        "reader_role": scope.roles.get(one.author_id, ""),
        **arms.joined([maker_of(one.result)]),
        "counts": one.replaced_by_id is None,
        "is_empty": one.is_empty,
        "state": one.state,
        "seconds": one.seconds,
        "made_at": one.made_at,
    }


def _arms(one: Correction, read: Read | None, scope: Scope) -> list[str]:
    if read is not None:
        return arms.arms_of_read(read, scope)
    return arms.arms_of_result(one.result, scope) if one.result else []


def _of_structure(structure: CorrectedStructure | None) -> dict[str, Value]:
    return {
        "structure": structure.label if structure else "",
        "before_ml": structure.before_ml if structure else None,
        "corrected_ml": structure.ml if structure else None,
        "added_ml": structure.added_ml if structure else None,
        "removed_ml": structure.removed_ml if structure else None,
        "dice": structure.dice if structure else None,
        "hausdorff95_mm": structure.hausdorff95_mm if structure else None,
    }


CORRECTIONS = Table(
    file="corrections.csv",
    title="Corrected segmentations",
    one_row="One structure of one corrected segmentation. Replaced ones stay; `counts` tells the last word.",
    columns=COLUMNS,
    rows=rows,
)
