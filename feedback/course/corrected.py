"""Volumes as people corrected them, for those who may see what was said of a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Prefetch, Q, QuerySet

from dicom_ingest.models import Exam
from feedback.course.quantities import volumes_of
from feedback.models import CorrectedStructure, Correction
from inference.models import Result
from portal.access import Capability
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

    Those made in a read stay out: they belong to the study's evidence, not to the result's own page.
    """
    by_key = {result.pk: result for result in results}
    newest: dict[Result, CorrectedVolumes] = {}
    for correction in visible_corrections(user).filter(result__in=by_key).order_by("made_at"):
        result = by_key[correction.result_id]
        newest[result] = CorrectedVolumes(correction=correction, ml=_by_measurement(correction, result))
    return newest


def visible_corrections(user: User) -> QuerySet[Correction]:
    """Measured corrections outside of reads, visible as responses are: one's own, and everybody's where `user` may."""
    own = Q(author=user.pk, exam__in=Exam.objects.visible_to(user))
    everybodys = Q(exam__in=Exam.objects.visible_to(user, Capability.VIEW_ALL_FEEDBACK))
    counting = Correction.objects.filter(sitting="", replaced_by=None, state=Correction.State.MEASURED)
    structures = Prefetch("structures", CorrectedStructure.objects.order_by("number"))
    return counting.filter(own | everybodys).select_related("author").prefetch_related(structures)


def _by_measurement(correction: Correction, result: Result) -> Volumes:
    ml = {one.label: one.ml for one in correction.structures.all()}
    return {
        name: 0.0 if correction.is_empty else ml[structure]
        for name, structure in volumes_of(result.job.pipeline).items()
        if correction.is_empty or structure in ml
    }
