"""A case that three arms segmented: a pipeline of ours, a vendor's AI and a person, each in its own manner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from django.utils.timezone import now
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.coding import Code

from dicom_ingest.models import Exam, Series
from feedback.models import Form
from inference.models import Job, Result
from inference.operators.loading import load_volume
from inference.operators.values import Mask
from portal.models import User
from studies.models import ArmFinding, Case, Read, Study
from studies.protocols import protocol_forms
from tests.inference.received import receive
from tests.inference.series import Patient, mr_series, source
from tests.inference.stored import pipeline_of, version_of

LIVER = Code("10200004", "SCT", "Liver")
LIVER_OF_OLD = Code("T-62000", "SRT", "Hepar, so we call it")
SPLEEN = Code("78961009", "SCT", "Spleen")
Masks = Mapping[Code, NDArray[np.uint8]]

SHAPE = (5, 12, 14)
PATIENT = Patient(patient_id="MRN-4711", study_instance_uid="1.2.826.0.1.3680043.8.498.4711", study_date="20250611")
EARLIER = Patient(patient_id="MRN-4711", study_instance_uid="1.2.826.0.1.3680043.8.498.4710", study_date="20241203")
NAME = "Quixote^Dulcinea"
FORM = "segmentation-quality"
ARMS = ("machine", "vendor", "novice")
_OF_PATIENT = "MRN-4711 Quixote Dulcinea 19630412 20250611 20241203 ACC-9917 Toboso Gregory Sancho SCANNER-7 SN-4242"
_OF_ARMS = "acme-liver Acme Vendorsoft DeepHepar VS-9 Overread novice machine vendor hepar T-62000 20250612 20250613"
_OF_PEOPLE = "Rocinante person-at-the-mouse coordinator governance reader2"
TRACES = tuple(" ".join((_OF_PATIENT, _OF_ARMS, _OF_PEOPLE)).split())
"""Every word that would tell a reader of the patient, an arm or another person. UIDs are looked for besides."""


def scan(patient: Patient = PATIENT, *, voxels: NDArray[np.uint16] | None = None, **attributes: Any) -> list[Dataset]:
    """A small MR series whose headers name people and places in every way that scanners do."""
    if voxels is None:
        voxels = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    instances = mr_series(voxels, patient=patient, description="AX T1 post")
    for instance in instances:
        instance.PatientName, instance.PatientBirthDate, instance.PatientSex = NAME, "19630412", "F"
        instance.OtherPatientIDs, instance.PatientAddress = "Quixote-2", "Toboso 1"
        instance.AccessionNumber, instance.ReferringPhysicianName = "ACC-9917", "House^Gregory"
        instance.OperatorsName, instance.InstitutionName = "Panza^Sancho", "Hospital of Toboso"
        instance.StationName, instance.DeviceSerialNumber = "SCANNER-7", "SN-4242"
        instance.ProtocolName, instance.StudyDescription = "Liver for Quixote", "MR for Dulcinea"
        instance.PatientAge, instance.ImageComments = "094Y", "seen by House"
        instance.AcquisitionDateTime = f"{patient.study_date}101500.000000+0200"
        block = instance.private_block(0x0029, "TOBOSO HEADER", create=True)
        block.add_new(0x10, "LO", "Quixote private")
        for keyword, value in attributes.items():
            setattr(instance, keyword, value)
    return instances


def box(*, low: int = 1, high: int = 4) -> NDArray[np.uint8]:
    """A lopsided box in the scan's voxels, by slice, row and column."""
    mask: NDArray[np.uint8] = np.zeros(SHAPE, dtype=np.uint8)
    mask[low:high, 2:7, 3 : 5 + low] = 1
    return mask


def vendors(
    instances: Sequence[Dataset], masks: Masks, *, kind: str = "FRACTIONAL", omits: bool = True, **attributes: Any
) -> Dataset:
    """A vendor's AI: another maker, fractions, only frames with something in them, words of its own."""
    pixels: NDArray[Any] = np.stack(list(masks.values()), axis=-1)
    pixels = pixels.astype(np.float32) * 0.8 if kind == "FRACTIONAL" else pixels
    made = Segmentation(
        source_images=instances,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[
            SegmentDescription(
                segment_number=number,
                segment_label=f"DeepHepar {code.meaning}",
                segmented_property_category=Code("85756007", "SCT", "Tissue"),
                segmented_property_type=code,
                algorithm_type="AUTOMATIC",
                algorithm_identification=hd.AlgorithmIdentificationSequence(
                    name="DeepHepar", family=Code("123110", "DCM", "Artificial Intelligence"), version="VS-9"
                ),
                tracking_uid=hd.UID(),
                tracking_id="Vendorsoft 1",
            )
            for number, code in enumerate(masks, start=1)
        ],
        series_instance_uid=hd.UID(),
        series_number=77,
        series_description="DeepHepar VS-9",
        sop_instance_uid=hd.UID(),
        instance_number=3,
        manufacturer="Vendorsoft",
        manufacturer_model_name="DeepHepar",
        software_versions="VS-9",
        device_serial_number="VS-9-1",
        omit_empty_frames=omits,
        **attributes,
    )
    _date(made, "20250612")
    return made


