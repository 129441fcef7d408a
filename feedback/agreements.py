"""How far a result agrees with other pipelines' results on the same exam, for the result page."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from inference.models import Agreement, Result


@dataclass(frozen=True, kw_only=True)
class AgreementLine:
    """One structure that both segmented: the overlap, and the volume here and there in millilitres."""

    other: Result
    structure: str
    dice: float
    here_ml: float
    there_ml: float


def agreements_of(result: Result) -> list[AgreementLine]:
    """With every other result that is current, by structure. One query."""
    current = Result.objects.current().values("pk")
    rows = Agreement.objects.filter(
        Q(first=result, second__in=current) | Q(second=result, first__in=current)
    ).select_related("first__job__pipeline", "second__job__pipeline")
    return [_line(row, result) for row in rows.order_by("structure", "pk")]


def _line(row: Agreement, result: Result) -> AgreementLine:
    if row.first_id == result.pk:
        return AgreementLine(
            other=row.second, structure=row.structure, dice=row.dice, here_ml=row.first_ml, there_ml=row.second_ml
        )
    return AgreementLine(
        other=row.first, structure=row.structure, dice=row.dice, here_ml=row.second_ml, there_ml=row.first_ml
    )
