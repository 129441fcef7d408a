"""What a protocol lacks to be saved, said at the field where it is mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from studies.protocols.section_posting import Posted

_TAGGED = ("design", "findings")
"""After these pydantic names the kind, which stands in no field's name."""


@dataclass(frozen=True)
class Faults:
    """Sentences by the name of the field at which they stand, and those that concern the whole section."""

    at: Mapping[str, Sequence[str]] = field(default_factory=dict)
    of_all: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.at or self.of_all)


def faults_of(fault: ValidationError, posted: Posted, names: Sequence[str]) -> Faults:
    """The errors of the whole document, those of fields that `names` lists at their field."""
    at: dict[str, list[str]] = {}
    of_all: list[str] = []
    for error in fault.errors():
        name = name_of(error["loc"], posted.rows)
        name = f"{name}.kind" if f"{name}.kind" in names else name
        if name in names:
            at.setdefault(name, []).append(sentence(error))
        else:
            of_all.append(_of_all(error, name))
    return Faults(at, tuple(dict.fromkeys(of_all)))


def name_of(location: Sequence[int | str], rows: Mapping[str, tuple[int, ...]]) -> str:
    """The field's name on the page: rows by their number there, without the kinds that pydantic puts in between.

    Of a list of lines or of ticks it is the whole field that has the fault.
    """
    parts: list[str] = []
    before: int | str = ""
    for at, part in enumerate(location):
        if before in _TAGGED:
            before = ""
            continue
        before = part
        if isinstance(part, str):
            parts.append(part)
        elif at == 1:
            known = rows.get(str(location[0]), ())
            parts.append(str(known[part] if part < len(known) else part))
    return ".".join(parts)


def sentence(error: ErrorDetails) -> str:  # noqa: PLR0911 - one for each sentence
    """What to do, in words."""
    limits = error.get("ctx", {})
    match error["type"]:
        case "missing" | "string_too_short":
            return "Fill this in."
        case "string_pattern_mismatch":
            return _of_pattern(error)
        case "literal_error" | "union_tag_invalid" | "union_tag_not_found":
            return "Choose one."
        case "too_short":
            return f"Choose at least {limits['min_length']}."
        case "string_too_long":
            return f"Too long: at most {limits['max_length']} characters fit."
        case "int_parsing" | "int_type" | "int_from_float":
            return "Give a whole number."
        case "float_parsing" | "float_type":
            return "Give a number."
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            return error["msg"].replace("Input should be", "Give a number") + "."
        case "value_error" if not str(error["input"]).strip():
            return "Fill this in."
        case _:
            message = error["msg"].removeprefix("Value error, ")
            return message[:1].upper() + message[1:] + ("" if message.endswith((".", "?")) else ".")


def _of_pattern(error: ErrorDetails) -> str:
    if not error["input"]:
        return "Choose one." if str(error["loc"][-1]) in ("form", "aid", "pipeline", "question") else "Fill this in."
    if error["loc"][-1] == "ae_title":
        return "An AE title has 1 to 16 characters: no spaces, no backslash."
    return "Small letters, digits and hyphens, beginning with a letter: at most 50 characters."


def _of_all(error: ErrorDetails, name: str) -> str:
    words = sentence(error)
    return f"{name}: {words}" if name else words
