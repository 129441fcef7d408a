"""Sensitivity, specificity and areas of a study whose answers are known."""

from __future__ import annotations

import pytest

from portal.models import User
from studies.models import Case, Read
from studies.statistics.estimate import Interval, NotComputable
from studies.statistics.proportions import PairedDifference, Proportion
from studies.statistics.roc import Area
from tests.studies.evidence.known import Known, endpoint, left_out, one
from tests.studies.reading.reading import INDEPENDENT, ONE_SITTING

pytestmark = pytest.mark.django_db
POSITIVE, NEGATIVE = range(1, 6), range(6, 11)
TRUE = {case: "present" if case in POSITIVE else "absent" for case in range(1, 11)}


def called(present: set[int], *, cases: range = range(1, 11)) -> dict[int, dict[str, object]]:
    return {case: {"finding": "present" if case in present else "absent", "confidence": 3} for case in cases}


@pytest.fixture
def known() -> tuple[Known, User, User]:
    """Ten cases, five of them positive, and two readers who read without and with the model."""
    made = Known.study_of(
        ONE_SITTING, endpoints=[endpoint("sensitivity", arms=["ai"]), endpoint("specificity", arms=["ai"])]
    ).with_cases(10)
    made.truth(TRUE)
    ann, bob = made.bench.reader("ann"), made.bench.reader("bob")
    made.said(ann, "unaided", called({1, 2, 3, 4, 6}))
    made.said(bob, "unaided", called({1, 2, 7, 8}))
    made.said(ann, "aided", called({1, 2, 3, 4, 5}), arms=["ai"])
    return made, ann, bob


def test_each_reader_and_all_have_their_sensitivity_and_specificity(known: tuple[Known, User, User]) -> None:
    """Ann finds 4 of 5 and calls 1 of 5 wrongly, Bob 2 of 5 and 2 of 5; 4 of 5 has Wilson's 0.376 to 0.964."""
    made, _, _ = known
    sensitivity, specificity = made.endpoint("sensitivity").lines, made.endpoint("specificity").lines
    seen = {
        who: one(sensitivity, "Sensitivity", arm="unaided", reader=who, by_readers=True) for who in ("ann", "bob", None)
    }
    assert {who: (line.value, line.of) for who, line in seen.items()} == {
        "ann": (0.8, 5), "bob": (0.4, 5), None: (0.6, 10),
    }  # fmt: skip
    assert isinstance(seen["ann"].interval, Interval)
    assert (seen["ann"].interval.low, seen["ann"].interval.high) == pytest.approx((0.3755, 0.9638), abs=5e-5)
    assert one(specificity, "Specificity", arm="unaided", reader="ann").value == 0.8
    assert one(specificity, "Specificity", arm="unaided", reader="bob").value == 0.6
    assert one(sensitivity, "Positive predictive value", arm="unaided", reader="bob").value == 0.5
    assert one(specificity, "Negative predictive value", arm="unaided", reader="bob").value == 0.5
    assert one(sensitivity, "Accuracy", arm="unaided", reader="ann").value == 0.8
    assert one(sensitivity, "Sensitivity", arm="aided", reader="ann").value == 1.0


def test_conditions_differ_by_the_cases_that_a_reader_called_in_both(known: tuple[Known, User, User]) -> None:
    """Aided Ann finds case 5 too, and calls case 6 no longer: one of five each; Bob was never aided."""
    made, _, bob = known
    made.said(bob, "aided", called({6}, cases=range(6, 8)), arms=["ai"])
    sensitivity = one(made.endpoint("sensitivity").differences, "Difference of sensitivities", arm="aided-unaided")
    assert isinstance(sensitivity.answer, PairedDifference)
    answer = sensitivity.answer
    assert (answer.both, answer.first_only, answer.second_only, answer.neither) == (4, 1, 0, 0)
    assert (answer.value, sensitivity.expected, left_out(sensitivity)) == (0.2, 10, {"called in one of both alone": 5})
    bobs = one(
        made.endpoint("specificity").differences, "Difference of specificities", arm="aided-unaided", reader="bob"
    )
    assert isinstance(bobs.answer, PairedDifference)
    assert (bobs.answer.first_only, bobs.answer.second_only, bobs.of) == (1, 1, 2)


