"""What one DICOMweb root may show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from django.db.models import QuerySet

from dicom_ingest.dicomweb import decisions
from dicom_ingest.dicomweb.refusals import NotThere
from dicom_ingest.dicomweb.stored import StoredInstance, described
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
    bulkdata: str = ""


class FindsInstances(Protocol):
    """What serves single instances needs of a scope."""

    def find_instance(self, target: Target) -> StoredInstance:
        """The instance. Raises NotThere."""
        ...


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The exams and series of a scope.

    series_of_visible: `series` without the condition that the exam be visible, where they can be told apart. A search
        for exams has that condition already, and PostgreSQL judges a subquery on one table far better than on several.
    """

    exams: ExamQuerySet
    series: SeriesQuerySet
    series_of_visible: SeriesQuerySet | None = None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The exams and series that a request may see; an instance is visible when its series is.

    Superseded series are not `listed`: searches and whole studies leave them out, and only a request that names
    such a series by its UID gets it.

    see: makes the queries when they are first needed, which is a third of the work for a frame that needs none.
    name: by which what this scope may see is remembered for a moment (see `decisions`); "" where it must not be.
    """

    see: Callable[[], Seen]
    name: str = ""

    @classmethod
    def of_user(cls, user: User) -> Scope:
        """Everything in the exams of the studies in which `user` may view exams, but what people deposited."""
        return cls(see=lambda: _of_user(user), name=f"user-{user.pk}")

    @cached_property
    def seen(self) -> Seen:
        return self.see()

    @property
    def exams(self) -> ExamQuerySet:
        return self.seen.exams

    @property
    def series(self) -> SeriesQuerySet:
        return self.seen.series

    @property
    def listed(self) -> SeriesQuerySet:
        return self.series.current()

    @property
    def listed_of_visible(self) -> SeriesQuerySet:
        """Like `listed`, for use below a condition on exams that are visible."""
        of_visible = self.seen.series_of_visible
        return (self.series if of_visible is None else of_visible).current()

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

    def check_series(self, target: Target) -> None:
        """Whether this scope sees the series; costs no query when it did a moment ago. Raises NotThere."""
        seen = decisions.key("seen", self.name, _uid(target.study), _uid(target.series))
        if self.name and seen in decisions.recall(seen):
            return
        self.find_series(target)
        if self.name:
            decisions.keep({seen: True})

    def find_instance(self, target: Target) -> StoredInstance:
        """The instance. Costs no query when this scope saw another of its series a moment ago. Raises NotThere."""
        study, series, instance = _uid(target.study), _uid(target.series), _uid(target.instance)
        seen, lies = decisions.key("seen", self.name, study, series), decisions.key("lies", study, series, instance)
        known = decisions.recall(seen, lies) if self.name else {}
        if len(known) == 2:
            place: StoredInstance = known[lies]
            return place
        found = described(self._of_series(study, series).filter(sop_instance_uid=instance))
        if not found:
            raise NotThere
        if self.name:
            others = [] if lies in known else described(self._of_series(study, series))
            places = {decisions.key("lies", study, series, other.sop): other for other in others}
            decisions.keep({**places, seen: True})
        return found[0]

    def _of_series(self, study: str, series: str) -> QuerySet[Instance]:
        return self.instances.filter(
            series__series_instance_uid=series, series__exam__study_instance_uid=study
        ).order_by("instance_number", "pk")


def _of_user(user: User) -> Seen:
    exams, series = Exam.objects.visible_to(user), Series.objects.for_everybody()
    return Seen(exams=exams, series=series.filter(exam__in=exams.values("pk")), series_of_visible=series)


def _uid(text: str) -> str:
    try:
        return checked_uid(text)
    except MalformedUID as malformed:
        raise NotThere from malformed
