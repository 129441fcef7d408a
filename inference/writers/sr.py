"""A run's measurements and findings as a DICOM SR by the template of measurement reports (PS3.16 TID 1500)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from highdicom import sr
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as DicomCode
from pydicom.uid import SegmentationStorage

from inference.errors import OperatorContractBroken
from inference.operators.values import Box
from inference.outputs import ClassifiedValue, MeasuredValue
from inference.products import FinishedRun, WrittenFile
from inference.schema import Code, Pipeline, Region, SegmentOutput
from inference.writers import provenance
from inference.writers.findings import box_codes, class_codes, most_probable_first

FILE_NAME = "report.dcm"
PROCEDURES = {
    "CT": DicomCode("77477000", "SCT", "Computed tomography"),
    "MR": DicomCode("113091000", "SCT", "Magnetic resonance imaging"),
    "PT": DicomCode("82918005", "SCT", "Positron emission tomography"),
    "CR": DicomCode("168537006", "SCT", "Plain radiography"),
    "DX": DicomCode("168537006", "SCT", "Plain radiography"),
    "MG": DicomCode("71651007", "SCT", "Mammography"),
}
ANY_PROCEDURE = DicomCode("363679005", "SCT", "Imaging procedure")
UNIT_MEANINGS = {"1": "no units", "%": "percent", "ml": "milliliter", "mm": "millimeter", "mm2": "square millimeter"}
LATERALITIES = {"left": codes.SCT.Left, "right": codes.SCT.Right}
NOTHING = "The pipeline looked at these images and found nothing of what it looks for."
OWN_SCHEME = "99OVERREAD"
"""Codes of our own, for what no scheme has a code for: `P-` and a finding's code is the probability of that finding."""

Group = (
    sr.PlanarROIMeasurementsAndQualitativeEvaluations
    | sr.VolumetricROIMeasurementsAndQualitativeEvaluations
    | sr.MeasurementsAndQualitativeEvaluations
)


def write(run: FinishedRun, folder: Path) -> list[WrittenFile]:
    """Write the run's report as `report.dcm` into `folder`."""
    file = folder / FILE_NAME
    make_report(run).save_as(file, enforce_file_format=True)
    return [WrittenFile("sr", file, "Measurements and findings (DICOM SR)")]


def make_report(run: FinishedRun) -> Dataset:
    """One measurement group for each segment, box and classification; one for the numbers that are of no segment.

    A segment's group refers to the run's segmentation, where the pipeline asks for one. A group is tracked under one
    UID in all exams of the patient. Boxes are closed polylines in pixels of their image,
    from the upper left corner of its upper left pixel.
    """
    evidence = provenance.headers(run.series.instances)
    if "seg" in run.pipeline.outputs.kinds:
        evidence.append(_segmentation(run, evidence[0]))
    place = provenance.place(run, "sr")
    report = sr.ComprehensiveSR(
        evidence=evidence,
        content=_content(run),
        series_instance_uid=place.series_instance_uid,
        series_number=place.series_number,
        series_description=provenance.series_description(run.pipeline),
        sop_instance_uid=place.sop_instance_uid,
        instance_number=place.instance_number,
        manufacturer=provenance.MANUFACTURER,
        manufacturer_model_name=run.pipeline.name,
        software_versions=provenance.software_version(run.pipeline),
        device_serial_number=run.pipeline.digest,
        is_complete=True,
    )
    provenance.name_as_source(report, run.series.instances[0])
    return report


def _segmentation(run: FinishedRun, source: Dataset) -> Dataset:
    """What the report needs to know of the run's segmentation in order to refer to it."""
    place = provenance.place(run, "seg")
    segmentation = Dataset()
    segmentation.StudyInstanceUID, segmentation.SeriesInstanceUID = source.StudyInstanceUID, place.series_instance_uid
    segmentation.SOPClassUID, segmentation.SOPInstanceUID = SegmentationStorage, place.sop_instance_uid
    return segmentation


def _content(run: FinishedRun) -> sr.MeasurementReport:
    groups = list(_groups(run))
    remarks = [run.pipeline.notice, *run.outputs.notes, *([] if groups else [NOTHING])]
    report = sr.MeasurementReport(
        observation_context=_observer(run),
        procedure_reported=PROCEDURES.get(run.series.instances[0].get("Modality", ""), ANY_PROCEDURE),
        imaging_measurements=groups or [_of_nothing(run)],
    )
    # The template is extensible at its root; it has no place of its own for a remark on the whole.
    report[0].ContentSequence.extend(map(_comment, remarks))
    return report


def _comment(text: str) -> sr.TextContentItem:
    return sr.TextContentItem(name=codes.DCM.Comment, value=text, relationship_type=sr.RelationshipTypeValues.CONTAINS)


def _observer(run: FinishedRun) -> sr.ObservationContext:
    pipeline = run.pipeline
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=run.identity.uid("device", pipeline.name, pipeline.digest),
        name=pipeline.title,
        manufacturer_name=provenance.MANUFACTURER,
        model_name=pipeline.name,
        serial_number=pipeline.digest,
    )
    observer = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return sr.ObservationContext(observer_device_context=observer)


