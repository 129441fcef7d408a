"""Validation studies: who takes part, and which exams are enrolled."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.timezone import now

from dicom_ingest.models import AETitle, Remote, Retrieval
from feedback.models import Form
from portal.access import Role


class Study(models.Model):
    """A validation study. Exams that complete on its AE title are screened; those that its protocol lets in are cases.

    What it is about stands in its protocol. Its title, question, form and whether its readers are blinded are kept here
    too, as the newest protocol has them, for lists and for conditions in SQL; `protocol.save` alone writes them.
    """

    class Stage(models.TextChoices):
        DRAFT = "draft", "Draft"
        PILOT = "pilot", "Pilot"
        ACTIVE = "active", "Active"
        LOCKED = "locked", "Locked"
        CLOSED = "closed", "Closed"

    slug = models.SlugField(max_length=100, unique=True)
    title = models.CharField(max_length=200)
    question = models.TextField(blank=True, help_text="What the study is to find out")
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.DRAFT)
    readers_are_blinded = models.BooleanField(
        default=False, help_text="Its readers see exams and results in their reads only"
    )
    ae_title = models.OneToOneField(AETitle, on_delete=models.PROTECT, related_name="study")
    form = models.ForeignKey(Form, on_delete=models.PROTECT, null=True, blank=True, related_name="studies")
    priors = models.PositiveSmallIntegerField(
        default=0, help_text="How many earlier exams of each new case's patient are fetched; 0 for none"
    )
    priors_modality = models.CharField(max_length=16, blank=True, help_text="Only exams with this modality; empty: any")
    priors_remote = models.ForeignKey(
        Remote, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Where they are fetched"
    )
    priors_ae_title = models.ForeignKey(
        AETitle,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="priors_of",
        help_text="What they come to; not a study's AE title, or they would become its cases",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["title"]
        verbose_name_plural = "studies"

    def __str__(self) -> str:
        return self.title

    @property
    def enrols(self) -> bool:
        """Whether exams that come now become its cases."""
        return self.stage in ENROLLING

    @property
    def is_being_read(self) -> bool:
        """Whether reads may be opened and submitted."""
        return self.stage in READING

    @property
    def wants_priors(self) -> bool:
        return bool(self.priors and self.priors_remote_id and self.priors_ae_title_id)

    def clean(self) -> None:
        """Raises ValidationError for priors that could not be fetched, or would become cases."""
        if self.priors and not self.wants_priors:
            raise ValidationError("To fetch priors, name the remote they are fetched from, and what they come to.")
        if self.priors_ae_title and (self.priors_ae_title == self.ae_title or _enrols(self.priors_ae_title)):
            raise ValidationError({"priors_ae_title": "Exams that come to it become cases of a study. Choose another."})


ENROLLING = (Study.Stage.PILOT, Study.Stage.ACTIVE)
READING = ENROLLING
"""Once locked, a study takes neither cases nor answers; once closed, nothing of it changes but its retention."""


def _enrols(ae_title: AETitle) -> bool:
    return Study.objects.filter(ae_title=ae_title).exists()


class MembershipQuerySet(models.QuerySet["Membership"]):
    def in_force(self) -> MembershipQuerySet:
        """Those that were not withdrawn. Nothing else grants anything."""
        return self.filter(withdrawn_at=None)


class Membership(models.Model):
    """A user's role in a study, and what granted it. A withdrawn one stays, since it explains what its holder did."""

    class Source(models.TextChoices):
        ADMINISTRATOR = "administrator", "Administrator"
        INVITATION = "invitation", "Invitation"
        GROUP = "group", "Directory group"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    reader_role = models.CharField(
        max_length=50, blank=True, help_text="For readers, a reader role of the protocol, such as expert; empty: none"
    )
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.ADMINISTRATOR)
    granted_at = models.DateTimeField(default=now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study", "user", "role"],
                condition=models.Q(withdrawn_at=None),
                name="one_membership_in_force_per_role",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.study}"


class StudyDestination(models.Model):
    """What a study's governance decided about sending its results to a remote. Only added to: the newest holds."""

    class What(models.TextChoices):
        RESULTS = "results", "Results are sent"
        NOTHING = "none", "Nothing is sent"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="destinations")
    remote = models.ForeignKey(Remote, on_delete=models.PROTECT, related_name="+")
    what = models.CharField(max_length=10, choices=What.choices)
    reason = models.TextField(help_text="Why, and on what grounds")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["-decided_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.study} to {self.remote}: {self.get_what_display()}"


class PriorSearch(models.Model):
    """Whether the earlier exams of a case's patient were looked for, and what came of it."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    case = models.OneToOneField("studies.Case", on_delete=models.CASCADE, related_name="prior_search")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(default=now)
    reason = models.TextField(blank=True)
    retrievals = models.ManyToManyField(Retrieval, related_name="+")

    class Meta:
        verbose_name_plural = "prior searches"

    def __str__(self) -> str:
        return f"priors of {self.case}"


from studies.annotation.models import ArmMask  # noqa: E402 - they refer to Study
from studies.blinding.models import CaseShowing  # noqa: E402
from studies.case_models import (  # noqa: E402 - they refer to Study
    ArmFinding,
    Case,
    CaseTruth,
    MissedExam,
    OutsideTable,
    PastScreening,
    QCReview,
    Screening,
    TruthVersion,
)
from studies.evidence.models import MaskComparison, StructureOverlap  # noqa: E402
from studies.evidence.report_models import StudyReport  # noqa: E402
from studies.member_models import GroupGrant, Invitation  # noqa: E402
from studies.protocol_models import ProtocolVersion, StageChange  # noqa: E402
from studies.read_models import Read, ReadingOrder, ReadReport, ReadResponse, StudySeed  # noqa: E402

__all__ = [
    "ArmFinding",
    "ArmMask",
    "Case",
    "CaseShowing",
    "CaseTruth",
    "GroupGrant",
    "Invitation",
    "MaskComparison",
    "Membership",
    "MissedExam",
    "OutsideTable",
    "PastScreening",
    "PriorSearch",
    "ProtocolVersion",
    "QCReview",
    "Read",
    "ReadReport",
    "ReadResponse",
    "ReadingOrder",
    "Screening",
    "StageChange",
    "StructureOverlap",
    "Study",
    "StudyDestination",
    "StudyReport",
    "StudySeed",
    "TruthVersion",
]
