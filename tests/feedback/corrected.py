"""An exam of which a pipeline segmented two structures, with files in the store, to be corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from django.test import Client
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.coding import Code

from dicom_ingest.models import Exam
from inference.models import Result
from studies.models import Study
from tests.inference.received import receive
from tests.inference.series import Patient, mr_series
from tests.protocols import case_of
from tests.studies.blinding.makers import LIVER, SPLEEN, Masks, ours

SLICES, ROWS, COLUMNS = 8, 96, 96
SPACING = (3.0, 1.0, 1.0)
"""mm between slices, rows and columns; OHIF leaves the first of them out of what it saves."""


def disk(*, radius: float, column: float, row: float = ROWS / 2) -> NDArray[np.uint8]:
    """A cylinder through the inner slices."""
    rows, columns = np.indices((ROWS, COLUMNS))
    mask: NDArray[np.uint8] = np.zeros((SLICES, ROWS, COLUMNS), dtype=np.uint8)
    mask[1:-1] = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return mask


def images() -> list[Dataset]:
    """A bright body on dark ground."""
    grey = 100 + 900 * disk(radius=42, column=COLUMNS / 2).astype(np.uint16)
    made = mr_series(grey, spacing=SPACING, patient=Patient(study_instance_uid="1.2.826.0.1.3680043.8.498.77"))
    for image in made:
        image.WindowCenter, image.WindowWidth = 600, 1400
    return made


def masks() -> Masks:
    """What the pipeline drew: a liver on the left of the picture, a spleen on the right."""
    return {LIVER: disk(radius=12, column=30), SPLEEN: disk(radius=8, column=68)}


def corrected_exam(study: Study, folder: Path) -> Result:
    """The result, its exam being a case of `study`."""
    instances = images()
    receive(instances, called_ae="BRAIN")
    exam = Exam.objects.get(study_instance_uid=instances[0].StudyInstanceUID)
    case_of(study, exam, number=77)
    return ours(instances, masks(), folder=folder / "run")


def as_viewer_saves(instances: Sequence[Dataset], drawn: Mapping[str, NDArray[np.uint8]]) -> Dataset:
    """A segmentation as OHIF writes it, by label of its segments: frames backwards and none that is empty, codes of
    tissue, no distance of slices, no word of what it was made from."""
    made = Segmentation(
        source_images=list(instances)[::-1],
        pixel_array=np.stack([mask[::-1] for mask in drawn.values()], axis=-1),
        segmentation_type="BINARY",
        segment_descriptions=[_tissue(number, label) for number, label in enumerate(drawn, start=1)],
        series_instance_uid=hd.UID(),
        series_number=99,
        series_description="Correction",
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Unspecified",
        manufacturer_model_name="Unspecified",
        software_versions="0",
        device_serial_number="1",
        omit_empty_frames=True,
    )
    for measures in made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence:
        del measures.SpacingBetweenSlices
    return made


def _tissue(number: int, label: str) -> SegmentDescription:
    tissue = Code("T-D0050", "SRT", "Tissue")
    return SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=tissue,
        segmented_property_type=tissue,
        algorithm_type="MANUAL",
    )


def as_bytes(dataset: Dataset) -> bytes:
    """The dataset as a file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def posted(client: Client, root: str, content: bytes, **headers: str) -> Any:
    """Send one object over STOW-RS as OHIF does: the body begins with CRLF, and nothing follows its last boundary."""
    boundary = "b6a2"
    body = b"\r\n--b6a2\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--b6a2--"
    kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    return client.generic("POST", f"{root}/studies", body, content_type=kind, headers={"Accept": "*/*", **headers})