def _groups(run: FinishedRun) -> Iterator[Group]:
    """Boxes before everything else: OHIF shows the image of the first group, and nothing where that is of no image."""
    seen: Counter[str] = Counter()
    for box in run.outputs.boxes:
        seen[box.region] += 1
        yield _box(box, run, occurrence=seen[box.region])
    yield from (_segment(segment, run) for segment in run.pipeline.outputs.segments)
    if loose := [one for one in run.outputs.measurements if one.segment is None]:
        yield _of_no_segment(loose, run)
    yield from (_classification(one, run) for one in run.outputs.classifications)


def _segment(segment: SegmentOutput, run: FinishedRun) -> Group:
    category, kind = provenance.dicom_code(segment.category), provenance.dicom_code(segment.type)
    measurements = [_measurement(one) for one in run.outputs.measurements if one.segment == segment.number] or None
    if "seg" not in run.pipeline.outputs.kinds:
        return sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracked(run, segment.label),
            finding_category=category,
            finding_type=kind,
            algorithm_id=_algorithm(run.pipeline),
            measurements=measurements,
        )
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked(run, segment.label),
        referenced_segment=_referenced(segment, run),
        finding_category=category,
        finding_type=kind,
        algorithm_id=_algorithm(run.pipeline),
        measurements=measurements,
    )


def _referenced(segment: SegmentOutput, run: FinishedRun) -> sr.ReferencedSegment:
    return sr.ReferencedSegment(
        sop_class_uid=SegmentationStorage,
        sop_instance_uid=provenance.place(run, "seg").sop_instance_uid,
        segment_number=segment.number,
        source_series=sr.SourceSeriesForSegmentation(run.series.series_instance_uid),
    )


def _of_no_segment(measured: Sequence[MeasuredValue], run: FinishedRun) -> sr.MeasurementsAndQualitativeEvaluations:
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked(run, "measurements"),
        algorithm_id=_algorithm(run.pipeline),
        measurements=[_measurement(one) for one in measured],
    )


def _of_nothing(run: FinishedRun) -> sr.MeasurementsAndQualitativeEvaluations:
    """The template asks for one group at least: which images were looked at, and by what."""
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked(run, "images"),
        algorithm_id=_algorithm(run.pipeline),
        source_images=[_source_image(image) for image in run.series.instances],
    )


def _source_image(image: Dataset) -> sr.SourceImageForMeasurementGroup:
    return sr.SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)


def _box(box: Box, run: FinishedRun, *, occurrence: int) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    region, findings = box_codes(run.pipeline, box)
    image = _image(run, box.sop_instance_uid)
    corners = [(box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)]
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        # A viewer takes two groups of one tracking UID for one finding; so the second hip of a region has its own.
        tracking_identifier=_tracked(run, box.region if occurrence == 1 else f"{box.region} {occurrence}"),
        referenced_region=sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=np.array([*corners, corners[0]]),
            source_image=sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
        ),
        finding_type=provenance.dicom_code(findings[box.finding]),
        finding_sites=[_site(region)],
        algorithm_id=_algorithm(run.pipeline),
        measurements=[_probability(findings[one], value) for one, value in most_probable_first(box.probabilities)],
    )


def _site(region: Region) -> sr.FindingSite:
    side = LATERALITIES[region.laterality] if region.laterality else None
    return sr.FindingSite(provenance.dicom_code(region), laterality=side)


def _image(run: FinishedRun, sop_instance_uid: str) -> Dataset:
    for image in run.series.instances:
        if image.SOPInstanceUID == sop_instance_uid:
            return image
    raise OperatorContractBroken(
        f"A box lies on image {sop_instance_uid}, which the run did not look at. Correct the operator that found it."
    )


def _classification(one: ClassifiedValue, run: FinishedRun) -> sr.MeasurementsAndQualitativeEvaluations:
    classes = class_codes(run.pipeline, one)
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked(run, one.name),
        finding_type=provenance.dicom_code(classes[one.label]),
        algorithm_id=_algorithm(run.pipeline),
        measurements=[_probability(classes[label], value) for label, value in most_probable_first(one.probabilities)],
        source_images=[
            _source_image(image) for image in run.series.instances if image.SOPInstanceUID in one.sop_instance_uids
        ],
    )


def _measurement(measured: MeasuredValue) -> sr.Measurement:
    return sr.Measurement(name=provenance.dicom_code(measured.concept), value=measured.value, unit=_unit(measured.unit))


def _probability(finding: Code, probability: float) -> sr.Measurement:
    name = DicomCode(f"P-{finding.value}"[:16], OWN_SCHEME, f"Probability of {finding.meaning}"[:64])
    return sr.Measurement(name=name, value=round(100 * probability, 2), unit=_unit("%"))


def _unit(ucum: str) -> DicomCode:
    return DicomCode(ucum, "UCUM", UNIT_MEANINGS.get(ucum, ucum))


def _tracked(run: FinishedRun, what: str) -> sr.TrackingIdentifier:
    source = run.series.instances[0]
    uid = run.identity.tracking_uid(source, pipeline=run.pipeline.name, segment=what)
    return sr.TrackingIdentifier(uid, f"{run.pipeline.name} {what}"[:64])


def _algorithm(pipeline: Pipeline) -> sr.AlgorithmIdentification:
    models = [f"model {alias}: {pin.label} sha256:{pin.sha256}" for alias, pin in pipeline.models.items()]
    return sr.AlgorithmIdentification(
        name=pipeline.name,
        version=provenance.software_version(pipeline),
        family=codes.DCM.ArtificialIntelligence,
        manufacturer=provenance.MANUFACTURER,
        parameters=[f"pipeline: sha256:{pipeline.digest}", *models],
    )
