"""Questions that are asked several times: for each finding, or for each segment."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from feedback.questions.asked import Asked
from feedback.questions.choices import MultipleChoice, SingleChoice
from feedback.questions.drawn import Annotation, Region
from feedback.questions.numbers import Confidence, Number, Scale
from feedback.questions.shape import Key, Shape, Words
from feedback.questions.words import Date, Text

PlainQuestion = Annotated[
    Scale | SingleChoice | MultipleChoice | Confidence | Number | Text | Date | Annotation | Region,
    Field(discriminator="type"),
]
Source = Literal["reader", "result"]


class Group(Asked):
    """Questions that are asked once for each of several things."""

    questions: Annotated[tuple[PlainQuestion, ...], Field(max_length=20)]

    @model_validator(mode="after")
    def _asks_something_of_everything(self) -> Self:
        if not self.questions:
            raise ValueError("add at least one question to the group")
        if self.questions[0].when is not None:
            raise ValueError("the first question of a group must be asked always; put its condition on the group")
        return self


class PerFinding(Group):
    """Asked once for each finding of the result, or for each that the reader adds; at most `most` times.

    An answer is a list of {"answers": {...}}. Where the result gives the findings, each names its `finding` too.
    Required: each finding of the result, or at least one that the reader adds.
    """

    type: Literal["per-finding"] = "per-finding"
    source: Source = "reader"
    most: Annotated[int, Strict(), Field(ge=1, le=50)] = 20
    noun: Words = "Finding"


class Segment(Shape):
    """One named part that questions are asked about."""

    key: Key
    label: Words


class PerSegment(Group):
    """Asked once for each of `segments`, or, where the form names none, for each segment of the result.

    An answer is an object by the segment's key. Required: every segment.
    """

    type: Literal["per-segment"] = "per-segment"
    segments: Annotated[tuple[Segment, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _names_no_segment_twice(self) -> Self:
        counted = Counter(segment.key for segment in self.segments)
        repeated = [key for key, count in counted.items() if count > 1]
        if repeated:
            raise ValueError(f"the segment {', '.join(repeated)} is named twice; give each its own key")
        return self
