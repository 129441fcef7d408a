"""Reads: who reads which case in which arm, in which order, and what was answered."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from dicom_ingest.models import Series
from feedback.models import Form, Response
from studies.case_models import Case


class StudySeed(models.Model):
    """The seed from which a study's cases are dealt to blocks. Stored when its first case is dealt out."""

    study = models.OneToOneField("studies.Study", on_delete=models.CASCADE, related_name="seed")
    seed = models.CharField(max_length=64)
    drawn_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"seed of {self.study}"


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
    def counting(self) -> ReadQuerySet:
        """Those of the stage that their study is in: pilot reads in its pilot, no others ever after."""
        pilot = Q(study__stage="pilot")
        return self.filter(pilot & Q(is_pilot=True) | ~pilot & Q(is_pilot=False))

    def due(self) -> ReadQuerySet:
        """Those that may be opened now: not done, past their washout, and with nothing that must come before."""
        ready = Q(not_before=None) | Q(not_before__lte=now())
        first = Q(after=None) | Q(after__state=Read.State.SUBMITTED)
        return self.counting().filter(ready, first, state__in=Read.OPEN, study__stage__in=["pilot", "active"])


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
        PANEL = "panel", "Panel"
        ANNOTATION = "annotation", "Annotation"

    class Withdrawal(models.TextChoices):
        READER_LEFT = "reader-left", "The reader left the study"
        CASE_LEFT = "case-left", "The case is not enrolled any more"
        COORDINATOR = "coordinator", "By a coordinator"

    OPEN = (State.ASSIGNED, State.OPENED)
    DECIDING = (Kind.ADJUDICATION, Kind.PANEL)
    """What an adjudicator is given: a disagreement to settle, or to write down what a panel found."""

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
    due_at = models.DateTimeField(null=True, blank=True, help_text="When it is expected, once it may be opened")
    claim = models.CharField(max_length=32, blank=True, help_text="Of the one window that may save and submit")
    active_seconds = models.FloatField(default=0.0, help_text="With the page visible and its reader not idle")
    counted_at = models.DateTimeField(null=True, blank=True, help_text="Until when active_seconds is counted")
    withdrawal = models.CharField(max_length=12, choices=Withdrawal.choices, blank=True)
    withdrawn_reason = models.TextField(blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = ReadQuerySet.as_manager()

    class Meta:
        ordering = ["study", "reader", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["case", "reader", "kind", "condition", "occasion"], name="one_read_per_sitting"
            ),
            models.UniqueConstraint(fields=["study", "reader", "position"], name="one_read_per_position"),
            models.UniqueConstraint(
                fields=["case", "condition"],
                condition=Q(kind__in=["adjudication", "panel"]) & ~Q(state="withdrawn"),
                name="one_decision_per_condition",
            ),
            models.UniqueConstraint(
                fields=["case", "condition"],
                condition=Q(kind="annotation") & ~Q(state="withdrawn"),
                name="one_annotation_per_arm",
            ),
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


class ReadReport(models.Model):
    """Measurements and annotations that a reader drew in the viewer and saved. PostgreSQL keeps it as it is.

    Viewers send all that is drawn each time, so the newest of a read counts. What was sent stays in the store, whole;
    `series` holds the same in the exam's own UIDs.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    read = models.ForeignKey(Read, on_delete=models.PROTECT, related_name="reports")
    series = models.OneToOneField(Series, on_delete=models.PROTECT, related_name="read_report")
    measurements = models.JSONField(
        help_text="Of each that was drawn: finding, site, label, and values with their unit"
    )
    sent_uid = models.CharField(max_length=64, help_text="SOP Instance UID under which it was sent")
    original = models.CharField(max_length=200, help_text="What was sent, from the store's root")
    sha256 = models.CharField(max_length=64, help_text="Of what was sent")
    made_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["-made_at"]
        constraints = [models.UniqueConstraint(fields=["read", "sent_uid"], name="one_report_per_object_sent")]

    def __str__(self) -> str:
        return f"{len(self.measurements)} measurements of {self.read}"
