"""The sections in which a protocol is written and read, and what each asks."""

from __future__ import annotations

from studies.protocols.design_words import DESIGNS, FINDINGS
from studies.protocols.protocol_words import Field, Listed, Part, Section, choice

_FORM_OF_TRUTH = Field(
    name="form",
    label="Form",
    kind="choice",
    among="forms",
    empty="None",
    help="What a panel or an adjudicator answers.",
)

SECTIONS: tuple[Section, ...] = (
    Section(
        key="about",
        title="About",
        about="What the study is to find out, and who answers for it.",
        asks=(
            Field(name="title", label="Title"),
            Field(name="question", label="Question", kind="prose", help="What the study is to find out."),
            Field(name="sponsor", label="Sponsor"),
            Field(
                name="irb_number",
                label="IRB number",
                help="Needed before activation. Where the board exempted the study, write so.",
            ),
        ),
    ),
    Section(
        key="arrival",
        title="Arrival and criteria",
        about="Where exams are sent to, and which of them become cases. An exam enters when one of its series meets "
        "each inclusion criterion and none meets an exclusion criterion. Without criteria every exam enters.",
        asks=(
            Part(
                name="arrival",
                label="Arrival",
                fields=(
                    Field(
                        name="ae_title",
                        label="AE title",
                        help="The address to which PACS or scanner sends the study's exams: at most 16 characters.",
                    ),
                    Field(
                        name="quiet_seconds",
                        label="Quiet period",
                        kind="number",
                        unit="s",
                        help="An exam is complete when nothing more of it came for so long.",
                    ),
                ),
            ),
            Listed(
                name="criteria",
                label="Criteria",
                one="criterion",
                identity="name",
                called="name",
                fields=(
                    Field(name="name", label="In words"),
                    Field(
                        name="kind",
                        label="Kind",
                        kind="choice",
                        choices=(choice("include", "Inclusion"), choice("exclude", "Exclusion")),
                    ),
                    Field(
                        name="when",
                        label="Condition",
                        kind="code",
                        help="CEL over DICOM keywords: exam., series. and instance., called_ae, calling_ae.",
                    ),
                ),
                none="There are no criteria: every exam that comes to the AE title becomes a case.",
            ),
        ),
    ),
    Section(
        key="readers",
        title="Readers",
        about="Kinds of reader that the study tells apart, such as expert and novice. Who is one is said when they are "
        "invited, under Members.",
        asks=(
            Listed(
                name="reader_roles",
                label="Reader roles",
                one="reader role",
                identity="key",
                called="label",
                fields=(
                    Field(name="key", label="Key", kind="key"),
                    Field(name="label", label="Role"),
                    Field(
                        name="readers", label="Planned readers", kind="number", zero="not said", help="0 says nothing."
                    ),
                ),
                none="Readers are not told apart: every reader may get every read.",
            ),
        ),
    ),
    Section(
        key="arms",
        title="Arms and pipelines",
        about="Who makes the findings that are judged: AI, experts, novices. A pipeline is frozen in the version "
        "that is installed when the protocol is.",
        asks=(
            Listed(
                name="arms",
                label="Arms",
                one="arm",
                identity="key",
                called="label",
                fields=(Field(name="key", label="Key", kind="key"), Field(name="label", label="Arm"), FINDINGS),
                none="There is no arm yet.",
            ),
        ),
    ),
    Section(
        key="forms",
        title="Forms",
        about="What readers answer. A form is kept in the protocol and frozen with it.",
        asks=(),
    ),
    Section(
        key="design",
        title="Reading design",
        about="Who reads which case in which arm, and in which order.",
        asks=(
            DESIGNS,
            Part(
                name="worklist",
                label="Worklist",
                fields=(
                    Field(
                        name="order",
                        label="Reads come",
                        kind="choice",
                        choices=(
                            choice("drawn", "As drawn", "In the order that is drawn from each reader's seed."),
                            choice(
                                "urgent-first",
                                "Urgent first",
                                "What the AI of an arm they see calls urgent comes first. Readers must be open: "
                                "the order tells them what it found.",
                            ),
                        ),
                    ),
                ),
            ),
            Part(
                name="disagreement",
                label="Adjudication",
                optional="Readers who disagree are not adjudicated.",
                fields=(
                    Field(
                        name="question",
                        label="Question compared",
                        kind="choice",
                        among="questions",
                    ),
                    Field(
                        name="tolerance",
                        label="Still agrees within",
                        kind="number",
                        help="For numbers; choices agree when they are equal.",
                    ),
                    Field(name="form", label="Form of the adjudicator", kind="choice", among="forms"),
                ),
            ),
        ),
    ),
    Section(
        key="blinding",
        title="Blinding",
        about="What readers may know, and who may know results. The server keeps to it, not the browser.",
        asks=(
            Part(
                name="blinding",
                label="Blinding",
                fields=(
                    Field(
                        name="readers",
                        label="Readers",
                        kind="choice",
                        choices=(
                            choice("blinded", "Blinded", "They see the study's exams in their reads alone."),
                            choice("open", "Open", "They may see every exam and result of the study."),
                        ),
                    ),
                    Field(
                        name="patient",
                        label="The patient is",
                        kind="choice",
                        choices=(
                            choice("pseudonymised", "Pseudonymised", "A case number stands for name and ID."),
                            choice("hidden", "Hidden", "Neither name, ID, age, sex nor date is shown."),
                            choice("shown", "Shown", "As in the clinic."),
                        ),
                    ),
                    Field(
                        name="priors",
                        label="Earlier exams shown",
                        kind="number",
                        zero="none",
                        help="How many earlier exams of the patient a reader may see; 0 for none.",
                    ),
                    Field(
                        name="unblinded",
                        label="See results before the study is locked",
                        kind="several",
                        empty="nobody",
                        choices=(
                            choice("governance", "Governance"),
                            choice("coordinator", "Coordinators"),
                            choice("scientist", "Data scientists"),
                        ),
                    ),
                    Field(
                        name="reader_names",
                        label="Readers in results",
                        kind="choice",
                        choices=(
                            choice("pseudonymised", "Pseudonymised", "Results and exports call them Reader 4F2A1C."),
                            choice("named", "By name", "Results and exports give their user names."),
                        ),
                    ),
                ),
            ),
        ),
    ),
    Section(
        key="reference",
        title="Reference standard",
        about="Where the truth of a case comes from. It is locked before arms are unblinded.",
        asks=(
            Part(
                name="reference",
                label="Reference standard",
                fields=(
                    Field(
                        name="source",
                        label="Source",
                        kind="choice",
                        choices=(
                            choice("none", "None", "Nothing is compared with a truth."),
                            choice("import", "Import", "A table or segmentations are imported."),
                            choice("panel", "Panel", "A panel answers a form together."),
                            choice("adjudication", "Adjudication", "What readers agree on, or an adjudicator decides."),
                        ),
                    ),
                    Field(name="description", label="How it is made", kind="prose"),
                    Field(
                        name="answers",
                        label="What it says of a case",
                        kind="lines",
                        help="Columns of the import or keys of questions, one a line: small letters, digits, hyphens.",
                    ),
                    _FORM_OF_TRUTH,
                ),
            ),
        ),
    ),
    Section(
        key="quality",
        title="Quality control",
        about="A check by people before readers see a case.",
        asks=(
            Part(
                name="quality_control",
                label="Quality control",
                fields=(
                    Field(name="required", label="Every case is checked first", kind="flag"),
                    Field(
                        name="reviewers",
                        label="Reviewers for each case",
                        kind="choice",
                        choices=(choice("1", "One"), choice("2", "Two", "Their agreement is shown.")),
                    ),
                    Field(name="reasons", label="Reasons to reject", kind="lines", help="One a line."),
                ),
            ),
        ),
    ),
    Section(
        key="endpoints",
        title="Endpoints and sample size",
        about="What is measured and claimed, written down before the first case.",
        asks=(
            Listed(
                name="endpoints",
                label="Endpoints",
                one="endpoint",
                identity="key",
                called="label",
                fields=(
                    Field(name="key", label="Key", kind="key"),
                    Field(name="label", label="Endpoint"),
                    Field(name="is_primary", label="Primary", kind="flag"),
                    Field(
                        name="measure",
                        label="Measure",
                        kind="choice",
                        choices=(
                            choice("sensitivity", "Sensitivity"),
                            choice("specificity", "Specificity"),
                            choice("auc", "Area under the ROC curve"),
                            choice("dice", "Dice"),
                            choice("volume-difference", "Difference of volumes"),
                            choice("kappa", "Kappa"),
                            choice("preference", "Preference"),
                            choice("score", "Score"),
                            choice("reading-time", "Reading time"),
                        ),
                    ),
                    Field(name="arms", label="Of the arms", kind="several", among="arms"),
                    Field(
                        name="question",
                        label="By the question",
                        kind="choice",
                        among="questions",
                        empty="None",
                    ),
                    Field(
                        name="positive",
                        label="Answers that count as positive",
                        kind="lines",
                        help="One a line, as truth and answers say them: fracture. For sensitivity, specificity and "
                        "the area under the curve; without any, yes, true, 1, positive and present count.",
                    ),
                    Field(
                        name="hypothesis",
                        label="Hypothesis",
                        kind="choice",
                        choices=(
                            choice("descriptive", "Descriptive", "Nothing is claimed."),
                            choice("superiority", "Superiority"),
                            choice("non-inferiority", "Non-inferiority"),
                            choice("equivalence", "Equivalence"),
                        ),
                    ),
                    Field(
                        name="margin",
                        label="Margin",
                        kind="number",
                        empty="none",
                        help="In the measure's own unit; needed for non-inferiority and equivalence.",
                    ),
                    Field(name="alpha", label="Alpha", kind="number"),
                ),
                none="There is no endpoint yet. Activation asks for a primary one.",
            ),
            Part(
                name="sample_size",
                label="Sample size",
                fields=(
                    Field(name="cases", label="Cases to enrol", kind="number", zero="not said"),
                    Field(name="justification", label="Why so many", kind="prose"),
                ),
            ),
        ),
    ),
    Section(
        key="retention",
        title="Retention",
        about="How long the study's data are kept after it is closed.",
        asks=(Field(name="retention_years", label="Kept for", kind="number", unit="years"),),
    ),
)


def section_of(key: str) -> Section:
    """The section of that key. Raises KeyError."""
    return {section.key: section for section in SECTIONS}[key]


def names_of(section: Section) -> tuple[str, ...]:
    """The fields of the document that the section writes."""
    more = {"arms": ("pipelines",), "forms": ("forms",)}.get(section.key, ())
    return (*(asked.name for asked in section.asks), *more)
