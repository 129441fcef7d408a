"""How the exams of a study flow: the counts of a STARD diagram, each of them a query, so that a count is its list.

    received = matched + excluded + undecided
    matched  = in process + failed + awaiting QC + rejected by QC + enrolled
    enrolled = unassigned + assigned
    assigned = unread + partly read + read
    read     = analysed + not analysed yet

A case is assigned when it has a read that was not withdrawn, and read when all of those are submitted, adjudications
included; a panel's is none of them. Where the design has no readers, an enrolled case counts as read. A read case is
analysed when the truth of the newest locked version holds it, or, without a reference standard, once the study is
locked.

All counts of a study are one statement, and so of one moment: they add up whatever happens meanwhile.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from django.db.models import Case as SqlCase
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils.functional import cached_property

from studies.cases import truth
from studies.models import Case, CaseTruth, MissedExam, ProtocolVersion, Read, Screening, Study

Outcome = Screening.Outcome
State = Case.State
WITHOUT_READERS = ("standalone", "shadow")
LOCKED = (Study.Stage.LOCKED, Study.Stage.CLOSED)


class FlowBox(StrEnum):
    """One box of the diagram, by the word that stands in addresses."""

    RECEIVED = "received"
    MATCHED = "matched"
    EXCLUDED = "excluded"
    UNDECIDED = "undecided"
    PROCESSING = "processing"
    FAILED = "failed"
    AWAITING_QC = "awaiting-qc"
    QC_REJECTED = "qc-rejected"
    ENROLLED = "enrolled"
    UNASSIGNED = "unassigned"
    ASSIGNED = "assigned"
    UNREAD = "unread"
    PARTLY_READ = "partly-read"
    READ = "read"
    ANALYSED = "analysed"
    NOT_ANALYSED = "not-analysed"

    @property
    def label(self) -> str:
        return LABELS[self]

    @property
    def leaves(self) -> frozenset[FlowBox]:
        """The boxes that are not divided any further, of those that this one consists of; itself where it is one."""
        parts = PARTS.get(self)
        return frozenset({self}) if parts is None else frozenset().union(*(part.leaves for part in parts))

    def cases(self, study: Study) -> QuerySet[Screening]:
        """What the box counts in the study, pilot and real: screenings, each with its case where it has one."""
        found = Screening.objects.filter(_outer_condition(self), study=study)
        return found if self in _OUTER else found.alias(leaf=_leaf()).filter(leaf__in=self.leaves)


LABELS: Mapping[FlowBox, str] = {
    FlowBox.RECEIVED: "Received",
    FlowBox.MATCHED: "Matched",
    FlowBox.EXCLUDED: "Excluded",
    FlowBox.UNDECIDED: "Undecided",
    FlowBox.PROCESSING: "In process",
    FlowBox.FAILED: "Failed",
    FlowBox.AWAITING_QC: "Awaiting QC",
    FlowBox.QC_REJECTED: "Rejected by QC",
    FlowBox.ENROLLED: "Enrolled",
    FlowBox.UNASSIGNED: "Not assigned",
    FlowBox.ASSIGNED: "Assigned",
    FlowBox.UNREAD: "Not read yet",
    FlowBox.PARTLY_READ: "Partly read",
    FlowBox.READ: "Read",
    FlowBox.ANALYSED: "Analysed",
    FlowBox.NOT_ANALYSED: "Not analysed yet",
}

PARTS: Mapping[FlowBox, tuple[FlowBox, ...]] = {
    FlowBox.RECEIVED: (FlowBox.MATCHED, FlowBox.EXCLUDED, FlowBox.UNDECIDED),
    FlowBox.MATCHED: (
        FlowBox.PROCESSING, FlowBox.FAILED, FlowBox.AWAITING_QC, FlowBox.QC_REJECTED, FlowBox.ENROLLED
    ),
    FlowBox.ENROLLED: (FlowBox.UNASSIGNED, FlowBox.ASSIGNED),
    FlowBox.ASSIGNED: (FlowBox.UNREAD, FlowBox.PARTLY_READ, FlowBox.READ),
    FlowBox.READ: (FlowBox.ANALYSED, FlowBox.NOT_ANALYSED),
}  # fmt: skip
"""The boxes that each box is divided into: they always add up to it."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """How many exams one criterion kept out, or left undecided."""

    box: FlowBox
    criterion: str
    count: int


@dataclass(frozen=True, kw_only=True)
class FlowCounts:
    """The counts of one study, of its pilot or of its real cases."""

    boxes: Mapping[FlowBox, int] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()

    def __getitem__(self, box: FlowBox) -> int:
        return self.boxes.get(box, 0)

    @property
    def by_name(self) -> dict[str, int]:
        """For templates: the counts by the names of their boxes, `awaiting_qc` for AWAITING_QC."""
        return {box.name.lower(): self[box] for box in FlowBox}

    @property
    def adds_up(self) -> bool:
        return all(self[whole] == sum(self[part] for part in parts) for whole, parts in PARTS.items())


@dataclass(frozen=True, kw_only=True)
class FlowLine:
    """The flow of one study. missed: how many exams came while it took none; is_read: whether it has readers."""

    real: FlowCounts = FlowCounts()
    pilot: FlowCounts = FlowCounts()
    missed: int = 0
    is_read: bool = True

    @cached_property
    def shown(self) -> FlowCounts:
        """What a line in a list shows: the real cases, or the pilot's as long as there are no others."""
        return self.pilot if self.is_pilot else self.real

    @property
    def is_pilot(self) -> bool:
        return not self.real[FlowBox.RECEIVED] and bool(self.pilot[FlowBox.RECEIVED])

    @property
    def kind(self) -> str:
        """The same as a word in addresses."""
        return "pilot" if self.is_pilot else "real"

    @property
    def counts(self) -> dict[str, int]:
        return self.shown.by_name

    @property
    def received(self) -> int:
        """Whatever ever came and was screened, pilot and real."""
        return self.real[FlowBox.RECEIVED] + self.pilot[FlowBox.RECEIVED]


