"""Putting on record who did or saw what.

`record` belongs at the end of the transaction that makes the change: both stand or fall together, and the chain's lock,
which gives all rows one order, is held until that transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.db import connection, transaction
from django.utils.timezone import now

from portal import access
from portal.audit import chain, origin
from portal.audit.actions import Action
from portal.audit.detail import checked, checked_thing
from portal.audit.models import Entry
from portal.audit.origin import Origin, Via
from portal.models import User

LOCK = 0x6F76_6572  # PostgreSQL's advisory lock that whoever adds a row holds: "over"

__all__ = ["Action", "Via", "acting", "record", "record_on_exam"]


@contextmanager
def acting(user: User | None, *, via: Via = Via.COMMAND, address: str = "") -> Iterator[None]:
    """What is put on record inside is put down to `user`, or to nobody in particular for None."""
    name = user.get_username() if user else via.value
    with origin.acting(Origin(via=via, user=user, name=name, address=address)):
        yield


def record(action: Action, *, of: str, study: str = "", detail: Mapping[str, object] | None = None) -> None:
    """Put `action` on record: done to `of` (a UID, a slug, a key), for `study` (its slug) where it was for one.

    Who acts comes from the request, the command or the worker. Raises Unfit for what a row must not hold; see `detail`.
    """
    _add(action, of=of, studies=[study], detail=detail or {})


def record_on_exam(action: Action, *, exam: str, of: str = "", detail: Mapping[str, object] | None = None) -> None:
    """Put on record what was done to the exam with the StudyInstanceUID `exam`, or to `of`, a thing of that exam's.

    There is one row for each of the actor's studies that hold the exam as a case, and one without a study otherwise.
    """
    told = {"exam": exam, **(detail or {})} if of and of != exam else (detail or {})
    _add(action, of=of or exam, studies=access.studies_of_exam(origin.current().user, exam) or [""], detail=told)


def _add(action: Action, *, of: str, studies: Sequence[str], detail: Mapping[str, object]) -> None:
    who, thing, kept = origin.current(), checked_thing(of), checked(detail)
    key = chain.keys()[0]
    with transaction.atomic(savepoint=False):
        last = _hold_chain()
        at = now()
        rows: list[Entry] = []
        for study in studies:
            row = Entry(
                number=last[0] + 1,
                at=at,
                actor_id=who.user.pk if who.user else None,
                actor=who.name,
                address=who.address,
                via=who.via,
                action=action,
                of=thing,
                study=study,
                detail=kept,
                previous=last[1],
            )
            row.hash = chain.hash_of([getattr(row, field) for field in chain.CONTENT], key)
            rows.append(row)
            last = row.number, row.hash
        Entry.objects.bulk_create(rows)


def _hold_chain() -> tuple[int, str]:
    """Number and hash of the last row; nobody else adds one until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    # Another statement, whose snapshot is taken after the lock: it sees what the holder before has committed.
    last = Entry.objects.order_by("-number").values_list("number", "hash").first()
    return last or (0, chain.NOTHING_BEFORE)
