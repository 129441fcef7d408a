"""Which exams enter a study, and what is kept of why."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from dicom_ingest.judging import Candidate
from dicom_ingest.models import AETitle, Exam
from studies.cases import enrolment, rescreening, screening
from studies.cases.flow import line_of
from studies.models import Case, MissedExam, PastScreening, ProtocolVersion, Read, Screening, Study
from studies.protocols import protocol
from studies.protocols.protocol_schema import Criterion
from studies.refusals import Refused
from tests.conftest import Cast
from tests.dicom_ingest.scans import FLAIR, STUDY, complete, mr_slice, receive
from tests.protocols import open_study
from tests.studies.cases.flowing import case_for, exam_for, study_with_ai

pytestmark = pytest.mark.django_db

FLAIR_IN = {"name": "Has a FLAIR", "when": 'series.SeriesDescription.matches("(?i)flair")'}
NO_PHANTOM = {"name": "No phantom", "kind": "exclude", "when": 'series.SeriesDescription.contains("phantom")'}
THIN = {"name": "Thin slices", "when": "series.SliceThickness <= 2.0"}


@pytest.fixture
def glioma() -> Study:
    ae_title = AETitle.objects.create(title="GLIOMA", quiet_period_seconds=1)
    return open_study("glioma", ae_title=ae_title, criteria=[FLAIR_IN, NO_PHANTOM, THIN])


def sent(*descriptions: str, study: str = STUDY, **attributes: Any) -> Exam:
    """An exam with one series for each description, complete and screened."""
    slices = [
        mr_slice(
            1, study=study, series=f"{study}.{number}", SeriesNumber=number, SeriesDescription=description, **attributes
        )
        for number, description in enumerate(descriptions, start=1)
    ]
    return complete(receive(*slices, called_ae="GLIOMA")[0].series.exam)


def test_an_exam_enters_when_each_inclusion_is_met_by_some_series_and_no_exclusion_is(glioma: Study) -> None:
    exam = sent("T1 3D", "AX FLAIR")
    kept = exam.screenings.get()
    assert kept.outcome == Screening.Outcome.MATCHED
    assert (kept.case.number, kept.case.protocol) == (1, glioma.protocols.get())
    assert [(one["criterion"], one["said"]) for one in kept.verdicts] == [
        ("Has a FLAIR", "met"),
        ("No phantom", "not met"),
        ("Thin slices", "met"),
    ]
    assert 'Series 2 "AX FLAIR"' in kept.verdicts[0]["explanation"]


def test_an_exam_that_fails_a_criterion_is_kept_as_excluded_with_the_values(glioma: Study) -> None:
    kept = sent("T1 3D").screenings.get()
    assert (kept.outcome, kept.criterion) == (Screening.Outcome.EXCLUDED, "Has a FLAIR")
    assert "T1 3D" in kept.reason
    assert not Case.objects.exists()


def test_an_exam_that_meets_an_exclusion_stays_out(glioma: Study) -> None:
    kept = sent("AX FLAIR", "phantom").screenings.get()
    assert (kept.outcome, kept.criterion) == (Screening.Outcome.EXCLUDED, "No phantom")


def test_a_criterion_that_cannot_be_told_leaves_the_exam_undecided_and_visible(glioma: Study) -> None:
    kept = sent("AX FLAIR", SliceThickness=None).screenings.get()
    assert (kept.outcome, kept.criterion) == (Screening.Outcome.UNDECIDED, "Thin slices")
    assert "SliceThickness" in kept.reason
    assert line_of(glioma).real.by_name["undecided"] == 1


def test_what_surely_excludes_outweighs_what_cannot_be_told() -> None:
    among = [Candidate('Series 1 "phantom"', {"series": {"SeriesDescription": "phantom"}})]
    thin, phantom = Criterion.model_validate(THIN), Criterion.model_validate(NO_PHANTOM)
    assert screening.screen([thin], among).outcome == Screening.Outcome.UNDECIDED
    both = screening.screen([thin, phantom], among)
    assert (both.outcome, both.criterion) == (Screening.Outcome.EXCLUDED, "No phantom")


def test_screening_twice_makes_one_screening_and_one_case(glioma: Study) -> None:
    exam = sent("AX FLAIR")
    assert enrolment.enrol_complete_exams() == 0
    assert (exam.screenings.count(), exam.cases.count()) == (1, 1)


def test_what_comes_while_a_study_takes_none_is_said_and_taken_only_on_purpose(cast: Cast, study: Study) -> None:
    Study.objects.filter(pk=study.pk).update(stage=Study.Stage.LOCKED)
    exam_for(study)
    enrolment.enrol_complete_exams()
    assert MissedExam.objects.get().stage == "locked"
    assert line_of(study).missed == 1
    Study.objects.filter(pk=study.pk).update(stage=Study.Stage.ACTIVE)
    assert enrolment.enrol_complete_exams() == 0, "what was missed does not slip in when the study opens"
    with pytest.raises(Refused, match="Say why"):
        rescreening.take_missed(study, by=cast.coordinator, why=" ")
    assert rescreening.take_missed(study, by=cast.coordinator, why="The lock was a mistake") == 1
    line = line_of(study)
    assert (line.missed, line.real.by_name["matched"]) == (0, 1)


def test_pilot_exams_are_marked_and_counted_apart() -> None:
    study = study_with_ai(stage=Study.Stage.PILOT)
    pilot = case_for(study)
    Study.objects.filter(pk=study.pk).update(stage=Study.Stage.ACTIVE)
    real = case_for(study)
    assert (pilot.is_pilot, real.is_pilot) == (True, False)
    line = line_of(study)
    assert (line.pilot.by_name["received"], line.real.by_name["received"]) == (1, 1)


def test_after_an_amendment_exams_are_screened_again_with_the_reason_and_what_was_said_before(
    glioma: Study, cast: Cast
) -> None:
    exam = sent("T1 3D")
    amended(glioma, criteria=[THIN])
    assert list(rescreening.outdated(glioma)) == [exam.screenings.get()]
    assert rescreening.screen_again(exam.screenings.all(), by=cast.coordinator, why="T1 suffices now") == 1
    kept = exam.screenings.get()
    assert (kept.outcome, kept.protocol.number, kept.case.number) == (Screening.Outcome.MATCHED, 2, 1)
    past = PastScreening.objects.get()
    assert (past.outcome, past.protocol.number, past.why) == (Screening.Outcome.EXCLUDED, 1, "T1 suffices now")
    assert past.replaced_by == cast.coordinator
    assert not rescreening.outdated(glioma).exists()


def test_what_cannot_come_out_otherwise_is_not_offered_to_be_screened_again(glioma: Study, cast: Cast) -> None:
    first, second = sent("T1 3D"), sent("AX FLAIR", study="1.2.9.9")
    amended(glioma, question="Another question")
    assert not rescreening.outdated(glioma).exists(), "the criteria are the same"
    opened_read(second.cases.get(), cast)
    amended(glioma, criteria=[THIN])
    assert [one.exam for one in rescreening.outdated(glioma)] == [first], "the other is being read"


def test_a_late_slice_is_a_reason_to_screen_again(glioma: Study, cast: Cast) -> None:
    exam = sent("T1 3D")
    receive(mr_slice(1, series=FLAIR, SeriesDescription="AX FLAIR"), called_ae="GLIOMA")
    complete(exam)
    assert exam.screenings.get().outcome == Screening.Outcome.EXCLUDED
    rescreening.screen_again(rescreening.outdated(glioma), by=cast.coordinator, why="The FLAIR came late")
    assert exam.screenings.get().outcome == Screening.Outcome.MATCHED


def test_a_case_that_is_screened_out_keeps_its_number_and_may_come_back(glioma: Study, cast: Cast) -> None:
    exam = sent("AX FLAIR")
    amended(glioma, criteria=[{"name": "Nobody", "when": "series.SliceThickness < 0.0"}])
    rescreening.screen_again(exam.screenings.all(), by=cast.coordinator, why="Stricter")
    assert Case.objects.get().state == Case.State.EXCLUDED
    counts = line_of(glioma).real
    assert counts.adds_up and (counts.by_name["matched"], counts.by_name["excluded"]) == (0, 1)
    amended(glioma, criteria=[FLAIR_IN])
    rescreening.screen_again(exam.screenings.all(), by=cast.coordinator, why="As before")
    case = Case.objects.get()
    assert (case.state, case.number, case.protocol.number) == (Case.State.PROCESSING, 1, 3)


def test_a_case_that_is_being_read_is_not_screened_out(glioma: Study, cast: Cast) -> None:
    exam = sent("AX FLAIR")
    opened_read(exam.cases.get(), cast)
    amended(glioma, criteria=[{"name": "Nobody", "when": "series.SliceThickness < 0.0"}])
    with pytest.raises(Refused, match="readers have begun"):
        rescreening.screen_again(exam.screenings.all(), by=cast.coordinator, why="Stricter")
    assert exam.screenings.get().outcome == Screening.Outcome.MATCHED


def test_what_is_undecided_is_decided_by_hand_with_a_reason(glioma: Study, cast: Cast) -> None:
    kept = sent("AX FLAIR", SliceThickness=None).screenings.get()
    with pytest.raises(Refused, match="Say why"):
        rescreening.decide(kept, Screening.Outcome.MATCHED, by=cast.coordinator, why="")
    rescreening.decide(kept, Screening.Outcome.MATCHED, by=cast.coordinator, why="1 mm by the protocol of the scanner")
    kept.refresh_from_db()
    assert (kept.outcome, kept.decided_by, kept.case.number) == (Screening.Outcome.MATCHED, cast.coordinator, 1)
    assert kept.verdicts[2]["said"] == "cannot be decided"
    with pytest.raises(Refused, match="already"):
        rescreening.decide(kept, Screening.Outcome.EXCLUDED, by=cast.coordinator, why="No")


def test_what_was_said_before_is_kept_by_the_database(glioma: Study, cast: Cast) -> None:
    exam = sent("T1 3D")
    rescreening.screen_again(exam.screenings.all(), by=cast.coordinator, why="Again")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        PastScreening.objects.update(why="Nothing")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        PastScreening.objects.all().delete()


def test_many_exams_are_screened_in_a_constant_number_of_queries(django_assert_max_num_queries: Any) -> None:
    study = study_with_ai(criteria=[FLAIR_IN])
    for _ in range(30):
        exam_for(study)
    with django_assert_max_num_queries(60):
        assert enrolment.enrol_complete_exams() == 30
    assert Screening.objects.filter(outcome=Screening.Outcome.UNDECIDED).count() == 30


def amended(study: Study, **document: Any) -> ProtocolVersion:
    """The study's next version, frozen."""
    last = study.protocols.first()
    assert last is not None
    content = {**last.document, **document}
    version = ProtocolVersion.objects.create(
        study=study, number=last.number + 1, document=content, digest=str(last.number), reason="For the test"
    )
    protocol.freeze(version, by=None)
    return version


def opened_read(case: Case, cast: Cast) -> Read:
    form = cast.reader.memberships.get().study.form
    assert form is not None
    return Read.objects.create(
        study=case.study,
        case=case,
        reader=cast.reader,
        arms=[],
        condition="images",
        form=form,
        protocol=case.protocol,
        position=1,
        state=Read.State.OPENED,
    )
