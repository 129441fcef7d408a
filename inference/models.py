"""Pipelines as they were run, the jobs that ran them, and what came out."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, ExpressionWrapper, F, Q, QuerySet, Value, When
from django.utils.timezone import now

from dicom_ingest.models import AETitle, Exam, Route, Series
from inference.stage_models import Stage, StageChange

__all__ = ["StageChange"]

# How much later than an urgent one, made at the same moment, a job has its turn.
PATIENCE = {
    AETitle.Priority.URGENT: timedelta(0),
    AETitle.Priority.ROUTINE: timedelta(minutes=30),
    AETitle.Priority.BATCH: timedelta(hours=12),
}


class RegisteredModel(models.Model):
    """A versioned artifact, known by the SHA-256 digest of its files.

    Name, version, digest and backend never change; nothing but the stage does once a job has used it. PostgreSQL
    refuses the rest.
    """

    name = models.CharField(max_length=100)
    version = models.CharField(max_length=50)
    digest = models.CharField(max_length=64, unique=True)
    backend = models.CharField(max_length=20)
    files = models.JSONField(default=dict, help_text="SHA-256 by file name")
    source = models.JSONField(default=dict, help_text="Where the files come from, as its manifest says")
    card = models.JSONField(default=dict)
    signed_by = models.CharField(max_length=100, blank=True, help_text="The trusted key that signed its files")
    stage = models.CharField(max_length=11, choices=Stage.choices, default=Stage.DEVELOPMENT)
    registered_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="one_model_per_name_and_version")]
        ordering = ["name", "version"]
        verbose_name = "model"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def is_demonstration(self) -> bool:
        """True for a model that only shows how a pipeline works."""
        return bool(self.card.get("demonstration"))


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

    @property
    def is_demonstration(self) -> bool:
        """Whether its definition says that its models are for showing what the portal does."""
        return bool(self.definition.get("demonstration", False))


class JobQuerySet(models.QuerySet["Job"]):
    def claimable(self) -> JobQuerySet:
        """Queued and due, or running on a lease that its worker did not renew; and attempts are left."""
        moment = now()
        due = Q(state=Job.State.QUEUED) & (Q(not_before=None) | Q(not_before__lte=moment))
        lost = Q(state=Job.State.RUNNING, lease_expires_at__lt=moment)
        return self.filter(due | lost, attempts__lt=F("max_attempts"))

    def of_earlier_exams(self, exam: Exam, *, pipeline: str) -> JobQuerySet:
        """Those of the same pipeline, in any version, on dated exams of the same patient before `exam`."""
        if not exam.patient_id or exam.study_date is None:
            return self.none()
        return self.filter(
            exam__patient_id=exam.patient_id,
            exam__issuer_of_patient_id=exam.issuer_of_patient_id,
            exam__study_date__lt=exam.study_date,
            pipeline__name=pipeline,
            rerun_of=None,
        )

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
    RETRYABLE = frozenset({State.FAILED, State.CANCELLED})
    CANCELLABLE = frozenset({State.QUEUED, State.RUNNING})

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pipeline = models.ForeignKey(PipelineVersion, on_delete=models.PROTECT, related_name="jobs")
    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="jobs")
    route = models.ForeignKey(Route, on_delete=models.SET_NULL, null=True, related_name="jobs")
    input_series = models.ForeignKey(Series, on_delete=models.SET_NULL, null=True, related_name="jobs")
    more_series = models.ManyToManyField(
        Series, related_name="+", blank=True, help_text="The others, where a pipeline takes all that fit"
    )
    prior_series = models.ForeignKey(
        Series, on_delete=models.SET_NULL, null=True, related_name="+", help_text="Of the patient's latest earlier exam"
    )
    priority = models.CharField(
        max_length=7,
        choices=AETitle.Priority.choices,
        default=AETitle.Priority.ROUTINE,
        help_text="That of the AE title that the exam came to",
    )
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 over the input instances")
    selection = models.TextField(blank=True, help_text="Which series was chosen and why, or why none")
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who chose its series in place of the pipeline's own choice; empty when that holds",
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    reason = models.TextField(blank=True, help_text="Why it failed or was skipped, in words")
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    worker = models.CharField(max_length=200, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True, help_text="When to try again after a passing fault")
    peak_memory_mb = models.FloatField(null=True, blank=True, help_text="Largest resident memory of its process, MiB")
    rerun_of = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="reruns")
    comparison = models.TextField(blank=True, help_text="In what a rerun's result differs from the first, in words")
    superseded_by = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="supersedes")
    created_at = models.DateTimeField(default=now, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    log = models.TextField(blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pipeline", "exam", "fingerprint"], condition=Q(rerun_of=None), name="one_job_per_input"
            )
        ]
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_final(self) -> bool:
        return self.state in self.FINAL

    @property
    def is_retryable(self) -> bool:
        return self.state in self.RETRYABLE

    @property
    def is_cancellable(self) -> bool:
        return self.state in self.CANCELLABLE

    @property
    def is_rerun(self) -> bool:
        """Whether it only shows if an earlier job's result comes out again."""
        return self.rerun_of_id is not None

    @property
    def is_rerunnable(self) -> bool:
        """Whether there is a result that running it again could be compared with."""
        return self.state in {self.State.SUCCEEDED, self.State.SUPERSEDED} and not self.is_rerun

    @property
    def waits_for_comparison(self) -> bool:
        """Whether it is a rerun that succeeded and has not been compared with its first job."""
        return self.is_rerun and self.state == self.State.SUCCEEDED and not self.comparison

    @property
    def waits_for_time(self) -> bool:
        """Whether it is queued, but not before a moment still to come."""
        return self.state == self.State.QUEUED and self.not_before is not None and self.not_before > now()

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
    started = models.FloatField(default=0.0, help_text="Seconds from the run's begin")
    seconds = models.FloatField()
    peak_memory_mb = models.FloatField(help_text="Peak resident memory of the worker meanwhile, MiB")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "position"], name="one_run_per_position")]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.step}: {self.seconds:.2f} s"


