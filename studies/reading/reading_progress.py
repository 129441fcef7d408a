"""How the reading of a study goes, for those who run it: reader by reader, never what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils.timezone import now

from portal.access import Role
from portal.models import User
from studies import designs
from studies.annotation import dealing
from studies.annotation.dealing import Awaited
from studies.designs.plan import Deal
from studies.models import Case, Membership, ProtocolVersion, Read, ReadingOrder, Study
from studies.protocols.design_schema import MultiReader
from studies.reading import adjudication
from studies.reading.adjudication import Dispute
from studies.reading.assignment import members_who, ready_cases

State = Read.State
READS = (Role.READER, Role.ADJUDICATOR, Role.ANNOTATOR)


@dataclass(frozen=True, kw_only=True)
class ReaderCounts:
    """The reads of one reader, in numbers. cases: how many of the study's cases they were given."""

    cases: int = 0
    total: int = 0
    done: int = 0
    ready: int = 0
    overdue: int = 0
    withdrawn: int = 0
    last_at: datetime | None = None
    opens_at: datetime | None = None

    @property
    def waiting(self) -> int:
        return self.total - self.done - self.ready


@dataclass(frozen=True, kw_only=True)
class ReaderLine:
    """One reader of the study, here or gone. `missing`: cases dealt out before they came, that they lack."""

    user: User
    roles: tuple[str, ...]
    order: ReadingOrder | None
    counts: ReaderCounts
    missing: int = 0

    @property
    def has_left(self) -> bool:
        return not self.roles


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The study's reading as it stands. ready: cases that can be dealt out; waiting_for: arms without a finding yet,
    each with how many enrolled cases lack it; awaited: the same of masks that annotators give."""

    readers: tuple[ReaderLine, ...]
    blocks: int
    undealt: int
    waiting_for: tuple[tuple[str, int], ...]
    awaited: tuple[Awaited, ...]
    disputes: tuple[Dispute, ...]
    has_adjudicator: bool
    gives_earlier: bool


def progress_of(study: Study, version: ProtocolVersion) -> Progress:
    """A fixed number of queries, however many readers and cases there are, but for one a shown arm."""
    content = version.content
    arms = {arm.key: arm for arm in content.arms}
    everybody_reads = designs.reads_wanted(content.design, Deal(case=1, readers=(), arms=arms, seed="")) is None
    ready = ready_cases(study, content)
    undealt = ready.exclude(pk__in=Read.objects.filter(study=study, kind=Read.Kind.READ).values("case")).count()
    return Progress(
        readers=_lines(study, of_all=everybody_reads and not _is_split(version)),
        blocks=designs.blocks(content.design),
        undealt=undealt,
        waiting_for=tuple(_missing_findings(study, version)),
        awaited=tuple(dealing.awaited(study, version)),
        disputes=tuple(adjudication.disputes(study, content)),
        has_adjudicator=members_who(Role.ADJUDICATOR, study).exists(),
        gives_earlier=everybody_reads,
    )


def reads_of(study: Study, reader: int) -> QuerySet[Read]:
    """The reader's reads in their order, pilot and real, withdrawn ones too."""
    return Read.objects.filter(study=study, reader=reader).select_related("case", "after").order_by("position")


def _is_split(version: ProtocolVersion) -> bool:
    design = version.content.design
    return isinstance(design, MultiReader) and design.layout == "split-plot"


def _lines(study: Study, *, of_all: bool) -> tuple[ReaderLine, ...]:
    counts = _counts(study)
    orders = {order.reader_id: order for order in ReadingOrder.objects.filter(study=study)}
    roles = _roles(study)
    dealt = Read.objects.filter(study=study, kind=Read.Kind.READ).counting().aggregate(n=Count("case", distinct=True))
    users = User.objects.filter(pk__in=[*counts, *roles]).order_by("username")
    return tuple(
        ReaderLine(
            user=user,
            roles=tuple(roles.get(user.pk, ())),
            order=orders.get(user.pk),
            counts=counts.get(user.pk, ReaderCounts()),
            missing=_missing(dealt["n"], counts.get(user.pk, ReaderCounts()), roles.get(user.pk, [])) if of_all else 0,
        )
        for user in users
    )


def _missing(dealt: int, counts: ReaderCounts, roles: list[str]) -> int:
    return dealt - counts.cases if any(role.startswith(Role.READER.label) for role in roles) else 0


def _roles(study: Study) -> dict[int, list[str]]:
    held: dict[int, list[str]] = {}
    members = Membership.objects.in_force().filter(study=study, role__in=READS, user__is_active=True)
    for member in members.order_by("role"):
        said = (
            f"{member.get_role_display()} ({member.reader_role})" if member.reader_role else member.get_role_display()
        )
        held.setdefault(member.user_id, []).append(said)
    return held


def _counts(study: Study) -> dict[int, ReaderCounts]:
    moment = now()
    is_open = Q(state__in=Read.OPEN)
    is_first = Q(after=None) | Q(after__state=State.SUBMITTED)
    ready = is_open & is_first & (Q(not_before=None) | Q(not_before__lte=moment))
    grouped = Read.objects.filter(study=study).counting().order_by().values_list("reader")
    rows = grouped.annotate(
        cases=Count("case", filter=Q(kind=Read.Kind.READ), distinct=True),
        total=Count("pk", filter=~Q(state=State.WITHDRAWN)),
        done=Count("pk", filter=Q(state=State.SUBMITTED)),
        ready=Count("pk", filter=ready),
        overdue=Count("pk", filter=ready & Q(due_at__lt=moment)),
        withdrawn=Count("pk", filter=Q(state=State.WITHDRAWN)),
        last_at=Max("submitted_at"),
        opens_at=Min("not_before", filter=is_open & Q(not_before__gt=moment)),
    )
    return {
        reader: ReaderCounts(
            cases=cases,
            total=total,
            done=done,
            ready=ready,
            overdue=overdue,
            withdrawn=withdrawn,
            last_at=last_at,
            opens_at=opens_at,
        )
        for reader, cases, total, done, ready, overdue, withdrawn, last_at, opens_at in rows
    }


def _missing_findings(study: Study, version: ProtocolVersion) -> list[tuple[str, int]]:
    content = version.content
    enrolled = study.cases.filter(state=Case.State.ENROLLED, is_pilot=study.stage == Study.Stage.PILOT)
    shown = designs.arms_shown(content.design, {arm.key: arm for arm in content.arms})
    missing = (
        (arm.label, enrolled.exclude(findings__arm=arm.key, findings__replaced_at=None).count())
        for arm in content.arms
        if arm.key in shown and not arm.is_annotated
    )
    return [(label, count) for label, count in missing if count]