def test_what_is_missing_is_counted_by_its_reason(known: tuple[Known, User, User]) -> None:
    made, _, bob = known
    made.with_cases(3)
    made.read(1, bob, "aided", arms=["ai"])
    made.said(bob, "unaided", {11: {"finding": "present"}, 12: {"confidence": 2}})
    made.read(13, bob, "unaided")
    line = one(made.endpoint("sensitivity").lines, "Sensitivity", arm="unaided", reader="bob")
    assert (line.expected, line.of, line.left_out) == (13, 5, 3)
    assert left_out(line) == {
        "the truth of the case is not known": 1,
        "the question was not answered": 1,
        "not submitted yet": 1,
    }
    aided = one(made.endpoint("sensitivity").lines, "Sensitivity", arm="aided", reader="bob")
    assert aided.value is None
    assert aided.reason == "There are no cases that are positive in truth to count."


def test_what_counts_is_the_newest_answer_of_reads_that_stand(known: tuple[Known, User, User]) -> None:
    made, _, bob = known
    first = Read.objects.get(reader=bob, case__number=3).responses.get().response
    made.amend(first, finding="present", confidence=4)
    carl = made.bench.reader("carl")
    made.read(1, carl, "unaided", state=Read.State.WITHDRAWN)
    Case.objects.filter(number=1).update(state=Case.State.EXCLUDED)
    lines = made.endpoint("sensitivity").lines
    assert one(lines, "Sensitivity", arm="unaided", reader="bob").value == 2 / 4
    assert {line.whose.reader.name for line in lines if line.whose.reader} == {"ann", "bob"}


def test_the_pilot_is_never_mixed_with_real_reads(known: tuple[Known, User, User]) -> None:
    made, ann, _ = known
    made.with_cases(1, is_pilot=True)
    made.said(ann, "unaided", {11: {"finding": "present"}}, is_pilot=True)
    assert one(made.endpoint("sensitivity").lines, "Sensitivity", arm="unaided", reader="ann").expected == 10
    pilot = made.pilot()
    assert pilot.is_pilot
    assert one(pilot.endpoints[0].lines, "Accuracy", arm="unaided", reader="ann").expected == 1


def test_without_locked_truth_there_is_a_reason_and_no_number() -> None:
    made = Known.study_of(INDEPENDENT, endpoints=[endpoint("sensitivity"), endpoint("auc")]).with_cases(1)
    for found in made.evidence().endpoints:
        assert (found.lines, found.reason) == ((), "No version of the truth is locked yet.")


def test_of_several_answers_of_the_truth_none_is_guessed() -> None:
    two = {"source": "import", "answers": ["outcome", "grade"]}
    made = Known.study_of(INDEPENDENT, endpoints=[endpoint("sensitivity")], reference=two).with_cases(1)
    made.truth({1: "present"}, key="outcome")
    assert "Name the question in the endpoint" in made.endpoint("sensitivity").reason


def test_a_word_that_may_be_either_is_not_guessed_and_one_that_is_named_counts() -> None:
    for slug, positive, expected in (("unnamed", [], None), ("named", ["Fracture"], 1.0)):
        made = Known.study_of(
            INDEPENDENT,
            slug=slug,
            endpoints=[endpoint("sensitivity", positive=[*positive, "present"] if positive else [])],
        ).with_cases(2)
        made.truth({1: "fracture", 2: "normal"})
        made.said(made.bench.reader(f"ann-{slug}"), "alone", called({1}, cases=range(1, 3)))
        line = one(made.endpoint("sensitivity").lines, "Sensitivity", arm="alone")
        assert line.value == expected
    assert "present" in made.endpoint("sensitivity").notes[0]


