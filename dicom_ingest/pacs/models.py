"""Remote systems, and the queues of what is brought in from them and sent to them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now

from dicom_ingest.models import Exam, Instance
from dicom_ingest.models import ae_title as is_ae_title

_credential_variable = RegexValidator(
    r"^OVERREAD_REMOTE_[A-Z0-9_]+$",
    "Name an environment variable that begins with OVERREAD_REMOTE_, so that no other secret can be sent by mistake.",
)


class Remote(models.Model):
    """A PACS, an archive or a workstation, and what it may be used for."""

    class Kind(models.TextChoices):
        DIMSE = "dimse", "DIMSE"
        DICOMWEB = "dicomweb", "DICOMweb"

    class Retrieve(models.TextChoices):
        NOTHING = "", "not allowed"
        MOVE = "c-move", "C-MOVE"
        GET = "c-get", "C-GET"
        WADO = "wado", "WADO-RS"

    class Credential(models.TextChoices):
        NONE = "", "none"
        BEARER = "bearer", "Bearer token"
        BASIC = "basic", "Basic, as user:password"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.DIMSE)
    active = models.BooleanField(default=True)

    ae_title = models.CharField("AE title", max_length=16, blank=True, validators=[is_ae_title])
    host = models.CharField(max_length=253, blank=True)
    port = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    tls = models.BooleanField("TLS", default=False, help_text="Its certificate is checked against the system's store")
    calling_ae = models.CharField(
        "calling AE title",
        max_length=16,
        default="OVERREAD",
        validators=[is_ae_title],
        help_text="What we call ourselves",
    )

    # No URLField: it refuses the short host names of a hospital's own network.
    base_url = models.CharField("base URL", max_length=200, blank=True, help_text="Before /studies")
    credential = models.CharField(max_length=8, choices=Credential.choices, blank=True)
    credential_variable = models.CharField(
        max_length=100,
        blank=True,
        validators=[_credential_variable],
        help_text="The environment variable that holds the credential; the credential itself is never stored",
    )

    may_query = models.BooleanField("may be searched", default=True)
    retrieve = models.CharField(
        "bring in by", max_length=8, choices=Retrieve.choices, blank=True, default=Retrieve.NOTHING
    )
    may_send = models.BooleanField(
        "may be sent to", default=False, help_text="Each study still needs a governance decision that names it"
    )
    commitment = models.BooleanField("ask for storage commitment", default=False)
    max_parallel = models.PositiveSmallIntegerField(default=2, validators=[MinValueValidator(1)])
    pause_seconds = models.PositiveIntegerField(default=0, help_text="Between two transfers of low priority")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        """Where it is, as people write it."""
        if self.kind == self.Kind.DICOMWEB:
            return self.base_url
        return f"{self.ae_title}@{self.host}:{self.port}{' (TLS)' if self.tls else ''}"

    def clean(self) -> None:
        """Raises ValidationError, by field, for what is missing or does not fit the kind."""
        errors = self._dimse_errors() if self.kind == self.Kind.DIMSE else self._web_errors()
        if errors:
            raise ValidationError(errors)

    def _dimse_errors(self) -> dict[str, str]:
        missing = {name: "A DIMSE remote needs it." for name in ("ae_title", "host", "port") if not getattr(self, name)}
        if self.retrieve == self.Retrieve.WADO:
            return {**missing, "retrieve": "WADO-RS needs a DICOMweb remote; choose C-MOVE or C-GET."}
        return missing

    def _web_errors(self) -> dict[str, str]:
        parts, errors = urlsplit(self.base_url), {}
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            errors["base_url"] = "A DICOMweb remote needs the http or https address before /studies."
        if parts.username or parts.password:
            errors["base_url"] = "Leave the credential out of the address; name its environment variable instead."
        if self.retrieve in {self.Retrieve.MOVE, self.Retrieve.GET}:
            errors["retrieve"] = "C-MOVE and C-GET need a DIMSE remote; choose WADO-RS."
        if self.commitment:
            errors["commitment"] = "Storage commitment needs a DIMSE remote."
        if bool(self.credential) != bool(self.credential_variable):
            errors["credential_variable"] = "Give both the kind of credential and its environment variable, or neither."
        return errors


class Transfer(models.Model):
    """A row of a queue: tried on a lease until it is done, or out of attempts."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "succeeded", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    class Priority(models.IntegerChoices):
        HIGH = 0, "High"
        ROUTINE = 5, "Routine"
        BATCH = 9, "Low"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.ROUTINE)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    reason = models.TextField(blank=True, help_text="Why it failed or waits, in words")
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=5)
    not_before = models.DateTimeField(default=now, help_text="When it is tried next")
    worker = models.CharField(max_length=200, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_final(self) -> bool:
        return self.state in {self.State.DONE, self.State.FAILED, self.State.CANCELLED}

    @property
    def is_retryable(self) -> bool:
        return self.state in {self.State.FAILED, self.State.CANCELLED}

    @property
    def is_held_back(self) -> bool:
        """Whether it waits after an attempt that went wrong."""
        return self.state == self.State.QUEUED and self.attempts > 0

    @staticmethod
    def claimable() -> Q:
        """Those that wait and are due, and those whose worker stopped renewing its lease."""
        due = Q(state=Transfer.State.QUEUED, not_before__lte=now())
        orphaned = Q(state=Transfer.State.RUNNING, lease_expires_at__lt=now(), attempts__lt=F("max_attempts"))
        return due | orphaned

    @staticmethod
    def exhausted() -> Q:
        """Those whose worker died on the last attempt they had."""
        return Q(state=Transfer.State.RUNNING, lease_expires_at__lt=now(), attempts__gte=F("max_attempts"))

    def back_off(self) -> timedelta:
        """How long to wait after the attempt that just failed: 15 s, doubled each time, an hour at most."""
        return timedelta(seconds=min(15 * 2 ** max(self.attempts - 1, 0), 3600))


class Retrieval(Transfer):
    """One exam to be brought in from a remote to one of our AE titles."""

    remote = models.ForeignKey(Remote, on_delete=models.PROTECT, related_name="retrievals")
    study_instance_uid = models.CharField(max_length=64, db_index=True)
    description = models.CharField(max_length=200, blank=True, help_text="Date, modality and description; no patient")
    called_ae = models.CharField(max_length=16, help_text="Our AE title that it comes to")
    remaining = models.PositiveIntegerField(null=True, blank=True)
    completed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    warning = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["remote", "study_instance_uid", "called_ae"],
                condition=Q(state__in=["queued", "running"]),
                name="one_open_retrieval",
            )
        ]
        ordering = ["-created_at"]

    @property
    def total(self) -> int:
        """How many instances the remote said there are, as far as it said."""
        return self.completed + self.failed + self.warning + (self.remaining or 0)


class Sending(Transfer):
    """Results of one exam on their way to a remote, for a study whose governance named it."""

    remote = models.ForeignKey(Remote, on_delete=models.PROTECT, related_name="sendings")
    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="sendings")
    study = models.SlugField(max_length=100, help_text="The validation study on whose behalf it is sent")
    commitment_uid = models.CharField(max_length=64, blank=True, db_index=True)
    commitment_asked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    @property
    def is_commitment_awaited(self) -> bool:
        """Whether the remote was asked to answer for what it took, and has not answered for all of it."""
        return bool(self.commitment_uid) and self.instances.filter(state=SentInstance.State.SENT).exists()


class SentInstance(models.Model):
    """One instance of a sending, and how far it came."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        COMMITTED = "committed", "Committed"
        FAILED = "failed", "Failed"

    sending = models.ForeignKey(Sending, on_delete=models.CASCADE, related_name="instances")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="sent")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sending", "instance"], name="one_row_per_sent_instance")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.instance_id}: {self.state}"
