"""Questions whose answers are among those that the form gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from feedback.questions.asked import Answer, BadAnswer, JSONSchema, Plain, last
from feedback.questions.shape import Key, Shape, Shortcut, Words


class Choice(Shape):
    """One answer to choose, with the letter that chooses it."""

    value: Key
    label: Words
    shortcut: Shortcut = ""


class Choices(Plain):
    """What single and multiple choice share."""

    choices: Annotated[tuple[Choice, ...], Field(max_length=50)]

    @model_validator(mode="after")
    def _can_be_chosen_from(self) -> Self:
        if len(self.choices) < 2:
            raise ValueError("give at least 2 choices")
        if len(set(self.values)) != len(self.values):
            raise ValueError("two choices have the same value; give each its own")
        return self

    @property
    def values(self) -> list[str]:
        return [choice.value for choice in self.choices]

    def known(self, value: object) -> str:
        """`value` when it is one of the choices. Raises BadAnswer."""
        for choice in self.choices:
            if choice.value == value:
                return choice.value
        raise BadAnswer(f"Choose among {', '.join(self.values)}.")

    def label_of(self, value: object) -> str:
        return next((choice.label for choice in self.choices if choice.value == value), str(value))


class SingleChoice(Choices):
    """Exactly one of the choices."""

    type: Literal["single-choice"] = "single-choice"

    def read(self, posted: Sequence[str]) -> object:
        return last(posted)

    def check(self, answer: object) -> str:
        return self.known(answer)

    def say(self, answer: Answer) -> str:
        return self.label_of(answer)

    def answer_schema(self) -> JSONSchema:
        return {"enum": self.values}


class MultipleChoice(Choices):
    """Any of the choices; an answer keeps the order of the question."""

    type: Literal["multiple-choice"] = "multiple-choice"

    def read(self, posted: Sequence[str]) -> object:
        return list(posted)

    def check(self, answer: object) -> list[str]:
        if not isinstance(answer, list):
            raise BadAnswer("Give a list of choices.")
        chosen = {self.known(value) for value in answer}
        return [value for value in self.values if value in chosen]

    def say(self, answer: Answer) -> str:
        return ", ".join(self.label_of(value) for value in answer) if isinstance(answer, list) else str(answer)

    def answer_schema(self) -> JSONSchema:
        return {"type": "array", "items": {"enum": self.values}, "uniqueItems": True, "minItems": 1}
