"""Reads: who reads which case in which arm, in which order, and what was answered."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from feedback.models import Form, Response
from studies.case_models import Case


class ReadingOrder(models.Model):
    """The seed from which one reader's order in a study is drawn. Stored when the reader gets the first read."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="orders")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    seed = models.CharField(max_length=64)
    block = models.PositiveSmallIntegerField(default=0, help_text="Of a split-plot or crossover design")
    drawn_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "reader"], name="one_order_per_reader")]

    def __str__(self) -> str:
        return f"order of {self.reader} in {self.study}"


class ReadQuerySet(models.QuerySet["Read"]):
    def due(self) -> ReadQuerySet:
        """Those that may be opened now: not done, past their washout, and with nothing that must come before."""
        ready = Q(not_before=None) | Q(not_before__lte=now())
        return self.filter(ready, Q(after=None) | Q(after__state=Read.State.SUBMITTED), state__in=Read.OPEN)


class Read(models.Model):
    """One reader's sitting with one case in one arm (or in several, side by side).

    position never changes once it is drawn. Both pilot and real reads are kept, and never mixed.
    """

    class State(models.TextChoices):
        ASSIGNED = "assigned", "Assigned"
        OPENED = "opened", "Opened"
        SUBMITTED = "submitted", "Submitted"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Kind(models.TextChoices):
        READ = "read", "Read"
        ADJUDICATION = "adjudication", "Adjudication"

    OPEN = (State.ASSIGNED, State.OPENED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="reads")
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="reads")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reads")
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.READ)
    arms = models.JSONField(help_text="Keys of the arms shown, in the order in which they are; empty: images alone")
    condition = models.CharField(max_length=50, help_text="What tells this read from the reader's others of the case")
    occasion = models.PositiveSmallIntegerField(default=1, help_text="2 for a read that is repeated")
    form = models.ForeignKey(Form, on_delete=models.PROTECT, related_name="+")
    protocol = models.ForeignKey("studies.ProtocolVersion", on_delete=models.PROTECT, related_name="reads")
    is_pilot = models.BooleanField(default=False)
    position = models.PositiveIntegerField(help_text="Place in the reader's order within the study")
    after = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="followers")
    washout_days = models.PositiveIntegerField(default=0, help_text="Between `after` being submitted and this read")
    not_before = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASSIGNED)
    draft = models.JSONField(default=dict, blank=True, help_text="Answers that were entered and not yet submitted")
    assigned_at = models.DateTimeField(default=now)
    opened_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)

    objects = ReadQuerySet.as_manager()

    class Meta:
        ordering = ["study", "reader", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["case", "reader", "kind", "condition", "occasion"], name="one_read_per_sitting"
            ),
            models.UniqueConstraint(fields=["study", "reader", "position"], name="one_read_per_position"),
        ]
        indexes = [models.Index(fields=["reader", "state"]), models.Index(fields=["study", "state"])]

    def __str__(self) -> str:
        return f"read {self.position} of {self.reader} in {self.study}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN


class ReadResponse(models.Model):
    """One response to a read: the first, or an amendment. It names the protocol version it was made under."""

    read = models.ForeignKey(Read, on_delete=models.PROTECT, related_name="responses")
    response = models.OneToOneField(Response, on_delete=models.PROTECT, related_name="read_response")
    protocol = models.ForeignKey("studies.ProtocolVersion", on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-response__submitted_at"]

    def __str__(self) -> str:
        return str(self.response_id)
