"""The segmentation object: its grid, its codes, who made it, and what a validator says."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from inference import pipeline
from inference.errors import OperatorContractBroken
from inference.identity import Identity
from inference.operators.loading import load_volume
from inference.operators.values import Mask, SourceSeries
from inference.schema import Pipeline
from inference.writers.seg import write_segmentation
from tests.inference.series import PLANES, Patient, mr_series, numbered_voxels, source

IDENTITY = Identity(salt="salt of a test", run="job 1")
TWO_SEGMENTS = """
    - step: mask
      number: 2
      label: Also brain
      category: {value: "123037004", scheme: SCT, meaning: Anatomical Structure}
      type: {value: "12738006", scheme: SCT, meaning: Brain}
      colour: "#00ff00"
  measurements:"""


@pytest.fixture
def brain_extraction() -> Pipeline:
    return pipeline.load_named("brain-extraction")


def blob(series: SourceSeries, *, at: int = 0) -> Mask:
    """A lopsided box on the grid of the series, empty in its first and last slices."""
    volume = load_volume(series)
    array: NDArray[np.uint8] = np.zeros(volume.shape, dtype=np.uint8)
    array[1:4, 1 + at : 3 + at, 2:6] = 1
    return Mask(volume.with_array(array))


def written(
    instances: Sequence[Dataset], pipe: Pipeline, *, identity: Identity = IDENTITY, masks: int = 1
) -> hd.seg.Segmentation:
    """A segmentation of blobs, written to a file and read again."""
    series = source(instances)
    blobs = [blob(series, at=number) for number in range(masks)]
    segmentation = write_segmentation(series, blobs, pipe, identity=identity)
    file = BytesIO()
    segmentation.save_as(file, enforce_file_format=True)
    return hd.seg.Segmentation.from_dataset(pydicom.dcmread(BytesIO(file.getvalue())))


@pytest.mark.parametrize("plane", PLANES)
def test_the_mask_lies_on_the_very_voxels_of_its_source(plane: str, brain_extraction: Pipeline) -> None:
    instances = mr_series(numbered_voxels(), orientation=PLANES[plane])
    segmentation = written(instances, brain_extraction)
    expected = blob(source(instances))
    found = segmentation.get_volume(combine_segments=True).match_geometry(expected)
    np.testing.assert_array_equal(found.array, expected.array)
    assert expected.array.sum() > 0


def test_every_source_slice_has_a_frame_at_its_exact_position_even_where_it_is_empty(
    brain_extraction: Pipeline,
) -> None:
    instances = mr_series(numbered_voxels())
    instances[2].ImagePositionPatient[2] += 0.004  # a scanner's rounding
    segmentation = written(instances, brain_extraction)
    assert segmentation.NumberOfFrames == len(instances)
    frames = {
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID: frame
        for frame in segmentation.PerFrameFunctionalGroupsSequence
    }
    assert {uid: frame.PlanePositionSequence[0].ImagePositionPatient for uid, frame in frames.items()} == {
        instance.SOPInstanceUID: instance.ImagePositionPatient for instance in instances
    }


def test_the_order_of_the_source_files_changes_nothing(brain_extraction: Pipeline) -> None:
    instances = mr_series(numbered_voxels())
    forwards, backwards = written(instances, brain_extraction), written(instances[::-1], brain_extraction)
    assert forwards.PixelData == backwards.PixelData
    assert forwards.PerFrameFunctionalGroupsSequence == backwards.PerFrameFunctionalGroupsSequence


def test_a_multi_frame_source_gets_its_overlay_in_the_right_place(brain_extraction: Pipeline) -> None:
    single = mr_series(numbered_voxels())
    multi_frame = hd.legacy.LegacyConvertedEnhancedMRImage(
        legacy_datasets=single,
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
    )
    expected = blob(source([multi_frame]))
    found = written([multi_frame], brain_extraction).get_volume(combine_segments=True).match_geometry(expected)
    np.testing.assert_array_equal(found.array, expected.array)


def test_it_says_what_is_segmented_and_by_which_algorithm_and_model(brain_extraction: Pipeline) -> None:
    segmentation = written(mr_series(numbered_voxels()), brain_extraction)
    (segment,) = segmentation.SegmentSequence
    category, kind = segment.SegmentedPropertyCategoryCodeSequence[0], segment.SegmentedPropertyTypeCodeSequence[0]
    assert (category.CodeValue, category.CodingSchemeDesignator) == ("123037004", "SCT")
    assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == ("12738006", "SCT", "Brain")
    assert (segment.SegmentLabel, segment.SegmentAlgorithmType) == ("Brain", "AUTOMATIC")
    algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
    family = algorithm.AlgorithmFamilyCodeSequence[0]
    assert (family.CodeValue, family.CodeMeaning) == ("123110", "Artificial Intelligence")
    assert algorithm.AlgorithmName == "brain-extraction"
    assert algorithm.AlgorithmVersion == f"1.0.0+{brain_extraction.digest[:12]}"
    assert brain_extraction.models["deepbet"].sha256 in algorithm.AlgorithmParameters
    assert hd.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue).to_rgb() == (242, 181, 68)
    assert (segmentation.SegmentationType, segmentation.ContentLabel) == ("BINARY", "BRAIN_EXTRACTION")
    assert segmentation.SeriesDescription == "Brain extraction 1.0.0"
    assert "not for clinical use" in segmentation.ContentDescription
    assert segmentation.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian


def test_one_structure_of_one_patient_keeps_its_tracking_uid_over_exams(brain_extraction: Pipeline) -> None:
    def tracked(patient: Patient, salt: str = "salt") -> str:
        instances = mr_series(numbered_voxels(), patient=patient)
        identity = Identity(salt=salt, run=patient.study_instance_uid)
        return str(written(instances, brain_extraction, identity=identity).SegmentSequence[0].TrackingUID)

    baseline, follow_up = tracked(Patient("A", "1.2.1")), tracked(Patient("A", "1.2.2", "20260101"))
    assert baseline == follow_up
    assert baseline.startswith("2.25.")
    assert tracked(Patient("B", "1.2.3")) != baseline
    assert tracked(Patient("A", "1.2.1"), salt="of another hospital") != baseline
    assert tracked(Patient("", "1.2.1")) != tracked(Patient("", "1.2.2")), "exams without a patient id stay apart"


def test_a_repeated_run_makes_the_same_uids_and_another_run_others(brain_extraction: Pipeline) -> None:
    instances = mr_series(numbered_voxels())
    first, again = written(instances, brain_extraction), written(instances, brain_extraction)
    other = written(instances, brain_extraction, identity=Identity(salt=IDENTITY.salt, run="job 2"))
    assert (first.SeriesInstanceUID, first.SOPInstanceUID) == (again.SeriesInstanceUID, again.SOPInstanceUID)
    assert len({first.SeriesInstanceUID, first.SOPInstanceUID, other.SeriesInstanceUID, other.SOPInstanceUID}) == 4


def test_a_mask_on_another_grid_is_refused(brain_extraction: Pipeline) -> None:
    series = source(mr_series(numbered_voxels()))
    turned = Mask(blob(series).flip_spatial(0))
    with pytest.raises(OperatorContractBroken, match="grid"):
        write_segmentation(series, [turned], brain_extraction, identity=IDENTITY)


def test_patient_and_exam_are_named_as_in_the_source_however_odd(
    brain_extraction: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    instances = mr_series(numbered_voxels())
    for instance in instances:
        instance.SpecificCharacterSet = "ISO_IR 100"
        instance.PatientName, instance.PatientSex, instance.PatientBirthDate = "Müller", "U", ""
        del instance.AccessionNumber, instance.ReferringPhysicianName
    with caplog.at_level(logging.DEBUG):
        segmentation = written(instances, brain_extraction)
    assert (str(segmentation.PatientName), segmentation.PatientSex) == ("Müller", "U")
    assert segmentation.AccessionNumber == ""
    assert "Müller" not in caplog.text
    assert instances[0].PatientName == "Müller", "the source is left as it was"


def test_overlapping_segments_are_kept_apart(brain_extraction: Pipeline) -> None:
    text = pipeline.source_of("brain-extraction").replace("\n  measurements:", TWO_SEGMENTS)
    segmentation = written(mr_series(numbered_voxels()), pipeline.parse(text), masks=2)
    first, second = (
        segmentation.get_volume(segment_numbers=[number], combine_segments=True, relabel=True) for number in (1, 2)
    )
    assert first.array.sum() == second.array.sum() == 24
    assert (first.array & second.array).sum() == 12


def test_dciodvfy_finds_no_error(brain_extraction: Pipeline, tmp_path: Path) -> None:
    for plane, orientation in PLANES.items():
        file = tmp_path / f"{plane}.dcm"
        written(mr_series(numbered_voxels(), orientation=orientation), brain_extraction).save_as(file)
        verdict = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
        assert "Segmentation" in verdict.stderr + verdict.stdout
        assert "Error" not in verdict.stderr + verdict.stdout
