"""The numbers of one study, as `measures` makes them and pages, files and documents show them. No database, no clock.

Everything that was counted is a `Line`: whose it is, what it is, the number or why there is none, of how many, and why
the others are missing. `line.answer` is an `Estimate` of `studies.statistics`, or a subclass that says more
(`Proportion`, `Area`, `Kappa`, `Mean`, `Duration`), or a `NotComputable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from studies.cases.flow import FlowCounts
from studies.protocols.protocol_schema import Endpoint
from studies.statistics.estimate import Estimate, Interval, NotComputable

Answer = Estimate | NotComputable
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ReaderName:
    """One reader: the primary key of the user, how they sign in, and the label of their role in the protocol."""

    key: int
    name: str
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class Whose:
    """Of which answers or findings a number was made.

    arm: key of the arm, or the condition of reading (`unaided`, `aided`, `preference`). reader: None for all readers
    together, and for what an arm found by itself (`by_readers` tells the two apart). pipeline: name, version and
    digest of the one version that made the findings; empty for all versions together, and where no pipeline made any.
    """

    arm: str = ""
    arm_label: str = ""
    by_readers: bool = False
    reader: ReaderName | None = None
    pipeline: str = ""

    @property
    def label(self) -> str:
        """In words: `Aided, anna (Resident)`; `AI, brain-extraction 1.0.0 (d1d1d1d1d1d1)`."""
        who = "all readers" if self.by_readers else ""
        if self.reader is not None:
            who = f"{self.reader.name} ({self.reader.role})" if self.reader.role else self.reader.name
        return ", ".join(part for part in (self.arm_label, who, self.pipeline) if part)


@dataclass(frozen=True, kw_only=True)
class Missing:
    """How many are left out for one reason."""

    count: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One number.

    what: its name, such as `Sensitivity`. unit: of the number; empty for shares, areas and kappas. expected: how many
    there should be; `answer.of` is the denominator, which differs from `expected` less `missing` where the number is
    about a part (sensitivity counts the positive cases alone). points: for a picture: of an area the ROC curve as
    (1 - specificity, sensitivity), of a bias each pair as (mean, difference); else empty.
    """

    whose: Whose
    what: str
    answer: Answer
    unit: str = ""
    expected: int
    missing: tuple[Missing, ...] = ()
    points: tuple[Point, ...] = ()

    @property
    def value(self) -> float | None:
        return self.answer.value if isinstance(self.answer, Estimate) else None

    @property
    def interval(self) -> Interval | None:
        found = self.answer.interval if isinstance(self.answer, Estimate) else None
        return found if isinstance(found, Interval) else None

    @property
    def reason(self) -> str:
        """Why there is no number, or no interval; empty where there are both."""
        if isinstance(self.answer, NotComputable):
            return self.answer.reason
        return self.answer.interval.reason if isinstance(self.answer.interval, NotComputable) else ""

    @property
    def of(self) -> int:
        return self.answer.of

    @property
    def left_out(self) -> int:
        return sum(one.count for one in self.missing)


@dataclass(frozen=True, kw_only=True)
class EndpointEvidence:
    """What there is to say of one endpoint of the protocol.

    lines: all readers together before each of them, all versions of a pipeline before each, where there are several.
    differences: between arms or conditions, of the same cases. reason: why there is no line at all.
    notes: what was assumed to make the numbers, such as which answers count as positive.
    """

    endpoint: Endpoint
    lines: tuple[Line, ...] = ()
    differences: tuple[Line, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TruthUsed:
    """The version of the reference standard that the numbers are held against."""

    number: int
    locked_at: datetime
    cases: int


@dataclass(frozen=True, kw_only=True)
class QualityControl:
    """How QC went. accepted: of the cases it decided; agreement: where two reviewers gave a verdict; by reason."""

    lines: tuple[Line, ...] = ()
    rejections: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All numbers of one study at one moment.

    is_pilot: made of the pilot's reads and cases, which are never mixed with the real ones. limits: what no interval
    here accounts for, in sentences.
    """

    study: str
    title: str
    stage: str
    protocol: int
    made_at: datetime
    is_pilot: bool
    truth: TruthUsed | None
    flow: FlowCounts
    endpoints: tuple[EndpointEvidence, ...] = ()
    reading_times: tuple[Line, ...] = ()
    turnaround: tuple[Line, ...] = ()
    quality_control: QualityControl
    between_readers: tuple[Line, ...] = ()
    within_readers: tuple[Line, ...] = ()
    corrections: tuple[Line, ...] = ()
    limits: tuple[str, ...] = ()
