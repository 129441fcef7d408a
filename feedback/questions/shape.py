"""What a form is made of: the base of its parts, and the kinds of text and number in them."""

from __future__ import annotations

import unicodedata
from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    Strict,
    StringConstraints,
    model_serializer,
)


def _one_line(text: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise ValueError("must be one line without control characters")
    return text


Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(_one_line)]
Words = Annotated[Line, StringConstraints(min_length=1)]
Shortcut = Annotated[str, StringConstraints(pattern=r"^([a-z])?$")]
Whole = Annotated[int, Strict(), Field(ge=-1_000_000_000, le=1_000_000_000)]
Real = Annotated[
    float,
    Strict(),
    Field(ge=-1e12, le=1e12, allow_inf_nan=False),
    PlainSerializer(lambda value: int(value) if value.is_integer() else value, return_type=int | float),
]
YesNo = Annotated[bool, Strict()]


class Shape(BaseModel):
    """Base of what a form is made of: unknown fields are refused, values do not change.

    Written without what stands at its default, but always with the field that tells kinds apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    LEADING: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _with_its_kind(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        rest: dict[str, object] = write(self)
        return {name: getattr(self, name) for name in self.LEADING} | rest
