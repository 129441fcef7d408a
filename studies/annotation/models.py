"""Masks as people gave them, each with what was sent."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from dicom_ingest.models import Series
from inference.models import Result


class ArmMask(models.Model):
    """A mask of one case that somebody gave an arm. Only added to: in a read the newest is what its annotator submits.

    PostgreSQL keeps it as it is. What was sent stays in the store, whole; `series` is the same on the images' own grid.
    """

    class Way(models.TextChoices):
        SEG = "seg", "Uploaded as DICOM SEG"
        NIFTI = "nifti", "Uploaded as NIfTI"
        VIEWER = "viewer", "Drawn in the viewer"
        ABSENT = "absent", "Said to be absent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey("studies.Case", on_delete=models.PROTECT, related_name="masks")
    arm = models.CharField(max_length=50, help_text="Key of the arm in the protocol")
    read = models.ForeignKey(
        "studies.Read",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="masks",
        help_text="The annotator's read; empty where somebody uploaded it on the case's page",
    )
    way = models.CharField(max_length=7, choices=Way.choices)
    series = models.OneToOneField(Series, on_delete=models.PROTECT, related_name="arm_mask", help_text="The stored SEG")
    source = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="+", help_text="Whose images it lies on")
    structures = models.JSONField(help_text="Number, label and volume in ml of each, in the order of the segments")
    started_from = models.ForeignKey(
        Result, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Whose mask was begun with"
    )
    file_name = models.CharField(max_length=200, blank=True, help_text="As its sender calls it")
    original = models.CharField(max_length=200, blank=True, help_text="What was sent, from the store's root")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the whole file that was sent")
    note = models.TextField(blank=True, help_text="Who made it, where somebody else uploaded it")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["-made_at"]
        indexes = [models.Index(fields=["read", "made_at"]), models.Index(fields=["case", "arm"])]

    def __str__(self) -> str:
        return f"{self.arm} of {self.case}, {self.get_way_display().lower()}"

    @property
    def is_absent(self) -> bool:
        return self.way == self.Way.ABSENT
