"""Where a reader's order comes from: a seed that is drawn once and stored, and a place in the design's blocks."""

from __future__ import annotations

import secrets
from collections import Counter

from studies import designs
from studies.design_schema import Design
from studies.designs.draws import lot
from studies.designs.plan import Reader
from studies.models import Membership, ReadingOrder, Study, StudySeed

_SEED_BYTES = 32


def seed_of(study: Study) -> str:
    """The study's own seed, drawn when it is asked for first. Call it with the study's row locked."""
    kept, _ = StudySeed.objects.get_or_create(study=study, defaults={"seed": secrets.token_hex(_SEED_BYTES)})
    return kept.seed


def readers_of(study: Study, members: list[Membership], design: Design) -> tuple[Reader, ...]:
    """The members as the design sees them. Who is new gets a seed and a block. Call it with the study's row locked."""
    orders = {order.reader_id: order for order in ReadingOrder.objects.filter(study=study)}
    roles = {member.user_id: member.reader_role for member in members}
    for member in sorted(members, key=lambda one: (one.granted_at, one.pk)):
        if member.user_id not in orders:
            orders[member.user_id] = _draw(
                study, member, design, [(o, roles.get(o.reader_id)) for o in orders.values()]
            )
    return tuple(
        Reader(key=user, seed=orders[user].seed, role=role, block=orders[user].block)
        for user, role in sorted(roles.items())
    )


def _draw(
    study: Study, member: Membership, design: Design, others: list[tuple[ReadingOrder, str | None]]
) -> ReadingOrder:
    seed = secrets.token_hex(_SEED_BYTES)
    taken = Counter(order.block for order, role in others if role == member.reader_role)
    block = min(range(designs.blocks(design)), key=lambda one: (taken[one], lot(seed, "block", one)))
    return ReadingOrder.objects.create(study=study, reader_id=member.user_id, seed=seed, block=block)
