"""How people come to a role in a study: an invitation to one person, or a grant to a group of the directory."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from portal.access import Role


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def waiting(self) -> InvitationQuerySet:
        """Those that nobody accepted or withdrew. Their time may be over."""
        return self.filter(accepted_at=None, withdrawn_at=None)


class Invitation(models.Model):
    """A role in a study, offered to one person by a link that works once. Only a digest of the link's key is kept."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="invitations")
    addressee = models.CharField(max_length=254, help_text="An e-mail address, or a user name of the portal")
    role = models.CharField(max_length=20, choices=Role.choices)
    reader_role = models.CharField(max_length=50, blank=True)
    key_digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the link's key")
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    membership = models.OneToOneField(
        "studies.Membership", on_delete=models.PROTECT, null=True, blank=True, related_name="invitation"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-invited_at", "-pk"]

    def __str__(self) -> str:
        return f"invitation to {self.study} as {self.role}"

    @property
    def is_open(self) -> bool:
        """Whether its link still works."""
        return self.accepted_at is None and self.withdrawn_at is None and now() < self.expires_at

    @property
    def names_a_user(self) -> bool:
        """Whether it is for one user name, and not for whoever reads the mail of an address."""
        return "@" not in self.addressee


class GroupGrantQuerySet(models.QuerySet["GroupGrant"]):
    def in_force(self) -> GroupGrantQuerySet:
        """Those that were not withdrawn, the oldest first: it decides where several grant one role."""
        return self.filter(withdrawn_at=None).order_by("pk")


class GroupGrant(models.Model):
    """A role in a study for everybody in a group of the hospital's directory, for as long as they are in it."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="group_grants")
    group = models.CharField("group's DN", max_length=1000, help_text="In lower case")
    role = models.CharField(max_length=20, choices=Role.choices)
    reader_role = models.CharField(max_length=50, blank=True)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    granted_at = models.DateTimeField(default=now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = GroupGrantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study", "group", "role"],
                condition=models.Q(withdrawn_at=None),
                name="one_grant_in_force_per_group_and_role",
            )
        ]

    def __str__(self) -> str:
        return f"{self.group} is {self.role} of {self.study}"
