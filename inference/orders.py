"""From a job in the database to the work order that a run needs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from dicom_ingest import store
from dicom_ingest.models import Instance, Series
from inference.execution import EarlierNumbers, WorkOrder
from inference.models import Job, Result
from inference.schema import Pipeline


def work_order(job: Job, *, out: Path) -> WorkOrder:
    """What `job` asks for, its result's files to go into `out`.

    A rerun writes under UIDs of its own, because its first job's are taken.
    """
    definition = Pipeline.model_validate(job.pipeline.definition, strict=False)
    return WorkOrder(
        pipeline=definition,
        digest=job.pipeline.digest,
        files=tuple(files_of(selected_series(job))),
        prior_files=tuple(files_of([job.prior_series] if job.prior_series else [])),
        history=_history(job) if definition.uses_history else (),
        models_dir=Path(settings.OVERREAD_STORE) / "models",
        salt=settings.OVERREAD_UID_SALT,
        run=str(job.pk),
        out=out,
    )


def selected_series(job: Job) -> list[Series]:
    """The series of the exam that `job` runs on, the best first."""
    return [*([job.input_series] if job.input_series else []), *job.more_series.all()]


def files_of(chosen: Iterable[Series]) -> list[Path]:
    """The stored files of some series, each series in the order of its instance numbers."""
    instances = Instance.objects.filter(series__in=list(chosen)).select_related("series__exam")
    return [
        store.instance_path(
            instance.series.exam.study_instance_uid, instance.series.series_instance_uid, instance.sop_instance_uid
        )
        for instance in instances.order_by("series_id", "instance_number", "pk")
    ]


def _history(job: Job) -> tuple[EarlierNumbers, ...]:
    jobs = Job.objects.of_earlier_exams(job.exam, pipeline=job.pipeline.name)
    earlier = Result.objects.current().filter(job__in=jobs).select_related("exam").prefetch_related("measurements")
    return tuple(
        EarlierNumbers(
            study_date=result.exam.study_date,
            measurements={one.name: (one.value, one.unit) for one in result.measurements.all()},
        )
        for result in earlier.order_by("exam__study_date", "created_at")
        if result.exam.study_date is not None
    )
