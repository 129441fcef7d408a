"""Questions whose answer is a number: a Likert scale, a confidence, a measured number with its unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from feedback.questions.asked import Answer, BadAnswer, JSONSchema, Plain, last
from feedback.questions.shape import Line, Real, Whole, YesNo
from feedback.questions.units import checked_unit, written_unit

FULL_CONFIDENCE = 100
LARGEST = 10**15
"""Beyond it whole numbers are no longer told apart everywhere that answers are read."""
WRITTEN = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,30})?(?:e[+-]?[0-9]{1,2})?", re.IGNORECASE)


def _read(posted: Sequence[str]) -> object:
    """A number as somebody typed it, with a comma or a point; other text stays text."""
    text = last(posted).strip().replace(",", ".")
    if not WRITTEN.fullmatch(text):
        return last(posted)
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def _number(answer: object) -> int | float | None:
    """`answer` where it is a number that can be stored and compared."""
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return None
    return answer if -LARGEST <= answer <= LARGEST else None


def _whole(answer: object) -> int | None:
    value = _number(answer)
    return int(value) if value is not None and value == int(value) else None


class Scale(Plain):
    """Whole numbers from `minimum` to `maximum` (Likert), each with a label when labels are given."""

    type: Literal["scale"] = "scale"
    minimum: Whole = 1
    maximum: Whole = 5
    labels: Annotated[tuple[Line, ...], Field(max_length=11)] = ()

    @model_validator(mode="after")
    def _has_a_label_for_each_value(self) -> Self:
        if not self.minimum < self.maximum <= self.minimum + 10:
            raise ValueError("a scale has 2 to 11 values, the minimum first")
        if self.labels and len(self.labels) != len(self.values):
            raise ValueError(f"{len(self.values)} values need {len(self.values)} labels or none")
        return self

    @property
    def values(self) -> range:
        return range(self.minimum, self.maximum + 1)

    def label_of(self, value: int) -> str:
        return self.labels[value - self.minimum] if self.labels else ""

    def read(self, posted: Sequence[str]) -> object:
        return _read(posted)

    def check(self, answer: object) -> int:
        value = _whole(answer)
        if value is None or value not in self.values:
            raise BadAnswer(f"Choose a whole number from {self.minimum} to {self.maximum}.")
        return value

    def say(self, answer: Answer) -> str:
        label = self.label_of(answer) if isinstance(answer, int) and answer in self.values else ""
        return f"{answer} {label}".strip()

    def answer_schema(self) -> JSONSchema:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


class Confidence(Plain):
    """How sure the reader is, in whole percent from 0 to 100; `low` and `high` say what the ends mean."""

    type: Literal["confidence"] = "confidence"
    low: Line = ""
    high: Line = ""

    def read(self, posted: Sequence[str]) -> object:
        return _read(posted)

    def check(self, answer: object) -> int:
        value = _whole(answer)
        if value is None or not 0 <= value <= FULL_CONFIDENCE:
            raise BadAnswer("Give a whole number from 0 to 100.")
        return value

    def say(self, answer: Answer) -> str:
        return f"{answer} %"

    def answer_schema(self) -> JSONSchema:
        return {"type": "integer", "minimum": 0, "maximum": FULL_CONFIDENCE}


class Number(Plain):
    """A number in `unit` (UCUM), within its range. The answer is the bare number: the unit is the form's."""

    type: Literal["number"] = "number"
    unit: Annotated[Line, AfterValidator(checked_unit)] = "1"
    minimum: Real | None = None
    maximum: Real | None = None
    whole: YesNo = False

    @model_validator(mode="after")
    def _has_a_range_that_holds_something(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError("the maximum must be above the minimum")
        return self

    @property
    def written_unit(self) -> str:
        """The unit as people write it."""
        return written_unit(self.unit)

    @property
    def range_in_words(self) -> str:
        low = "" if self.minimum is None else f"{self.minimum:g}"
        high = "" if self.maximum is None else f"{self.maximum:g}"
        if low and high:
            return f"from {low} to {high}"
        return f"not below {low}" if low else f"not above {high}" if high else ""

    def read(self, posted: Sequence[str]) -> object:
        return _read(posted)

    def check(self, answer: object) -> float | int:
        value = _whole(answer) if self.whole else _number(answer)
        if value is None:
            raise BadAnswer(self._wanted)
        too_low = self.minimum is not None and value < self.minimum
        too_high = self.maximum is not None and value > self.maximum
        if too_low or too_high:
            raise BadAnswer(self._wanted)
        return value

    def say(self, answer: Answer) -> str:
        return f"{answer} {self.written_unit}".strip()

    def answer_schema(self) -> JSONSchema:
        return {
            "type": "integer" if self.whole else "number",
            "minimum": -LARGEST if self.minimum is None else self.minimum,
            "maximum": LARGEST if self.maximum is None else self.maximum,
        }

    @property
    def _wanted(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        parts = [f"Give {kind}", self.range_in_words, f"in {self.written_unit}" if self.written_unit else ""]
        return " ".join(part for part in parts if part) + "."
