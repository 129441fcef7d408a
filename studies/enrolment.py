"""Exams become cases."""

from django.db import transaction
from django.db.models import Max

from dicom_ingest.models import Exam
from studies.models import Case, Study


def enrol_complete_exams() -> int:
    """Enrol every exam that completed on a study's AE title and is not yet its case; return how many there were."""
    return sum(_enrol(study) for study in Study.objects.select_related("ae_title"))


@transaction.atomic
def _enrol(study: Study) -> int:
    waiting = Exam.objects.filter(routes__called_ae=study.ae_title.title, routes__completed_at__isnull=False).exclude(
        cases__study=study
    )
    if not waiting.exists():
        return 0
    Study.objects.select_for_update().get(pk=study.pk)
    last = Case.objects.filter(study=study).aggregate(last=Max("number"))["last"] or 0
    exams = list(waiting.order_by("received_at", "pk").distinct())
    Case.objects.bulk_create(Case(study=study, exam=exam, number=last + n) for n, exam in enumerate(exams, start=1))
    return len(exams)
