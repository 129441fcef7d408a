"""Finished runs to be written, without any operator having run."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from inference import pipeline
from inference.graph import Outputs
from inference.identity import Identity
from inference.operators.loading import load_volume
from inference.operators.values import Box, Mask, SourceSeries
from inference.outputs import ClassifiedValue, MeasuredValue
from inference.products import FinishedRun
from inference.schema import Code, OutputSection, Pipeline
from tests.inference.series import mr_series, numbered_voxels, source

IDENTITY = Identity(salt="salt of a test", run="job 1")


def blob(series: SourceSeries, *, at: int = 0) -> Mask:
    """A lopsided box on the grid of the series, empty in its first and last slices."""
    volume = load_volume(series)
    array: NDArray[np.uint8] = np.zeros(volume.shape, dtype=np.uint8)
    array[1:4, 1 + at : 3 + at, 2:6] = 1
    return Mask(volume.with_array(array))


def multi_frame_series() -> list[Dataset]:
    """An enhanced image of all slices in one file."""
    return [
        hd.legacy.LegacyConvertedEnhancedMRImage(
            legacy_datasets=mr_series(numbered_voxels()),
            series_instance_uid=hd.UID(),
            series_number=1,
            sop_instance_uid=hd.UID(),
            instance_number=1,
        )
    ]


def finished(
    instances: Sequence[Dataset],
    definition: Pipeline,
    *,
    segments: Sequence[Mask] = (),
    measurements: Sequence[MeasuredValue] = (),
    boxes: Sequence[Box] = (),
    classifications: Sequence[ClassifiedValue] = (),
    notes: Sequence[str] = (),
    identity: Identity = IDENTITY,
) -> FinishedRun:
    outputs = Outputs(
        segments=tuple(segments),
        measurements=tuple(measurements),
        boxes=tuple(boxes),
        classifications=tuple(classifications),
        is_urgent=False,
        notes=tuple(notes),
        timings=(),
    )
    return FinishedRun(definition, source(instances), outputs, identity)


def verdict(file: Path) -> str:
    """All that dciodvfy says of the object: which IOD it is, errors, warnings."""
    said = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
    return said.stderr + said.stdout


def volumetric(*, demonstration: bool = False) -> Pipeline:
    """Two organs with volumes, and a ratio that is of neither."""
    return _brain_extraction_but(
        demonstration,
        {
            "segments": [
                {"step": "mask", "number": 1, "label": "Liver", "colour": "#aa5500"}
                | {"category": ORGAN, "type": code("10200004", "Liver")},
                {"step": "mask", "number": 2, "label": "Spleen", "colour": "#00ff00"}
                | {"category": ORGAN, "type": code("78961009", "Spleen")},
            ],
        },
    )


def of_radiographs(*, demonstration: bool = False) -> Pipeline:
    """Boxes around hips, and classes of a whole image."""
    return _brain_extraction_but(
        demonstration,
        {
            "boxes": [
                {
                    "step": "hips",
                    "regions": {
                        f"{side} hip": code("29836001", "Hip") | {"laterality": side} for side in ("left", "right")
                    },
                    "findings": {"fracture": code("72704001", "Fracture"), "normal": code("17621005", "Normal")},
                }
            ],
            "classifications": [
                {
                    "step": "classes",
                    "name": "Chest finding",
                    "classes": {"pneumothorax": code("36118008", "Pneumothorax"), "none": code("17621005", "Normal")},
                }
            ],
        },
    )


def measured_volumes() -> list[MeasuredValue]:
    concept = Code(value="118565006", scheme="SCT", meaning="Volume")
    share = Code(value="118586006", scheme="SCT", meaning="Ratio")
    return [
        MeasuredValue("Liver volume", 1534.25, "ml", concept, 1, "Liver", None),
        MeasuredValue("Spleen volume", 124.5, "ml", concept, 2, "Spleen", None),
        MeasuredValue("Spleen to liver", 8.1, "%", share, None, "", None),
    ]


def two_organs(instances: Sequence[Dataset], **options: Any) -> FinishedRun:
    """A finished run of `volumetric` on the instances."""
    segments = [blob(source(instances)), blob(source(instances), at=2)]
    return finished(instances, volumetric(), segments=segments, measurements=measured_volumes(), **options)


def hips_and_chest(images: Sequence[Dataset], **options: Any) -> FinishedRun:
    """A finished run of `of_radiographs`: two hips in the first image, one in the last, and a class of the first."""
    first, last = str(images[0].SOPInstanceUID), str(images[-1].SOPInstanceUID)
    chances = {"fracture": 0.931, "normal": 0.069}
    boxes = [
        Box("left hip", "fracture", 0.931, chances, 20.0, 60.0, 50.5, 90.0, first),
        Box("right hip", "normal", 0.8, {"fracture": 0.2, "normal": 0.8}, 20.0, 10.0, 50.0, 40.0, first),
        Box("left hip", "fracture", 0.931, chances, 30.0, 30.0, 60.0, 70.0, last),
    ]
    classified = ClassifiedValue("Chest finding", "pneumothorax", {"none": 0.25, "pneumothorax": 0.75}, (first,))
    return finished(images, of_radiographs(), boxes=boxes, classifications=[classified], **options)


def code(value: str, meaning: str) -> dict[str, str]:
    return {"value": value, "scheme": "SCT", "meaning": meaning}


ORGAN = code("91723000", "Anatomical Structure")


def _brain_extraction_but(demonstration: bool, outputs: dict[str, Any]) -> Pipeline:
    return pipeline.load_named("brain-extraction").model_copy(
        update={"demonstration": demonstration, "outputs": OutputSection.model_validate(outputs)}
    )
