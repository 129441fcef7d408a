"""Reports by TID 1500: what was measured and found, where, by whom, and how it is followed over exams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage

from inference.identity import Identity
from inference.writers import provenance, seg
from inference.writers.sr import write
from tests.inference.series import Patient
from tests.inference.writers.runs import finished, hips_and_chest, of_radiographs, two_organs, verdict
from tests.inference.writers.sources import ct_series, radiographs, sources


def texts(report: hd.sr.ComprehensiveSR) -> list[str]:
    return [item.TextValue for item in report.ContentSequence if item.ValueType == "TEXT"]


def read(file: Path) -> hd.sr.ComprehensiveSR:
    report = hd.sr.srread(file)
    assert isinstance(report, hd.sr.ComprehensiveSR)
    return report


def content(report: hd.sr.ComprehensiveSR) -> Any:
    """The report's content by highdicom, whose types leave open whether anything is there."""
    assert isinstance(report.content, hd.sr.MeasurementReport)
    return report.content


def test_each_segment_has_a_group_with_its_measurements_that_points_at_the_runs_segmentation(tmp_path: Path) -> None:
    run = two_organs(ct_series())
    report = read(write(run, tmp_path)[0].path)
    groups = content(report).get_volumetric_roi_measurement_groups()
    assert [group.finding_type.CodeMeaning for group in groups] == ["Liver", "Spleen"]
    segmentation = seg.make_segmentation(run)
    for number, group in enumerate(groups, start=1):
        (reference,) = group.referenced_segment[0].ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == number
        assert group.tracking_uid == segmentation.SegmentSequence[number - 1].TrackingUID
    (volume,) = groups[0].get_measurements(name=codes.SCT.Volume)
    assert (volume.value, volume.unit.CodeValue, volume.unit.CodingSchemeDesignator) == (1534.25, "ml", "UCUM")
    evidence = {uid for _, _, uid, _ in report.get_evidence()}
    assert evidence == {segmentation.SOPInstanceUID} | {one.SOPInstanceUID for one in run.series.instances}


def test_a_number_that_is_of_no_segment_is_reported_too(tmp_path: Path) -> None:
    report = read(write(two_organs(ct_series()), tmp_path)[0].path)
    (group,) = content(report).get_image_measurement_groups()
    (ratio,) = group.get_measurements()
    assert (ratio.name.CodeMeaning, ratio.value, ratio.unit.CodeValue) == ("Ratio", 8.1, "%")


def test_without_a_segmentation_nothing_points_at_one(tmp_path: Path) -> None:
    run = two_organs(ct_series())
    outputs = run.pipeline.outputs.model_copy(update={"objects": ["sr"]})
    alone = replace(run, pipeline=run.pipeline.model_copy(update={"outputs": outputs}))
    report = read(write(alone, tmp_path)[0].path)
    groups = content(report).get_image_measurement_groups()
    assert [len(group.get_measurements()) for group in groups] == [1, 1, 1]
    assert {uid for _, _, _, uid in report.get_evidence()} == {CTImageStorage}


def test_boxes_are_closed_rectangles_on_their_image_with_finding_site_and_probabilities(tmp_path: Path) -> None:
    images = radiographs()
    report = read(write(hips_and_chest(images), tmp_path)[0].path)
    groups = content(report).get_planar_roi_measurement_groups()
    assert [group.finding_type.CodeMeaning for group in groups] == ["Fracture", "Normal", "Fracture"]
    sites = [group.finding_sites[0] for group in groups]
    assert {site.value.CodeMeaning for site in sites} == {"Hip"}
    assert [site.laterality.meaning for site in sites] == ["Left", "Right", "Left"]
    region = groups[0].roi
    assert region.graphic_type == hd.sr.GraphicTypeValues.POLYLINE
    np.testing.assert_allclose(region.value, [(60, 20), (90, 20), (90, 50.5), (60, 50.5), (60, 20)])
    named = [group.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID for group in groups]
    assert named == [images[0].SOPInstanceUID, images[0].SOPInstanceUID, images[1].SOPInstanceUID]
    first = groups[0].get_measurements()[0]
    assert (first.name.CodeMeaning, first.value) == ("Probability of Fracture", 93.1)
    assert len({group.tracking_uid for group in groups}) == 3, "a viewer merges groups of one tracking UID"


