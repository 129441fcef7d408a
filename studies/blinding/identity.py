"""What a read says of the patient, and by how much it moves the patient's dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dicom_ingest.dicomweb.dicomjson import dataset
from dicom_ingest.models import Exam
from studies.blinding import salts
from studies.models import Read
from studies.protocols.protocol_schema import Blinding

Element = dict[str, Any]
_LEAST_DAYS, _MOST_DAYS = 366, 3650
_DAY = 24 * 3600

# PS3.16, CID 7050.
_PROFILE = ("113100", "Basic Application Confidentiality Profile")
_OPTIONS = (
    ("113105", "Clean Descriptors Option"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The patient as one read has them.

    attributes: of the patient, as DICOM JSON, to stand in place of the image's own. shift: what is added to every date
    and time. has_characteristics: whether sex, age, size and weight stay. is_hidden: whether nothing that names the
    patient may be left, so that an image with text burned in cannot be shown.
    """

    attributes: Element
    shift: timedelta
    has_characteristics: bool
    is_hidden: bool


def of(read: Read) -> Identity:
    """As the read's protocol says: shown, pseudonymised, or hidden.

    A pseudonym, and the shift of dates, are the patient's own throughout a study; hidden, they are the read's own, so
    that two cases of one patient cannot be told to be that.
    """
    blinding: Blinding = read.protocol.content.blinding
    exam, salt = read.case.exam, salts.of_study(read.study.slug)
    if blinding.patient == "shown":
        return Identity(attributes=_as_it_is(exam), shift=timedelta(), has_characteristics=True, is_hidden=False)
    if blinding.patient == "hidden":
        salt = salts.of_read(read.study.slug, read.pk)
        return _replaced(exam, salt, name="Hidden", has_characteristics=False)
    return _replaced(exam, salt, name="Subject", has_characteristics=True)


def _as_it_is(exam: Exam) -> Element:
    return dataset(
        PatientName=exam.patient_name,
        PatientID=exam.patient_id,
        PatientBirthDate=exam.patient_birth_date,
        PatientSex=exam.patient_sex,
        PatientIdentityRemoved="NO",
        LongitudinalTemporalInformationModified="UNMODIFIED",
    )


def _replaced(exam: Exam, salt: salts.Salt, *, name: str, has_characteristics: bool) -> Identity:
    whose = (exam.issuer_of_patient_id, exam.patient_id or exam.study_instance_uid)
    pseudonym = salt.text("patient", *whose, length=8).upper()
    seconds = salt.number("shift", *whose, below=(_MOST_DAYS - _LEAST_DAYS) * _DAY)
    codes = [_PROFILE, *(option for option in _OPTIONS if has_characteristics or option[0] != "113108")]
    attributes = dataset(
        PatientName=f"{name}^{pseudonym}",
        PatientID=pseudonym,
        PatientBirthDate=None,
        PatientSex=None,
        PatientIdentityRemoved="YES",
        DeidentificationMethodCodeSequence=[_code(*code) for code in codes],
        LongitudinalTemporalInformationModified="MODIFIED",
    )
    return Identity(
        attributes=attributes,
        shift=-timedelta(days=_LEAST_DAYS, seconds=seconds),
        has_characteristics=has_characteristics,
        is_hidden=True,
    )


def _code(value: str, meaning: str) -> Element:
    return dataset(CodeValue=value, CodingSchemeDesignator="DCM", CodeMeaning=meaning)
