"""Volumes as people corrected them, for those who may see what was said of a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from feedback.corrections import visible_corrections
from feedback.course.quantities import volumes_of
from feedback.models import Correction
from feedback.responses import waiting_results
from inference.models import Result
from portal.models import User

Volumes = Mapping[str, float]
"""Millilitres by the name of the measurement that they take the place of."""


@dataclass(frozen=True, kw_only=True)
class CorrectedVolumes:
    """The newest correction of one result that counts, and what it measured."""

    correction: Correction
    ml: Volumes


def corrected_volumes(results: Iterable[Result], user: User) -> dict[Result, CorrectedVolumes]:
    """The newest measured correction of each of `results` that `user` may see. Two queries.

    Those made in a read stay out: they belong to the study's evidence, not to the result's own page. Whoever is still
    to answer on a result does not get to know what others made of it.
    """
    by_key: dict[UUID | None, Result] = {result.pk: result for result in results}
    counting = visible_corrections(user).filter(replaced_by=None, state=Correction.State.MEASURED, result__in=by_key)
    told = counting.filter(Q(author=user) | ~Q(result__in=waiting_results(user).values("pk")))
    newest: dict[Result, CorrectedVolumes] = {}
    for correction in told.prefetch_related("structures").order_by("made_at"):
        result = by_key.get(correction.result_id)
        if result is not None:
            newest[result] = CorrectedVolumes(correction=correction, ml=_by_measurement(correction, result))
    return newest


def _by_measurement(correction: Correction, result: Result) -> Volumes:
    ml = {one.label: one.ml for one in correction.structures.all()}
    return {
        name: 0.0 if correction.is_empty else ml[structure]
        for name, structure in volumes_of(result.job.pipeline).items()
        if correction.is_empty or structure in ml
    }
