"""Sign-in with a local account's password."""

from __future__ import annotations

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

from portal.accounts.entrance import directory_account, user_who_may_enter
from portal.models import User


class LocalBackend(ModelBackend):
    """Django's own, except that an account of the directory never gets in by a password that is kept here."""

    def user_can_authenticate(self, user: AbstractBaseUser | AnonymousUser | None) -> bool:
        return isinstance(user, User) and user.is_active and directory_account(user) is None

    def get_user(self, user_id: int) -> User | None:
        return user_who_may_enter(user_id)
