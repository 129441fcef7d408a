"""Whether an account may be used now: asked of every session and of every API token, at each request."""

from __future__ import annotations

from portal.accounts.models import DirectoryAccount
from portal.models import User


def directory_account(user: User) -> DirectoryAccount | None:
    """The directory's side of `user`, or None for a local account."""
    try:
        return user.directory_account
    except DirectoryAccount.DoesNotExist:
        return None


def may_enter(user: User) -> bool:
    """Whether `user` is active and, where the directory keeps the account, still open there."""
    account = directory_account(user)
    return user.is_active and (account is None or account.is_open)


def user_who_may_enter(pk: int) -> User | None:
    """The user of a session, in one query, or None when the session is to count no more."""
    user = User.objects.select_related("directory_account").filter(pk=pk).first()
    return user if user is not None and may_enter(user) else None
