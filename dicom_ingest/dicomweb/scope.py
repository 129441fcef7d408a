"""What one DICOMweb root may show."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from dicom_ingest.dicomweb.refusals import NotThere
from dicom_ingest.models import Exam, ExamQuerySet, Instance, Series, SeriesQuerySet
from dicom_ingest.store import MalformedUID, checked_uid
from portal.models import User


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the path of a request names below its root; "" for what it does not name."""

    study: str = ""
    series: str = ""
    instance: str = ""
    frames: str = ""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The exams and series that a request may see; an instance is visible when its series is.

    Superseded series are not `listed`: searches and whole studies leave them out, and only a request that names
    such a series by its UID gets it.
    """

    exams: ExamQuerySet
    series: SeriesQuerySet

    @classmethod
    def of_user(cls, user: User) -> Scope:
        """Everything in the exams of the studies in which `user` may view exams."""
        # Wrapped, so that the joins of `visible_to` cannot multiply rows or counts of what is built on it.
        exams = Exam.objects.filter(pk__in=Exam.objects.visible_to(user).values("pk"))
        return cls(exams=exams, series=Series.objects.filter(exam__in=exams.values("pk")))

    @property
    def listed(self) -> SeriesQuerySet:
        return self.series.current()

    @property
    def instances(self) -> QuerySet[Instance]:
        return Instance.objects.filter(series__in=self.series.values("pk"))

    def find_exam(self, target: Target) -> Exam:
        """The exam. Raises NotThere."""
        exam = self.exams.filter(study_instance_uid=_uid(target.study)).first()
        if exam is None:
            raise NotThere
        return exam

    def find_series(self, target: Target) -> Series:
        """The series, with its exam, superseded or not. Raises NotThere."""
        found = (
            self.series.filter(series_instance_uid=_uid(target.series), exam__study_instance_uid=_uid(target.study))
            .select_related("exam")
            .first()
        )
        if found is None:
            raise NotThere
        return found

    def find_instance(self, target: Target) -> Instance:
        """The instance, with its series and exam. Raises NotThere."""
        found = (
            self.instances.filter(
                sop_instance_uid=_uid(target.instance),
                series__series_instance_uid=_uid(target.series),
                series__exam__study_instance_uid=_uid(target.study),
            )
            .select_related("series__exam")
            .first()
        )
        if found is None:
            raise NotThere
        return found


def _uid(text: str) -> str:
    try:
        return checked_uid(text)
    except MalformedUID as malformed:
        raise NotThere from malformed
