"""What a reader has to read: how far they are in each study, and what comes next.

Nothing here tells which findings a read shows, nor what its case is. Urgent findings bring a read forward only where
the protocol says so, readers see everything anyway, and the read shows the very finding that is urgent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case as SqlCase
from django.db.models import Count, Exists, F, Func, JSONField, Min, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Cast
from django.utils.timezone import now

from dicom_ingest.models import Exam
from portal.models import User
from studies.models import ArmFinding, Read, Study
from studies.read_models import ReadQuerySet
from studies.reading.reads import mine

State = Read.State
BEGUN, URGENT, DRAWN = range(3)
"""The turns in which the reads of a study come."""
_PATIENT_SHOWN = Q(protocol__document__blinding__patient="shown")
_URGENT_FIRST = Q(study__readers_are_blinded=False, protocol__document__worklist__order="urgent-first")


@dataclass(frozen=True, kw_only=True)
class NextRead:
    """A read that may be opened now. `number` counts the reader's reads of a study as they are done.

    is_urgent: what it shows is called urgent, and its protocol lets urgent reads come first.
    """

    read: Read
    number: int
    of: int
    is_urgent: bool = False

    @property
    def is_begun(self) -> bool:
        return self.read.state == State.OPENED

    @property
    def is_overdue(self) -> bool:
        return self.read.due_at is not None and self.read.due_at < now()


@dataclass(frozen=True, kw_only=True)
class ReadCounts:
    """Reads in numbers. ready: may be opened now; the first of those that may not yet opens at `opens_at`."""

    total: int
    done: int
    ready: int
    overdue: int
    opens_at: datetime | None

    @property
    def waiting(self) -> int:
        """Those that wait for a washout or for a read before them."""
        return self.total - self.done - self.ready


@dataclass(frozen=True, kw_only=True)
class StudyReads:
    """How far a reader is with the reads of one study."""

    study: Study
    counts: ReadCounts
    next: NextRead | None


def reads_of(user: User) -> tuple[StudyReads, ...]:
    """By title, every study in which `user` has reads. At most three queries, however many studies and reads."""
    counts = _counts(user)
    if not counts:
        return ()
    following = {read.study_id: read for read in _in_turn(user).distinct("study_id")}
    return tuple(
        StudyReads(study=study, counts=counts[study.pk], next=_numbered(following.get(study.pk), counts[study.pk]))
        for study in Study.objects.filter(pk__in=list(counts)).order_by("title")
    )


def next_of(studies: tuple[StudyReads, ...]) -> NextRead | None:
    """The read to open next, over all studies: one that is begun, else an urgent one, else what is due first."""
    found = [line.next for line in studies if line.next is not None]
    return min(found, key=_precedence, default=None)


def _precedence(one: NextRead) -> tuple[bool, bool, bool, datetime]:
    return not one.is_begun, not one.is_urgent, one.read.due_at is None, one.read.due_at or now()


def read_after(read: Read, user: User) -> Read | None:
    """What to open once `read` is submitted: the rest of its sitting, else the next that is of another case."""
    ready = _in_turn(user).exclude(pk=read.pk)
    here = ready.filter(study=read.study_id)
    return (
        here.filter(after=read.pk, washout_days=0).first()
        or here.exclude(case=read.case_id).first()
        or here.first()
        or ready.first()
    )


def read_beside(read: Read, user: User) -> Read | None:
    """What will be opened after `read`, as far as that is known while it is being read; None where it decides.

    Never what is begun: a page that is fetched ahead is asked while the read before it still is.
    """
    if read.followers.filter(washout_days=0, state__in=Read.OPEN).exists():
        return None
    fresh = _in_turn(user).filter(study=read.study_id).exclude(state=State.OPENED)
    return fresh.exclude(Q(pk=read.pk) | Q(case=read.case_id)).first()


def reads_of_exams(user: User, exams: Sequence[Exam]) -> list[Read]:
    """Of each of `exams` the read that `user` may open now, where its study lets readers know whose exam it is."""
    found = _in_turn(user).filter(_PATIENT_SHOWN, case__exam__in=exams).select_related("study", "case")
    return list({read.case.exam_id: read for read in reversed(found)}.values())


def exams_of_reads(user: User) -> QuerySet[Read, int]:
    """The primary keys of the exams of which there is such a read."""
    return mine(user).due().filter(_PATIENT_SHOWN).values_list("case__exam", flat=True)


def place_of(read: Read, user: User) -> tuple[int, int]:
    """Which of how many of the reader's reads in the study it is."""
    reads = mine(user).counting().filter(study=read.study_id)
    if read.submitted_at is not None:
        return reads.filter(submitted_at__lte=read.submitted_at).count(), reads.count()
    return reads.filter(state=State.SUBMITTED).count() + 1, reads.count()


def _numbered(read: Read | None, counts: ReadCounts) -> NextRead | None:
    if read is None:
        return None
    is_urgent = vars(read)["turn"] == URGENT
    return NextRead(read=read, number=counts.done + 1, of=counts.total, is_urgent=is_urgent)


def _in_turn(user: User) -> ReadQuerySet:
    """What `user` may open now, study by study: what is begun, then by their drawn order."""
    turn = SqlCase(
        When(state=State.OPENED, then=Value(BEGUN)),
        When(_URGENT_FIRST & Q(Exists(_urgent_findings())), then=Value(URGENT)),
        default=Value(DRAWN),
    )
    return mine(user).due().select_related("study").annotate(turn=turn).order_by("study_id", "turn", "position")


def _urgent_findings() -> QuerySet[ArmFinding]:
    """Of a read, as a subquery: what an arm that it shows found, and its pipeline calls urgent."""
    shown = ArmFinding.objects.filter(case=OuterRef("case"), replaced_at=None, result__is_urgent=True)
    return shown.annotate(arms=Cast(OuterRef("arms"), JSONField())).filter(
        arms__contains=Func(F("arm"), function="to_jsonb", output_field=JSONField())
    )


def _counts(user: User) -> dict[int, ReadCounts]:
    moment = now()
    is_open = Q(state__in=Read.OPEN)
    is_first = Q(after=None) | Q(after__state=State.SUBMITTED)
    ready = is_open & is_first & (Q(not_before=None) | Q(not_before__lte=moment))
    grouped = mine(user).counting().order_by().values_list("study")
    rows = grouped.annotate(
        total=Count("pk"),
        done=Count("pk", filter=Q(state=State.SUBMITTED)),
        ready=Count("pk", filter=ready & Q(study__stage__in=["pilot", "active"])),
        overdue=Count("pk", filter=ready & Q(due_at__lt=moment)),
        opens_at=Min("not_before", filter=is_open & Q(not_before__gt=moment)),
    )
    return {
        study: ReadCounts(total=total, done=done, ready=ready, overdue=overdue, opens_at=opens_at)
        for study, total, done, ready, overdue, opens_at in rows
    }
