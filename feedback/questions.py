"""The kinds of question a form can ask. Each reads what a browser posts, checks an answer, and says it in words.

A form is stored as a JSON list of these, told apart by `type`, so that a form builder can write the same list.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

Answer = int | str | list[str]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Shortcut = Annotated[str, StringConstraints(pattern=r"^([a-z])?$")]


class BadAnswer(ValueError):
    """An answer that its question cannot take; the text says why and what would do."""


def _last(posted: Sequence[str]) -> str:
    return posted[-1] if posted else ""


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Question(_Shape):
    key: Key
    label: Words
    help: str = ""
    required: bool = True


class Choice(_Shape):
    """One answer to choose, with the letter that chooses it."""

    value: Key
    label: Words
    shortcut: Shortcut = ""


class Scale(_Question):
    """Whole numbers from `minimum` to `maximum`, each with a label when labels are given."""

    type: Literal["scale"] = "scale"
    minimum: int = 1
    maximum: int = 5
    labels: tuple[str, ...] = ()

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
        text = _last(posted)
        return int(text) if text.isdecimal() and len(text) < 6 else text

    def check(self, answer: object) -> int:
        if isinstance(answer, bool) or not isinstance(answer, int) or answer not in self.values:
            raise BadAnswer(f"Choose a whole number from {self.minimum} to {self.maximum}.")
        return answer

    def say(self, answer: Answer) -> str:
        label = self.label_of(answer) if isinstance(answer, int) and answer in self.values else ""
        return f"{answer} {label}".strip()


class _Choices(_Question):
    choices: Annotated[tuple[Choice, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _has_no_choice_twice(self) -> Self:
        values = [choice.value for choice in self.choices]
        if len(set(values)) != len(values):
            raise ValueError("two choices have the same value")
        return self

    def _known(self, value: object) -> str:
        for choice in self.choices:
            if choice.value == value:
                return choice.value
        raise BadAnswer(f"Choose among {', '.join(choice.value for choice in self.choices)}.")

    def _label_of(self, value: object) -> str:
        return next((choice.label for choice in self.choices if choice.value == value), str(value))


class SingleChoice(_Choices):
    """Exactly one of the choices."""

    type: Literal["single-choice"] = "single-choice"

    def read(self, posted: Sequence[str]) -> object:
        return _last(posted)

    def check(self, answer: object) -> str:
        return self._known(answer)

    def say(self, answer: Answer) -> str:
        return self._label_of(answer)


class MultipleChoice(_Choices):
    """Any of the choices; an answer keeps the order of the question."""

    type: Literal["multiple-choice"] = "multiple-choice"

    def read(self, posted: Sequence[str]) -> object:
        return list(posted)

    def check(self, answer: object) -> list[str]:
        if not isinstance(answer, list):
            raise BadAnswer("Give a list of choices.")
        chosen = {self._known(value) for value in answer}
        return [choice.value for choice in self.choices if choice.value in chosen]

    def say(self, answer: Answer) -> str:
        return ", ".join(self._label_of(value) for value in answer) if isinstance(answer, list) else str(answer)


class Text(_Question):
    """Free text of at most `maximum_length` characters."""

    type: Literal["text"] = "text"
    maximum_length: Annotated[int, Field(gt=0, le=20_000)] = 2000

    def read(self, posted: Sequence[str]) -> object:
        return _last(posted).replace("\r\n", "\n")

    def check(self, answer: object) -> str:
        if not isinstance(answer, str):
            raise BadAnswer("Give text.")
        text = answer.strip()
        if len(text) > self.maximum_length:
            raise BadAnswer(f"{len(text)} characters are too many: {self.maximum_length} fit. Shorten the text.")
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
            raise BadAnswer("The text holds a character that cannot be stored. Type it again without pasting.")
        return text

    def say(self, answer: Answer) -> str:
        return str(answer)


Question = Annotated[Scale | SingleChoice | MultipleChoice | Text, Field(discriminator="type")]
QUESTIONS: TypeAdapter[tuple[Question, ...]] = TypeAdapter(tuple[Question, ...])
