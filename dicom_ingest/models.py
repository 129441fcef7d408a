"""What was received: exams, their series and instances, the routes they came by, and what was refused."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.timezone import now

from dicom_ingest.rule_models import Rule, RuleVerdict, RuleVersion
from dicom_ingest.validators import ae_title, network, storage_class
from portal.access import Capability, Viewer, ae_titles_where, exams_where

__all__ = ["Rule", "RuleVerdict", "RuleVersion", "ae_title"]

DEFAULT_QUIET_SECONDS = 30
STOW_AE_TITLE = "STOW-RS"  # what stands in a route for an AE title when the exam came over DICOMweb


class AETitleQuerySet(models.QuerySet["AETitle"]):
    def sendable_by(self, user: Viewer) -> AETitleQuerySet:
        """The active ones to which `user` may send exams."""
        return self.filter(ae_titles_where(user, Capability.SEND_EXAMS), active=True)


class AETitle(models.Model):
    """A called AE title: where it is told that exams sent there go to a pipeline, and who may send what."""

    class Priority(models.TextChoices):
        URGENT = "urgent", "Urgent"
        ROUTINE = "routine", "Routine"
        BATCH = "batch", "Batch"

    title = models.CharField(max_length=16, unique=True, validators=[ae_title])
    description = models.CharField(max_length=200, blank=True)
    pipeline = models.SlugField(max_length=100, blank=True, help_text="Name of the pipeline that runs on each exam")
    quiet_period_seconds = models.PositiveIntegerField(
        default=DEFAULT_QUIET_SECONDS, help_text="An exam is complete when nothing more of it arrived for so long"
    )
    active = models.BooleanField(default=True)
    priority = models.CharField(max_length=7, choices=Priority.choices, default=Priority.ROUTINE)
    accepted_sop_classes = ArrayField(
        models.CharField(max_length=64, validators=[storage_class]),
        default=list,
        blank=True,
        help_text="UIDs of the storage classes taken, with commas between; none for all of the standard",
    )
    allowed_calling_aes = ArrayField(
        models.CharField(max_length=16, validators=[ae_title]),
        default=list,
        blank=True,
        verbose_name="allowed calling AE titles",
        help_text="With commas between; none for all",
    )
    allowed_addresses = ArrayField(
        models.CharField(max_length=49, validators=[network]),
        default=list,
        blank=True,
        help_text="Addresses and networks such as 10.1.2.0/24, with commas between; none for all",
    )
    maximum_associations = models.PositiveSmallIntegerField(default=0, help_text="At a time; 0 for no limit of its own")

    objects = AETitleQuerySet.as_manager()

    class Meta:
        ordering = ["title"]
        verbose_name = "AE title"

    def __str__(self) -> str:
        return self.title


class ExamQuerySet(models.QuerySet["Exam"]):
    def visible_to(self, user: Viewer, capability: Capability = Capability.VIEW_EXAMS) -> ExamQuerySet:
        """Those in whose studies `user` holds `capability`."""
        return self.filter(exams_where(user, capability))

    def newest_first(self) -> ExamQuerySet:
        """By date and time of the exam, those without a date last; one index holds them in this order."""
        return self.order_by(models.F("study_date").desc(nulls_last=True), "-study_time", "-pk")


class Exam(models.Model):
    """What DICOM calls a study: one patient, one visit."""

    study_instance_uid = models.CharField(max_length=64, unique=True)
    patient_id = models.CharField(max_length=64, blank=True, db_index=True)
    issuer_of_patient_id = models.CharField(max_length=64, blank=True)
    patient_name = models.CharField(max_length=324, blank=True)
    patient_birth_date = models.DateField(null=True, blank=True)
    patient_sex = models.CharField(max_length=16, blank=True)
    accession_number = models.CharField(max_length=16, blank=True, db_index=True)
    study_id = models.CharField(max_length=16, blank=True)
    study_date = models.DateField(null=True, blank=True)
    study_time = models.CharField(max_length=14, blank=True, help_text="DICOM TM as received")
    study_description = models.CharField(max_length=64, blank=True)
    referring_physician_name = models.CharField(max_length=324, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)

    objects = ExamQuerySet.as_manager()

    class Meta:
        ordering = ["-study_date", "-received_at"]
        # For the groups of a patient's name and for `Instance`'s count, migration 0002 holds what Django cannot say.
        indexes = [
            models.Index(
                models.F("study_date").desc(nulls_last=True),
                models.F("study_time").desc(),
                models.F("id").desc(),
                name="exam_newest_first",
            )
        ]

    def __str__(self) -> str:
        return self.study_instance_uid

    @property
    def patient_label(self) -> str:
        """The patient's name as people write it."""
        family, _, given = self.patient_name.partition("=")[0].partition("^")
        return ", ".join(part for part in (family, given.replace("^", " ").strip()) if part) or "no name"


