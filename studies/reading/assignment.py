"""Cases are dealt out to readers as the design says. Found by ticks, once for each case, whoever else is at it.

A case is dealt out when it is enrolled and every arm that readers are shown has its finding. Where all readers read
every case, it goes to those who are there then; who joins later gets the cases that come from then on, and the earlier
ones when a coordinator says so (`reassignment.give_earlier_cases`). Where some are chosen, a case that lacks readers
gets more as they come.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.timezone import now

from feedback.models import Form
from portal.access import Role
from portal.audit import trail
from portal.audit.actions import Action
from studies import designs
from studies.designs.plan import Deal, Given, PlannedRead, Reader
from studies.models import READING, ArmFinding, Case, Membership, ProtocolVersion, Read, Study
from studies.protocols import protocol
from studies.protocols.design_schema import Design
from studies.protocols.protocol_schema import Protocol
from studies.reading import ordering

READS_PER_WAVE = 20_000
CASES_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class Table:
    """A study at the time of dealing: its protocol, its readers, and how many open reads each has."""

    study: Study
    version: ProtocolVersion
    form: Form
    readers: tuple[Reader, ...]
    seed: str
    load: Counter[int]

    @property
    def protocol(self) -> Protocol:
        return self.version.content

    @property
    def design(self) -> Design:
        return self.protocol.design

    def deal(self, case: int, given: Mapping[Given, bool], *, to: Iterable[Reader] | None = None) -> Deal:
        """The case as a question to the design; `to`: not all readers, but those."""
        return Deal(
            case=case,
            readers=self.readers if to is None else tuple(to),
            arms={arm.key: arm for arm in self.protocol.arms},
            seed=self.seed,
            load=self.load,
            given=given,
        )


def assign() -> int:
    """Deal out what waits in every study that is being read; return how many reads were made."""
    return sum(assign_in(study) for study in Study.objects.filter(stage__in=READING))


def assign_in(study: Study) -> int:
    """The same for one study, in waves, so that none takes long."""
    made = 0
    while dealt := _wave(study):
        made += dealt
    return made


def members_who(role: Role, study: Study) -> QuerySet[Membership]:
    """Who holds the role in the study now."""
    return Membership.objects.in_force().filter(study=study, role=role, user__is_active=True)


def ready_cases(study: Study, content: Protocol) -> QuerySet[Case]:
    """Enrolled cases of the stage that the study is in, for which every arm that readers are shown has a finding."""
    ready = study.cases.filter(state=Case.State.ENROLLED, is_pilot=study.stage == Study.Stage.PILOT)
    for arm in sorted(designs.arms_shown(content.design, {arm.key: arm for arm in content.arms})):
        ready = ready.filter(Exists(ArmFinding.objects.filter(case=OuterRef("pk"), arm=arm, replaced_at=None)))
    return ready


def table_of(study: Study) -> Table | None:
    """The study as it stands; None when nobody reads in it, now or at all. Until the transaction ends, nobody else
    deals in it."""
    version = protocol.in_force(study)
    if version is None or not version.content.is_read:
        return None
    seed = ordering.held_seed(study)
    now_being = Study.objects.select_related("form").get(pk=study.pk)
    if now_being.form is None or not now_being.is_being_read:
        return None
    load = Read.objects.filter(study=study, state__in=Read.OPEN).order_by().values_list("reader").annotate(Count("pk"))
    return Table(
        study=now_being,
        version=version,
        form=now_being.form,
        readers=ordering.readers_of(now_being, list(members_who(Role.READER, study)), version.content.design),
        seed=seed,
        load=Counter(dict(load)),
    )


def given_before(cases: Iterable[Case]) -> Mapping[int, dict[Given, bool]]:
    """What readers were given of each of the cases, by its primary key, and whether it still stands."""
    given: defaultdict[int, dict[Given, bool]] = defaultdict(dict)
    kept = Read.objects.filter(case__in=[case.pk for case in cases], kind=Read.Kind.READ).order_by()
    for case, reader, condition, occasion, state in kept.values_list(
        "case", "reader", "condition", "occasion", "state"
    ):
        given[case][reader, (condition, occasion)] = state != Read.State.WITHDRAWN
    return given


def make(table: Table, planned: Sequence[tuple[Case, PlannedRead]]) -> int:
    """Store what was planned at the end of each reader's order, as their seed draws it; return how many."""
    cases = {case.number: case for case, _ in planned}
    of_reader: defaultdict[int, list[PlannedRead]] = defaultdict(list)
    for _, read in planned:
        of_reader[read.reader].append(read)
    made: list[Read] = []
    for reader in table.readers:
        if mine := of_reader.get(reader.key):
            position, last_case = _end_of(table.study, reader.key)
            ordered = designs.in_order(reader.seed, mine, last_case=last_case)
            made += _rows(table, cases, ordered, after=position)
    Read.objects.bulk_create(made, batch_size=2000)
    return len(made)


