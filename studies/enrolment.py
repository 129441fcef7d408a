"""Exams become cases."""

from django.db import transaction
from django.db.models import Max

from dicom_ingest.models import Exam
from studies.models import ENROLLING, Case, ProtocolVersion, Screening, Study


def enrol_complete_exams() -> int:
    """Screen every exam that completed on a study's AE title and is not yet screened; return how many there were."""
    return sum(_enrol(study) for study in Study.objects.filter(stage__in=ENROLLING).select_related("ae_title"))


@transaction.atomic
def _enrol(study: Study) -> int:
    waiting = Exam.objects.filter(routes__called_ae=study.ae_title.title, routes__completed_at__isnull=False).exclude(
        screenings__study=study
    )
    if not waiting.exists():
        return 0
    Study.objects.select_for_update().get(pk=study.pk)
    protocol = study.protocols.filter(frozen_at__isnull=False).first() or study.protocols.get()
    last = Case.objects.filter(study=study).aggregate(last=Max("number"))["last"] or 0
    exams = list(waiting.order_by("received_at", "pk").distinct())
    for number, exam in enumerate(exams, start=last + 1):
        _take(exam, protocol, number=number)
    return len(exams)


def _take(exam: Exam, protocol: ProtocolVersion, *, number: int) -> Case:
    is_pilot = protocol.study.stage == Study.Stage.PILOT
    screening = Screening.objects.create(
        study=protocol.study, exam=exam, protocol=protocol, is_pilot=is_pilot, outcome=Screening.Outcome.MATCHED
    )
    return Case.objects.create(
        study=protocol.study, exam=exam, number=number, screening=screening, protocol=protocol, is_pilot=is_pilot
    )