class Route(models.Model):
    """One way an exam came in: the called AE title, and whether everything sent there has arrived."""

    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="routes")
    called_ae = models.CharField(max_length=16)
    calling_ae = models.CharField(max_length=16, blank=True)
    instances: models.ManyToManyField[Instance, models.Model] = models.ManyToManyField(
        "Instance", related_name="routes", help_text="Those that came this way"
    )
    received_instances = models.PositiveIntegerField(default=0, help_text="How many of them, each counted once")
    first_instance_at = models.DateTimeField(default=now)
    last_instance_at = models.DateTimeField(default=now)
    completed_at = models.DateTimeField(null=True, blank=True, help_text="Cleared when a late instance arrives")
    dispatched_at = models.DateTimeField(null=True, blank=True, help_text="When the pipelines were given this exam")
    dispatch_problem = models.TextField(blank=True, help_text="Why no pipeline could be given this exam, in words")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["exam", "called_ae"], name="one_route_per_called_ae")]
        ordering = ["first_instance_at"]

    def __str__(self) -> str:
        return f"{self.exam_id} by {self.called_ae}"

    @property
    def is_complete(self) -> bool:
        return self.completed_at is not None

    def is_quiet(self, *, for_seconds: float, at: datetime | None = None) -> bool:
        """Whether nothing of the exam arrived on this route for `for_seconds`."""
        return (at or now()) - self.last_instance_at >= timedelta(seconds=for_seconds)


class SeriesQuerySet(models.QuerySet["Series"]):
    def current(self) -> SeriesQuerySet:
        """Those that no newer result superseded."""
        return self.filter(superseded_at=None)

    def for_everybody(self) -> SeriesQuerySet:
        """Those that whoever may see the exam sees: none that a person deposited."""
        return self.exclude(origin__in=self.model.DEPOSITED)


class Series(models.Model):
    """One series of an exam: received, made by a pipeline, or deposited by a person over what a pipeline made.

    What people deposit reaches no pipeline, no search, no other reader and no PACS.
    """

    class Origin(models.TextChoices):
        RECEIVED = "received", "Received"
        DERIVED = "derived", "Made by a pipeline"
        CORRECTED = "corrected", "Corrected by a person"
        DRAWN = "drawn", "Given by an annotator"
        MEASURED = "measured", "Measured by a reader"

    DEPOSITED = (Origin.CORRECTED, Origin.DRAWN, Origin.MEASURED)

    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="series")
    series_instance_uid = models.CharField(max_length=64, unique=True)
    origin = models.CharField(max_length=9, choices=Origin.choices, default=Origin.RECEIVED)
    modality = models.CharField(max_length=16)
    series_number = models.IntegerField(null=True, blank=True)
    series_description = models.CharField(max_length=64, blank=True)
    series_date = models.DateField(null=True, blank=True)
    series_time = models.CharField(max_length=14, blank=True)
    performed_procedure_step_start_date = models.DateField(null=True, blank=True)
    performed_procedure_step_start_time = models.CharField(max_length=14, blank=True)
    # Of the items of RequestAttributesSequence, in their order, with backslashes between.
    scheduled_procedure_step_ids = models.CharField(max_length=256, blank=True)
    requested_procedure_ids = models.CharField(max_length=256, blank=True)
    instance_count = models.PositiveIntegerField(default=0, editable=False, help_text="Kept by a trigger on Instance")
    superseded_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(default=now, help_text="When its last instance was filed")

    objects = SeriesQuerySet.as_manager()

    class Meta:
        ordering = ["series_number", "pk"]
        verbose_name_plural = "series"
        indexes = [
            models.Index(
                fields=["modality", "exam"], condition=models.Q(superseded_at=None), name="series_current_by_modality"
            )
        ]

    def __str__(self) -> str:
        return self.series_instance_uid


