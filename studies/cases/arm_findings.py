"""What the arms of a study say of its cases. A newer finding replaces the one before, which stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.timezone import now

from dicom_ingest.models import Series
from inference.models import Result
from studies.models import ArmFinding, Case, OutsideTable, Read

BEGUN = (Read.State.OPENED, Read.State.SUBMITTED)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A finding as it comes: a result of ours, a series from outside, or the values of a table's row."""

    origin: str
    result: Result | None = None
    series: Series | None = None
    values: dict[str, str] = field(default_factory=dict)
    table: OutsideTable | None = None

    def is_same_as(self, kept: ArmFinding) -> bool:
        return (
            kept.result_id == (self.result.pk if self.result else None)
            and kept.series_id == (self.series.pk if self.series else None)
            and kept.values == self.values
        )


def reading_begun() -> Exists:
    """The condition on cases that a read of them was opened: from then on every reader is shown the same.

    Annotators make what readers are shown, and begin before.
    """
    return Exists(_begun().filter(case=OuterRef("pk")))


def is_being_read(case: Case) -> bool:
    return _begun().filter(case=case).exists()


def _begun() -> QuerySet[Read]:
    return Read.objects.filter(state__in=BEGUN).exclude(kind=Read.Kind.ANNOTATION)


def current(case: Case) -> QuerySet[ArmFinding]:
    """The findings of the case that nothing replaced."""
    return ArmFinding.objects.filter(case=case, replaced_at=None)


@transaction.atomic
def keep(case: Case, arm: str, made: Made) -> bool:
    """Keep what an arm says of the case; False when it says so already, or when readers have begun with the case."""
    Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    before = current(case).filter(arm=arm).first()
    if before is not None and (made.is_same_as(before) or is_being_read(case)):
        return False
    if before is not None:
        before.replaced_at = now()
        before.save(update_fields=["replaced_at"])
    ArmFinding.objects.create(case=case, arm=arm, **_fields(made))
    return True


def _fields(made: Made) -> dict[str, Any]:
    return {
        "result": made.result,
        "series": made.series,
        "values": made.values,
        "table": made.table,
        "origin": made.origin,
    }
