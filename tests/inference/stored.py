"""Results as a worker leaves them, of masks that a test draws itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dicom_ingest.models import Exam, Series
from inference import fingerprint, results
from inference.execution import Measured, ObjectFile, Report
from inference.identity import Identity
from inference.models import Job, PipelineVersion, Result
from inference.operators.loading import load_volume
from inference.operators.values import Mask
from inference.schema import OutputSection, Pipeline
from inference.writers import seg
from tests.inference.received import receive
from tests.inference.series import mr_series, numbered_voxels, source
from tests.inference.writers.runs import ORGAN, code, finished, volumetric

LIVER, SPLEEN = code("10200004", "Liver"), code("78961009", "Spleen")
Box = tuple[slice, slice, slice]


def received_series() -> tuple[list[Dataset], Exam]:
    """A small MR series, filed as the receiver does."""
    instances = mr_series(numbered_voxels())
    return instances, receive(instances).exam


def pipeline_of(name: str, *segments: tuple[str, dict[str, str]]) -> Pipeline:
    """A pipeline that segments these, each a label and the code of its type."""
    written: list[dict[str, Any]] = [
        {"step": "mask", "number": number, "label": label, "category": ORGAN, "type": type_, "colour": "#aa5500"}
        for number, (label, type_) in enumerate(segments, start=1)
    ]
    outputs = OutputSection.model_validate({"segments": written})
    return volumetric().model_copy(update={"name": name, "title": name.capitalize(), "outputs": outputs})


def version_of(definition: Pipeline) -> PipelineVersion:
    version, _ = PipelineVersion.objects.get_or_create(
        digest=f"{definition.name:x<64}",
        defaults={
            "name": definition.name,
            "version": definition.version,
            "title": definition.title,
            "definition": definition.model_dump(mode="json"),
        },
    )
    return version


def with_its_fingerprint(job: Job) -> Job:
    """`job` under the fingerprint of what it reads, as dispatch makes jobs."""
    job.fingerprint = fingerprint.as_stored(job)
    job.save(update_fields=["fingerprint"])
    return job


def stored(
    definition: Pipeline,
    instances: Sequence[Dataset],
    boxes: Sequence[Box],
    *,
    folder: Path,
    volume_ml: float = 1.0,
    **job: Any,
) -> Result:
    """The result of a job of `definition` on the series, each segment filled in one box of voxels."""
    series = Series.objects.get(series_instance_uid=instances[0].SeriesInstanceUID)
    fields = {"fingerprint": f"{Job.objects.count():064}", "state": Job.State.SUCCEEDED} | job
    made = Job.objects.create(pipeline=version_of(definition), exam=series.exam, input_series=series, **fields)
    masks = [_mask(instances, box) for box in boxes]
    run = finished(instances, definition, segments=masks, identity=Identity(salt="salt of a test", run=str(made.pk)))
    files = [
        ObjectFile(kind=file.kind, path=file.path, description=file.description) for file in seg.write(run, folder)
    ]
    measured = Measured(name="Liver volume", value=volume_ml, unit="ml", structure="Liver", alert_change_percent=None)
    report = Report(
        measurements=(measured,), boxes=(), classifications=(), is_urgent=False, notes=(), files=tuple(files)
    )
    return results.store(made, report)


def _mask(instances: Sequence[Dataset], box: Box) -> Mask:
    volume = load_volume(source(instances))
    array: NDArray[np.uint8] = np.zeros(volume.shape, dtype=np.uint8)
    array[box] = 1
    return Mask(volume.with_array(array))
