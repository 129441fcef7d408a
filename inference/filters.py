"""How lists of jobs and results are narrowed, alike on the page, on the command line and over REST."""

from __future__ import annotations

import django_filters
from django.db.models import Q, QuerySet

from dicom_ingest.models import AETitle, Route
from inference.models import Job, Result

RUNS = (("first", "First runs"), ("rerun", "Reruns"))


class ExamFilter(django_filters.FilterSet):
    """`?exam=` takes the exam's StudyInstanceUID."""

    exam = django_filters.CharFilter(field_name="exam__study_instance_uid", label="StudyInstanceUID of the exam")


class JobFilter(ExamFilter):
    """`text` is looked for in the patient's name and ID, the accession number and the StudyInstanceUID."""

    state = django_filters.ChoiceFilter(choices=Job.State.choices)
    pipeline = django_filters.CharFilter(field_name="pipeline__name", label="Name of the pipeline, in any version")
    priority = django_filters.ChoiceFilter(choices=AETitle.Priority.choices)
    text = django_filters.CharFilter(method="with_text", label="Part of patient, accession number or exam UID")
    ae_title = django_filters.CharFilter(method="that_came_to", label="AE title that the exam came to")
    since = django_filters.DateFilter(field_name="created_at", lookup_expr="date__gte", label="Made on or after")
    until = django_filters.DateFilter(field_name="created_at", lookup_expr="date__lte", label="Made on or before")
    runs = django_filters.ChoiceFilter(method="of_kind", choices=RUNS, label="First runs, or reruns")

    class Meta:
        model = Job
        fields = ["exam", "state", "pipeline", "priority", "text", "ae_title", "since", "until", "runs"]

    def with_text(self, jobs: QuerySet[Job], _name: str, text: str) -> QuerySet[Job]:
        """Those on exams that have `text` in what tells them apart."""
        return jobs.filter(
            Q(exam__accession_number__icontains=text)
            | Q(exam__patient_id__icontains=text)
            | Q(exam__patient_name__icontains=text)
            | Q(exam__study_instance_uid=text)
        )

    def that_came_to(self, jobs: QuerySet[Job], _name: str, title: str) -> QuerySet[Job]:
        """Those on exams that came to an AE title, whichever route each was made for."""
        return jobs.filter(exam__in=Route.objects.filter(called_ae=title).values("exam"))

    def of_kind(self, jobs: QuerySet[Job], _name: str, runs: str) -> QuerySet[Job]:
        """First runs or reruns."""
        return jobs.filter(rerun_of__isnull=runs == "first")


class ResultFilter(ExamFilter):
    pipeline = django_filters.CharFilter(field_name="job__pipeline__name", label="Name of the pipeline")
    is_urgent = django_filters.BooleanFilter(label="Whether it asks to be read first")

    class Meta:
        model = Result
        fields = ["exam", "job", "pipeline", "is_urgent"]
