"""The typed schema of a study's protocol: one document that says all that was agreed before the first case.

Coordinators write it page by page and exchange it as one YAML file. What it names of this installation, pipelines by
name and digest and AE titles by title, is checked against the installation by `protocol`, not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from dicom_ingest import conditions
from studies.protocols.design_schema import Design, Shadow, Standalone
from studies.protocols.storable import storable

KEY = re.compile(r"[a-z][a-z0-9-]{0,49}")
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
Storable = AfterValidator(storable)
Words = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True), Storable]
Prose = Annotated[str, StringConstraints(max_length=10_000, strip_whitespace=True), Storable]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Storable]
AETitleText = Annotated[str, StringConstraints(pattern=r"^[\x21-\x5b\x5d-\x7e]{1,16}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _storable_form(form: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if not KEY.fullmatch(str(form.get("name", ""))):
        raise ValueError("a form needs a name of small letters, digits and hyphens, such as quality-of-mask")
    storable(form)
    return form


def _of_exam(expression: str) -> str:
    return conditions.check(expression, conditions.ROUTING)


Expression = Annotated[str, Storable, AfterValidator(_of_exam)]
FormDocument = Annotated[dict[str, JsonValue], AfterValidator(_storable_form)]
"""A `feedback` form; that it can be asked is checked by `protocol_forms`, before the protocol freezes."""


class Section(BaseModel):
    """A part of the document: frozen, and with no field that is not in the schema."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Arrival(Section):
    """How exams reach the study: the AE title that PACS sends to, and how long it must be quiet."""

    ae_title: AETitleText
    quiet_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60


class FrozenPipeline(Section):
    """A pipeline under study, in the one version with which it is judged. The digest covers its models."""

    name: Key
    digest: Digest | Literal[""] = ""
    """Empty in a draft: whatever version is installed. Activation fills it in."""


class Criterion(Section):
    """One inclusion or exclusion criterion: a condition in CEL on an exam, its series, and how it came.

    An exam enters when every inclusion criterion is met by one of its series and no exclusion criterion is.
    """

    name: Words
    kind: Literal["include", "exclude"] = "include"
    when: Expression


class PipelineFindings(Section):
    """Findings of an arm that a pipeline of ours makes."""

    kind: Literal["pipeline"] = "pipeline"
    pipeline: Key


class DicomFindings(Section):
    """Findings of an arm that come from outside as SEG or SR, by DIMSE or STOW: the series that meet the condition."""

    kind: Literal["dicom"] = "dicom"
    when: Expression


class TableFindings(Section):
    """Findings of an arm that come as a CSV of outside results, matched by accession number or StudyInstanceUID."""

    kind: Literal["table"] = "table"
    match_by: Literal["AccessionNumber", "StudyInstanceUID"] = "AccessionNumber"
    columns: tuple[Words, ...] = ()


class PeopleFindings(Section):
    """Findings of an arm that people make: readers' answers, or masks that annotators give.

    reader_role: whose; empty: of everybody who reads, or annotates. start: a pipeline of the protocol with whose
    segmentation annotators begin; empty: the images alone.
    """

    kind: Literal["people"] = "people"
    reader_role: Key | Literal[""] = ""
    gives: Literal["answers", "masks"] = "answers"
    start: Key | Literal[""] = ""

    @property
    def are_drawn(self) -> bool:
        return self.gives == "masks"

    @model_validator(mode="after")
    def _starts_masks_alone(self) -> Self:
        if self.start and not self.are_drawn:
            raise ValueError("only people who give masks start from a pipeline's: let them give masks, or name none")
        return self


Findings = Annotated[PipelineFindings | DicomFindings | TableFindings | PeopleFindings, Field(discriminator="kind")]


class Arm(Section):
    """Who made the finding that is judged."""

    key: Key
    label: Words
    findings: Findings

    @property
    def is_annotated(self) -> bool:
        """Whether annotators give its masks."""
        return isinstance(self.findings, PeopleFindings) and self.findings.are_drawn

    @property
    def is_answered(self) -> bool:
        """Whether what its readers answer is its finding, so that there is nothing to show."""
        return isinstance(self.findings, PeopleFindings) and not self.findings.are_drawn


class ReaderRole(Section):
    """A kind of reader that the protocol tells apart, such as expert and novice."""

    key: Key
    label: Words
    readers: Annotated[int, Field(ge=0, le=500)] = 0
    """How many are planned; 0 says nothing."""


class Blinding(Section):
    """What readers may know. Anything but `open` takes the study's exams off every page but their reads."""

    readers: Literal["open", "blinded"] = "blinded"
    patient: Literal["shown", "pseudonymised", "hidden"] = "pseudonymised"
    priors: Annotated[int, Field(ge=0, le=20)] = 0
    """How many earlier exams of the patient a reader may see."""
    unblinded: tuple[Literal["governance", "coordinator", "scientist"], ...] = ("governance",)
    """The roles that may see results before the study is locked; whoever reads in the study never may."""
    reader_names: Literal["pseudonymised", "named"] = "pseudonymised"
    """How results and exports call readers."""


class Worklist(Section):
    """In which order reads come to a reader: as it was drawn, or with what the AI of a shown arm finds urgent first.

    Urgency comes first among what is begun by nobody; the drawn order holds among urgent reads, and among the others.
    """

    order: Literal["drawn", "urgent-first"] = "drawn"


