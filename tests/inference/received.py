"""Exams as the receiver leaves them: filed from bytes, complete on a route."""

from collections.abc import Sequence
from io import BytesIO

from django.utils.timezone import now
from pydicom import Dataset

from dicom_ingest import indexer
from dicom_ingest.models import Exam, Route


def receive(instances: Sequence[Dataset], *, called_ae: str = "BRAIN") -> Route:
    """File `instances` as sent to `called_ae`, and let the exam be complete on that route."""
    for instance in instances:
        buffer = BytesIO()
        instance.save_as(buffer, enforce_file_format=True)
        outcome = indexer.receive_part10(buffer.getvalue(), called_ae=called_ae, calling_ae="SCANNER")
        assert outcome.instance is not None, outcome.quarantined
    exam = Exam.objects.get(study_instance_uid=instances[0].StudyInstanceUID)
    route = Route.objects.get(exam=exam, called_ae=called_ae)
    route.completed_at = now()
    route.save()
    return route
