"""The typed schema of a pipeline's definition."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from dicom_ingest import conditions
from inference.artifacts import FileName, Sha256
from inference.definition_file import Strict
from inference.operators import registry

INPUT = "input"
"""The name under which a step takes the selected series itself."""

PRIOR = "prior"
"""The name under which a step takes the series that was selected in the patient's latest earlier exam, if any."""

HISTORY = "history"
"""The name under which a step takes what the pipeline measured in the patient's earlier exams."""

NOTICE = "Investigational result, not for clinical use"
DEMONSTRATION_NOTICE = "Demonstration model, not for clinical use"

ObjectKind = Literal["seg", "sr", "rtstruct", "capture", "pdf", "nifti"]
"""What a run may write: Segmentation, TID 1500 SR, RT Structure Set, Secondary Capture, encapsulated PDF, NIfTI."""

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
Text = Annotated[str, Field(min_length=1)]
Expression = Annotated[str, AfterValidator(conditions.check)]
Sentence = Annotated[str, Field(min_length=1), AfterValidator(lambda text: text.rstrip("."))]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


def _origin(value: object) -> object:
    each = value if isinstance(value, list) else [value]
    if not each or not all(isinstance(one, str) for one in each):
        raise ValueError("expected the id of a step, or a list of them")
    return value


Origin = Annotated[str | list[str], BeforeValidator(_origin)]
"""Where an input comes from: one step, or several for an input that takes any number."""


class Code(Strict):
    """A coded concept: code value, coding scheme designator, code meaning."""

    value: Annotated[str, Field(min_length=1, max_length=16)]
    scheme: Annotated[str, Field(min_length=1, max_length=16)]
    meaning: Annotated[str, Field(min_length=1, max_length=64)]


class Region(Code):
    """A place in the body, and its side where it is one of two."""

    laterality: Literal["left", "right"] | None = None


class Condition(Strict):
    """What a series must meet, in CEL, and what to say of one that does not."""

    when: Expression
    otherwise: Sentence


class Preference(Strict):
    """Among series that fit, take the one with the lowest or highest number."""

    take: Literal["lowest", "highest"]
    by: Expression


class InputSection(Strict):
    """Which series a pipeline runs on: the best of those that meet every condition, or all of them together.

    All together are for projection images, of which many devices write each into a series of its own.
    """

    conditions: list[Condition] = Field(min_length=1)
    prefer: list[Preference] = []
    take: Literal["best", "all"] = "best"


class ModelPin(Strict):
    """The one model, to the byte, that a pipeline may use under an alias."""

    name: FileName
    version: FileName
    sha256: Sha256

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


class Step(Strict):
    """One operator at work: where its inputs come from, and its parameters.

    An input that takes any number of values names the steps in a list.
    """

    id: Slug
    operator: str
    inputs: dict[str, Origin] = {}
    parameters: dict[str, Any] = {}

    @property
    def origins(self) -> tuple[str, ...]:
        """Every step whose value this one takes, in the order of its inputs."""
        each = ([origin] if isinstance(origin, str) else origin for origin in self.inputs.values())
        return tuple(chain.from_iterable(each))


class SegmentOutput(Strict):
    """A mask, or one value of a label map, to be stored as one segment of the result's segmentation."""

    step: str
    number: Annotated[int, Field(ge=1)]
    value: Annotated[int, Field(ge=1)] | None = None
    label: Annotated[str, Field(min_length=1, max_length=64)]
    category: Code
    type: Code
    colour: Colour


class MeasurementOutput(Strict):
    """A number to be stored and followed over the patient's exams.

    segment: the number of the segment that it was taken from, if it was. alert_change_percent: change against the first
    exam, up or down, from which the page flags it.
    """

    step: str
    name: Text
    unit: Text
    concept: Code
    segment: Annotated[int, Field(ge=1)] | None = None
    alert_change_percent: Annotated[float, Field(gt=0)] | None = None


class BoxesOutput(Strict):
    """Places in images, and what was found in each: every region and finding that the step may name, with its code."""

    step: str
    regions: dict[Text, Region] = Field(min_length=1)
    findings: dict[Text, Code] = Field(min_length=1)


class ClassificationOutput(Strict):
    """Probabilities of classes: every class that the step may name, with its code."""

    step: str
    name: Text
    classes: dict[Text, Code] = Field(min_length=1)


class Triage(Strict):
    """When a result asks to be read before others: a named class or finding is more probable than `above`."""

    step: str
    urgent_when: list[Text] = Field(min_length=1)
    above: Annotated[float, Field(ge=0, lt=1)]


class OutputSection(Strict):
    """What a run leaves behind. objects: which files are written of it; a segmentation where there are segments."""

    objects: list[ObjectKind] | None = None
    segments: list[SegmentOutput] = []
    measurements: list[MeasurementOutput] = []
    boxes: list[BoxesOutput] = []
    classifications: list[ClassificationOutput] = []
    triage: Triage | None = None

    @property
    def kinds(self) -> tuple[ObjectKind, ...]:
        """The kinds of object that a run writes, each once."""
        if self.objects is not None:
            return tuple(dict.fromkeys(self.objects))
        return ("seg",) if self.segments else ()

    @property
    def steps(self) -> frozenset[str]:
        """The steps whose values are kept to the end."""
        steps = {one.step for one in self.segments} | {one.step for one in self.measurements}
        steps |= {one.step for one in self.boxes} | {one.step for one in self.classifications}
        return frozenset(steps | ({self.triage.step} if self.triage else set()))


class Pipeline(Strict):
    """A definition that has passed every check. Two pipelines with one digest give one result.

    demonstration: its models are for showing what the portal does; every page and object of its results says so.
    """

    name: Slug
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    title: Annotated[str, Field(min_length=1, max_length=64)]
    description: Text
    demonstration: bool = False
    input: InputSection
    models: dict[Slug, ModelPin] = {}
    steps: list[Step] = Field(min_length=1)
    outputs: OutputSection

    @property
    def notice(self) -> str:
        """What every object and page of a result says of its standing."""
        return DEMONSTRATION_NOTICE if self.demonstration else NOTICE

    @property
    def operator_versions(self) -> dict[str, str]:
        """The code version of every operator in use."""
        return {step.operator: registry.find(step.operator).version for step in self.steps}

    @property
    def uses_prior(self) -> bool:
        """Whether a step looks at the patient's latest earlier exam."""
        return any(PRIOR in step.origins for step in self.steps)

    @property
    def uses_history(self) -> bool:
        """Whether a step looks at what was measured before."""
        return any(HISTORY in step.origins for step in self.steps)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the definition, the code version of its operators, and the digests of its models."""
        parts = {"definition": self.model_dump(mode="json"), "operators": self.operator_versions}
        return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