def due_at(content: Protocol, *, from_when: datetime) -> datetime | None:
    """By when a read is expected that may be opened from then on; None where the design sets no date."""
    days = designs.due_days(content.design)
    return from_when + timedelta(days=days) if days else None


@transaction.atomic
def _wave(study: Study) -> int:
    table = table_of(study)
    if table is None or not table.readers:
        return 0
    planned: list[tuple[Case, PlannedRead]] = []
    for case, given in _waiting(table):
        dealt = designs.reads(table.design, table.deal(case.number, given))
        table.load.update(read.reader for read in dealt)
        planned += [(case, read) for read in dealt]
        if len(planned) >= READS_PER_WAVE:
            break
    if made := make(table, planned):
        detail: dict[str, object] = {"reads": made, "cases": len({case.pk for case, _ in planned})}
        trail.record(Action.READS_ASSIGNED, of=study.slug, study=study.slug, detail=detail)
    return made


def _waiting(table: Table) -> Iterator[tuple[Case, dict[Given, bool]]]:
    """The ready cases that lack reads, by number, each with what was given of it before."""
    given = Read.objects.filter(case=OuterRef("pk"), kind=Read.Kind.READ)
    wanted = designs.reads_wanted(table.design, table.deal(0, {}))
    cases = ready_cases(table.study, table.protocol).order_by("number")
    if wanted is None:
        lacking = cases.filter(~Exists(given))
    else:
        standing = given.exclude(state=Read.State.WITHDRAWN).order_by().values("case").annotate(n=Count("pk"))
        lacking = cases.annotate(standing=Coalesce(Subquery(standing.values("n")), 0)).filter(standing__lt=wanted)
    numbers = list(lacking.values_list("number", flat=True))
    for start in range(0, len(numbers), CASES_AT_ONCE):
        batch = list(cases.filter(number__in=numbers[start : start + CASES_AT_ONCE]))
        before = given_before(batch)
        yield from ((case, before.get(case.pk, {})) for case in batch)


def _end_of(study: Study, reader: int) -> tuple[int, int | None]:
    """The reader's last position in the study, 0 before the first, and the number of the case there."""
    last = Read.objects.filter(study=study, reader=reader).order_by("-position")
    return last.values_list("position", "case__number").first() or (0, None)


def _rows(table: Table, cases: Mapping[int, Case], ordered: Sequence[PlannedRead], *, after: int) -> list[Read]:
    rows: dict[tuple[int, Given], Read] = {}
    for position, planned in enumerate(ordered, start=after + 1):
        case = cases[planned.case]
        rows[planned.case, planned.given] = Read(
            study=table.study,
            case=case,
            reader_id=planned.reader,
            arms=list(planned.arms),
            condition=planned.condition,
            occasion=planned.occasion,
            form=table.form,
            protocol=table.version,
            is_pilot=case.is_pilot,
            position=position,
            after=_before(case, planned, rows) if planned.follows else None,
            washout_days=planned.washout_days,
            due_at=None if planned.follows else due_at(table.protocol, from_when=now()),
        )
    return list(rows.values())


def _before(case: Case, planned: PlannedRead, rows: Mapping[tuple[int, Given], Read]) -> Read:
    """The read that the planned one follows: of this wave, or one that its reader has already."""
    if planned.follows is None:
        raise ValueError(f"{planned} follows no read.")
    if made := rows.get((planned.case, (planned.reader, planned.follows))):
        return made
    condition, occasion = planned.follows
    return case.reads.get(reader=planned.reader, kind=Read.Kind.READ, condition=condition, occasion=occasion)
