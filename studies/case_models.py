"""Exams on their way through a study: screened, enrolled or not, with each arm's findings and the truth."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from dicom_ingest.models import Exam, Series
from inference.models import Result
from studies.cases.truth_words import said


class Screening(models.Model):
    """One exam that a study received, and whether its protocol let it in. Every received exam has one."""

    class Outcome(models.TextChoices):
        MATCHED = "matched", "Matched"
        EXCLUDED = "excluded", "Excluded"
        UNDECIDED = "undecided", "Cannot be decided"

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="screenings")
    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="screenings")
    protocol = models.ForeignKey("studies.ProtocolVersion", on_delete=models.PROTECT, related_name="+")
    is_pilot = models.BooleanField(default=False)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    criterion = models.CharField(max_length=300, blank=True, help_text="Which criterion decided; empty when matched")
    reason = models.TextField(blank=True, help_text="What it was decided by, in words")
    verdicts = models.JSONField(default=list, blank=True, help_text="What each criterion said, as a list of verdicts")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who decided what the criteria could not; empty when they did",
    )
    screened_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "exam"], name="one_screening_per_exam")]
        indexes = [models.Index(fields=["study", "outcome"])]

    def __str__(self) -> str:
        return f"{self.exam} in {self.study}: {self.get_outcome_display()}"

    @property
    def is_by_hand(self) -> bool:
        return self.decided_by_id is not None


class PastScreening(models.Model):
    """What a screening said before it was made again or decided by hand, and why. PostgreSQL keeps it as it is."""

    screening = models.ForeignKey(Screening, on_delete=models.CASCADE, related_name="history")
    protocol = models.ForeignKey("studies.ProtocolVersion", on_delete=models.PROTECT, related_name="+")
    outcome = models.CharField(max_length=10, choices=Screening.Outcome.choices)
    criterion = models.CharField(max_length=300, blank=True)
    reason = models.TextField(blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    screened_at = models.DateTimeField()
    replaced_at = models.DateTimeField(default=now)
    replaced_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    why = models.TextField(help_text="Why the exam was screened again")

    class Meta:
        ordering = ["-replaced_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.screening_id} until {self.replaced_at:%Y-%m-%d %H:%M}"


class MissedExam(models.Model):
    """An exam that came to a study's AE title while the study took none."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="missed")
    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="+")
    stage = models.CharField(max_length=10, help_text="The study's stage when it came")
    came_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "exam"], name="one_missed_exam_per_study")]
        ordering = ["-came_at"]

    def __str__(self) -> str:
        return f"{self.exam_id} missed by {self.study_id}"


class Case(models.Model):
    """One exam that a study's protocol let in, with its inclusion state."""

    class State(models.TextChoices):
        PROCESSING = "processing", "In process"
        FAILED = "failed", "Failed"
        AWAITING_QC = "awaiting-qc", "Awaits QC"
        QC_REJECTED = "qc-rejected", "Rejected by QC"
        ENROLLED = "enrolled", "Enrolled"
        EXCLUDED = "excluded", "Excluded when screened again"

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="cases")
    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="cases")
    number = models.PositiveIntegerField(help_text="Counts up within the study, in order of coming")
    screening = models.OneToOneField(Screening, on_delete=models.PROTECT, related_name="case")
    protocol = models.ForeignKey("studies.ProtocolVersion", on_delete=models.PROTECT, related_name="cases")
    is_pilot = models.BooleanField(default=False)
    state = models.CharField(max_length=12, choices=State.choices, default=State.PROCESSING)
    state_reason = models.TextField(blank=True)
    state_at = models.DateTimeField(default=now)
    qc_round = models.PositiveSmallIntegerField(
        default=0, help_text="Counts up each time the case goes to QC; earlier rounds' verdicts no longer count"
    )
    enrolled_at = models.DateTimeField(default=now, help_text="When it became a case")
    requested_at = models.DateTimeField(null=True, blank=True, help_text="When its arms' pipelines were last asked for")
    request_problem = models.TextField(blank=True, help_text="Why a pipeline could not be asked for, in words")
    looked_at = models.DateTimeField(null=True, blank=True, help_text="When findings from outside were last looked for")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "exam"], name="one_case_per_exam"),
            models.UniqueConstraint(fields=["study", "number"], name="one_case_per_number"),
        ]
        indexes = [
            models.Index(fields=["study", "state"]),
            models.Index(
                fields=["state"],
                condition=models.Q(state__in=["processing", "failed"]),
                name="case_unsettled",
            ),
        ]
        ordering = ["number"]

    def __str__(self) -> str:
        return f"case {self.number} of {self.study}"


