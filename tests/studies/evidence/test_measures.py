"""What is told of every study: agreement, times, quality control, overlaps, corrections; and what it costs to ask."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dicom_ingest.models import Exam
from feedback.models import CorrectedStructure, Correction
from inference.models import Measurement, Result
from studies.evidence import measures
from studies.evidence.models import UNDER_WAY
from studies.models import Case, QCReview, Study
from studies.statistics.estimate import Interval
from studies.statistics.kappa import Kappa
from studies.statistics.means import Mean
from tests.studies.evidence.known import NOON, Known, compared, endpoint, left_out, one
from tests.studies.reading.reading import INDEPENDENT, ONE_SITTING, SCORING

pytestmark = pytest.mark.django_db
STANDALONE = {"kind": "standalone", "arms": ["ai"]}


def present(cases: set[int], *, of: int) -> dict[int, dict[str, object]]:
    return {case: {"finding": "present" if case in cases else "absent"} for case in range(1, of + 1)}


def test_two_readers_agree_by_cohens_kappa_and_with_the_truth() -> None:
    """Both present in 4 of 10, both absent in 4: observed 0.8, expected 0.5, kappa 0.6."""
    made = Known.study_of(INDEPENDENT, endpoints=[endpoint("kappa")]).with_cases(10)
    ann, bob = made.bench.reader("ann"), made.bench.reader("bob")
    made.said(ann, "alone", present({1, 2, 3, 4, 5}, of=10))
    made.said(bob, "alone", present({1, 2, 3, 4, 6}, of=10))
    made.truth({case: "present" if case in (1, 2, 3, 4, 6) else "absent" for case in range(1, 11)})
    evidence = made.evidence()
    line = one(evidence.between_readers, "Finding: Cohen's kappa between 2 readers", arm="alone")
    assert line.value == pytest.approx(0.6)
    assert isinstance(line.answer, Kappa) and (line.answer.observed, line.answer.expected) == pytest.approx((0.8, 0.5))
    lines = evidence.endpoints[0].lines
    assert one(lines, "Finding: kappa with the truth", arm="alone", reader="ann").value == pytest.approx(0.6)
    assert one(lines, "Finding: kappa with the truth", arm="alone", reader="bob").value == 1.0
    assert line in lines


def test_three_readers_agree_by_fleiss_kappa_of_what_two_or_more_answered() -> None:
    """Case 1: 3 of 3, case 2: 2 of 3, case 3: 0 of 2, case 4 by one alone: observed (1 + 1/3 + 1) / 3."""
    made = Known.study_of(INDEPENDENT, endpoints=[]).with_cases(4)
    ann, bob, carl = (made.bench.reader(name) for name in ("ann", "bob", "carl"))
    made.said(ann, "alone", present({1, 2, 4}, of=4))
    made.said(bob, "alone", present({1, 2}, of=3))
    made.said(carl, "alone", present({1}, of=2))
    made.read(3, carl)
    line = one(made.evidence().between_readers, "Finding: Fleiss' kappa between 3 readers", arm="alone")
    assert isinstance(line.answer, Kappa)
    assert line.answer.observed == pytest.approx((1 + 1 / 3 + 1) / 3)
    share = (1 + 2 / 3 + 0 + 1) / 4  # how much of each case is "present", on average
    assert line.answer.expected == pytest.approx(share**2 + (1 - share) ** 2)
    assert (line.of, line.expected) == (3, 4)
    assert left_out(line) == {
        "reads not submitted yet": 1,
        "of cases or parts that no second reader answered": 1,
    }


def test_scales_of_two_readers_weigh_steps_and_numbers_correlate() -> None:
    made = Known.study_of(INDEPENDENT, endpoints=[]).with_cases(4)
    ann, bob = made.bench.reader("ann"), made.bench.reader("bob")
    made.said(ann, "alone", {case: {"confidence": case, "size": 10 * case} for case in range(1, 5)})
    made.said(bob, "alone", {case: {"confidence": case + (case == 4), "size": 10 * case + 1} for case in range(1, 5)})
    lines = made.evidence().between_readers
    scale = one(lines, "Suspicion: quadratically weighted kappa between 2 readers", arm="alone")
    # Of 1 2 3 4 and 1 2 3 5: disagreement 1/4 of a step squared, by chance the mean of all pairs' squared steps.
    chance = sum((a - b) ** 2 for a in (1, 2, 3, 4) for b in (1, 2, 3, 5)) / 16
    assert scale.value == pytest.approx(1 - 0.25 / chance)
    number = one(lines, "Size: ICC(2,1) between 2 readers", arm="alone")
    assert number.value == pytest.approx(500 / 3 / (500 / 3 + 0.5))  # variance of subjects 166.67, of readers 0.5


def test_one_reader_has_nobody_to_agree_with() -> None:
    made = Known.study_of(INDEPENDENT, endpoints=[]).with_cases(2)
    made.said(made.bench.reader("ann"), "alone", present({1}, of=2))
    line = one(made.evidence().between_readers, "Finding: agreement between readers", arm="alone")
    assert line.reason == "Only one reader answered."


def test_readers_agree_with_themselves_where_reads_are_repeated() -> None:
    """Ann repeats 4 cases: present twice in 1 and 2, absent twice in 3, once in 4: observed 3/4, expected 1/2."""
    repeat = {"kind": "repeat", "arms": ["alone"], "share_percent": 50}
    made = Known.study_of(repeat, endpoints=[endpoint("kappa")]).with_cases(4)
    ann = made.bench.reader("ann")
    made.said(ann, "alone", present({1, 2}, of=4))
    made.said(ann, "alone", present({1, 2, 4}, of=4), occasion=2)
    line = one(
        made.evidence().within_readers,
        "Finding: Cohen's kappa of a reader's first and second answer",
        arm="alone",
        reader="ann",
    )
    assert line.value == pytest.approx(0.5)
    assert one(made.endpoint("kappa").lines, line.what, arm="alone", reader="ann").value == line.value


def test_reading_times_are_medians_with_what_was_not_measured() -> None:
    made = Known.study_of(INDEPENDENT, endpoints=[endpoint("reading-time", question="")]).with_cases(7)
    ann = made.bench.reader("ann")
    for case, counted in enumerate((10.0, 20.0, 30.0, 40.0, 50.0, None), start=1):
        response = made.answer(made.read(case, ann), active=counted, seconds=100.0, finding="present")
    made.amend(response, finding="absent")
    made.read(7, ann)
    lines = made.evidence().reading_times
    active = one(lines, "Active reading time", arm="alone", reader="ann")
    assert (active.value, active.unit, active.of, active.expected) == (30.0, "s", 5, 7)
    assert left_out(active) == {"nobody measured it": 1, "not submitted yet": 1}
    raw = one(lines, "Time from opening to submitting", arm="alone", reader="ann")
    assert (raw.value, raw.of) == (100.0, 6)
    assert isinstance(raw.answer.interval, Interval)  # type: ignore[union-attr]
    assert made.endpoint("reading-time").lines == lines


def test_turnaround_goes_from_the_exam_to_the_result_to_qc_to_the_read() -> None:
    """Received at noon, result after 60 s, QC after 90 s more, read after 600 s more."""
    made = Known.study_of(INDEPENDENT, endpoints=[], quality_control={"required": True}).with_cases(2)
    reviewer, ann = made.bench.reader("quality"), made.bench.reader("ann")
    for case in made.cases.values():
        Exam.objects.filter(pk=case.exam_id).update(received_at=NOON)
        made.found(case.number)
        Result.objects.filter(exam=case.exam_id).update(created_at=NOON + timedelta(seconds=60))
    made.found(1, "novice", values={"a": "b"})
    QCReview.objects.create(
        case=made.cases[1], round=0, reviewer=reviewer, verdict="accept", reviewed_at=NOON + timedelta(seconds=150)
    )
    made.answer(made.read(1, ann), at=NOON + timedelta(seconds=750), finding="present")
    lines = made.evidence().turnaround
    result = one(lines, "Received to result", arm="ai")
    assert (result.value, result.of, result.whose.pipeline[:16]) == (60.0, 2, "brain-extraction")
    assert one(lines, "Last result to QC's last verdict").value == 90.0
    assert left_out(one(lines, "Last result to QC's last verdict")) == {"QC has not looked at it yet": 1}
    assert one(lines, "QC's last verdict to the first submitted read").value == 600.0
    assert one(lines, "Received to the first submitted read").value == 750.0


def test_where_nobody_reads_time_is_the_time_to_the_result() -> None:
    shadow = {"kind": "shadow", "arms": ["ai"]}
    made = Known.study_of(shadow, endpoints=[endpoint("reading-time", question="", arms=["ai"])]).with_cases(2)
    Exam.objects.update(received_at=NOON)
    made.found(1)
    Result.objects.update(created_at=NOON + timedelta(seconds=44))
    line = one(made.endpoint("reading-time").lines, "Received to result", arm="ai")
    assert (line.value, line.expected) == (44.0, 2)
    assert left_out(line) == {"the arm has no finding of the case": 1}
    assert made.evidence().reading_times == ()


def test_quality_control_counts_what_it_let_through_and_how_far_reviewers_agree() -> None:
    """Of three cases that two checked they agree on two; kappa of 1-1, 2-0 and 0-2 is (2/3 - 1/2) / (1 - 1/2)."""
    made = Known.study_of(INDEPENDENT, endpoints=[], quality_control={"required": True, "reviewers": 2}).with_cases(4)
    first, second = made.bench.reader("first"), made.bench.reader("second")
    said = {1: ("accept", "accept"), 2: ("accept", "reject"), 3: ("reject", "reject"), 4: ("accept", None)}
    for number, verdicts in said.items():
        for reviewer, verdict in zip((first, second), verdicts, strict=True):
            if verdict:
                QCReview.objects.create(
                    case=made.cases[number],
                    round=0,
                    reviewer=reviewer,
                    verdict=verdict,
                    reason="" if verdict == "accept" else "Wrong series",
                    active_seconds=8.0 if reviewer == first else None,
                )
    Case.objects.filter(number=3).update(state=Case.State.QC_REJECTED)
    Case.objects.filter(number__in=(2, 4)).update(state=Case.State.AWAITING_QC)
    found = made.evidence().quality_control
    assert (one(found.lines, "Accepted").value, one(found.lines, "Accepted").of) == (0.5, 2)
    assert left_out(one(found.lines, "Accepted")) == {"not decided yet": 2}
    assert one(found.lines, "Cases on which reviewers agree").value == pytest.approx(2 / 3)
    assert one(found.lines, "Fleiss' kappa between reviewers").value == pytest.approx(1 / 3)
    assert one(found.lines, "Active time of a verdict").value == 8.0
    assert found.rejections == {"Wrong series": 1}


def test_scores_have_means_by_arm_and_differences_of_the_same_case_and_reader() -> None:
    """The model scores 4, 5 and 3, the novice 3, 3 and 3: mean difference 1, standard error 1/sqrt(3)."""
    score = endpoint("score", question="confidence", arms=["ai", "novice"])
    made = Known.study_of(SCORING, endpoints=[score]).with_cases(3)
    ann, bob = made.bench.reader("ann"), made.bench.reader("bob")
    made.said(ann, "ai", {case: {"confidence": value} for case, value in ((1, 4), (2, 5), (3, 3))}, arms=["ai"])
    made.said(ann, "novice", {case: {"confidence": 3} for case in (1, 2, 3)}, arms=["novice"])
    made.said(bob, "ai", {1: {"confidence": 2}}, arms=["ai"])
    found = made.endpoint("score")
    assert one(found.lines, "Mean score", arm="ai", reader="ann").value == 4.0
    assert one(found.lines, "Mean score", arm="ai").value == 3.5
    line = one(found.differences, "Mean difference of scores", arm="ai-novice")
    assert isinstance(line.answer, Mean) and isinstance(line.answer.interval, Interval)
    assert (line.value, line.answer.standard_deviation) == (1.0, 1.0)
    assert line.answer.interval.high == pytest.approx(1 + 4.302653 / 3**0.5, abs=1e-6)
    assert left_out(line) == {"not scored in both by the reader": 1}


def test_a_preference_names_a_side_which_was_another_arm_in_each_read() -> None:
    """Ai is left in case 1 and right in case 2; it is preferred in both, the novice in case 3, none in case 4."""
    form = {
        "name": "better",
        "title": "Better",
        "sections": [
            {
                "questions": [
                    {
                        "key": "better",
                        "type": "single-choice",
                        "label": "Better",
                        "choices": [{"value": v, "label": v} for v in ("left", "right", "equal")],
                    }
                ]
            }
        ],
    }
    made = Known.study_of(
        {"kind": "preference", "arms": ["ai", "novice"]},
        form=form,
        endpoints=[endpoint("preference", question="better", arms=["ai", "novice"])],
    ).with_cases(4)
    ann = made.bench.reader("ann")
    for case, said, arms in ((1, "left", "an"), (2, "right", "na"), (3, "right", "an"), (4, "equal", "an")):
        shown = ["ai", "novice"] if arms == "an" else ["novice", "ai"]
        made.said(ann, "preference", {case: {"better": said}}, arms=shown)
    lines = made.endpoint("preference").lines
    line = one(lines, "Preferred", arm="ai", reader="ann")
    assert (line.value, line.of) == pytest.approx((2 / 3, 3))
    assert left_out(line) == {"no finding was preferred": 1}
    assert one(lines, "Preferred", arm="novice", reader="ann").value == pytest.approx(1 / 3)
    assert one(lines, "None preferred", arm="preference", reader="ann").value == 0.25


def test_overlap_and_volumes_come_from_what_the_worker_compared() -> None:
    """Dice 0.8 and 0.9; volumes 10 and 20 ml against 12 and 21: bias -1.5 ml, SD 0.7071."""
    made = Known.study_of(
        STANDALONE,
        endpoints=[endpoint("dice", question="", arms=["ai"]), endpoint("volume-difference", question="", arms=["ai"])],
    ).with_cases(5)
    true = {case: made.mask(case) for case in range(1, 5)}
    made.truth(dict.fromkeys(range(1, 6)), series=true)
    mine = {case: made.mask(case) for case in range(1, 5)}
    for case, series in mine.items():
        made.found(case, drawn=series)
    compared(mine[1], true[1], Liver=(0.8, 10.0, 12.0))
    compared(mine[2], true[2], Liver=(0.9, 20.0, 21.0))
    compared(mine[3], true[3], problem="it does not lie on the images")
    compared(mine[4], true[4], problem=UNDER_WAY)
    line = one(made.endpoint("dice").lines, "Liver: mean Dice", arm="ai")
    assert (line.value, line.of, line.expected) == pytest.approx((0.85, 2, 5))
    assert left_out(line) == {
        "cannot be compared: it does not lie on the images": 1,
        "not compared yet": 1,
        "the arm has no finding of the case": 1,
    }
    volumes = made.endpoint("volume-difference").lines
    bias = one(volumes, "Liver: bias", arm="ai")
    assert (bias.value, bias.unit, bias.points) == (-1.5, "ml", ((11.0, -2.0), (20.5, -1.0)))
    assert one(volumes, "Liver: lower limit of agreement", arm="ai").value == pytest.approx(-1.5 - 1.96 * 0.5**0.5)
    assert "three pairs" in one(volumes, "Liver: slope of the difference on the mean", arm="ai").reason


def test_without_a_reference_the_first_arm_is_held_against_the_second() -> None:
    dice = endpoint("dice", question="", arms=["ai", "novice"])
    made = Known.study_of(SCORING, endpoints=[dice], reference={"source": "none"}).with_cases(1)
    first, second = made.mask(1), made.mask(1)
    made.found(1, drawn=first)
    made.found(1, "novice", drawn=second)
    compared(first, second, Liver=(0.7, 1.0, 1.0))
    line = one(made.endpoint("dice").lines, "Liver: mean Dice", arm="ai-novice")
    assert (line.value, line.whose.arm_label) == (0.7, "Model of the study with Novice's mask")


def test_numbers_of_the_truth_are_held_against_measurements() -> None:
    """Volumes 100, 110 and 120 against 101, 109 and 120: differences -1, 1 and 0."""
    reference = {"source": "import", "answers": ["volume"]}
    made = Known.study_of(
        STANDALONE, reference=reference, endpoints=[endpoint("volume-difference", question="", arms=["ai"])]
    ).with_cases(3)
    made.truth({1: "101", 2: "109", 3: "120"}, key="volume")
    for case, value in ((1, 100.0), (2, 110.0), (3, 120.0)):
        result = made.found(case).result
        assert result is not None
        Measurement.objects.create(result=result, name="brain", value=value, unit="ml")
    bias = one(made.endpoint("volume-difference").lines, "volume: bias", arm="ai")
    assert (bias.value, bias.of) == (0.0, 3)


def test_numbers_of_the_truth_are_held_against_readers_answers() -> None:
    """Ann measures 10, 21 and nothing against 9 and 20: bias 1."""
    reference = {"source": "import", "answers": ["size"]}
    made = Known.study_of(
        INDEPENDENT, reference=reference, endpoints=[endpoint("volume-difference", question="size")]
    ).with_cases(3)
    made.truth({1: "9", 2: 20, 3: "30"}, key="size")
    answers: dict[int, dict[str, object]] = {1: {"size": 10}, 2: {"size": 21}, 3: {"finding": "absent"}}
    made.said(made.bench.reader("ann"), "alone", answers)
    bias = one(made.endpoint("volume-difference").lines, "size: bias", arm="alone", reader="ann")
    assert (bias.value, bias.of, left_out(bias)) == (1.0, 2, {"the question was not answered": 1})


def test_corrections_show_how_far_the_pipeline_was_off() -> None:
    """Of two masks one was corrected: 10 ml before, 12 ml after, Dice 0.9; another correction is not measured yet."""
    made = Known.study_of(STANDALONE, endpoints=[]).with_cases(2)
    author = made.bench.reader("ann")
    masks = {case: made.mask(case) for case in (1, 2)}
    for case, series in masks.items():
        made.found(case, drawn=series)
    for sitting in ("", "read/1"):
        correction = Correction.objects.create(
            predecessor=masks[1], exam=made.cases[1].exam, series=None, is_empty=True, author=author, sitting=sitting
        )
    CorrectedStructure.objects.create(
        correction=correction, number=1, label="Liver", ml=12.0, before_ml=10.0, dice=0.9, added_ml=2, removed_ml=0
    )
    Correction.objects.filter(pk=correction.pk).update(state=Correction.State.MEASURED)
    lines = made.evidence().corrections
    assert one(lines, "Cases with a correction", arm="ai").value == 0.5
    line = one(lines, "Liver: mean Dice of the pipeline's with the corrected", arm="ai")
    assert (line.value, line.of, line.expected) == (0.9, 1, 2)
    assert left_out(line) == {"not measured yet, or could not be": 1}
    assert "two pairs" in one(lines, "Liver, the pipeline's less the corrected: bias", arm="ai").reason


def test_several_versions_of_a_pipeline_have_lines_of_their_own() -> None:
    made = Known.study_of(STANDALONE, endpoints=[endpoint("sensitivity", arms=["ai"])]).with_cases(3)
    made.truth({1: "present", 2: "present", 3: "present"})
    made.found(1, present=0.9, absent=0.1)
    made.found(2, version="2.0.0", present=0.2, absent=0.8)
    lines = made.endpoint("sensitivity").lines
    assert one(lines, "Sensitivity", arm="ai", pipeline="").value == 0.5
    assert one(lines, "Sensitivity", arm="ai", pipeline="brain-extraction 1.0.0 (dddddddddddd)").value == 1.0
    assert one(lines, "Sensitivity", arm="ai", pipeline="brain-extraction 2.0.0 (222222222222)").value == 0.0


EVERYTHING = [
    endpoint(measure, arms=["ai"], question=question)
    for measure, question in (
        ("sensitivity", "finding"),
        ("auc", "confidence"),
        ("kappa", "finding"),
        ("dice", ""),
        ("volume-difference", "size"),
        ("score", "confidence"),
        ("reading-time", ""),
    )
]


def test_an_empty_study_says_why_everything_is_missing() -> None:
    made = Known.study_of(ONE_SITTING, endpoints=EVERYTHING)
    evidence = made.evidence()
    assert len(evidence.endpoints) == len(EVERYTHING)
    for found in evidence.endpoints:
        assert found.reason or all(line.reason for line in found.lines)
    assert (evidence.truth, evidence.corrections, evidence.between_readers) == (None, (), ())
    assert "independent" in evidence.limits[0]


def test_the_number_of_queries_is_the_same_for_any_study() -> None:
    made = Known.study_of(ONE_SITTING, endpoints=EVERYTHING, quality_control={"required": True})
    readers = [made.bench.reader("ann")]
    counts = []
    for more in (2, 6):
        before = len(made.cases)
        made.with_cases(more)
        readers.append(made.bench.reader(f"reader-{more}"))
        for number in range(before + 1, before + more + 1):
            mine, true = made.mask(number), made.mask(number)
            made.found(number, drawn=mine, present=0.9, absent=0.1)
            compared(mine, true, Liver=(0.9, 1.0, 1.1))
            QCReview.objects.create(case=made.cases[number], round=0, reviewer=readers[0], verdict="accept")
            for reader in readers:
                answers = {"finding": "present", "confidence": 4, "size": 10.0}
                made.said(reader, "unaided", {number: answers})
                made.said(reader, "aided", {number: answers}, arms=["ai"])
        made.truth(
            {number: "present" if number % 2 else "absent" for number in made.cases},
            series={number: case.exam.series.last() for number, case in made.cases.items()},  # type: ignore[misc]
        )
        study = Study.objects.get(pk=made.study.pk)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            evidence = measures.of_study(study)
        counts.append(len(asked))
        assert one(evidence.endpoints[3].lines, "Liver: mean Dice", arm="ai").of == len(made.cases)
    assert counts[0] == counts[1]
    assert counts[0] <= 30
