"""The segmentation object: its grid, its codes, who made it, and what a validator says."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from inference import pipeline
from inference.errors import OperatorContractBroken
from inference.identity import Identity
from inference.operators.values import Mask
from inference.schema import Pipeline
from inference.writers import provenance
from inference.writers.masks import read_masks
from inference.writers.seg import make_segmentation, write
from tests.inference.series import PLANES, Patient, mr_series, numbered_voxels, source
from tests.inference.writers.runs import IDENTITY, blob, finished, multi_frame_series, verdict

TWO_SEGMENTS = """
    - step: mask
      number: 2
      label: Also brain
      category: {value: "91723000", scheme: SCT, meaning: Anatomical Structure}
      type: {value: "12738006", scheme: SCT, meaning: Brain}
      colour: "#00ff00"
  measurements:"""


@pytest.fixture
def brain_extraction() -> Pipeline:
    return pipeline.load_named("brain-extraction")


def written(
    instances: Sequence[Dataset], pipe: Pipeline, *, identity: Identity = IDENTITY, masks: int = 1, apart: int = 1
) -> hd.seg.Segmentation:
    """A segmentation of blobs, written to a file and read again."""
    series = source(instances)
    blobs = [blob(series, at=number * apart) for number in range(masks)]
    segmentation = make_segmentation(finished(instances, pipe, segments=blobs, identity=identity))
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
    (multi_frame,) = multi_frame_series()
    expected = blob(source([multi_frame]))
    found = written([multi_frame], brain_extraction).get_volume(combine_segments=True).match_geometry(expected)
    np.testing.assert_array_equal(found.array, expected.array)


def test_it_says_what_is_segmented_and_by_which_algorithm_and_model(brain_extraction: Pipeline) -> None:
    segmentation = written(mr_series(numbered_voxels()), brain_extraction)
    (segment,) = segmentation.SegmentSequence
    category, kind = segment.SegmentedPropertyCategoryCodeSequence[0], segment.SegmentedPropertyTypeCodeSequence[0]
    assert (category.CodeValue, category.CodingSchemeDesignator) == ("91723000", "SCT")
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


def test_a_mask_on_another_grid_is_refused(brain_extraction: Pipeline) -> None:
    instances = mr_series(numbered_voxels())
    turned = Mask(blob(source(instances)).flip_spatial(0))
    with pytest.raises(OperatorContractBroken, match="grid"):
        make_segmentation(finished(instances, brain_extraction, segments=[turned]))


def two_segments() -> Pipeline:
    return pipeline.parse(pipeline.source_of("brain-extraction").replace("\n  measurements:", TWO_SEGMENTS))


@pytest.mark.parametrize(("apart", "shared", "overlap"), [(1, 12, "YES"), (2, 0, "NO")])
def test_segments_are_kept_apart_whether_they_overlap_or_not(apart: int, shared: int, overlap: str) -> None:
    segmentation = written(mr_series(numbered_voxels()), two_segments(), masks=2, apart=apart)
    first, second = (
        segmentation.get_volume(segment_numbers=[number], combine_segments=True, relabel=True) for number in (1, 2)
    )
    assert first.array.sum() == second.array.sum() == 24
    assert (first.array & second.array).sum() == shared
    assert segmentation.SegmentsOverlap == overlap


def test_each_segment_has_its_own_colour_and_code() -> None:
    segments = written(mr_series(numbered_voxels()), two_segments(), masks=2).SegmentSequence
    colours = [hd.color.CIELabColor.from_dicom_value(one.RecommendedDisplayCIELabValue).to_rgb() for one in segments]
    assert colours[1] == (0, 255, 0) != colours[0]
    assert [one.SegmentLabel for one in segments] == ["Brain", "Also brain"]
    assert segments[0].TrackingUID != segments[1].TrackingUID


def test_two_segments_of_a_multi_frame_source_are_kept_apart() -> None:
    (multi_frame,) = multi_frame_series()
    segmentation = written([multi_frame], two_segments(), masks=2, apart=2)
    expected = [blob(source([multi_frame]), at=at) for at in (0, 2)]
    for number, mask in enumerate(expected, start=1):
        found = segmentation.get_volume(segment_numbers=[number], combine_segments=True, relabel=True)
        np.testing.assert_array_equal(found.match_geometry(mask).array, mask.array)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("apart", [1, 2])
def test_what_was_written_is_read_back_as_the_masks_that_went_in(plane: str, apart: int, tmp_path: Path) -> None:
    instances = mr_series(numbered_voxels(), orientation=PLANES[plane])[::-1]
    blobs = [blob(source(instances), at=number * apart) for number in range(2)]
    (file,) = write(finished(instances, two_segments(), segments=blobs), tmp_path)
    masks = read_masks(file.path)
    assert list(masks) == ["Brain", "Also brain"]
    for found, mask in zip(masks.values(), blobs, strict=True):
        np.testing.assert_array_equal(found, mask.array)


def test_the_pixels_of_the_source_are_not_carried_along() -> None:
    instances = mr_series(numbered_voxels())
    (header, *_) = provenance.headers(instances)
    assert "PixelData" not in header
    assert header.PatientName == ""
    assert instances[0].PatientName == "Demo^Alder"


@pytest.mark.parametrize("plane", PLANES)
def test_dciodvfy_finds_no_error(plane: str, tmp_path: Path) -> None:
    file = tmp_path / "segmentation.dcm"
    written(mr_series(numbered_voxels(), orientation=PLANES[plane]), two_segments(), masks=2).save_as(file)
    said = verdict(file)
    assert "Segmentation" in said
    assert "Error" not in said
