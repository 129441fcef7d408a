"""A study that is read and has something to say in every table of an export."""

from __future__ import annotations

from datetime import date
from typing import Any

from inference.models import Finding, Measurement
from portal.access import Role
from portal.models import User
from studies.cases import truth
from studies.models import Case, CaseTruth, QCReview, Read, TruthVersion
from studies.reading import assignment, reads
from tests.feedback.conftest import ANSWERS
from tests.studies.reading.reading import Bench, bench

PATIENT: dict[str, Any] = {
    "patient_name": "Quillfeather^Zebulon^^Dr",
    "patient_id": "MRN-77003",
    "issuer_of_patient_id": "GLUBBDUBDRIB",
    "accession_number": "ACC-55190",
    "patient_birth_date": date(1931, 7, 9),
    "study_date": date(2024, 3, 17),
    "referring_physician_name": "Oglethorpe^Ann",
    "study_description": "MR brain of Quillfeather",
}
"""Of one case's patient: nothing of it may leave in an export."""
IDENTIFYING = ("quillfeather", "zebulon", "mrn-77003", "acc-55190", "1931-07-09", "19310709", "2024-03-17", "20240317",
               "oglethorpe", "glubbdubdrib")  # fmt: skip
DESIGN: dict[str, Any] = {"kind": "independent", "arms": ["ai", "alone"]}
WITH_TRUTH: dict[str, Any] = {
    "reference": {"source": "import", "answers": ["quality", "diagnosis"], "description": "Histology."},
    "reader_roles": [{"key": "expert", "label": "Expert"}],
    "endpoints": [
        {"key": "quality", "label": "Quality of the outline", "measure": "score", "arms": ["ai"], "question": "quality",
         "is_primary": True},
    ],
}  # fmt: skip


def governance_of(one: Bench) -> User:
    return one.reader("board", Role.GOVERNANCE)


def read_study(slug: str = "glioma", **document: Any) -> Bench:
    """Two cases read by two readers in two arms, one answer amended; QC, truth, findings and a replaced one beside."""
    one = bench(DESIGN, slug=slug, **(WITH_TRUTH | document))
    first, second = one.reader("anna", reader_role="expert"), one.reader("berta")
    cases = [one.case(), one.case()]
    for case in cases:
        _found(case)
    type(cases[0].exam).objects.filter(pk=cases[0].exam_id).update(**PATIENT)
    for case in cases:
        case.exam.refresh_from_db()
    assignment.assign()
    for reader in (first, second):
        for read in Read.objects.filter(study=one.study, reader=reader).order_by("position"):
            said = "Dr. QUILLFEATHER, mrn-77003: dura at the vertex" if read.case_id == cases[0].pk else "=1+1"
            answer(read, reader, comment=said)
    amended = Read.objects.filter(reader=first, case=cases[0]).order_by("position")[:1].get()
    reads.amend(amended.pk, by=first, answers=ANSWERS | {"quality": 2}, reason="Zebulon moved, =HYPERLINK(1)")
    checked(cases[0], one.reader("checker", Role.QC_REVIEWER))
    with_truth(one, cases)
    return one


def answer(read: Read, reader: User, **changed: Any) -> None:
    claim = reads.open_read(read.pk, by=reader).claim
    reads.submit(read.pk, by=reader, claim=claim, answers=ANSWERS | changed, active=2.0)


def checked(case: Case, by: User) -> None:
    QCReview.objects.create(case=case, round=0, reviewer=by, verdict="accept", note="@home: Quillfeather lay still")


def with_truth(one: Bench, cases: list[Case]) -> None:
    """The truth of the cases in a version that is locked, and of one more in a version that is not."""
    by = one.reader("coordinator-of-truth", Role.COORDINATOR)
    version = TruthVersion.objects.create(study=one.study, number=1, source="import", made_by=by)
    for case in cases:
        CaseTruth.objects.create(version=version, case=case, values={"quality": 4, "diagnosis": "-glioma"})
    truth.lock_newest(one.study, by=by)
    later = TruthVersion.objects.create(study=one.study, number=2, source="import", made_by=by, reason="More cases")
    CaseTruth.objects.create(version=later, case=cases[0], values={"quality": 1, "diagnosis": "not-locked"})


def _found(case: Case) -> None:
    result = case.exam.results.get()
    Measurement.objects.create(result=result, name="Volume", value=12.5, unit="ml", structure="Lesion")
    Finding.objects.create(
        result=result,
        kind=Finding.Kind.CLASS,
        name="Grade",
        label="high",
        probability=0.75,
        probabilities={"high": 0.75, "low": 0.25},
    )
    Finding.objects.create(
        result=result,
        kind=Finding.Kind.BOX,
        name="Left",
        label="lesion",
        probability=0.5,
        probabilities={"lesion": 0.5},
        sop_instance_uid="1.2.826.0.1.3680043.8.498.77.1",
        top=1.0,
        left=2.0,
        bottom=3.0,
        right=4.0,
    )
