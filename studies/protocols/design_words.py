"""The words of reading designs and of where an arm's findings come from."""

from __future__ import annotations

from studies.protocols.protocol_words import Field, Kind, Kinds, choice

_EVERY_READER = "Every reader"
_FORM = Field(name="form", label="Form", kind="choice", among="forms", help="What a reader answers.")
_ROLE = Field(name="reader_role", label="Who reads", kind="choice", among="roles", empty=_EVERY_READER)
_DUE = Field(
    name="due_days",
    zero="no date",
    label="Due within",
    kind="number",
    unit="days",
    help="How long a reader has once a read may be opened. 0: no date.",
)
_ARMS = Field(name="arms", label="Arms", kind="several", among="arms")
_WASHOUT = Field(
    name="washout_days",
    label="Washout",
    kind="number",
    unit="days",
    help="How long before the same reader sees the same case again.",
)

DESIGNS = Kinds(
    name="design",
    label="Design",
    kinds=(
        Kind(
            value="standalone",
            label="Standalone AI against truth",
            sentence="The findings of the arms are compared with the reference standard. Nobody reads.",
            fields=(_ARMS,),
        ),
        Kind(
            value="shadow",
            label="Prospective shadow mode",
            sentence="The pipelines run on every exam that enters, and nobody is shown what they find.",
            fields=(_ARMS,),
        ),
        Kind(
            value="independent",
            label="Independent reads",
            sentence="Each case is read in each arm by readers who know nothing of each other.",
            fields=(
                _FORM,
                _ROLE,
                _DUE,
                _ARMS,
                Field(
                    name="readers_per_case",
                    zero="all of them",
                    label="Readers for each case",
                    kind="number",
                    help="0: all of them.",
                ),
            ),
        ),
        Kind(
            value="unaided-aided",
            label="Unaided, then aided",
            sentence="The same reader answers without and with the findings of an arm.",
            fields=(
                _FORM,
                _ROLE,
                _DUE,
                Field(name="aid", label="The aid", kind="choice", among="arms", help="Whose findings are revealed."),
                Field(
                    name="order",
                    label="Order",
                    kind="choice",
                    choices=(
                        choice(
                            "one-sitting",
                            "In one sitting",
                            "The unaided answer is locked before the findings are revealed.",
                        ),
                        choice(
                            "crossover",
                            "Crossover",
                            "Half of the readers begin aided; the other condition follows after the washout.",
                        ),
                    ),
                ),
                _WASHOUT,
            ),
        ),
        Kind(
            value="multi-reader",
            label="Multi-reader, multi-case",
            sentence="Readers and cases are crossed: the variance of both enters the comparison of arms.",
            fields=(
                _FORM,
                _ROLE,
                _DUE,
                _ARMS,
                Field(
                    name="layout",
                    label="Layout",
                    kind="choice",
                    choices=(
                        choice("fully-crossed", "Fully crossed", "Every reader reads every case in every arm."),
                        choice(
                            "split-plot",
                            "Split-plot",
                            "Readers and cases are divided into blocks, and crossed within each.",
                        ),
                    ),
                ),
                Field(name="blocks", label="Blocks", kind="number", help="For a split-plot; 1 where fully crossed."),
                _WASHOUT,
            ),
        ),
        Kind(
            value="preference",
            label="Side-by-side preference",
            sentence="The findings of arms stand side by side, on sides drawn for each read; the better one is named.",
            fields=(_FORM, _ROLE, _DUE, _ARMS),
        ),
        Kind(
            value="blind-scoring",
            label="Blind scoring of segmentations",
            sentence="Segmentations of several makers are scored one at a time, in an order drawn anew for each case.",
            fields=(_FORM, _ROLE, _DUE, _ARMS),
        ),
        Kind(
            value="repeat",
            label="Repeat reads",
            sentence="Independent reads, a share of which the same reader does again: agreement with oneself.",
            fields=(
                _FORM,
                _ROLE,
                _DUE,
                _ARMS,
                Field(name="share_percent", label="Read again", kind="number", unit="% of cases"),
                _WASHOUT,
            ),
        ),
    ),
)

FINDINGS = Kinds(
    name="findings",
    label="Findings",
    kinds=(
        Kind(
            value="pipeline",
            label="A pipeline of ours",
            sentence="The portal runs it on every case.",
            fields=(Field(name="pipeline", label="Pipeline", kind="choice", among="pipelines"),),
        ),
        Kind(
            value="dicom",
            label="Another system, over DICOM",
            sentence="A vendor's AI sends SEG or SR, by C-STORE or STOW-RS.",
            fields=(
                Field(
                    name="when",
                    label="Which series are its findings",
                    kind="code",
                    help='A condition in CEL, such as series.Modality == "SEG" && series.Manufacturer == "Vendor".',
                ),
            ),
        ),
        Kind(
            value="table",
            label="A table of outside results",
            sentence="A CSV with a row for each exam is imported.",
            fields=(
                Field(
                    name="match_by",
                    label="Rows are matched by",
                    kind="choice",
                    choices=(
                        choice("AccessionNumber", "Accession number"),
                        choice("StudyInstanceUID", "StudyInstanceUID"),
                    ),
                ),
                Field(name="columns", label="Columns", kind="lines", help="The columns that are findings, one a line."),
            ),
        ),
        Kind(
            value="people",
            label="People",
            sentence="Readers answer, or annotators draw masks.",
            fields=(
                Field(
                    name="reader_role", label="Who", kind="choice", among="roles", empty="Everybody who reads or draws"
                ),
                Field(
                    name="gives",
                    label="What they give",
                    kind="choice",
                    choices=(
                        choice("answers", "Answers", "What readers answer is the finding; they see the images alone."),
                        choice("masks", "Masks", "Annotators draw or upload a segmentation, which readers are shown."),
                    ),
                ),
                Field(
                    name="start",
                    label="Masks start from",
                    kind="choice",
                    among="pipelines",
                    empty="Nothing: they are drawn from the images alone",
                    help="A pipeline whose segmentation annotators begin with; for masks only.",
                ),
            ),
        ),
    ),
)