def persons(instances: Sequence[Dataset], masks: Masks) -> Dataset:
    """A person's segmentation: frames in reverse, codes of old, a name in it."""
    drawn = {LIVER_OF_OLD if code == LIVER else code: mask[::-1] for code, mask in masks.items()}
    made = vendors(
        list(instances)[::-1],
        drawn,
        kind="BINARY",
        omits=False,
        content_creator_name="Rocinante^Novice",
        content_label="PERSON",
    )
    made.Manufacturer = "person-at-the-mouse"
    _date(made, "20250613")
    made.SeriesNumber, made.SeriesDescription = 99, "Segmentation"
    for segment in made.SegmentSequence:
        segment.SegmentAlgorithmType, segment.SegmentLabel = "MANUAL", "Segment 1"
        del segment.SegmentationAlgorithmIdentificationSequence
    return made


def _date(made: Dataset, day: str) -> None:
    made.ContentDate = made.SeriesDate = made.InstanceCreationDate = day


def ours(instances: Sequence[Dataset], masks: Masks, *, folder: Path) -> Result:
    """The result of a pipeline of ours, filed as the engine does."""
    from inference import results
    from inference.execution import ObjectFile, Report
    from inference.identity import Identity
    from inference.writers import seg
    from tests.inference.writers.runs import finished

    codes = [
        (
            f"Acme {code.meaning}",
            {"value": code.value, "scheme": code.scheme_designator, "meaning": "Acme's " + code.meaning},
        )
        for code in masks
    ]
    definition = pipeline_of("acme-liver", *codes)
    series = Series.objects.get(series_instance_uid=instances[0].SeriesInstanceUID)
    job = Job.objects.create(
        pipeline=version_of(definition),
        exam=series.exam,
        input_series=series,
        fingerprint=f"{Job.objects.count():064}",
        state=Job.State.SUCCEEDED,
    )
    volume = load_volume(source(instances))
    segments = [Mask(volume.with_array(mask)) for mask in masks.values()]
    folder.mkdir(exist_ok=True)
    run = finished(instances, definition, segments=segments, identity=Identity(salt="salt", run=str(job.pk)))
    files = [ObjectFile(kind=one.kind, path=one.path, description=one.description) for one in seg.write(run, folder)]
    report = Report(measurements=(), boxes=(), classifications=(), is_urgent=False, notes=(), files=tuple(files))
    return results.store(job, report)


def sent(dataset: Dataset) -> Series:
    """The series of an object that came over DICOM."""
    receive([dataset], called_ae="VENDOR")
    return Series.objects.get(series_instance_uid=dataset.SeriesInstanceUID)


def document(**changes: Any) -> dict[str, Any]:
    """What a protocol says of the three arms and of how they are read."""
    arms = [
        {"key": "machine", "label": "Acme liver", "findings": {"kind": "pipeline", "pipeline": "acme-liver"}},
        {"key": "vendor", "label": "Vendorsoft", "findings": {"kind": "dicom", "when": 'series.Modality == "SEG"'}},
        {"key": "novice", "label": "Novice", "findings": {"kind": "dicom", "when": 'series.Modality == "SEG"'}},
    ]
    return {
        "pipelines": [{"name": "acme-liver"}],
        "arms": arms,
        "forms": [protocol_forms.shipped()[FORM]],
        "design": {"kind": "blind-scoring", "arms": list(ARMS), "form": FORM},
        "blinding": {"readers": "blinded", "patient": "pseudonymised"},
    } | changes


@dataclass
class Scene:
    """One case with the findings of its arms, and reads of it."""

    study: Study
    case: Case
    reader: User
    form: Form
    instances: list[Dataset]

    @property
    def exam(self) -> Exam:
        return self.case.exam

    def finding(self, arm: str, made: Result | Series) -> ArmFinding:
        what = {"result": made} if isinstance(made, Result) else {"series": made}
        return ArmFinding.objects.create(case=self.case, arm=arm, **what)

    def read(self, *arms: str, **fields: Any) -> Read:
        about = {
            "study": self.study,
            "case": self.case,
            "reader": self.reader,
            "arms": list(arms),
            "condition": "-".join(arms) or "unaided",
            "form": self.form,
            "protocol": self.case.protocol,
            "position": Read.objects.count() + 1,
            "state": Read.State.OPENED,
            "opened_at": now(),
        }
        return Read.objects.create(**(about | fields))
