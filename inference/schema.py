"""The typed schema of a pipeline's definition."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from dicom_ingest import conditions
from inference.artifacts import FileName, Sha256
from inference.definition_file import Strict
from inference.operators import registry

INPUT = "input"
"""The name under which a step takes the selected series itself."""

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
Text = Annotated[str, Field(min_length=1)]
Expression = Annotated[str, AfterValidator(conditions.check)]
Sentence = Annotated[str, Field(min_length=1), AfterValidator(lambda text: text.rstrip("."))]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Code(Strict):
    """A coded concept: code value, coding scheme designator, code meaning."""

    value: Annotated[str, Field(min_length=1, max_length=16)]
    scheme: Annotated[str, Field(min_length=1, max_length=16)]
    meaning: Annotated[str, Field(min_length=1, max_length=64)]


class Condition(Strict):
    """What a series must meet, in CEL, and what to say of one that does not."""

    when: Expression
    otherwise: Sentence


class Preference(Strict):
    """Among series that fit, take the one with the lowest or highest number."""

    take: Literal["lowest", "highest"]
    by: Expression


class InputSection(Strict):
    """Which series a pipeline runs on."""

    conditions: list[Condition] = Field(min_length=1)
    prefer: list[Preference] = []


class ModelPin(Strict):
    """The one model, to the byte, that a pipeline may use under an alias."""

    name: FileName
    version: FileName
    sha256: Sha256

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


class Step(Strict):
    """One operator at work: where its inputs come from, and its parameters."""

    id: Slug
    operator: str
    inputs: dict[str, str] = {}
    parameters: dict[str, Any] = {}


class SegmentOutput(Strict):
    """A mask to be stored as one segment of the result's segmentation."""

    step: str
    number: Annotated[int, Field(ge=1)]
    label: Annotated[str, Field(min_length=1, max_length=64)]
    category: Code
    type: Code
    colour: Colour


class MeasurementOutput(Strict):
    """A number to be stored and followed over the patient's exams.

    alert_change_percent: change against the first exam, up or down, from which the page flags it.
    """

    step: str
    name: Text
    unit: Text
    concept: Code
    alert_change_percent: Annotated[float, Field(gt=0)] | None = None


class OutputSection(Strict):
    """What a run leaves behind."""

    segments: list[SegmentOutput] = []
    measurements: list[MeasurementOutput] = []


class Pipeline(Strict):
    """A definition that has passed every check. Two pipelines with one digest give one result."""

    name: Slug
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    title: Annotated[str, Field(min_length=1, max_length=64)]
    description: Text
    input: InputSection
    models: dict[Slug, ModelPin] = {}
    steps: list[Step] = Field(min_length=1)
    outputs: OutputSection

    @property
    def operator_versions(self) -> dict[str, str]:
        """The code version of every operator in use."""
        return {step.operator: registry.find(step.operator).version for step in self.steps}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the definition, the code version of its operators, and the digests of its models."""
        parts = {"definition": self.model_dump(mode="json"), "operators": self.operator_versions}
        return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
