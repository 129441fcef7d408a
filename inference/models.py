"""Pipelines as they were run, the jobs that ran them, and what came out."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Case, ExpressionWrapper, F, Q, Value, When
from django.utils.timezone import now

from dicom_ingest.models import AETitle, Exam, Route, Series

# How much later than an urgent one, made at the same moment, a job has its turn.
PATIENCE = {
    AETitle.Priority.URGENT: timedelta(0),
    AETitle.Priority.ROUTINE: timedelta(minutes=30),
    AETitle.Priority.BATCH: timedelta(hours=12),
}


class RegisteredModel(models.Model):
    """A versioned artifact, known by the SHA-256 digest of its files. Never changed, only added to."""

    name = models.SlugField(max_length=100)
    version = models.CharField(max_length=50)
    digest = models.CharField(max_length=64, unique=True)
    backend = models.CharField(max_length=20)
    card = models.JSONField(default=dict)
    registered_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="one_model_per_name_and_version")]
        ordering = ["name", "version"]
        verbose_name = "model"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class PipelineVersion(models.Model):
    """One version of a pipeline: digest of its definition, its operators' code versions and its models."""

    name = models.SlugField(max_length=100)
    version = models.CharField(max_length=50)
    digest = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=200)
    definition = models.JSONField()
    registered_models = models.ManyToManyField(RegisteredModel, related_name="pipelines")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "-created_at"]

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.digest[:12]})"


class JobQuerySet(models.QuerySet["Job"]):
    def claimable(self) -> JobQuerySet:
        """Queued, or running on a lease that its worker did not renew; and attempts are left."""
        lost = Q(state=Job.State.RUNNING, lease_expires_at__lt=now())
        return self.filter(Q(state=Job.State.QUEUED) | lost, attempts__lt=F("max_attempts"))

    def in_turn(self) -> JobQuerySet:
        """By the time at which they were made, to which each priority adds its patience; so none waits for ever."""
        patience = Case(*(When(priority=priority, then=Value(time)) for priority, time in PATIENCE.items()))
        return self.order_by(ExpressionWrapper(F("created_at") + patience, output_field=models.DateTimeField()))

    def exhausted(self) -> JobQuerySet:
        """Running on a lapsed lease with no attempt left."""
        return self.filter(state=Job.State.RUNNING, lease_expires_at__lt=now(), attempts__gte=F("max_attempts"))


class Job(models.Model):
    """One run of one pipeline version on one input fingerprint."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"
        SUPERSEDED = "superseded", "Superseded"
        SKIPPED = "skipped", "Skipped"

    FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.SUPERSEDED, State.SKIPPED})

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pipeline = models.ForeignKey(PipelineVersion, on_delete=models.PROTECT, related_name="jobs")
    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="jobs")
    route = models.ForeignKey(Route, on_delete=models.SET_NULL, null=True, related_name="jobs")
    input_series = models.ForeignKey(Series, on_delete=models.SET_NULL, null=True, related_name="jobs")
    priority = models.CharField(
        max_length=7,
        choices=AETitle.Priority.choices,
        default=AETitle.Priority.ROUTINE,
        help_text="That of the AE title that the exam came to",
    )
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 over the input instances")
    selection = models.TextField(blank=True, help_text="Which series was chosen and why, or why none")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    reason = models.TextField(blank=True, help_text="Why it failed or was skipped, in words")
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    worker = models.CharField(max_length=200, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    superseded_by = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="supersedes")
    created_at = models.DateTimeField(default=now, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    log = models.TextField(blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pipeline", "exam", "fingerprint"], name="one_job_per_input")]
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_final(self) -> bool:
        return self.state in self.FINAL

    @property
    def is_retryable(self) -> bool:
        return self.state in {self.State.FAILED, self.State.CANCELLED}

    @property
    def is_cancellable(self) -> bool:
        return self.state in {self.State.QUEUED, self.State.RUNNING}

    @property
    def seconds(self) -> float | None:
        """Wall seconds from its last start to its end, or None before it ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class OperatorRun(models.Model):
    """The time and memory one operator took within one job."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="operators")
    position = models.PositiveSmallIntegerField()
    step = models.CharField(max_length=100)
    operator = models.CharField(max_length=100)
    seconds = models.FloatField()
    peak_memory_mb = models.FloatField(help_text="Peak resident memory of the worker meanwhile, MiB")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "position"], name="one_run_per_position")]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.step}: {self.seconds:.2f} s"


class ResultQuerySet(models.QuerySet["Result"]):
    def current(self) -> ResultQuerySet:
        """Those of jobs that nothing superseded."""
        return self.filter(job__state=Job.State.SUCCEEDED)


class Result(models.Model):
    """What a job produced."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="result")
    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="results")
    segmentation = models.ForeignKey(Series, on_delete=models.PROTECT, null=True, related_name="results")
    created_at = models.DateTimeField(default=now)

    objects = ResultQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return str(self.pk)


class Measurement(models.Model):
    """One number of a result, with its unit (UCUM)."""

    result = models.ForeignKey(Result, on_delete=models.CASCADE, related_name="measurements")
    name = models.CharField(max_length=100)
    value = models.FloatField()
    unit = models.CharField(max_length=20)
    alert_change_percent = models.FloatField(
        null=True, blank=True, help_text="Change against the baseline that is flagged, % of the baseline"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["result", "name"], name="one_value_per_name")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.name} {self.value:.1f} {self.unit}"
