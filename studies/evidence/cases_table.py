"""The exams that a study received: what screening said, and where each case stands in the flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from django.db.models import Count, F, Q

from dicom_ingest.models import Exam
from studies.cases import flow
from studies.cases.flow import FlowBox
from studies.evidence.cells import Value
from studies.evidence.scope import Scope, cases_in
from studies.evidence.tables import Row, Table, column
from studies.models import Case, Read, Screening

OLDEST = 90
"""Years from which an age could name somebody: it is given as this."""
_AT_ONCE = 500

COLUMNS = (
    column("study", "Short name of the study", "key"),
    column("is_pilot", "Whether it belongs to the pilot", "flag"),
    column("case", "Number of the case; empty where the exam is none", "whole"),
    column("exam", "Pseudonym of the exam, the same in all tables of the study", "key"),
    column("patient", "Pseudonym of its patient; exams of one patient are not independent", "key"),
    column("patient_sex", "As the images say", "key"),
    column("patient_age", f"Whole years at the exam; {OLDEST} stands for {OLDEST} and more", "whole", "a"),
    column("exam_day", "Days from the patient's first exam in this table to this one", "whole", "d"),
    column("protocol_version", "Version of the protocol that screened it", "whole"),
    column("outcome", "What screening said: `matched`, `excluded` or `undecided`", "key"),
    column("criterion", "The criterion that decided, in words"),
    column("outcome_reason", "By what it was decided"),
    column("decided_by_hand", "Whether somebody decided what the criteria could not", "flag"),
    column("box", "The innermost box of the flow that it stands in", "key"),
    column("box_label", "The same in words"),
    column("state", "State of the case", "key"),
    column("state_reason", "Why it is in that state"),
    column("qc_round", "How often it went to quality control", "whole"),
    column("reads", "How many reads it was given, without withdrawn ones", "whole"),
    column("reads_submitted", "How many of them are submitted", "whole"),
    column("screened_at", "When it was screened", "time"),
    column("enrolled_at", "When it became a case", "time"),
    column("state_at", "When the case came into its state", "time"),
)


def rows(scope: Scope) -> Iterator[Row]:
    """Cases by number, then the exams that are none."""
    found = (
        flow.each(scope.study)
        .filter(is_pilot=scope.is_pilot)
        .select_related("exam", "case")
        .order_by(F("case__number").asc(nulls_last=True), "pk")
    )
    first, reads = _first_days(scope), _reads(scope)
    for one in found.iterator(chunk_size=_AT_ONCE):
        case: Case | None = getattr(one, "case", None)
        yield _of_screening(one, scope, first) | _of_case(case, one.exam, scope, reads)


def _of_screening(one: Screening, scope: Scope, first: Mapping[str, date]) -> dict[str, Value]:
    exam, patient = one.exam, scope.patient(one.exam)
    box = FlowBox(str(one.box))  # type: ignore[attr-defined]  # annotated by flow.each
    return {
        "study": scope.study.slug,
        "is_pilot": one.is_pilot,
        "exam": scope.exam(exam),
        "patient": patient,
        "patient_sex": exam.patient_sex,
        "patient_age": _age(exam),
        "exam_day": (exam.study_date - first[patient]).days if exam.study_date else None,
        "protocol_version": scope.protocols[one.protocol_id].number,
        "outcome": one.outcome,
        "criterion": one.criterion,
        "outcome_reason": scope.free(one.reason, exam),
        "decided_by_hand": one.is_by_hand,
        "box": box.value,
        "box_label": box.label,
        "screened_at": one.screened_at,
    }


def _of_case(case: Case | None, exam: Exam, scope: Scope, reads: Mapping[int, tuple[int, int]]) -> dict[str, Value]:
    total, done = reads.get(case.pk, (0, 0)) if case else (0, 0)
    return {
        "case": case.number if case else None,
        "state": case.state if case else "",
        "state_reason": scope.free(case.state_reason, exam) if case else "",
        "qc_round": case.qc_round if case else None,
        "reads": total,
        "reads_submitted": done,
        "enrolled_at": case.enrolled_at if case else None,
        "state_at": case.state_at if case else None,
    }


def _age(exam: Exam) -> int | None:
    born, seen = exam.patient_birth_date, exam.study_date
    if born is None or seen is None or seen < born:
        return None
    years = seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day))
    return min(years, OLDEST)


def _first_days(scope: Scope) -> dict[str, date]:
    """The day of the first exam of each patient, by pseudonym."""
    received = Exam.objects.filter(screenings__study=scope.study, screenings__is_pilot=scope.is_pilot)
    first: dict[str, date] = {}
    for exam in received.exclude(study_date=None).order_by("study_date"):
        if exam.study_date:
            first.setdefault(scope.patient(exam), exam.study_date)
    return first


def _reads(scope: Scope) -> dict[int, tuple[int, int]]:
    given = Read.objects.filter(cases_in(scope, "case__")).exclude(state=Read.State.WITHDRAWN).order_by()
    counted = given.values("case_id").annotate(n=Count("pk"), done=Count("pk", filter=Q(state=Read.State.SUBMITTED)))
    return {one["case_id"]: (one["n"], one["done"]) for one in counted}


CASES = Table(
    file="cases.csv",
    title="Cases and the flow",
    one_row="One exam that the study received, and its case where it became one.",
    columns=COLUMNS,
    rows=rows,
)
