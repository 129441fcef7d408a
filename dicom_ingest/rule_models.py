"""Routing rules, their versions, and what each said of each exam."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.timezone import now

from dicom_ingest import conditions, pipeline_names
from dicom_ingest.validators import ae_title

if TYPE_CHECKING:
    from dicom_ingest.models import Exam


def check_expression(expression: str) -> None:
    """Raises ValidationError with what is wrong in a rule's expression."""
    try:
        conditions.check(expression, conditions.ROUTING)
    except ValueError as fault:
        end = "" if str(fault).endswith("?") else "."
        raise ValidationError(f"The expression cannot be used: {fault}{end}") from fault


def check_pipelines(names: list[str]) -> None:
    """Raises ValidationError for names of which there is no pipeline here."""
    if problems := list(filter(None, map(pipeline_names.problem, names))):
        raise ValidationError(problems)


def check_ae_titles(titles: list[str]) -> None:
    """Raises ValidationError when one of them is no AE title."""
    for title in titles:
        ae_title(title)


class RuleContent(models.Model):
    """What a rule says. A change of it makes a new version."""

    expression = models.TextField(
        max_length=conditions.LONGEST, validators=[check_expression], help_text="CEL; true for one of the exam's series"
    )
    pipelines = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        validators=[check_pipelines],
        help_text="Names of the pipelines that run on exams that match, separated by commas; without any, nothing runs",
    )
    called_ae_titles = ArrayField(
        models.CharField(max_length=16),
        default=list,
        blank=True,
        validators=[check_ae_titles],
        verbose_name="called AE titles",
        help_text="The AE titles whose exams are asked about, separated by commas; without any, all exams are",
    )

    class Meta:
        abstract = True

    def says_the_same_as(self, other: RuleContent) -> bool:
        """Whether a change from one to the other is none."""
        return all(getattr(self, field) == getattr(other, field) for field in CONTENT)

    def applies_to(self, called_ae: str) -> bool:
        """Whether exams sent to `called_ae` are asked about."""
        return not self.called_ae_titles or called_ae in self.called_ae_titles


CONTENT = ("expression", "pipelines", "called_ae_titles")


class Rule(RuleContent):
    """Which exams go to which pipelines. Changed through `dicom_ingest.rules.save` alone, which keeps its versions."""

    name = models.CharField(max_length=100, unique=True)
    description = models.TextField(blank=True, help_text="What it is for, in a sentence")
    active = models.BooleanField(default=False, help_text="Asked about every exam that completes from then on")
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def current_version(self) -> RuleVersion:
        """What the rule says now."""
        return self.versions.get(number=self.version)


class RuleVersion(RuleContent):
    """A rule as it was worded at one time. Never changed."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "number"], name="one_rule_version_per_number")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.rule}, version {self.number}"


class RuleVerdictQuerySet(models.QuerySet["RuleVerdict"]):
    def of_exam(self, exam: Exam) -> RuleVerdictQuerySet:
        """The last word of each rule on `exam`, rules by name."""
        latest = self.filter(exam=exam, is_latest=True).select_related("version__rule", "route")
        return latest.order_by("version__rule__name", "route_id")

    def needing_attention(self) -> RuleVerdictQuerySet:
        """Those of active rules that could not decide, and have not since."""
        return self.filter(outcome=RuleVerdict.Outcome.ERROR, is_latest=True, version__rule__active=True)


class RuleVerdict(models.Model):
    """What one version of a rule said of an exam that had completed on a route."""

    class Outcome(models.TextChoices):
        MATCHED = "matched", "Matched"
        NOT_MATCHED = "not-matched", "Not matched"
        ERROR = "error", "Cannot be decided"

    version = models.ForeignKey(RuleVersion, on_delete=models.CASCADE, related_name="verdicts")
    exam = models.ForeignKey("dicom_ingest.Exam", on_delete=models.CASCADE, related_name="rule_verdicts")
    route = models.ForeignKey("dicom_ingest.Route", on_delete=models.CASCADE, related_name="rule_verdicts")
    completed_at = models.DateTimeField(help_text="Which completion of the exam on that route was judged")
    judged_at = models.DateTimeField(default=now)
    outcome = models.CharField(max_length=11, choices=Outcome.choices)
    is_latest = models.BooleanField(
        default=True, help_text="Until the rule says another thing of the exam on that route"
    )
    explanation = models.TextField(help_text="The series that matched, or the part that each failed, with the values")

    objects = RuleVerdictQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "route", "completed_at"], name="one_verdict_per_completion")
        ]
        indexes = [models.Index(fields=["outcome", "judged_at"], name="rule_verdict_outcome")]
        ordering = ["-judged_at"]

    def __str__(self) -> str:
        return f"{self.version} of {self.exam_id}: {self.outcome}"


def verdicts_since(rule: Rule, since: datetime) -> models.QuerySet[RuleVerdict]:
    """The last verdicts of `rule` on each route, of those given after `since`."""
    return RuleVerdict.objects.filter(version__rule=rule, judged_at__gte=since, is_latest=True)