def test_groups_with_a_place_come_first_because_ohif_shows_the_image_of_the_first(tmp_path: Path) -> None:
    report = read(write(hips_and_chest(radiographs()), tmp_path)[0].path)
    (measurements,) = [one for one in report.ContentSequence if one.ValueType == "CONTAINER"]
    placed = [
        any(item.ValueType == "SCOORD" for item in group.ContentSequence) for group in measurements.ContentSequence
    ]
    assert placed == [True, True, True, False]


def test_a_classification_names_its_class_every_probability_and_its_images(tmp_path: Path) -> None:
    images = radiographs()
    report = read(write(hips_and_chest(images), tmp_path)[0].path)
    (group,) = content(report).get_image_measurement_groups()
    assert group.finding_type.CodeMeaning == "Pneumothorax"
    assert [one.value for one in group.get_measurements()] == [75.0, 25.0]
    assert [one.referenced_sop_instance_uid for one in group.source_images] == [images[0].SOPInstanceUID]


def test_it_says_who_found_this_of_what_standing_it_is_and_what_could_not_be_measured(tmp_path: Path) -> None:
    run = two_organs(ct_series(), notes=["There is no earlier exam to compare with."])
    report = read(write(run, tmp_path)[0].path)
    assert {run.pipeline.notice, "There is no earlier exam to compare with."} <= set(texts(report))
    group = content(report).get_volumetric_roi_measurement_groups()[0]
    said = group[0].ContentSequence
    algorithm = {item.ConceptNameCodeSequence[0].CodeMeaning: item.get("TextValue") for item in said}
    assert algorithm["Algorithm Name"] == "brain-extraction"
    assert algorithm["Algorithm Version"] == provenance.software_version(run.pipeline)
    assert report.DeviceSerialNumber == run.pipeline.digest


def test_a_run_that_found_nothing_says_so_and_names_the_images_that_it_looked_at(tmp_path: Path) -> None:
    images = radiographs()
    (file,) = write(finished(images, of_radiographs()), tmp_path)
    report = read(file.path)
    (group,) = content(report).get_image_measurement_groups()
    assert len(group.source_images) == len(images)
    assert group.get_measurements() == []
    assert any("found nothing" in text for text in texts(report))
    assert "Error" not in verdict(file.path)


def test_structures_and_regions_keep_their_tracking_uids_over_a_patients_exams(tmp_path: Path) -> None:
    def tracked(patient: Patient) -> list[str]:
        identity = Identity(salt="salt", run=patient.study_instance_uid)
        organs = read(write(two_organs(ct_series(patient), identity=identity), tmp_path)[0].path)
        hips = read(write(hips_and_chest(radiographs(patient=patient), identity=identity), tmp_path)[0].path)
        segments = content(organs).get_volumetric_roi_measurement_groups()
        boxes = content(hips).get_planar_roi_measurement_groups()
        return [group.tracking_uid for group in (*segments, *boxes)]

    baseline, follow_up = tracked(Patient("A", "1.2.1")), tracked(Patient("A", "1.2.2", "20260101"))
    assert baseline == follow_up
    assert tracked(Patient("B", "1.2.3")) != baseline


@pytest.mark.parametrize("modality", ["MR", "CT", "enhanced MR"])
def test_dciodvfy_finds_no_error_in_a_report_on_volumes(modality: str, tmp_path: Path) -> None:
    (file,) = write(two_organs(sources()[modality]), tmp_path)
    said = verdict(file.path)
    assert "ComprehensiveSR" in said
    assert "Error" not in said


def test_dciodvfy_finds_no_error_in_a_report_on_radiographs(tmp_path: Path) -> None:
    (file,) = write(hips_and_chest(radiographs()), tmp_path)
    assert "Error" not in verdict(file.path)
    assert file.path.stat().st_size < 100_000
