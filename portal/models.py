"""Accounts. Roles are granted study by study, in `studies.Membership`."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person who signs in. `is_superuser` runs the portal; what others may do comes from their studies."""
