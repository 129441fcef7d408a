"""The operator against a known answer, and the pipeline on a CT whose content is known."""

from pathlib import Path

import bone_volume
import numpy as np
import pytest
from bone_volume.operators import brighter_than
from highdicom import Volume
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from inference import graph, pipeline
from inference.graph import Sources
from inference.operators.values import Image, SourceSeries

PIPELINE = Path(bone_volume.__file__).parent / "bone-volume.yaml"
SPACING = (2.0, 1.0, 0.5)
"""Between slices, rows and columns, in mm."""


def ct(values: np.ndarray) -> SourceSeries:
    """One CT image for each plane of `values` (slices, rows, columns) in HU."""
    return SourceSeries(tuple(_slice(plane, index) for index, plane in enumerate(values)))


def _slice(plane: np.ndarray, index: int) -> Dataset:
    image = Dataset()
    image.SOPClassUID, image.Modality = CTImageStorage, "CT"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = "2.25.1", "2.25.2", "2.25.3"
    image.SOPInstanceUID, image.InstanceNumber = generate_uid(), index + 1
    image.Rows, image.Columns = plane.shape
    image.PixelSpacing, image.ImageOrientationPatient = [SPACING[1], SPACING[2]], [1, 0, 0, 0, 1, 0]
    image.ImagePositionPatient = [0, 0, index * SPACING[0]]
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.RescaleSlope, image.RescaleIntercept = 1, -1024
    image.PixelData = (plane + 1024).astype("<u2").tobytes()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return image


def test_what_equals_the_threshold_is_not_above_it():
    image = Image(Volume(np.array([[[199.0, 200.0, 201.0]]]), affine=np.eye(4), coordinate_system="PATIENT"))
    assert brighter_than(image, above=200).array.tolist() == [[[0, 0, 1]]]


def test_a_block_of_known_size_has_its_volume():
    values = np.full((6, 10, 12), -1000)
    values[1:4, 2:7, 3:9] = 300
    values[5, 9, 11] = 900
    made = graph.execute(pipeline.load(PIPELINE), Sources(ct(values)), models_dir=Path("none"))
    (volume,) = made.measurements
    assert (volume.name, volume.unit) == ("Bright volume", "ml")
    assert volume.value == pytest.approx(3 * 5 * 6 * np.prod(SPACING) / 1000)