class Disagreement(Section):
    """When readers of one case and arm disagree so far that an adjudicator decides.

    question: the question compared. tolerance: for numbers, the largest difference that still agrees; choices agree
    when they are equal.
    """

    question: Key
    tolerance: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    form: Key


class QualityControl(Section):
    """The check by people before readers see a case."""

    required: bool = False
    reviewers: Literal[1, 2] = 1
    reasons: tuple[Words, ...] = ("Wrong series", "Motion or artefact", "Incomplete coverage", "Wrong patient or exam")


class Reference(Section):
    """The reference standard: where the truth of a case comes from."""

    source: Literal["none", "import", "panel", "adjudication"] = "none"
    description: Prose = ""
    answers: tuple[Key, ...] = ()
    """The keys that the truth of a case has, as columns of an import or questions of the panel's form."""
    form: Key | Literal[""] = ""


class Endpoint(Section):
    """What is measured, and what the study claims of it before it has seen a case."""

    key: Key
    label: Words
    is_primary: bool = False
    measure: Literal[
        "sensitivity", "specificity", "auc", "dice", "volume-difference", "kappa", "preference", "score", "reading-time"
    ]
    arms: tuple[Key, ...] = ()
    question: Key | Literal[""] = ""
    positive: tuple[Words, ...] = ()
    """The answers that count as positive; none: yes, true, 1, positive and present, in any case of letters."""
    hypothesis: Literal["descriptive", "superiority", "non-inferiority", "equivalence"] = "descriptive"
    margin: Annotated[float, Field(gt=0, le=1e9)] | None = None
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05

    @model_validator(mode="after")
    def _has_the_margin_it_needs(self) -> Self:
        if self.hypothesis in ("non-inferiority", "equivalence") and self.margin is None:
            raise ValueError(f"{self.hypothesis} is claimed within a margin: give it")
        return self


class SampleSize(Section):
    """How many cases are to be enrolled, and why so many."""

    cases: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    justification: Prose = ""


class Protocol(Section):
    """Everything that was agreed. References by key are checked: an arm that is named exists."""

    title: Title
    question: Prose = ""
    sponsor: Prose = ""
    irb_number: Annotated[str, StringConstraints(max_length=100, strip_whitespace=True), Storable] = ""
    arrival: Arrival
    pipelines: tuple[FrozenPipeline, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    arms: tuple[Arm, ...] = ()
    reader_roles: tuple[ReaderRole, ...] = ()
    design: Design = Shadow()
    blinding: Blinding = Blinding()
    worklist: Worklist = Worklist()
    disagreement: Disagreement | None = None
    quality_control: QualityControl = QualityControl()
    reference: Reference = Reference()
    forms: tuple[FormDocument, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    sample_size: SampleSize = SampleSize()
    retention_years: Annotated[int, Field(ge=0, le=100)] = 10

    @model_validator(mode="after")
    def _names_only_what_there_is(self) -> Self:
        for what, keys in (
            ("pipeline", [one.name for one in self.pipelines]),
            ("criterion", [one.name for one in self.criteria]),
            ("arm", [one.key for one in self.arms]),
            ("reader role", [one.key for one in self.reader_roles]),
            ("form", self.form_names),
            ("endpoint", [one.key for one in self.endpoints]),
        ):
            _refuse_repeats(what, keys)
        arms, forms = {arm.key for arm in self.arms}, set(self.form_names)
        _refuse_unknown("arm", self.design.arms_named, arms)
        _refuse_unknown("form", self.design.forms_named, forms)
        _refuse_unknown("arm", [arm for one in self.endpoints for arm in one.arms], arms)
        _refuse_unknown("form", [self.reference.form] if self.reference.form else [], forms)
        _refuse_unknown("form", [self.disagreement.form] if self.disagreement else [], forms)
        _refuse_unknown("pipeline", self.pipelines_of_arms, {one.name for one in self.pipelines})
        _refuse_unknown("reader role", self._roles_named, {one.key for one in self.reader_roles})
        return self

    @property
    def form_names(self) -> list[str]:
        return [str(form.get("name", "")) for form in self.forms]

    @property
    def is_read(self) -> bool:
        """Whether the design has readers at all."""
        return not isinstance(self.design, Standalone | Shadow)

    def arm(self, key: str) -> Arm:
        """The arm of that key. Raises KeyError."""
        return next(arm for arm in self.arms if arm.key == key)

    @property
    def pipelines_of_arms(self) -> list[str]:
        """Those that make the findings of an arm, or what its annotators start from."""
        findings = [arm.findings for arm in self.arms]
        made = [one.pipeline for one in findings if isinstance(one, PipelineFindings)]
        return made + [one.start for one in findings if isinstance(one, PeopleFindings) and one.start]

    @property
    def _roles_named(self) -> list[str]:
        of_arms = [arm.findings.reader_role for arm in self.arms if isinstance(arm.findings, PeopleFindings)]
        return [role for role in (*of_arms, *self.design.roles_named) if role]


def _refuse_repeats(what: str, keys: list[str]) -> None:
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f'there are two of {what} "{repeated[0]}": give each a name of its own')


def _refuse_unknown(what: str, named: Iterable[str], there: set[str]) -> None:
    if unknown := sorted(set(named) - there):
        known = f"there are {', '.join(sorted(there))}" if there else "there are none yet"
        raise ValueError(f'there is no {what} "{unknown[0]}"; {known}')
