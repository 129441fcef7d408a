"""Hypothesis strategies: whole forms of every kind of question, and answers to them, right and wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from feedback.form_schema import FormDefinition, Section, choices_of, tests_of
from feedback.questions import (
    Annotation,
    Answered,
    Asked,
    AtLeast,
    Choice,
    Condition,
    Confidence,
    Date,
    Equals,
    MultipleChoice,
    Number,
    OneOf,
    PerFinding,
    PerSegment,
    Plain,
    Question,
    Region,
    Scale,
    Segment,
    SingleChoice,
    Text,
)
from feedback.questions.drawn import POINTS
from feedback.questions.units import UNITS
from feedback.subject import Named, Subject

SUBJECT = Subject(
    findings=(Named(ref="7", label="Left hip"), Named(ref="8", label="Right hip")),
    segments=(Named(ref="left-lobe", label="Left lobe"), Named(ref="vein", label="Vein")),
)
PLAIN_KINDS: tuple[type[Plain], ...] = (
    Scale,
    SingleChoice,
    MultipleChoice,
    Confidence,
    Number,
    Text,
    Date,
    Annotation,
    Region,
)
lines = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12).map(str.strip)
words = lines.filter(bool)
uids = st.from_regex(r"(?:0|[1-9][0-9]{0,3})(?:\.(?:0|[1-9][0-9]{0,3})){1,5}", fullmatch=True)
json_scalars = st.none() | st.booleans() | st.integers(-10, 200) | st.floats(-10, 110) | st.text(max_size=4)
anything = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def choices(draw: st.DrawFn) -> tuple[Choice, ...]:
    values = draw(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=4, unique=True))
    return tuple(Choice(value=value, label=draw(words)) for value in values)


@st.composite
def plain_questions(draw: st.DrawFn, key: str, before: Sequence[Question] = ()) -> Plain:
    kind = draw(st.sampled_from(PLAIN_KINDS))
    fields: dict[str, object] = {"key": key, "label": draw(words), "help": draw(lines), "required": draw(st.booleans())}
    if before:
        fields["when"] = draw(st.none() | conditions(before))
    if kind in {SingleChoice, MultipleChoice}:
        fields["choices"] = draw(choices())
    elif kind is Scale:
        fields |= {"minimum": 0, "maximum": 2, "labels": draw(st.just(()) | st.tuples(lines, lines, lines))}
    elif kind is Number:
        low = draw(st.none() | st.floats(-5, 5))
        high = draw(st.none() | st.floats(6, 50))
        fields |= {"unit": draw(st.sampled_from([*UNITS, "{lesions}"])), "minimum": low, "maximum": high}
        fields["whole"] = draw(st.booleans())
    elif kind is Text:
        fields["maximum_length"] = draw(st.integers(1, 10))
    elif kind is Region:
        fields["area"] = draw(st.sampled_from(["point", "box"]))
    elif kind is Annotation:
        fields["shapes"] = tuple(draw(st.lists(st.sampled_from(sorted(POINTS)), max_size=3, unique=True)))
        least = 0 if fields["shapes"] else 1
        objects = st.lists(st.sampled_from(["SEG", "SR"]), min_size=least, max_size=2, unique=True)
        fields["objects"] = tuple(draw(objects))
    return kind.model_validate(fields)


def conditions(before: Sequence[Question]) -> st.SearchStrategy[Condition | None]:
    testable = [question for question in before if tests_of(question)]
    return st.sampled_from(testable).flatmap(_condition_on) if testable else st.none()


@st.composite
def _condition_on(draw: st.DrawFn, tested: Question) -> Condition:
    test = draw(st.sampled_from(tests_of(tested)))
    if test == "answered":
        return Answered(question=tested.key)
    assert isinstance(tested, Plain)
    values = right_answers(tested)
    if isinstance(tested, MultipleChoice):
        return OneOf(question=tested.key, values=tuple(draw(values)))  # type: ignore[arg-type]
    if test == "one-of":
        return OneOf(question=tested.key, values=tuple(draw(st.lists(values, min_size=1, max_size=2))))  # type: ignore[arg-type]
    value = draw(values)
    kind = Equals if test == "equals" else AtLeast
    return kind(question=tested.key, value=value)  # type: ignore[arg-type]


@st.composite
def groups(draw: st.DrawFn, key: str, before: Sequence[Question]) -> Question:
    inner: list[Any] = []
    for number in range(draw(st.integers(1, 3))):
        known = [*before, *inner] if number else []
        inner.append(draw(plain_questions(f"{key}-{number}", known)))
    fields: dict[str, object] = {
        "key": key,
        "label": draw(words),
        "required": draw(st.booleans()),
        "questions": tuple(inner),
        "when": draw(st.none() | conditions(before)) if before else None,
    }
    if draw(st.booleans()):
        return PerFinding.model_validate(fields | {"source": draw(st.sampled_from(["reader", "result"])), "most": 3})
    names = st.lists(st.sampled_from(["liver", "spleen"]), max_size=2, unique=True)
    segments = tuple(Segment(key=name, label=draw(words)) for name in draw(names))
    return PerSegment.model_validate(fields | {"segments": segments})


@st.composite
def forms(draw: st.DrawFn) -> FormDefinition:
    """A form of one to five questions, some asked on a condition, some in groups, perhaps in German too."""
    questions: list[Question] = []
    for number in range(draw(st.integers(1, 5))):
        kind = groups if draw(st.integers(0, 3)) == 0 else plain_questions
        questions.append(draw(kind(f"q{number}", tuple(questions))))  # type: ignore[arg-type]
    split = draw(st.integers(0, len(questions)))
    sections = (
        Section(key=draw(st.none() | st.just("first")), title=draw(lines), questions=tuple(questions[:split])),
        Section(title=draw(lines), questions=tuple(questions[split:])),
    )
    worded = draw(st.lists(st.sampled_from(questions), max_size=2, unique_by=lambda question: question.key))
    german = {question.key: draw(_wordings(question)) for question in worded}
    translations = draw(st.sampled_from([{}, {"de": german}]))
    return FormDefinition.model_validate(
        {"name": "form-x", "title": draw(words), "sections": sections, "translations": translations}
    )


@st.composite
def _wordings(draw: st.DrawFn, question: Asked) -> dict[str, object]:
    return {"label": draw(lines), "help": draw(lines), "choices": {key: draw(lines) for key in choices_of(question)}}


def right_answers(question: Plain) -> st.SearchStrategy[object]:  # noqa: PLR0911 - one for each kind
    """Answers that fit, as they are stored."""
    match question:
        case Scale():
            return st.sampled_from(question.values)
        case SingleChoice():
            return st.sampled_from(question.values)
        case MultipleChoice():
            chosen = st.sets(st.sampled_from(question.values), min_size=1)
            return chosen.map(lambda some: [value for value in question.values if value in some])
        case Confidence():
            return st.integers(0, 100)
        case Number():
            low = -5 if question.minimum is None else question.minimum
            high = 10 if question.maximum is None else question.maximum
            return st.integers(math.ceil(low), math.floor(high)) if question.whole else st.floats(low, high)
        case Text():
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=question.maximum_length).map(
                lambda text: text.replace("\0", "").strip() or "x"
            )
        case Date():
            return st.dates().map(lambda day: day.isoformat())
        case Annotation() | Region():
            return drawings(question)
    raise NotImplementedError(question)


@st.composite
def drawings(draw: st.DrawFn, question: Annotation | Region) -> dict[str, object]:
    objects = list(question.objects) if isinstance(question, Annotation) else []
    if objects and (not question.drawings or draw(st.booleans())):
        return {"SOPInstanceUID": draw(uids), "Modality": draw(st.sampled_from(objects))}
    drawing = draw(st.sampled_from(question.drawings))
    coordinate = st.integers(0, 512) | st.floats(0, 512)
    point = st.lists(coordinate, min_size=2, max_size=2)
    least, most = POINTS[drawing]
    points = draw(st.lists(point, min_size=least, max_size=min(most, least + 2)))
    extra: dict[str, object] = draw(st.sampled_from([{}, {"label": "Lesion 1"}, {"ReferencedFrameNumber": 3}]))
    return {"type": drawing, "SOPInstanceUID": draw(uids), "points": points, **extra}


@st.composite
def answers_to(draw: st.DrawFn, form: FormDefinition) -> dict[str, object]:
    """Answers to questions of `form`: mostly right, sometimes missing, unasked, incomplete or of any other kind."""
    return draw(_answers(form.questions))


@st.composite
def _answers(draw: st.DrawFn, questions: Sequence[Question]) -> dict[str, object]:
    answers: dict[str, object] = {}
    for question in questions:
        kind = draw(st.integers(0, 19))
        if kind == 0:
            answers[question.key] = draw(anything)
        elif kind > 3:
            answers[question.key] = draw(_answer(question))
    if draw(st.integers(0, 19)) == 0:
        answers["strange"] = 1
    return answers


def _answer(question: Question) -> st.SearchStrategy[object]:
    if isinstance(question, PerFinding):
        one = _answers(question.questions)
        if question.source == "reader":
            return st.lists(st.fixed_dictionaries({"answers": one}), max_size=4)
        refs = st.sampled_from([["7", "8"], ["8", "7"], ["7"], ["7", "9"], ["7", "7"]])
        return refs.flatmap(
            lambda some: st.tuples(
                *(st.fixed_dictionaries({"finding": st.just(ref), "answers": one}) for ref in some)
            ).map(list)
        )
    if isinstance(question, PerSegment):
        keys = [segment.key for segment in question.segments] or [one.ref for one in SUBJECT.segments]
        whole = st.fixed_dictionaries({key: _answers(question.questions) for key in keys})
        return whole | st.dictionaries(st.sampled_from([*keys, "other"]), _answers(question.questions), max_size=2)
    return right_answers(question)