def test_a_classifier_is_judged_by_itself_beside_its_readers(known: tuple[Known, User, User]) -> None:
    made, _, _ = known
    for case in range(1, 10):
        made.found(case, present=0.9 if case in (1, 2, 3, 9) else 0.2, absent=0.1 if case in (1, 2, 3, 9) else 0.8)
    lines = made.endpoint("sensitivity").lines
    line = one(lines, "Sensitivity", arm="ai")
    assert (line.value, line.of, line.expected) == (0.6, 5, 10)
    assert line.whose.pipeline == "brain-extraction 1.0.0 (dddddddddddd)"
    assert left_out(line) == {"the arm has no finding of the case": 1}
    assert one(made.endpoint("specificity").lines, "Specificity", arm="ai").value == 3 / 4


def test_areas_of_two_readers_their_mean_and_the_difference_of_conditions() -> None:
    """Positives 5 4 2 against negatives 3 1 1: 8 of 9 pairs; 3 3 3 against 3 2 1: 7.5 + ... of 9 by hand below."""
    made = Known.study_of(ONE_SITTING, endpoints=[endpoint("auc", arms=["ai"], question="confidence")]).with_cases(6)
    made.truth({case: "present" if case <= 3 else "absent" for case in range(1, 7)})
    ann, bob = made.bench.reader("ann"), made.bench.reader("bob")
    scores = {
        (ann, "unaided"): (5, 4, 2, 3, 1, 1),  # 3 + 3 + 2 of 9 pairs
        (bob, "unaided"): (3, 3, 3, 3, 2, 1),  # 2.5 + 2.5 + 2.5
        (ann, "aided"): (5, 4, 4, 3, 1, 1),  # 9
        (bob, "aided"): (3, 4, 3, 3, 2, 1),  # 2.5 + 3 + 2.5
    }
    for (reader, condition), given in scores.items():
        made.said(reader, condition, {case: {"confidence": score} for case, score in enumerate(given, start=1)})
    found = made.endpoint("auc")
    name = "Area under the ROC curve"
    assert one(found.lines, name, arm="unaided", reader="ann").value == pytest.approx(8 / 9)
    assert one(found.lines, name, arm="unaided", reader="bob").value == pytest.approx(7.5 / 9)
    mean = one(found.lines, "Mean area under the ROC curve", arm="unaided")
    assert mean.value == pytest.approx(15.5 / 18)
    assert isinstance(mean.answer, Area) and mean.answer.of == 6
    perfect = one(found.lines, name, arm="aided", reader="ann")
    assert perfect.value == 1.0 and "variance is zero" in perfect.reason
    assert perfect.points == ((0, 0), (0, 1 / 3), (0, 1), (1 / 3, 1), (1, 1))
    apart = one(found.differences, "Difference of mean areas", arm="aided-unaided")
    assert apart.value == pytest.approx((9 + 8 - 15.5) / 18)
    assert apart.whose.arm_label == "Aided less Unaided"
    assert one(found.differences, "Difference of areas", arm="aided-unaided", reader="bob").value == pytest.approx(
        0.5 / 9
    )


def test_a_mean_area_takes_the_cases_that_all_readers_answered() -> None:
    made = Known.study_of(INDEPENDENT, endpoints=[endpoint("auc", question="confidence")]).with_cases(4)
    made.truth({1: "present", 2: "present", 3: "absent", 4: "absent"})
    ann, bob = made.bench.reader("ann"), made.bench.reader("bob")
    made.said(ann, "alone", {case: {"confidence": 5 - case} for case in range(1, 5)})
    made.said(bob, "alone", {case: {"confidence": 5 - case} for case in (1, 3)})
    line = one(made.endpoint("auc").lines, "Mean area under the ROC curve", arm="alone")
    assert (line.expected, line.of) == (6, 2)
    assert left_out(line) == {"of cases that not all of these readers answered": 2}
    assert isinstance(line.answer, Area) and isinstance(line.answer.interval, NotComputable)