class ArmFinding(models.Model):
    """What one arm has to say of one case. Only added to: a newer one replaces, and the older stays."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="findings")
    arm = models.CharField(max_length=50, help_text="Key of the arm in the protocol")
    result = models.ForeignKey(Result, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    series = models.ForeignKey(Series, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    values = models.JSONField(default=dict, blank=True, help_text="Of a table of outside results: column and value")
    origin = models.CharField(max_length=200, blank=True, help_text="Which import or which sender it came by")
    added_at = models.DateTimeField(default=now)
    replaced_at = models.DateTimeField(null=True, blank=True)

    table = models.ForeignKey(
        "studies.OutsideTable", on_delete=models.PROTECT, null=True, blank=True, related_name="findings"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "arm"], condition=models.Q(replaced_at=None), name="one_current_finding_per_arm"
            )
        ]

    def __str__(self) -> str:
        return f"{self.arm} of {self.case}"


class QCReview(models.Model):
    """One person's verdict on one case before readers see it. PostgreSQL keeps it; the reviewer's newest counts."""

    class Verdict(models.TextChoices):
        ACCEPT = "accept", "Accepted"
        REJECT = "reject", "Rejected"

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="qc_reviews")
    round = models.PositiveSmallIntegerField(help_text="The case's round of QC that it belongs to")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=6, choices=Verdict.choices)
    reason = models.CharField(max_length=300, blank=True, help_text="Of the protocol's list; empty when accepted")
    note = models.TextField(blank=True)
    active_seconds = models.FloatField(
        null=True, blank=True, help_text="With the case in front and its reviewer not idle; empty where none counted"
    )
    open_seconds = models.FloatField(
        null=True, blank=True, help_text="From when the server gave the case out to the verdict, idle or not"
    )
    reviewed_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["-reviewed_at", "-pk"]
        verbose_name = "QC review"

    def __str__(self) -> str:
        return f"{self.case}: {self.get_verdict_display()}"


class OutsideTable(models.Model):
    """A table that was uploaded: outside results of an arm, or the truth. Once kept, it stays as it came."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="tables")
    arm = models.CharField(max_length=50, blank=True, help_text="Key of the arm; empty for the truth")
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField(default=now)
    kept_at = models.DateTimeField(
        null=True, blank=True, help_text="When its rows were taken; empty while it is looked at"
    )

    class Meta:
        ordering = ["-uploaded_at"]

    def __str__(self) -> str:
        return self.file_name


class TruthVersion(models.Model):
    """One version of a study's reference standard. Locked, it is never changed again; the newest locked one counts."""

    class Source(models.TextChoices):
        IMPORT = "import", "Imported table"
        SEGMENTATIONS = "segmentations", "Imported segmentations"
        PANEL = "panel", "Panel"
        ADJUDICATION = "adjudication", "Adjudication"

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="truths")
    number = models.PositiveIntegerField(help_text="Counts up within the study")
    source = models.CharField(max_length=15, choices=Source.choices)
    reason = models.TextField(blank=True, help_text="Why there is a new version")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=now)
    locked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    locked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["study", "-number"]
        constraints = [models.UniqueConstraint(fields=["study", "number"], name="one_truth_per_number")]

    def __str__(self) -> str:
        return f"truth v{self.number} of {self.study}"

    @property
    def is_locked(self) -> bool:
        return self.locked_at is not None


class CaseTruth(models.Model):
    """The truth of one case in one version: answers by key, and a segmentation where there is one."""

    version = models.ForeignKey(TruthVersion, on_delete=models.CASCADE, related_name="cases")
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="truths")
    values = models.JSONField(default=dict, blank=True)
    series = models.ForeignKey(Series, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "case"], name="one_truth_per_case")]

    def __str__(self) -> str:
        return f"{self.case} in {self.version}"

    @property
    def words(self) -> list[tuple[str, str]]:
        """Each key with its value as people read it."""
        return [(key, said(value)) for key, value in self.values.items()]
