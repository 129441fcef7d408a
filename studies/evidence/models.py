"""How far segmentations of one case agree: computed once by a worker, and kept for every page that asks."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from dicom_ingest.models import Series

UNDER_WAY = "A worker is comparing them, or was stopped while it did."
"""The problem of a comparison that was begun and not finished."""


class MaskComparison(models.Model):
    """Two segmentations of one exam, laid on the grid of the images that they were made from."""

    first = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="+", help_text="An arm's")
    second = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="+", help_text="The truth, or an arm's")
    problem = models.TextField(blank=True, help_text="Why they cannot be compared, in words; empty where they were")
    compared_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["first", "second"], name="one_comparison_per_pair")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.first_id} against {self.second_id}"


class StructureOverlap(models.Model):
    """One structure of both. A segmentation that does not draw it has an empty mask of it."""

    comparison = models.ForeignKey(MaskComparison, on_delete=models.CASCADE, related_name="structures")
    position = models.PositiveSmallIntegerField()
    structure = models.CharField(max_length=64)
    dice = models.FloatField(null=True, help_text="2 |A and B| / (|A| + |B|), 0 to 1; empty where both are empty")
    first_ml = models.FloatField(null=True, help_text="Empty where the images have no volume, such as a projection")
    second_ml = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["comparison", "position"], name="one_overlap_per_structure")]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.structure}: Dice {'none' if self.dice is None else f'{self.dice:.3f}'}"
