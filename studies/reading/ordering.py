"""Where a reader's order comes from: a seed that is drawn once and stored, and a place in the design's blocks."""

from __future__ import annotations

import secrets
from collections import Counter

from portal.audit import trail
from portal.audit.actions import Action
from studies import designs
from studies.designs.draws import lot
from studies.designs.plan import Reader
from studies.models import Membership, ReadingOrder, Study, StudySeed
from studies.protocols.design_schema import Design

_SEED_BYTES = 32


def held_seed(study: Study) -> str:
    """The study's own seed, drawn when it is asked for first. Until the transaction ends nobody else gets it."""
    StudySeed.objects.get_or_create(study=study, defaults={"seed": secrets.token_hex(_SEED_BYTES)})
    return StudySeed.objects.select_for_update().get(study=study).seed


def readers_of(study: Study, members: list[Membership], design: Design) -> tuple[Reader, ...]:
    """The members as the design sees them. Who is new gets a seed and a block. Call it with the study's seed held."""
    orders = {order.reader_id: order for order in ReadingOrder.objects.filter(study=study)}
    roles = {member.user_id: member.reader_role for member in members}
    for member in sorted(members, key=lambda one: (one.granted_at, one.pk)):
        if member.user_id not in orders:
            others = [order for order in orders.values() if roles.get(order.reader_id) == member.reader_role]
            orders[member.user_id] = _draw(study, member, designs.blocks(design), others)
    return tuple(
        Reader(key=user, seed=orders[user].seed, role=role, block=orders[user].block)
        for user, role in sorted(roles.items())
    )


def _draw(study: Study, member: Membership, blocks: int, others: list[ReadingOrder]) -> ReadingOrder:
    """A new seed, and of the blocks the one with the fewest others of the member's role."""
    seed = secrets.token_hex(_SEED_BYTES)
    taken = Counter(order.block for order in others)
    block = min(range(blocks), key=lambda one: (taken[one], lot(seed, "block", one)))
    drawn = ReadingOrder.objects.create(study=study, reader_id=member.user_id, seed=seed, block=block)
    trail.record(
        Action.ORDER_DRAWN, of=f"order:{drawn.pk}", study=study.slug, detail={"reader": member.user_id, "seed": seed}
    )
    return drawn
