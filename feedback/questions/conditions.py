"""When a question is asked: tests of another question's answer. Data, no code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictFloat, StrictInt, StringConstraints

from feedback.questions.shape import Key, Shape

Value = StrictInt | StrictFloat | Annotated[str, StringConstraints(max_length=300)]


class _Test(Shape):
    """A test of the answer to `question`. Where that is not answered, none holds."""

    LEADING: ClassVar[tuple[str, ...]] = ("question", "test")

    question: Key


class Equals(_Test):
    """The answer is `value`."""

    test: Literal["equals"] = "equals"
    value: Value

    @property
    def values(self) -> Sequence[Value]:
        return (self.value,)

    def holds(self, answer: object) -> bool:
        return not isinstance(answer, bool) and answer == self.value

    def answer_schema(self) -> dict[str, object]:
        return {"const": self.value}


class OneOf(_Test):
    """The answer is one of `values`; where several may be chosen, at least one of them is."""

    test: Literal["one-of"] = "one-of"
    values: Annotated[tuple[Value, ...], Field(min_length=1)]

    def holds(self, answer: object) -> bool:
        given = answer if isinstance(answer, list | tuple) else [answer]
        return any(one in self.values for one in given if not isinstance(one, bool | dict | list))

    def answer_schema(self) -> dict[str, object]:
        among = {"enum": list(self.values)}
        return {"anyOf": [among, {"type": "array", "contains": among}]}


class AtLeast(_Test):
    """The answer is a number not below `value`."""

    test: Literal["at-least"] = "at-least"
    value: StrictInt | StrictFloat

    @property
    def values(self) -> Sequence[Value]:
        return (self.value,)

    def holds(self, answer: object) -> bool:
        return isinstance(answer, int | float) and not isinstance(answer, bool) and answer >= self.value

    def answer_schema(self) -> dict[str, object]:
        return {"type": "number", "minimum": self.value}


class Answered(_Test):
    """There is an answer."""

    test: Literal["answered"] = "answered"

    @property
    def values(self) -> Sequence[Value]:
        return ()

    def holds(self, answer: object) -> bool:
        return answer is not None and answer not in ("", [], {})

    def answer_schema(self) -> dict[str, object]:
        return {}


Condition = Annotated[Equals | OneOf | AtLeast | Answered, Field(discriminator="test")]