def test_a_models_area_is_of_the_probabilities_of_positive_labels() -> None:
    """0.9 and 0.4 against 0.5 and 0.1: three of four pairs."""
    made = Known.study_of(
        {"kind": "standalone", "arms": ["ai"]}, endpoints=[endpoint("auc", question="", arms=["ai"])]
    ).with_cases(4)
    made.truth({1: "present", 2: "present", 3: "absent", 4: "absent"})
    for case, chance in enumerate((0.9, 0.4, 0.5, 0.1), start=1):
        made.found(case, present=chance, absent=1 - chance)
    assert one(made.endpoint("auc").lines, "Area under the ROC curve", arm="ai").value == 0.75


def test_a_table_of_outside_results_is_judged_by_its_column() -> None:
    table = {"key": "vendor", "label": "Vendor", "findings": {"kind": "table", "columns": ["finding", "risk"]}}
    made = Known.study_of(
        {"kind": "standalone", "arms": ["vendor"]},
        arms=[table, {"key": "ai", "label": "AI", "findings": {"kind": "pipeline", "pipeline": "brain-extraction"}}],
        endpoints=[endpoint("sensitivity", arms=["vendor"]), endpoint("auc", arms=["vendor"], question="")],
    ).with_cases(2)
    made.truth({1: "Present", 2: "absent"})
    made.found(1, "vendor", values={"finding": "PRESENT", "risk": "0,9"})
    made.found(2, "vendor", values={"finding": "absent", "risk": "0.2"})
    line = one(made.endpoint("sensitivity").lines, "Sensitivity", arm="vendor")
    assert isinstance(line.answer, Proportion) and (line.answer.successes, line.of) == (1, 1)
    area = one(made.endpoint("auc").lines, "Area under the ROC curve", arm="vendor")
    assert left_out(area) == {"the finding of the arm gives no probability": 2}


def test_confidence_in_a_call_speaks_for_or_against_by_the_call() -> None:
    """Sure of a positive call is most suspicious, sure of a negative one least; a case is its most suspicious part."""
    hips = {
        "name": "hips",
        "title": "Hips",
        "sections": [
            {
                "questions": [
                    {
                        "key": "sides",
                        "type": "per-segment",
                        "label": "Sides",
                        "segments": [{"key": "right", "label": "Right"}, {"key": "left", "label": "Left"}],
                        "questions": [
                            {
                                "key": "state",
                                "type": "single-choice",
                                "label": "State",
                                "choices": [{"value": v, "label": v} for v in ("fracture", "normal")],
                            },
                            {"key": "sure", "type": "confidence", "label": "Sure"},
                        ],
                    }
                ]
            }
        ],
    }
    about = {"positive": ["fracture"]}
    made = Known.study_of(
        INDEPENDENT,
        form=hips,
        reference={"source": "import", "answers": ["state"]},
        endpoints=[endpoint("auc", question="sure", **about), endpoint("sensitivity", question="state", **about)],
    ).with_cases(3)
    made.truth({1: "fracture", 2: "fracture", 3: "normal"}, key="state")

    def sides(right: tuple[str, int], left: tuple[str, int]) -> dict[str, object]:
        return {"sides": {side: {"state": s, "sure": c} for side, (s, c) in (("right", right), ("left", left))}}

    made.said(
        made.bench.reader("ann"),
        "alone",
        {
            1: sides(("normal", 95), ("fracture", 60)),  # 60
            2: sides(("normal", 90), ("normal", 70)),  # -70
            3: sides(("normal", 99), ("normal", 80)),  # -80
        },
    )
    assert one(made.endpoint("sensitivity").lines, "Sensitivity", arm="alone", reader="ann").value == 0.5
    assert one(made.endpoint("auc").lines, "Area under the ROC curve", arm="alone", reader="ann").value == 1.0