class Instance(models.Model):
    """One stored SOP instance. The file is as received; its header is kept beside it as DICOM JSON."""

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="instances")
    sop_instance_uid = models.CharField(max_length=64, unique=True)
    sop_class_uid = models.CharField(max_length=64)
    transfer_syntax_uid = models.CharField(max_length=64)
    instance_number = models.IntegerField(null=True, blank=True)
    rows = models.PositiveIntegerField(null=True, blank=True)
    columns = models.PositiveIntegerField(null=True, blank=True)
    number_of_frames = models.PositiveIntegerField(default=1)
    frames = models.JSONField(
        default=list,
        help_text="[offset, length] in bytes of each frame in the file, and its first bit where frames share bytes",
    )
    sha256 = models.CharField(max_length=64, help_text="Of the dataset as sent, file meta information left out")
    size = models.BigIntegerField(help_text="Bytes of the stored file")
    repeats = models.PositiveIntegerField(default=0, help_text="How often the same bytes arrived again")
    received_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["instance_number", "pk"]

    def __str__(self) -> str:
        return self.sop_instance_uid


class QuarantinedInstance(models.Model):
    """Bytes that were acknowledged and could not be filed, with the reason. Nothing of them is lost."""

    class Reason(models.TextChoices):
        NOT_DICOM = "not-dicom", "Not DICOM"
        TRUNCATED = "truncated", "Truncated"
        NO_PIXELS = "no-pixels", "Image without pixel data"
        BAD_UID = "bad-uid", "Malformed UID"
        MISSING_ATTRIBUTE = "missing-attribute", "Required attribute missing"
        CONFLICT = "conflict", "Same SOP Instance UID, other content"
        NOT_FILED = "not-filed", "Overread could not file it"

    reason = models.CharField(max_length=20, choices=Reason.choices)
    explanation = models.TextField()
    file_name = models.CharField(max_length=80, unique=True, help_text="In OVERREAD_STORE/quarantine")
    called_ae = models.CharField(max_length=16, blank=True)
    calling_ae = models.CharField(max_length=16, blank=True)
    size = models.BigIntegerField()
    received_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["-received_at"]

    def __str__(self) -> str:
        return f"{self.reason}: {self.file_name}"


class DiscardedInstance(models.Model):
    """What somebody deleted from the quarantine for good: kept as a record of what it was, who did it and why."""

    reason = models.CharField(max_length=20, choices=QuarantinedInstance.Reason.choices)
    explanation = models.TextField()
    file_name = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64, help_text="Of the whole file")
    called_ae = models.CharField(max_length=16, blank=True)
    calling_ae = models.CharField(max_length=16, blank=True)
    size = models.BigIntegerField()
    received_at = models.DateTimeField()
    discarded_at = models.DateTimeField(default=now)
    discarded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=200)

    class Meta:
        ordering = ["-discarded_at"]

    def __str__(self) -> str:
        return f"{self.reason}: {self.file_name}"


class RejectedAssociation(models.Model):
    """Associations that were refused, one row per kind of refusal and peer."""

    called_ae = models.CharField(max_length=16)
    calling_ae = models.CharField(max_length=16)
    address = models.GenericIPAddressField()
    explanation = models.CharField(max_length=200)
    count = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["called_ae", "calling_ae", "address", "explanation"], name="one_row_per_kind_of_refusal"
            )
        ]
        ordering = ["-last_at"]

    def __str__(self) -> str:
        return f"{self.calling_ae} to {self.called_ae}"


# Django finds models here only; those of the exchange with remotes live beside their code and refer to the ones above.
from dicom_ingest.pacs.models import Remote, Retrieval, Sending, SentInstance  # noqa: E402

__all__ = [
    "DEFAULT_QUIET_SECONDS",
    "STOW_AE_TITLE",
    "AETitle",
    "Exam",
    "ExamQuerySet",
    "Instance",
    "QuarantinedInstance",
    "RejectedAssociation",
    "Remote",
    "Retrieval",
    "Route",
    "Sending",
    "SentInstance",
    "Series",
    "SeriesQuerySet",
    "ae_title",
]
