"""Every kind of question: the answers it takes, those it refuses, and when it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from feedback.form_schema import FormDefinition
from feedback.forms import InvalidAnswers, checked
from feedback.saying import describe
from feedback.subject import Named, Subject, key_of, named_segments
from feedback.wording import best_language, in_language

UID = "1.2.840.1"
YES_NO = [{"value": "yes", "label": "Yes"}, {"value": "no", "label": "No"}]
Question = dict[str, Any]


def form(*questions: Question, **document: Any) -> FormDefinition:
    return FormDefinition.model_validate(
        {"name": "f", "title": "F", "sections": [{"questions": list(questions)}], **document}
    )


def question(kind: str, key: str = "q", **fields: Any) -> Question:
    return {"key": key, "type": kind, "label": key.upper(), **fields}


def fault(definition: FormDefinition, answers: dict[str, object], *, subject: Subject | None = None) -> dict[str, str]:
    with pytest.raises(InvalidAnswers) as refused:
        checked(definition, answers, subject=subject)
    return refused.value.messages


def drawn(kind: str, *points: list[float], **fields: object) -> dict[str, object]:
    return {"type": kind, "SOPInstanceUID": UID, "points": list(points), **fields}


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (question("confidence"), 0),
        (question("confidence"), 100),
        (question("number", unit="mm", minimum=0, maximum=50), 12.5),
        (question("number", unit="{lesions}", whole=True), 3),
        (question("date"), "2024-02-29"),
        (question("text"), "A word"),
        (question("annotation"), {"SOPInstanceUID": UID, "Modality": "SEG"}),
        (question("annotation"), drawn("length", [1, 2], [30.5, 4], label="Lesion 1")),
        (question("region", area="box"), drawn("box", [1, 2], [3, 4], ReferencedFrameNumber=2)),
        (question("region"), drawn("point", [1, 2])),
    ],
)
def test_answers_that_fit_are_stored_as_they_are(asked: Question, answer: object) -> None:
    assert checked(form(asked), {"q": answer}) == {"q": answer}


@pytest.mark.parametrize(
    ("asked", "answer", "complaint"),
    [
        (question("confidence"), 101, "from 0 to 100"),
        (question("confidence"), 50.5, "whole number"),
        (question("confidence"), 10**400, "whole number"),
        (question("number"), 10**400, "Give a number."),
        (question("number"), float("nan"), "Give a number."),
        (question("region"), drawn("point", [1, 10**400]), "needs 1 points"),
        (question("confidence"), True, "whole number"),
        (question("number", unit="mm", minimum=0, maximum=50), 51, "Give a number from 0 to 50 in mm."),
        (question("number", unit="[hnsf'U]"), "12", "Give a number in HU."),
        (question("number", unit="min", whole=True, minimum=0), 1.5, "Give a whole number not below 0 in min."),
        (question("date"), "2023-02-29", "YYYY-MM-DD"),
        (question("date"), "29.02.2024", "YYYY-MM-DD"),
        (question("annotation", objects=["SEG"]), {"SOPInstanceUID": UID, "Modality": "SR"}, "Modality of a SEG"),
        (question("annotation", shapes=["length"]), drawn("box", [1, 2], [3, 4]), "Draw one of: length"),
        (question("annotation"), drawn("length", [1, 2]), "needs 2 points"),
        (question("annotation"), drawn("length", [1, 2], [3]), "needs 2 points"),
        (question("region"), drawn("point", [1, 2]) | {"SOPInstanceUID": "1..2"}, "names no image"),
        (question("region"), drawn("point", [1, float("inf")]), "needs 1 points"),
        (question("region"), drawn("point", [1, 2], colour="red"), "Draw one of: point"),
        (question("region"), "there", "Pick a point in the viewer."),
    ],
)
def test_answers_that_do_not_fit_are_refused_in_words(asked: Question, answer: object, complaint: str) -> None:
    assert complaint in fault(form(asked), {"q": answer})["q"]


@pytest.mark.parametrize(
    ("when", "answer", "is_asked"),
    [
        ({"test": "equals", "value": 4}, 4, True),
        ({"test": "equals", "value": 4}, 3, False),
        ({"test": "one-of", "values": [1, 2]}, 2, True),
        ({"test": "one-of", "values": [1, 2]}, 5, False),
        ({"test": "at-least", "value": 3}, 3, True),
        ({"test": "at-least", "value": 3}, 2, False),
        ({"test": "answered"}, 1, True),
        ({"test": "answered"}, None, False),
    ],
)
def test_a_question_is_asked_when_its_condition_holds(when: dict[str, Any], answer: object, is_asked: bool) -> None:
    definition = form(question("scale", "first", required=False), question("text", when={"question": "first", **when}))
    given = {"first": answer} if answer else {}
    if is_asked:
        assert fault(definition, given) == {"q": "Not answered yet."}
        assert checked(definition, given | {"q": "since"}) == given | {"q": "since"}
    else:
        assert checked(definition, given) == given
        assert "asked only on another answer to first" in fault(definition, given | {"q": "since"})["q"]


def test_a_question_behind_one_that_was_not_asked_is_not_asked_either() -> None:
    definition = form(
        question("single-choice", "a", choices=YES_NO),
        question("single-choice", "b", choices=YES_NO, when={"question": "a", "test": "equals", "value": "yes"}),
        question("text", "c", when={"question": "b", "test": "equals", "value": "yes"}),
    )
    assert checked(definition, {"a": "no"}) == {"a": "no"}
    assert fault(definition, {"a": "yes", "b": "yes"}) == {"c": "Not answered yet."}
    assert list(fault(definition, {"a": "perhaps", "c": "x"})) == ["a"], "what hangs on a wrong answer waits for it"


def test_findings_that_the_reader_adds_are_bounded_and_told_apart() -> None:
    inner = [question("scale", "s"), question("text", "t", required=False)]
    definition = form(question("per-finding", "lesions", questions=inner, most=2, noun="Lesion"))
    two: list[object] = [{"answers": {"s": 1}}, {"answers": {"s": 5, "t": "Large"}}]
    assert checked(definition, {"lesions": two}) == {"lesions": two}
    assert describe(definition, checked(definition, {"lesions": two})) == [
        ("Lesion 1: S", "1"),
        ("Lesion 2: S", "5"),
        ("Lesion 2: T", "Large"),
    ]
    assert "at most 2" in fault(definition, {"lesions": [*two, two[0]]})["lesions"]
    assert fault(definition, {"lesions": [{"answers": {"s": 9}}]}) == {
        "lesions.0.s": "Choose a whole number from 1 to 5."
    }
    assert fault(definition, {"lesions": []}) == {"lesions": "Not answered yet."}
    assert "each with answers" in fault(definition, {"lesions": [{"s": 1}]})["lesions"]


def test_every_finding_of_a_result_is_answered_once() -> None:
    inner = [question("scale", "s")]
    definition = form(question("per-finding", "found", questions=inner, source="result"))
    subject = Subject(findings=(Named(ref="7", label="Left"), Named(ref="8", label="Right")))

    def given(*refs: str) -> dict[str, object]:
        return {"found": [{"finding": ref, "answers": {"s": 1}} for ref in refs]}

    assert checked(definition, given("8", "7"), subject=subject) == given("7", "8")
    assert "Answer for every finding." in fault(definition, given("7"), subject=subject)["found"]
    assert "has no finding 9" in fault(definition, given("7", "8", "9"), subject=subject)["found"]
    assert "answered twice" in fault(definition, given("7", "7"), subject=subject)["found"]
    assert checked(definition, {}, subject=Subject()) == {}, "a result without findings is asked nothing"


def test_segments_are_the_forms_or_the_results() -> None:
    inner = [question("scale", "s")]
    named = form(question("per-segment", "parts", questions=inner, segments=[{"key": "left", "label": "Left lobe"}]))
    assert checked(named, {"parts": {"left": {"s": 2}}}) == {"parts": {"left": {"s": 2}}}
    assert fault(named, {}) == {"parts.left.s": "Not answered yet."}
    assert "no segment right" in fault(named, {"parts": {"right": {"s": 2}}})["parts"]
    of_result = form(question("per-segment", "parts", questions=inner))
    subject = Subject(segments=named_segments(["Left lobe", "2nd lobe", "left-lobe"]))
    assert [one.ref for one in subject.segments] == ["left-lobe", "segment-2nd-lobe", "left-lobe-2"]
    whole = {"parts": {one.ref: {"s": 3} for one in subject.segments}}
    assert checked(of_result, whole, subject=subject) == whole
    assert fault(of_result, {"parts": {"left-lobe": {"s": 3}}}, subject=subject).keys() == {
        "parts.segment-2nd-lobe.s",
        "parts.left-lobe-2.s",
    }


@pytest.mark.parametrize(
    ("questions", "complaint"),
    [
        ([question("number", unit="HU")], r"\[hnsf'U\]"),
        ([question("number", unit="parsec")], "no unit known here"),
        ([question("number", minimum=2, maximum=1)], "maximum must be above"),
        ([question("number", minimum="2")], "valid number"),
        ([question("annotation", shapes=[], objects=[])], "at least one of shapes and objects"),
        ([question("per-finding", questions=[])], "at least one question"),
        ([question("per-finding", questions=[question("per-segment", "x", questions=[])])], "per-segment"),
        ([question("text", when={"question": "later", "test": "answered"}), question("text", "later")], "no earlier"),
        ([question("date", "d"), question("text", when={"question": "d", "test": "equals", "value": "x"})], "only"),
        ([question("scale", "s"), question("text", when={"question": "s", "test": "equals", "value": 9})], "never is"),
        ([question("scale", "s"), question("text", when={"question": "s", "test": "eval", "value": "1"})], "eval"),
        ([question("per-finding", "g", questions=[question("text", "q")]), question("text")], "q is used twice"),
        ([question("text", "form")], "form is used twice"),
    ],
)
def test_a_form_that_cannot_be_asked_is_refused(questions: list[Question], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        form(*questions)


def test_translations_change_the_words_and_never_the_answers() -> None:
    german = {
        "form": {"label": "Formular"},
        "q": {"label": "Urteil", "choices": {"yes": "Ja"}},
    }
    definition = form(question("single-choice", choices=YES_NO), translations={"de": german})
    worded = in_language(definition, "de")
    assert worded.title == "Formular"
    assert describe(definition, {"q": "yes"}, language="de") == [("Urteil", "Ja")]
    assert describe(definition, {"q": "no"}, language="de") == [("Urteil", "No")]
    assert describe(definition, {"q": "yes"}) == [("Q", "Yes")]
    assert checked(worded, {"q": "yes"}) == checked(definition, {"q": "yes"})
    assert [best_language(definition, *wanted) for wanted in (["de-CH", "fr"], ["fr"], ["fr", "DE"])] == [
        "de",
        "en",
        "de",
    ]


@pytest.mark.parametrize(
    ("translations", "complaint"),
    [
        ({"de": {"strange": {"label": "?"}}}, "has no such key"),
        ({"de": {"q": {"choices": {"perhaps": "?"}}}}, "names perhaps"),
        ({"en": {"q": {"label": "?"}}}, "itself is in en"),
        ({"deutsch": {}}, "pattern"),
    ],
)
def test_translations_of_what_is_not_there_are_refused(translations: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        form(question("single-choice", choices=YES_NO), translations=translations)


def test_keys_are_made_of_labels() -> None:
    assert [key_of(label) for label in ("Left lobe", "3 cm", "Ärzte?", "", "a" * 80)] == [
        "left-lobe",
        "segment-3-cm",
        "rzte",
        "segment",
        "a" * 50,
    ]
