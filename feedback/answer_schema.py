"""The JSON Schema (draft 2020-12) of the answers that a form stores.

It accepts exactly what `feedback.answering` stores unchanged, up to the order of choices and findings, when the
subject is known. Without one, it cannot say which findings or segments of a result must be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from feedback.answering import SEGMENT_KEY_LENGTH, segments_of
from feedback.form_schema import FormDefinition
from feedback.questions import Group, JSONSchema, PerFinding, PerSegment, Question
from feedback.subject import Subject

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Within = Callable[[JSONSchema], JSONSchema]


def answer_schema(definition: FormDefinition, *, subject: Subject | None = None) -> JSONSchema:
    """The JSON Schema of the answers to `definition`, asked of `subject`."""
    writer = _Writer(subject)
    schema = writer.answers(definition.questions)
    conditions = [*writer.conditions(definition.questions), *writer.conditions_from_outside(definition.questions)]
    about: JSONSchema = {"$schema": DIALECT, "title": definition.title}
    return about | schema | ({"allOf": conditions} if conditions else {})


class _Writer:
    def __init__(self, subject: Subject | None) -> None:
        self.subject = subject

    def answers(self, questions: Iterable[Question]) -> JSONSchema:
        """An object with an answer for each question; what is always asked and required must be there."""
        asked = [question for question in questions if self._can_be_asked(question)]
        return {
            "type": "object",
            "properties": {question.key: self._answer(question) for question in asked},
            "required": [question.key for question in asked if question.when is None and self._must(question)],
            "additionalProperties": False,
        }

    def conditions(self, questions: Iterable[Question]) -> Iterator[JSONSchema]:
        """For each question that is asked on an answer beside it: there when asked and required, else not."""
        beside = list(questions)
        keys = {question.key for question in beside}
        for question in beside:
            if question.when is not None and question.when.question in keys:
                yield self._condition(question, within=lambda schema: schema)

    def conditions_from_outside(self, questions: Iterable[Question]) -> Iterator[JSONSchema]:
        """The same for questions of a group that are asked on an answer outside of it."""
        for group in questions:
            if not isinstance(group, Group):
                continue
            inside = {question.key for question in group.questions}
            for question in group.questions:
                if question.when is not None and question.when.question not in inside:
                    yield self._condition(question, within=_of_each(group))

    def _condition(self, question: Question, *, within: Within) -> JSONSchema:
        when = question.when
        assert when is not None
        return {
            "if": {"properties": {when.question: when.answer_schema()}, "required": [when.question]},
            "then": within({"required": [question.key]}) if self._must(question) else {},
            "else": within({"properties": {question.key: False}}),
        }

    def _answer(self, question: Question) -> JSONSchema:
        match question:
            case PerFinding():
                schema = self._findings(question)
            case PerSegment():
                schema = self._segments(question)
            case _:
                schema = question.answer_schema()
        return {"title": question.label} | schema

    def _of_one(self, group: Group) -> JSONSchema:
        conditions = list(self.conditions(group.questions))
        return self.answers(group.questions) | {"minProperties": 1} | ({"allOf": conditions} if conditions else {})

    def _findings(self, group: PerFinding) -> JSONSchema:
        one: JSONSchema = {"type": "object", "additionalProperties": False}
        if group.source == "reader":
            item = one | {"properties": {"answers": self._of_one(group)}, "required": ["answers"]}
            return {"type": "array", "items": item, "minItems": 1, "maxItems": group.most}
        finding: JSONSchema = {"type": "string", "minLength": 1, "maxLength": SEGMENT_KEY_LENGTH}
        item = one | {
            "properties": {"finding": finding, "answers": self._of_one(group)},
            "required": ["finding", "answers"],
        }
        return {"type": "array", "items": item, "minItems": 1, "maxItems": group.most} | self._each_once(group)

    def _each_once(self, group: PerFinding) -> JSONSchema:
        if self.subject is None:
            return {}
        refs = [one.ref for one in self.subject.findings]
        once = [
            {
                "contains": {"properties": {"finding": {"const": ref}}, "required": ["finding"]},
                "minContains": 1 if group.required else 0,
                "maxContains": 1,
            }
            for ref in refs
        ]
        return {"allOf": [{"items": {"properties": {"finding": {"enum": refs}}}}, *once]}

    def _segments(self, group: PerSegment) -> JSONSchema:
        known = segments_of(group, self.subject)
        if known is None:
            key = {"minLength": 1, "maxLength": SEGMENT_KEY_LENGTH}
            one = self._of_one(group)
            return {"type": "object", "propertyNames": key, "additionalProperties": one, "minProperties": 1}
        refs = [one.ref for one in known]
        return {
            "type": "object",
            "properties": {ref: self._of_one(group) for ref in refs},
            "required": refs if group.required else [],
            "additionalProperties": False,
            "minProperties": 1,
        }

    def _must(self, question: Question) -> bool:
        if isinstance(question, PerFinding) and question.source == "result":
            return question.required and self.subject is not None and bool(self.subject.findings)
        if isinstance(question, PerSegment):
            return question.required and bool(segments_of(question, self.subject))
        return question.required

    def _can_be_asked(self, question: Question) -> bool:
        """Whether there can be an answer: of nothing at all there is none."""
        if self.subject is None:
            return True
        if isinstance(question, PerFinding) and question.source == "result":
            return bool(self.subject.findings)
        if isinstance(question, PerSegment):
            return bool(segments_of(question, self.subject))
        return True


def _of_each(group: Group) -> Within:
    """A schema of one finding's or one segment's answers, as a schema of all answers of the form."""
    if isinstance(group, PerFinding):
        return lambda schema: {"properties": {group.key: {"items": {"properties": {"answers": schema}}}}}
    return lambda schema: {"properties": {group.key: {"additionalProperties": schema}}}
