"""From a study's rows to its numbers: every endpoint of the protocol, and what is always told.

A number counts rows of enrolled cases: answers that no later one amends, of reads that were not withdrawn; findings
that no newer one replaced; the newest locked truth. Pilot and real cases are never mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.utils.timezone import now

from studies.cases import flow
from studies.evidence import (
    accuracy_measures,
    area_measures,
    correction_measures,
    kappa_measures,
    opinion_measures,
    overlap_measures,
    quality_measures,
    study_rows,
    time_measures,
)
from studies.evidence.scope import Scope
from studies.evidence.shape import EndpointEvidence, Evidence
from studies.evidence.study_rows import StudyRows
from studies.models import Study
from studies.protocols.protocol_schema import Endpoint

Measure = Callable[[StudyRows, Endpoint], EndpointEvidence]

MEASURES: Mapping[str, Measure] = {
    "sensitivity": accuracy_measures.of,
    "specificity": accuracy_measures.of,
    "auc": area_measures.of,
    "dice": overlap_measures.dice,
    "volume-difference": overlap_measures.volumes,
    "kappa": kappa_measures.of,
    "preference": opinion_measures.preferences,
    "score": opinion_measures.scores,
    "reading-time": time_measures.of,
}

LIMITS = (
    "Every interval takes its observations as independent. Several readers of one case, several parts of one read and "
    "several exams of one patient are not, so intervals over all readers are too narrow; those of one reader are not "
    "touched by the first.",
    "The mean area of several readers and its difference take in that they read the same cases, and speak of these "
    "readers alone, not of readers like them.",
    "No number is corrected for how many there are. The claim of an endpoint is not tested here.",
    "What is missing is left out and counted, never filled in.",
)


def of_study(study: Study, *, is_pilot: bool | None = None) -> Evidence:
    """The numbers of the study's pilot, or of its real cases; None: of the pilot as long as the study is in it."""
    pilot = study.stage == Study.Stage.PILOT if is_pilot is None else is_pilot
    return of(Scope(study=study, is_pilot=pilot))


def of(scope: Scope) -> Evidence:
    """The numbers of one scope. The same number of queries for any study."""
    rows = study_rows.of(scope)
    line = flow.line_of(scope.study)
    return Evidence(
        study=scope.study.slug,
        title=scope.study.title,
        stage=scope.study.stage,
        protocol=scope.version.number,
        made_at=now(),
        is_pilot=scope.is_pilot,
        truth=rows.truth,
        flow=line.pilot if scope.is_pilot else line.real,
        endpoints=tuple(MEASURES[one.measure](rows, one) for one in scope.content.endpoints),
        reading_times=tuple(time_measures.reading_times(rows)),
        turnaround=tuple(time_measures.turnaround(rows)),
        quality_control=quality_measures.of(scope),
        between_readers=tuple(kappa_measures.between_readers(rows)),
        within_readers=tuple(kappa_measures.within_readers(rows)),
        corrections=tuple(correction_measures.of(rows)),
        limits=LIMITS,
    )
