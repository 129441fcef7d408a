"""The rows of the audit trail. They are only ever added; PostgreSQL itself refuses anything else (migration 0002)."""

from __future__ import annotations

from django.db import models
from django.db.models.fields.json import KeyTransform

from portal.audit.origin import Via


class Entry(models.Model):
    """One thing that somebody did or saw.

    The actor is a number and a name, not a foreign key: a row says what was so when it was written, whatever becomes of
    the account. `previous` is the hash of the row before, `hash` that of this one with `previous` in it (`chain`).
    """

    number = models.PositiveBigIntegerField(primary_key=True, help_text="From 1, without a gap")
    at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True, help_text="Key of the account; empty for what is no account")
    actor = models.CharField(max_length=150, blank=True, help_text="User name at that time")
    address = models.CharField(max_length=45, blank=True)
    via = models.CharField(max_length=10, choices=[(via.value, via.value) for via in Via])
    action = models.CharField(max_length=60)
    of = models.CharField(max_length=200, blank=True, help_text="A UID, a slug or a key; never a patient's name or ID")
    study = models.CharField(max_length=100, blank=True, help_text="Slug of the study for which it was")
    detail = models.JSONField(default=dict, blank=True)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["-number"]
        verbose_name_plural = "entries"
        indexes = [
            models.Index(fields=["study", "-number"], name="entry_by_study"),
            models.Index(fields=["actor", "-number"], name="entry_by_actor"),
            models.Index(fields=["action", "-number"], name="entry_by_action"),
            models.Index(fields=["at"], name="entry_by_time"),
            models.Index(fields=["of", "-number"], name="entry_by_thing"),
            models.Index(KeyTransform("exam", "detail"), "number", name="entry_by_exam"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.action}"
