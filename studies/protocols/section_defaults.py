"""What stands in a row that was just added, and in a part whose kind was just chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel

from studies.protocols import design_schema, protocol_schema

Document = Mapping[str, Any]

ROWS: dict[str, dict[str, Any]] = {
    "criteria": {"name": "", "kind": "include", "when": ""},
    "reader_roles": {"key": "", "label": "", "readers": 0},
    "arms": {"key": "", "label": "", "findings": {"kind": "pipeline", "pipeline": ""}},
    "endpoints": {
        "key": "",
        "label": "",
        "is_primary": False,
        "measure": "sensitivity",
        "arms": [],
        "question": "",
        "positive": [],
        "hypothesis": "descriptive",
        "margin": None,
        "alpha": 0.05,
    },
}
_MODELS: dict[tuple[str, str], type[BaseModel]] = {
    ("design", "standalone"): design_schema.Standalone,
    ("design", "shadow"): design_schema.Shadow,
    ("design", "independent"): design_schema.Independent,
    ("design", "unaided-aided"): design_schema.UnaidedAided,
    ("design", "multi-reader"): design_schema.MultiReader,
    ("design", "preference"): design_schema.Preference,
    ("design", "blind-scoring"): design_schema.BlindScoring,
    ("design", "repeat"): design_schema.Repeat,
    ("findings", "pipeline"): protocol_schema.PipelineFindings,
    ("findings", "dicom"): protocol_schema.DicomFindings,
    ("findings", "table"): protocol_schema.TableFindings,
    ("findings", "people"): protocol_schema.PeopleFindings,
}


def row(name: str) -> dict[str, Any]:
    """What stands in a new row of the list `name`. Raises KeyError."""
    return deepcopy(ROWS[name])


def of_kind(part: str, kind: str, document: Document) -> dict[str, Any]:
    """The fields of that kind of the part `design` or `findings`, filled as far as the document lets one guess."""
    model = _MODELS[part, kind]
    known = {
        name: field.get_default(call_default_factory=True)
        for name, field in model.model_fields.items()
        if not field.is_required() and name != "kind"
    }
    guessed = {name: guess(document) for name, guess in _GUESSES.items() if name in model.model_fields}
    return {**{name: "" for name in model.model_fields if name != "kind"}, **known, **guessed}


def _all_arms(document: Document) -> list[str]:
    return [str(arm["key"]) for arm in document["arms"]]


def _first_form(document: Document) -> str:
    return next((str(form["name"]) for form in document["forms"]), "")


def _a_machines_arm(document: Document) -> str:
    """Of the arms the first whose findings people do not make: it is the one that aids."""
    arms = document["arms"]
    return next((str(arm["key"]) for arm in arms if arm["findings"]["kind"] != "people"), "")


def part(name: str, document: Document) -> dict[str, Any]:
    """What stands in an optional part that was just added."""
    if name == "disagreement":
        return {"question": "", "tolerance": 0.0, "form": _first_form(document)}
    raise KeyError(name)


_GUESSES: dict[str, Callable[[Document], Any]] = {"arms": _all_arms, "form": _first_form, "aid": _a_machines_arm}
