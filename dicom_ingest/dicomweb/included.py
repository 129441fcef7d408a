"""`includefield`: what a search returns beyond the attributes that it always returns (PS3.18 8.3.4.3, 10.6.3.3).

A search tells attributes of its own level and of those above. What the database has no column for comes from the
header that was kept of one instance.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest

from dicom_ingest import store
from dicom_ingest.dicomweb.dicomjson import Element, tag_and_vr, tag_of
from dicom_ingest.dicomweb.matching import Level
from dicom_ingest.dicomweb.refusals import BadRequest
from dicom_ingest.dicomweb.stored import content_of

_BULK = ("BulkDataURI", "InlineBinary")
MOST_FIELDS = 500

# The modules of PS3.3 that describe a patient, a study or a series, and so are the same in each of its instances.
_STUDY_KEYWORDS = (
    # Patient, Clinical Trial Subject
    "PatientName PatientID IssuerOfPatientID IssuerOfPatientIDQualifiersSequence TypeOfPatientID PatientBirthDate "
    "PatientBirthTime PatientSex OtherPatientIDs OtherPatientIDsSequence OtherPatientNames EthnicGroup "
    "PatientComments PatientSpeciesDescription PatientSpeciesCodeSequence PatientBreedDescription "
    "PatientBreedCodeSequence ResponsiblePerson ResponsiblePersonRole ResponsibleOrganization PatientIdentityRemoved "
    "DeidentificationMethod DeidentificationMethodCodeSequence ReferencedPatientSequence QualityControlSubject "
    "ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSiteID "
    "ClinicalTrialSiteName ClinicalTrialSubjectID ClinicalTrialSubjectReadingID ClinicalTrialTimePointID "
    "ClinicalTrialTimePointDescription "
    # General Study, Patient Study
    "StudyInstanceUID StudyDate StudyTime ReferringPhysicianName ReferringPhysicianIdentificationSequence StudyID "
    "ConsultingPhysicianName AccessionNumber IssuerOfAccessionNumberSequence StudyDescription "
    "ProcedureCodeSequence PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence "
    "NameOfPhysiciansReadingStudy ReferencedStudySequence RequestingService ReasonForPerformedProcedureCodeSequence "
    "AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence PatientAge PatientSize PatientWeight "
    "PatientBodyMassIndex MedicalAlerts Allergies SmokingStatus PregnancyStatus LastMenstrualDate PatientState "
    "Occupation AdditionalPatientHistory AdmissionID ServiceEpisodeID ServiceEpisodeDescription PatientSexNeutered "
    "TimezoneOffsetFromUTC SpecificCharacterSet"
)
_SERIES_KEYWORDS = (
    # General Series, Clinical Trial Series
    "Modality SeriesInstanceUID SeriesNumber Laterality SeriesDate SeriesTime PerformingPhysicianName ProtocolName "
    "SeriesDescription SeriesDescriptionCodeSequence OperatorsName ReferencedPerformedProcedureStepSequence "
    "RelatedSeriesSequence BodyPartExamined AnatomicRegionSequence PatientPosition SmallestPixelValueInSeries "
    "LargestPixelValueInSeries RequestAttributesSequence PerformedProcedureStepID PerformedProcedureStepStartDate "
    "PerformedProcedureStepStartTime PerformedProcedureStepEndDate PerformedProcedureStepEndTime "
    "PerformedProcedureStepDescription PerformedProtocolCodeSequence CommentsOnThePerformedProcedureStep "
    "ClinicalTrialCoordinatingCenterName ClinicalTrialSeriesID ClinicalTrialSeriesDescription "
    # General Equipment, Frame of Reference
    "Manufacturer InstitutionName InstitutionAddress StationName InstitutionalDepartmentName ManufacturerModelName "
    "DeviceSerialNumber SoftwareVersions GantryID SpatialResolution DateOfLastCalibration TimeOfLastCalibration "
    "FrameOfReferenceUID PositionReferenceIndicator"
)
_TAGS_OF_STUDY = frozenset(tag_and_vr(keyword)[0] for keyword in _STUDY_KEYWORDS.split())
_TAGS_OF_SERIES = frozenset(tag_and_vr(keyword)[0] for keyword in _SERIES_KEYWORDS.split())


@dataclass(frozen=True)
class Included:
    """What one search was asked to return besides: `everything` of its level, and the attributes of `tags`."""

    level: Level
    everything: bool
    tags: frozenset[str]

    @classmethod
    def of(cls, request: HttpRequest, level: Level, *, matched: Iterable[str] = ()) -> Included:
        """What `request` asks for; attributes that it matches by are returned too. Raises BadRequest."""
        names = [name for value in request.GET.getlist("includefield") for name in value.split(",") if name]
        if len(names) > MOST_FIELDS:
            raise BadRequest(f"includefield names {len(names)} attributes; at most {MOST_FIELDS}, or all.")
        everything = any(name.lower() == "all" for name in names)
        asked = {_tag(name) for name in names if name.lower() != "all"} | {_tag(name) for name in matched}
        return cls(level, everything, frozenset(tag for tag in asked if cls(level, False, frozenset())._tells(tag)))

    def needs_header(self, known: Iterable[str]) -> bool:
        """Whether more is asked for than the tags `known`."""
        return self.everything or not self.tags <= set(known)

    def of_columns(self, columns: Element) -> Element:
        """Those of the attributes from the database that were asked for."""
        return {tag: element for tag, element in columns.items() if tag in self.tags}

    def of_header(self, header: Element) -> Element:
        """Those of the attributes of an instance's header that were asked for, bulk data left out."""
        return {
            tag: element
            for tag, element in header.items()
            if (tag in self.tags or (self.everything and self._is_own(tag))) and not set(_BULK) & element.keys()
        }

    def _tells(self, tag: str) -> bool:
        """Whether a search of this level may return `tag` at all."""
        if self.level == Level.INSTANCE:
            return True
        return tag in _TAGS_OF_STUDY or (self.level == Level.SERIES and tag in _TAGS_OF_SERIES)

    def _is_own(self, tag: str) -> bool:
        """Whether `tag` is of this level: `all` leaves the levels above to what the search returns of them anyway."""
        if self.level == Level.STUDY:
            return tag in _TAGS_OF_STUDY
        if self.level == Level.SERIES:
            return tag in _TAGS_OF_SERIES
        return tag not in _TAGS_OF_STUDY | _TAGS_OF_SERIES


def header(study: str, series: str, sop: str) -> Element:
    """The header that was kept of an instance. Raises GoneFromStore."""
    kept: Element = json.loads(content_of(store.header_path(study, series, sop)))
    return kept


def _tag(name: str) -> str:
    tag = tag_of(name.partition(".")[0])
    if tag is None:
        raise BadRequest(
            f"includefield: {name[:64]!r} is no DICOM attribute. Give keywords, tags such as 00081030, or all."
        )
    return tag
