"""Questions that are answered in words, or with a day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, Strict

from feedback.questions.asked import Answer, BadAnswer, JSONSchema, Plain, last

KEPT = r"[^\x00\ud800-\udfff]"
"""The characters that PostgreSQL can store."""
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Text(Plain):
    """Free text of at most `maximum_length` characters, stored without the space around it."""

    type: Literal["text"] = "text"
    maximum_length: Annotated[int, Strict(), Field(gt=0, le=20_000)] = 2000

    def read(self, posted: Sequence[str]) -> object:
        return last(posted).replace("\r\n", "\n")

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

    def answer_schema(self) -> JSONSchema:
        trimmed = rf"^(?!\s){KEPT}*(?<!\s)$(?!\n)"
        return {"type": "string", "minLength": 1, "maxLength": self.maximum_length, "pattern": trimmed}


class Date(Plain):
    """A day of the calendar, stored as YYYY-MM-DD."""

    type: Literal["date"] = "date"

    def read(self, posted: Sequence[str]) -> object:
        return last(posted)

    def check(self, answer: object) -> str:
        if not isinstance(answer, str) or not DAY.fullmatch(answer) or not _exists(answer):
            raise BadAnswer("Give a day as YYYY-MM-DD, such as 2026-03-31.")
        return answer

    def say(self, answer: Answer) -> str:
        return str(answer)

    def answer_schema(self) -> JSONSchema:
        return {"type": "string", "format": "date", "pattern": f"^{DAY.pattern}$"}


def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True
