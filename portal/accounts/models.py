"""Accounts that belong to the hospital's directory. Whoever has no such row has a local account."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils.timezone import now


class DirectoryAccount(models.Model):
    """What the directory said of an account when it was last asked."""

    class Closed(models.TextChoices):
        GONE = "gone", "No longer in the directory"
        LOCKED = "locked", "Locked in the directory"

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="directory_account")
    dn = models.CharField("DN", max_length=1000, blank=True)
    groups = models.JSONField(default=list, blank=True, help_text="DNs of its groups, in lower case")
    confirmed_at = models.DateTimeField(default=now, help_text="When the directory last answered about it")
    closed = models.CharField(max_length=10, choices=Closed.choices, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.user} in the directory"

    @property
    def trusted_until(self) -> datetime:
        """Until when it stands on what the directory said last; after that it has to be asked."""
        grace: float = settings.OVERREAD_LDAP.grace_seconds
        return self.confirmed_at + timedelta(seconds=grace)

    @property
    def is_open(self) -> bool:
        """Whether it may be used: the directory has it, unlocked, and said so not too long ago."""
        return not self.closed and now() < self.trusted_until
