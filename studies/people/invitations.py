"""Invitations to a study: made by a coordinator, accepted once by whoever follows their link."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.timezone import now

from portal.access import Role
from portal.audit import origin, trail
from portal.audit.actions import Action
from portal.models import User
from studies.models import Invitation, Membership, Study
from studies.people import members


class NotInvited(Exception):
    """The link does not let its follower in. The message says why, and what to do."""


OVER = "This invitation was accepted, withdrawn or is out of date. Ask the study's coordinator for a new link."
FOR_ANOTHER = "This invitation is for the user {addressee}. Sign in with that user name to accept it."


@transaction.atomic
def invite(study: Study, addressee: str, role: Role, *, reader_role: str = "", by: User) -> tuple[Invitation, str]:
    """Offer the role; the invitation, and the key of its link, which nobody can find out again later."""
    key = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        study=study,
        addressee=addressee.strip(),
        role=role,
        reader_role=reader_role,
        key_digest=_digest(key),
        invited_by=by,
        expires_at=_end(),
    )
    _record(Action.MEMBER_INVITED, invitation)
    return invitation, key


@transaction.atomic
def renew(invitation: Invitation, *, by: User) -> str:
    """A new key for a link that got lost or is out of date; the old one opens nothing more. Raises NotInvited."""
    kept = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if kept.accepted_at or kept.withdrawn_at:
        raise NotInvited(OVER)
    key = secrets.token_urlsafe(32)
    kept.key_digest, kept.expires_at, kept.invited_by = _digest(key), _end(), by
    kept.save(update_fields=["key_digest", "expires_at", "invited_by"])
    _record(Action.INVITATION_RENEWED, kept)
    return key


@transaction.atomic
def withdraw(invitation: Invitation) -> None:
    """Let its link open nothing more. One that was accepted stays: withdraw the membership instead."""
    if Invitation.objects.waiting().filter(pk=invitation.pk).update(withdrawn_at=now()):
        _record(Action.INVITATION_WITHDRAWN, invitation)


def of_key(key: str) -> Invitation | None:
    """The invitation whose link has this key, also one that is over."""
    known = Invitation.objects.select_related("study", "invited_by")
    return known.filter(key_digest=_digest(key)).first()


@transaction.atomic
def accept(invitation: Invitation, user: User) -> Membership:
    """Make `user` a member. Raises NotInvited."""
    kept = Invitation.objects.select_for_update(of=("self",)).select_related("study").get(pk=invitation.pk)
    if not kept.is_open:
        raise NotInvited(OVER)
    if kept.names_a_user and kept.addressee.casefold() != user.get_username().casefold():
        raise NotInvited(FOR_ANOTHER.format(addressee=kept.addressee))
    membership, is_new = members.grant(
        kept.study, user, Role(kept.role), reader_role=kept.reader_role, source=Membership.Source.INVITATION
    )
    kept.accepted_at = now()
    kept.membership = membership if is_new else None
    kept.save(update_fields=["accepted_at", "membership"])
    _record(Action.INVITATION_ACCEPTED, kept)
    return membership


@transaction.atomic
def accept_with_a_new_account(invitation: Invitation, user: User) -> Membership:
    """Save the new local account and make it a member. Raises NotInvited, and then there is no account either."""
    user.save()
    with trail.acting(user, via=trail.Via.PAGE, address=origin.current().address):
        trail.record(Action.ACCOUNT_MADE, of=f"user:{user.pk}", detail={"user": user.get_username()})
        return accept(invitation, user)


def _record(action: Action, invitation: Invitation) -> None:
    said = {"role": invitation.role, "kind": invitation.reader_role}
    trail.record(action, of=f"invitation:{invitation.pk}", study=invitation.study.slug, detail=said)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _end() -> datetime:
    days: int = settings.OVERREAD_INVITATION_DAYS
    return now() + timedelta(days=days)