def line_of(study: Study) -> FlowLine:
    """The flow of one study."""
    return lines([study])[study.pk]


def lines(studies: Sequence[Study]) -> dict[int, FlowLine]:
    """The flow of each study, by its primary key. Three queries, however many studies and cases."""
    grouped: dict[tuple[object, object], list[Mapping[str, object]]] = defaultdict(list)
    for row in _rows([study.pk for study in studies]):
        grouped[row["study_id"], row["is_pilot"]].append(row)
    missed = dict(_missed(studies))
    with_readers = ProtocolVersion.objects.exclude(document__design__kind__in=WITHOUT_READERS).filter(study__in=studies)
    read = set(with_readers.order_by().values_list("study_id", flat=True))
    return {
        study.pk: FlowLine(
            real=_counts(grouped[study.pk, False]),
            pilot=_counts(grouped[study.pk, True]),
            missed=missed.get(study.pk, 0),
            is_read=study.pk in read,
        )
        for study in studies
    }


def each(study: Study) -> QuerySet[Screening]:
    """Every screening of the study, pilot and real, with the innermost box that it stands in as `box`."""
    return Screening.objects.filter(study=study).annotate(box=_leaf())


def _rows(studies: Sequence[int]) -> Iterable[Mapping[str, object]]:
    grouped = Screening.objects.filter(study__in=studies).order_by().annotate(leaf=_leaf())
    return grouped.values("study_id", "is_pilot", "criterion", "leaf").annotate(count=Count("pk"))


def _missed(studies: Sequence[Study]) -> QuerySet[MissedExam, tuple[int, int]]:
    missed = MissedExam.objects.filter(study__in=studies).order_by()
    return missed.values_list("study_id").annotate(n=Count("pk")).values_list("study_id", "n")


def _counts(rows: Iterable[Mapping[str, object]]) -> FlowCounts:
    leaves: Counter[FlowBox] = Counter()
    reasons: Counter[tuple[FlowBox, str]] = Counter()
    for row in rows:
        leaf, count = FlowBox(str(row["leaf"])), int(str(row["count"]))
        leaves[leaf] += count
        if leaf in (FlowBox.EXCLUDED, FlowBox.UNDECIDED):
            reasons[leaf, str(row["criterion"])] += count
    return FlowCounts(
        boxes={box: sum(leaves[leaf] for leaf in box.leaves) for box in FlowBox},
        reasons=tuple(Reason(box=box, criterion=name, count=count) for (box, name), count in reasons.most_common()),
    )


def _outer_condition(box: FlowBox) -> Q:
    """What is known of the box without looking at reads: all of it, or that its cases are enrolled."""
    return _OUTER.get(box, _OUTER[FlowBox.ENROLLED])


_MATCHED = Q(outcome=Outcome.MATCHED)
_OUTER: Mapping[FlowBox, Q] = {
    FlowBox.RECEIVED: Q(),
    FlowBox.MATCHED: _MATCHED,
    FlowBox.EXCLUDED: Q(outcome=Outcome.EXCLUDED),
    FlowBox.UNDECIDED: Q(outcome=Outcome.UNDECIDED),
    **{FlowBox(state.value): _MATCHED & Q(case__state=state) for state in State if state != State.EXCLUDED},
}


def _leaf() -> SqlCase:
    """The one box, of those that are not divided any further, that a screening stands in. Reads are looked at last."""
    outside = [FlowBox.EXCLUDED, FlowBox.UNDECIDED]
    before_enrolled = [box for box in PARTS[FlowBox.MATCHED] if box != FlowBox.ENROLLED]
    reads = Read.objects.filter(case=OuterRef("case")).exclude(kind=Read.Kind.PANEL)
    has_open, has_done = Exists(reads.filter(state__in=Read.OPEN)), Exists(reads.filter(state=Read.State.SUBMITTED))
    without_readers = Q(case__protocol__in=_without_readers().order_by().values("pk"))
    return SqlCase(
        *(When(_OUTER[box], then=_word(box)) for box in (*outside, *before_enrolled)),
        When(without_readers & _is_analysed(), then=_word(FlowBox.ANALYSED)),
        When(without_readers, then=_word(FlowBox.NOT_ANALYSED)),
        When(has_open, then=SqlCase(When(has_done, then=_word(FlowBox.PARTLY_READ)), default=_word(FlowBox.UNREAD))),
        When(~has_done, then=_word(FlowBox.UNASSIGNED)),
        When(_is_analysed(), then=_word(FlowBox.ANALYSED)),
        default=_word(FlowBox.NOT_ANALYSED),
    )


def _word(box: FlowBox) -> Value:
    return Value(box.value)


def _is_analysed() -> Q:
    no_reference = ProtocolVersion.objects.filter(document__reference__source="none").order_by().values("pk")
    has_truth = Exists(CaseTruth.objects.filter(case=OuterRef("case"), version__in=truth.counting().values("pk")))
    without = Q(case__protocol__in=no_reference)
    return (without & Q(study__stage__in=LOCKED)) | (~without & Q(has_truth))


def _without_readers() -> QuerySet[ProtocolVersion]:
    return ProtocolVersion.objects.filter(document__design__kind__in=WITHOUT_READERS)
