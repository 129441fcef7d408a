"""What every object of a result says of where it comes from: whose exam, which pipeline, and of what standing it is."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import highdicom as hd
from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as DicomCode
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from inference.identity import Identity
from inference.products import FinishedRun
from inference.schema import Code, ObjectKind, Pipeline

MANUFACTURER = "Overread"
UTF_8 = "ISO_IR 192"
COPIED = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""What a result says of patient and exam exactly as its source does, empty where the source lacks it (type 2)."""
COPIED_TAGS = frozenset(Tag(keyword) for keyword in COPIED)
PIXEL_DATA = Tag("PixelData")
SERIES_NUMBER_OFFSETS: dict[ObjectKind, int] = {
    "seg": 1000,
    "sr": 2000,
    "rtstruct": 3000,
    "capture": 4000,
    "pdf": 5000,
}
"""A result's series number is that of its source plus this, so that it sorts behind the scanner's own."""

SOURCE_IMAGE = hd.sr.CodedConcept("121322", "DCM", "Source image for image processing operation")

IMAGING_REPORT = hd.sr.CodedConcept("126000", "DCM", "Imaging Measurement Report")

# Its messages quote the names of patients.
logging.getLogger("highdicom").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Place:
    """Where an object stands in its exam: the UIDs and the number of its series, and its own UID and number."""

    series_instance_uid: UID
    series_number: int
    sop_instance_uid: UID
    instance_number: int


def place(run: FinishedRun, kind: ObjectKind, *, number: int = 1) -> Place:
    """The place of the run's object of that kind; `number` counts several of one kind, all in one series."""
    identity: Identity = run.identity
    return Place(
        series_instance_uid=identity.uid("series", identity.run, kind),
        series_number=SERIES_NUMBER_OFFSETS[kind] + int(run.series.instances[0].get("SeriesNumber") or 0),
        sop_instance_uid=identity.uid("instance", identity.run, kind, str(number)),
        instance_number=number,
    )


def new_place(source: Dataset, *, series_number_offset: int) -> Place:
    """The place of an object that no run made: in a series of its own, numbered behind that of `source`."""
    number = series_number_offset + int(source.get("SeriesNumber") or 0)
    return Place(series_instance_uid=hd.UID(), series_number=number, sop_instance_uid=hd.UID(), instance_number=1)


def headers(instances: Iterable[Dataset]) -> list[Dataset]:
    """The instances without their pixels, and with every attribute of COPIED empty.

    highdicom refuses a whole result for a date or sex that it doubts. All other elements are shared, not copied.
    """
    return [_header(instance) for instance in instances]


def name_as_source(written: Dataset, source: Dataset) -> None:
    """Give `written` the source's patient and exam, letter by letter, in UTF-8."""
    written.SpecificCharacterSet = UTF_8
    for keyword in COPIED:
        setattr(written, keyword, source.get(keyword, ""))


def series_description(pipeline: Pipeline) -> str:
    return f"{pipeline.title} {pipeline.version}"[:64]


def software_version(pipeline: Pipeline) -> str:
    """The pipeline's version and as much of its digest as tells it from every other."""
    return f"{pipeline.version}+{pipeline.digest[:12]}"


def algorithm(pipeline: Pipeline) -> hd.AlgorithmIdentificationSequence:
    """The pipeline as an algorithm, its parameters being the digests of itself and of its models."""
    models = {f"model {alias}": f"{pin.label} sha256:{pin.sha256}" for alias, pin in pipeline.models.items()}
    return hd.AlgorithmIdentificationSequence(
        name=pipeline.name,
        family=codes.DCM.ArtificialIntelligence,
        version=software_version(pipeline),
        source=MANUFACTURER,
        parameters={"pipeline": f"sha256:{pipeline.digest}", **models},
    )


def dicom_code(code: Code) -> DicomCode:
    return DicomCode(code.value, code.scheme, code.meaning)


def code_item(code: Code) -> Dataset:
    """The code as an item of a code sequence."""
    return hd.sr.CodedConcept.from_code(dicom_code(code))


def new_object(run: FinishedRun, kind: ObjectKind, *, sop_class: str, modality: str, number: int = 1) -> Dataset:
    """An object of the run with everything but its content: patient, exam, series, equipment, and its own identity."""
    source, pipeline, at, now = run.series.instances[0], run.pipeline, place(run, kind, number=number), datetime.now()
    written = Dataset()
    name_as_source(written, source)
    written.StudyInstanceUID = source.StudyInstanceUID
    if "StudyDescription" in source:
        written.StudyDescription = source.StudyDescription
    written.Modality, written.SeriesInstanceUID, written.SeriesNumber = (
        modality,
        at.series_instance_uid,
        at.series_number,
    )
    written.SeriesDescription = series_description(pipeline)
    written.Manufacturer, written.ManufacturerModelName = MANUFACTURER, pipeline.name
    written.DeviceSerialNumber, written.SoftwareVersions = pipeline.digest, software_version(pipeline)
    written.SOPClassUID, written.SOPInstanceUID, written.InstanceNumber = sop_class, at.sop_instance_uid, number
    written.InstanceCreationDate = written.SeriesDate = written.ContentDate = now.strftime("%Y%m%d")
    written.InstanceCreationTime = written.SeriesTime = written.ContentTime = now.strftime("%H%M%S.%f")
    written.file_meta = FileMetaDataset()
    written.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return written


def _header(instance: Dataset) -> Dataset:
    header = Dataset(
        {tag: element for tag, element in instance.items() if tag != PIXEL_DATA and tag not in COPIED_TAGS}
    )
    for tag in COPIED_TAGS:
        header.add(DataElement(tag, dictionary_VR(tag), ""))
    header.file_meta = instance.file_meta
    return header
