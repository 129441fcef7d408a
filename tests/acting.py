"""Jobs whose operator misbehaves on demand (`tests/plugin`), in the manner of an installed package of operators."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from dicom_ingest.models import Exam, Series
from inference import entry_points, registration
from inference.children import Keeper
from inference.models import Job
from inference.operators import registry
from inference.schema import Pipeline
from tests.inference.received import receive
from tests.inference.series import Patient, mr_series

PLUGIN = Path(__file__).parent / "plugin"
OPERATORS = ("test-act", "test-split")
IMAGES = 3


@pytest.fixture(scope="module")
def acting_operator() -> Iterator[None]:
    """The operator of the plug-in, in this process and in those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(PLUGIN), os.environ.get("PYTHONPATH")])))
        patch.syspath_prepend(str(PLUGIN))
        entry_points._owners.cache_clear()
        importlib.import_module("overread_test_operators")
        yield
    entry_points._owners.cache_clear()
    for name in OPERATORS:
        registry.OPERATORS.pop(name)
    sys.modules.pop("overread_test_operators")


@pytest.fixture(scope="module")
def keeper(acting_operator: None) -> Iterator[Keeper]:
    """A keeper whose child knows that operator."""
    kept = Keeper()
    yield kept
    kept.stop()


@dataclass
class Stage:
    """One received exam, and jobs on it."""

    exam: Exam
    series: Series
    made: list[Job] = field(default_factory=list)

    def job(self, what: str = "answer", *, name: str = "acting", series: Series | None = None, **fields: object) -> Job:
        """A waiting job of the pipeline `name` that does `what`; `seconds` and `place` are the operator's.

        It looks at the stage's own series, or at `series`.
        """
        series = series or self.series
        parameters = {key: fields.pop(key) for key in ("seconds", "place") if key in fields}
        pipeline = registration.register(acting_pipeline(what, name=name, **parameters))
        job = Job.objects.create(
            pipeline=pipeline,
            exam=series.exam,
            input_series=series,
            fingerprint=f"{len(self.made):064d}",
            **fields,
        )
        self.made.append(job)
        return job


@pytest.fixture
def stage(acting_operator: None, db: None) -> Stage:
    series = received_series(IMAGES)
    return Stage(series.exam, series)


def received_series(images: int) -> Series:
    """The series of a new exam with so many images."""
    instances = mr_series(
        np.arange(images * 64, dtype=np.uint16).reshape(images, 8, 8),
        patient=Patient(study_instance_uid=f"1.2.826.0.1.3680043.8.498.10.{images}"),
    )
    receive(instances)
    return Series.objects.select_related("exam").get(series_instance_uid=instances[0].SeriesInstanceUID)


def acting_pipeline(what: str, *, name: str = "acting", **parameters: object) -> Pipeline:
    """A pipeline that does `what`, counts images, and with the name "segmenting" writes a segmentation as well."""
    act = {
        "id": "act",
        "operator": "test-act",
        "inputs": {"series": "input"},
        "parameters": {"what": what, **parameters},
    }
    counted = {"step": "act", "name": "Images", "unit": "1", "concept": _code("Images")}
    segmenting = name == "segmenting"
    return Pipeline.model_validate(
        {
            "name": name,
            "version": "1.0.0",
            "title": "Acting",
            "description": "Does what a test asks for.",
            "input": {"conditions": [{"when": 'series.Modality == "MR"', "otherwise": "is no MR"}]},
            "steps": [act, *(SPLIT if segmenting else [])],
            "outputs": {"measurements": [counted], "segments": [SEGMENT] if segmenting else []},
        }
    )


def _code(meaning: str) -> dict[str, str]:
    return {"value": meaning.upper(), "scheme": "99TEST", "meaning": meaning}


SPLIT = [
    {"id": "volume", "operator": "load-volume", "inputs": {"series": "input"}},
    {"id": "half", "operator": "test-split", "inputs": {"image": "volume"}},
]
SEGMENT = {
    "step": "half",
    "number": 1,
    "label": "Bright half",
    "category": _code("Structure"),
    "type": _code("Half"),
    "colour": "#aabbcc",
}