class ResultQuerySet(models.QuerySet["Result"]):
    def current(self) -> ResultQuerySet:
        """Those of jobs that nothing superseded; a rerun only shows whether the first can be repeated."""
        return self.filter(job__state=Job.State.SUCCEEDED, job__rerun_of=None)

    def series(self) -> QuerySet[Series]:
        """The series that they left in the store: segmentations, reports, captures and whatever else is DICOM."""
        files = ResultObject.objects.filter(result__in=self.values("pk"))
        return Series.objects.filter(Q(pk__in=self.values("segmentation")) | Q(pk__in=files.values("series")))


class Result(models.Model):
    """What a job produced."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="result")
    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="results")
    segmentation = models.ForeignKey(Series, on_delete=models.PROTECT, null=True, related_name="results")
    is_urgent = models.BooleanField(default=False, help_text="The pipeline's triage asks for it to be read first")
    notes = models.TextField(blank=True, help_text="Why a measurement is not there, in words")
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
    structure = models.CharField(max_length=64, blank=True, help_text="Label of the segment that was measured")
    alert_change_percent = models.FloatField(
        null=True, blank=True, help_text="Change against the baseline that is flagged, % of the baseline"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["result", "name"], name="one_value_per_name")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.name} {self.value:.1f} {self.unit}"


class ResultObject(models.Model):
    """One file that a result left behind: a DICOM series in the store, or a file beside it."""

    result = models.ForeignKey(Result, on_delete=models.CASCADE, related_name="files")
    kind = models.CharField(max_length=10, help_text="seg, sr, rtstruct, capture, pdf or nifti")
    series = models.ForeignKey(Series, on_delete=models.PROTECT, null=True, related_name="+")
    path = models.CharField(max_length=200, blank=True, help_text="Below the store, where it is not DICOM")
    sha256 = models.CharField(max_length=64)
    bytes = models.PositiveBigIntegerField()
    description = models.CharField(max_length=200)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.description


class Finding(models.Model):
    """What was found in one place of one image, or of an exam as a whole; edges in pixels of the original image."""

    class Kind(models.TextChoices):
        BOX = "box", "Box"
        CLASS = "class", "Class"

    result = models.ForeignKey(Result, on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=5, choices=Kind.choices)
    name = models.CharField(max_length=100, help_text="The region of a box, or the name of the classification")
    label = models.CharField(max_length=100, help_text="The most probable of the probabilities")
    probability = models.FloatField()
    probabilities = models.JSONField()
    sop_instance_uid = models.CharField(max_length=64, blank=True)
    top = models.FloatField(null=True)
    left = models.FloatField(null=True)
    bottom = models.FloatField(null=True)
    right = models.FloatField(null=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.name}: {self.label} ({self.probability:.2f})"


class Agreement(models.Model):
    """How far two current results of one exam agree on one structure that both segmented."""

    first = models.ForeignKey(Result, on_delete=models.CASCADE, related_name="agreements_as_first")
    second = models.ForeignKey(Result, on_delete=models.CASCADE, related_name="agreements_as_second")
    structure = models.CharField(max_length=64)
    dice = models.FloatField(help_text="2 |A and B| / (|A| + |B|), 0 to 1")
    first_ml = models.FloatField()
    second_ml = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["first", "second", "structure"], name="one_agreement_per_structure")
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.structure}: Dice {self.dice:.3f}"


class PipelineLimits(models.Model):
    """How a site runs one pipeline, in all its versions. None of it changes what comes out."""

    name = models.SlugField(max_length=100, unique=True)
    concurrency = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How many of its jobs may run at once; empty for no limit"
    )
    batch_size = models.PositiveSmallIntegerField(
        default=1,
        help_text="How many waiting jobs one worker may run together, for throughput; 1 gives the first result soonest",
    )
    soft_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="After so long a job is told to stop; empty for the installation's limit"
    )
    hard_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="After so long its process is killed; empty for the installation's limit"
    )
    memory_mb = models.PositiveIntegerField(
        null=True, blank=True, help_text="What its process may take, MiB; empty for the installation's limit"
    )
    is_paused = models.BooleanField(default=False, help_text="Its jobs wait until this is taken back")

    class Meta:
        ordering = ["name"]
        verbose_name = "pipeline's limits"
        verbose_name_plural = "limits of pipelines"

    def __str__(self) -> str:
        return self.name
