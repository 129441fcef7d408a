"""What all kinds of question have in common, and what every one of them must be able to do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from feedback.questions.conditions import Condition
from feedback.questions.shape import Key, Line, Shape, Words, YesNo

Answer = int | float | str | Sequence["Answer"] | Mapping[str, "Answer"]
JSONSchema = dict[str, object]


class BadAnswer(ValueError):
    """An answer that its question cannot take; the text says why and what would do."""


class Asked(Shape):
    """A question: `key` names it in answers, `when` says on which other answer it is asked."""

    LEADING: ClassVar[tuple[str, ...]] = ("key", "type")

    key: Key
    label: Words
    help: Line = ""
    required: YesNo = True
    when: Condition | None = None


class Plain(Asked):
    """A question with one answer of its own."""

    @abstractmethod
    def read(self, posted: Sequence[str]) -> object:
        """What a browser sent, unchecked."""

    @abstractmethod
    def check(self, answer: object) -> Answer:
        """The answer as it is stored. Raises BadAnswer."""

    @abstractmethod
    def say(self, answer: Answer) -> str:
        """The answer in the form's words."""

    @abstractmethod
    def answer_schema(self) -> JSONSchema:
        """The JSON Schema of what `check` stores."""


def last(posted: Sequence[str]) -> str:
    """The value of a field that is sent once."""
    return posted[-1] if posted else ""
