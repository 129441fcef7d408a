"""What a job is unique by: the instances that it reads, by UID and bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from dicom_ingest.models import Exam, Instance, Series
from inference import orders
from inference.models import Job


def of_input(exam: Exam, chosen: Sequence[Series], prior: Series | None) -> str:
    """SHA-256 (hex) over what a job on these series will read, or over all that came of `exam` where nothing fits."""
    lines = sorted(f"{instance.sop_instance_uid} {instance.sha256}\n" for instance in _instances(exam, chosen, prior))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def as_stored(job: Job) -> str:
    """The fingerprint that the job's series give as they are now: another than the job's when they have changed."""
    return of_input(job.exam, orders.selected_series(job), job.prior_series)


def _instances(exam: Exam, chosen: Sequence[Series], prior: Series | None) -> Iterable[Instance]:
    if not chosen:
        return Instance.objects.filter(series__exam=exam, series__origin=Series.Origin.RECEIVED)
    return Instance.objects.filter(series__in=[*chosen, *([prior] if prior else [])])
