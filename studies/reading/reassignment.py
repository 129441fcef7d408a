"""Reads taken back, and given to others or once more: when a reader or a case leaves, or a coordinator says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.timezone import now

from portal.access import Role
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies import designs
from studies.designs.plan import PlannedRead, Reader
from studies.models import READING, Case, Membership, Read, Study
from studies.protocols.design_schema import Independent
from studies.reading.assignment import Table, given_before, make, ready_cases, table_of

State, Withdrawal = Read.State, Read.Withdrawal


class NotReassigned(Exception):
    """Reads that cannot be given as asked; the text says why and what to do."""


def take_back() -> int:
    """Withdraw the open reads of members who left and of cases that are enrolled no more, and give back those whose
    case is enrolled again; return how many were withdrawn."""
    # Each in a transaction of its own: none waits for a read while it holds the trail.
    reads = Read.objects.filter(study__stage__in=READING)
    open_reads = reads.filter(state__in=Read.OPEN)
    left = _withdraw(open_reads.exclude(_still_takes_part()), Withdrawal.READER_LEFT, "")
    gone = _withdraw(open_reads.exclude(case__state=Case.State.ENROLLED), Withdrawal.CASE_LEFT, "")
    _restore(reads.filter(_still_takes_part(), withdrawal=Withdrawal.CASE_LEFT, case__state=Case.State.ENROLLED))
    return left + gone


@transaction.atomic
def withdraw(reads: Iterable[Read], *, reason: str, by: User) -> int:
    """Take open reads back, with what would have followed them; return how many. Raises NotReassigned."""
    if not reason.strip():
        raise NotReassigned("Say why: the reason stays with what was withdrawn.")
    chosen = [read.pk for read in reads]
    chains = Q(pk__in=chosen) | Q(after__in=chosen) | Q(after__after__in=chosen) | Q(after__after__after__in=chosen)
    return _withdraw(Read.objects.filter(chains, state__in=Read.OPEN), Withdrawal.COORDINATOR, reason.strip())


@transaction.atomic
def reassign(reads: Iterable[Read], *, to: User, reason: str, by: User) -> int:
    """Take open reads of one study back and have `to` read those cases in their stead; return how many that makes.

    Where the second of two reads is reassigned, `to` gets the first as well. Raises NotReassigned.
    """
    chosen = list(reads)
    if not chosen:
        return 0
    if any(read.kind == Read.Kind.ANNOTATION for read in chosen):
        raise NotReassigned("Masks are not read: withdraw the annotation, and another annotator is given the case.")
    table, reader = _seat(chosen[0].study, to)
    if reader.key in {read.reader_id for read in chosen}:
        raise NotReassigned(f"{to} has these reads already. Choose another reader.")
    withdraw(chosen, reason=reason, by=by)
    wanted = {(read.case_id, read.condition, read.occasion) for read in chosen}
    cases = Case.objects.filter(pk__in={read.case_id for read in chosen})
    planned = _planned(table, reader, cases)
    return _give(table, reader, [(case, read) for case, read in planned if _is_needed(case, read, wanted, planned)])


@transaction.atomic
def give_earlier_cases(study: Study, *, to: User, by: User) -> int:
    """Give a reader what they would have, had they been there from the first case; return how many reads that makes.

    Raises NotReassigned.
    """
    table, reader = _seat(study, to)
    if designs.reads_wanted(table.design, table.deal(0, {})) is not None:
        raise NotReassigned("Here some readers are chosen for each case; a new one takes their share of what comes.")
    return _give(table, reader, _planned(table, reader, ready_cases(study, table.protocol)))


def _seat(study: Study, user: User) -> tuple[Table, Reader]:
    table = table_of(study)
    if table is None:
        raise NotReassigned("Nobody reads in this study now: its design has no readers, or its stage takes no reads.")
    for reader in table.readers:
        if reader.key == user.pk:
            return table, reader
    raise NotReassigned(f"{user} is no reader of this study. Make them one first.")


def _planned(table: Table, reader: Reader, cases: QuerySet[Case]) -> list[tuple[Case, PlannedRead]]:
    """What the design has for this reader in the cases, were everybody to read them."""
    design = table.design
    if isinstance(design, Independent):
        design = design.model_copy(update={"readers_per_case": 0})
    return [
        (case, read)
        for case in cases.order_by("number")
        for read in designs.reads(design, table.deal(case.number, {}, to=[reader]))
    ]


def _is_needed(
    case: Case,
    read: PlannedRead,
    wanted: set[tuple[int, str, int]],
    planned: Sequence[tuple[Case, PlannedRead]],
) -> bool:
    """Whether the read itself is wanted, or one that follows it."""
    if (case.pk, *read.sitting) in wanted:
        return True
    followers = [(c, r) for c, r in planned if c.pk == case.pk and r.follows == read.sitting]
    return any(_is_needed(c, r, wanted, planned) for c, r in followers)


def _give(table: Table, reader: Reader, planned: Sequence[tuple[Case, PlannedRead]]) -> int:
    """Make what its reader was never given, and restore what was withdrawn."""
    before = given_before([case for case, _ in planned])
    new = [(case, read) for case, read in planned if read.given not in before.get(case.pk, {})]
    withdrawn = [(case, read) for case, read in planned if before.get(case.pk, {}).get(read.given) is False]
    restored = 0
    for case, read in withdrawn:
        condition, occasion = read.sitting
        restored += _restore(
            case.reads.filter(reader=read.reader, kind=Read.Kind.READ, condition=condition, occasion=occasion)
        )
    given = restored + make(table, new)
    slug = table.study.slug
    trail.record(Action.READS_GIVEN, of=slug, study=slug, detail={"reads": given, "reader": reader.key})
    return given


def _still_takes_part() -> Q:
    """Whether the reader of a read still has the role in which it was given to them."""
    held = Membership.objects.in_force().filter(study=OuterRef("study"), user=OuterRef("reader"), user__is_active=True)
    reads = Q(Q(kind=Read.Kind.READ) & Exists(held.filter(role=Role.READER)))
    decides = Q(Q(kind__in=Read.DECIDING) & Exists(held.filter(role=Role.ADJUDICATOR)))
    draws = Q(Q(kind=Read.Kind.ANNOTATION) & Exists(held.filter(role=Role.ANNOTATOR)))
    return reads | decides | draws


@transaction.atomic
def _withdraw(reads: QuerySet[Read], why: Read.Withdrawal, reason: str) -> int:
    """The reason may name somebody, so that the trail has but the kind of it."""
    slugs = _by_study(reads)
    taken = reads.update(state=State.WITHDRAWN, withdrawal=why, withdrawn_reason=reason, withdrawn_at=now(), claim="")
    for slug, count in slugs:
        trail.record(Action.READS_WITHDRAWN, of=slug, study=slug, detail={"reads": count, "kind": why.value})
    return taken


@transaction.atomic
def _restore(reads: QuerySet[Read]) -> int:
    """Their places in the order, and what was entered in them, are as before."""
    withdrawn = reads.filter(state=State.WITHDRAWN)
    slugs = _by_study(withdrawn)
    fresh = {"withdrawal": "", "withdrawn_reason": "", "withdrawn_at": None}
    chosen = list(withdrawn.values_list("pk", flat=True))
    again = Read.objects.filter(pk__in=chosen)
    again.filter(opened_at=None).update(state=State.ASSIGNED, **fresh)
    again.exclude(opened_at=None).update(state=State.OPENED, **fresh)
    for slug, count in slugs:
        trail.record(Action.READS_RESTORED, of=slug, study=slug, detail={"reads": count})
    return len(chosen)


def _by_study(reads: QuerySet[Read]) -> list[tuple[str, int]]:
    return list(reads.order_by().values_list("study__slug").annotate(Count("pk")))
