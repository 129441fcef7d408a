"""The kinds of question a form can ask. Each reads what a browser posts, checks an answer, and says it in words.

A form is stored as JSON made of these, told apart by `type`, and the form builder writes the same.
"""

from typing import Annotated

from pydantic import Field, TypeAdapter

from feedback.questions.asked import Answer, Asked, BadAnswer, JSONSchema, Plain
from feedback.questions.choices import Choice, Choices, MultipleChoice, SingleChoice
from feedback.questions.conditions import Answered, AtLeast, Condition, Equals, OneOf
from feedback.questions.drawn import Annotation, Region
from feedback.questions.groups import Group, PerFinding, PerSegment, PlainQuestion, Segment
from feedback.questions.numbers import Confidence, Number, Scale
from feedback.questions.words import Date, Text

__all__ = [
    "QUESTIONS",
    "Annotation",
    "Answer",
    "Answered",
    "Asked",
    "AtLeast",
    "BadAnswer",
    "Choice",
    "Choices",
    "Condition",
    "Confidence",
    "Date",
    "Equals",
    "Group",
    "JSONSchema",
    "MultipleChoice",
    "Number",
    "OneOf",
    "PerFinding",
    "PerSegment",
    "Plain",
    "PlainQuestion",
    "Question",
    "Region",
    "Scale",
    "Segment",
    "SingleChoice",
    "Text",
]

Question = Annotated[
    Scale
    | SingleChoice
    | MultipleChoice
    | Confidence
    | Number
    | Text
    | Date
    | Annotation
    | Region
    | PerFinding
    | PerSegment,
    Field(discriminator="type"),
]
QUESTIONS: TypeAdapter[tuple[Question, ...]] = TypeAdapter(tuple[Question, ...])
