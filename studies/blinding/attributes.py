"""What is left of images: the attributes that a viewer needs to show them and a reader to judge them, and no others.

A list of what stays, not of what goes: whatever a vendor adds, private or new, is out until somebody adds it here.
None of it names a person, a place, a device or software; see docs/operators/blinding.md for PS3.15, table E.1-1.
"""

from __future__ import annotations

from functools import cache

from pydicom import datadict, uid

_GENERAL = (
    "SOPClassUID SOPInstanceUID AvailableTransferSyntaxUID StudyInstanceUID SeriesInstanceUID "
    "FrameOfReferenceUID Modality ImageType "
    "SeriesNumber AcquisitionNumber InstanceNumber StudyDate StudyTime SeriesDate SeriesTime AcquisitionDate "
    "AcquisitionTime AcquisitionDateTime ContentDate ContentTime SeriesDescription BodyPartExamined Laterality "
    "ImageLaterality ViewPosition PatientPosition PatientOrientation PresentationIntentType LossyImageCompression "
    "LossyImageCompressionRatio LossyImageCompressionMethod BurnedInAnnotation "
    "AnatomicRegionSequence ViewCodeSequence ViewModifierCodeSequence CodeValue CodingSchemeDesignator CodeMeaning "
)
_PIXELS = (
    "SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns PixelAspectRatio "
    "BitsAllocated BitsStored HighBit PixelRepresentation SmallestImagePixelValue LargestImagePixelValue "
    "PixelPaddingValue PixelPaddingRangeLimit RedPaletteColorLookupTableDescriptor "
    "GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor RedPaletteColorLookupTableData "
    "GreenPaletteColorLookupTableData BluePaletteColorLookupTableData PixelSpacing ImagerPixelSpacing "
    "NominalScannedPixelSpacing PixelSpacingCalibrationType EstimatedRadiographicMagnificationFactor "
    "ImagePositionPatient ImageOrientationPatient SliceLocation SliceThickness SpacingBetweenSlices "
    "WindowCenter WindowWidth VOILUTFunction VOILUTSequence LUTDescriptor LUTData RescaleIntercept RescaleSlope "
    "RescaleType ModalityLUTSequence ModalityLUTType PresentationLUTShape PixelIntensityRelationship "
    "PixelIntensityRelationshipSign FrameIncrementPointer FrameTime FrameTimeVector CineRate "
    "RecommendedDisplayFrameRate TemporalPositionIdentifier NumberOfTemporalPositions TriggerTime "
)
_TECHNIQUE = (
    "ScanningSequence SequenceVariant ScanOptions MRAcquisitionType SequenceName RepetitionTime EchoTime EchoNumbers "
    "EchoTrainLength InversionTime FlipAngle NumberOfAverages ImagingFrequency ImagedNucleus MagneticFieldStrength "
    "NumberOfPhaseEncodingSteps PercentSampling PercentPhaseFieldOfView PixelBandwidth AcquisitionMatrix "
    "InPlanePhaseEncodingDirection DiffusionBValue DiffusionGradientOrientation "
    "KVP GantryDetectorTilt TableHeight RotationDirection ExposureTime XRayTubeCurrent Exposure ExposureInuAs "
    "FilterType ConvolutionKernel SpiralPitchFactor CTDIvol ReconstructionDiameter DistanceSourceToDetector "
    "DistanceSourceToPatient BodyPartThickness CompressionForce PositionerPrimaryAngle PositionerSecondaryAngle "
    "Units CountsSource SeriesType DecayCorrection CorrectedImage DecayFactor DoseCalibrationFactor FrameReferenceTime "
    "ActualFrameDuration NumberOfSlices NumberOfTimeSlices ImageIndex RadiopharmaceuticalInformationSequence "
    "RadiopharmaceuticalStartTime RadiopharmaceuticalStopTime RadiopharmaceuticalStartDateTime RadionuclideTotalDose "
    "RadionuclideHalfLife RadionuclidePositronFraction RadionuclideCodeSequence "
    "SequenceOfUltrasoundRegions RegionSpatialFormat RegionDataType RegionFlags RegionLocationMinX0 "
    "RegionLocationMinY0 RegionLocationMaxX1 RegionLocationMaxY1 ReferencePixelX0 ReferencePixelY0 "
    "ReferencePixelPhysicalValueX ReferencePixelPhysicalValueY PhysicalUnitsXDirection PhysicalUnitsYDirection "
    "PhysicalDeltaX PhysicalDeltaY "
)
_MULTI_FRAME = (
    "SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence PlanePositionSequence PlaneOrientationSequence "
    "PixelMeasuresSequence PixelValueTransformationSequence FrameVOILUTSequence FrameContentSequence StackID "
    "InStackPositionNumber FrameAcquisitionNumber DimensionIndexValues TemporalPositionIndex FrameAcquisitionDateTime "
    "FrameReferenceDateTime FrameAcquisitionDuration FrameAnatomySequence FrameLaterality "
    "DimensionOrganizationSequence DimensionOrganizationUID DimensionOrganizationType DimensionIndexSequence "
    "DimensionIndexPointer FunctionalGroupPointer MREchoSequence EffectiveEchoTime "
    "MRTimingAndRelatedParametersSequence MRDiffusionSequence DiffusionDirectionality "
    "DiffusionGradientDirectionSequence "
)
CHARACTERISTICS = ("PatientSex", "PatientAge", "PatientSize", "PatientWeight")
"""Of the patient: kept where the protocol shows or pseudonymises (PS3.15 E.3.5, Retain Patient Characteristics)."""

SEARCHED_OF_STUDY = (
    "SpecificCharacterSet",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
)
SEARCHED_OF_SERIES = ("SeriesDate", "SeriesTime", "Modality", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber")
"""What searches tell, and match by, of a study and of a series."""

_STORAGE = (
    "CTImageStorage EnhancedCTImageStorage LegacyConvertedEnhancedCTImageStorage "
    "MRImageStorage EnhancedMRImageStorage EnhancedMRColorImageStorage LegacyConvertedEnhancedMRImageStorage "
    "PositronEmissionTomographyImageStorage EnhancedPETImageStorage LegacyConvertedEnhancedPETImageStorage "
    "NuclearMedicineImageStorage UltrasoundImageStorage UltrasoundMultiFrameImageStorage EnhancedUSVolumeStorage "
    "ComputedRadiographyImageStorage DigitalXRayImageStorageForPresentation "
    "DigitalMammographyXRayImageStorageForPresentation BreastTomosynthesisImageStorage "
    "DigitalIntraOralXRayImageStorageForPresentation XRayAngiographicImageStorage EnhancedXAImageStorage "
    "XRayRadiofluoroscopicImageStorage EnhancedXRFImageStorage XRay3DAngiographicImageStorage "
    "XRay3DCraniofacialImageStorage OphthalmicPhotography8BitImageStorage OphthalmicPhotography16BitImageStorage "
    "OphthalmicTomographyImageStorage VLEndoscopicImageStorage VLPhotographicImageStorage"
)


@cache
def kept_of_images() -> dict[str, str]:
    """The value representations by tag, eight hexadecimal digits, of what stays; several are written `US or SS`."""
    return _with_representations((_GENERAL + _PIXELS + _TECHNIQUE + _MULTI_FRAME).split())


@cache
def image_classes() -> frozenset[str]:
    """SOP classes of acquired images. Captures, reports and presentation states may say who made them, and stay out."""
    return frozenset(str(getattr(uid, name)) for name in _STORAGE.split())


def tag_of(keyword: str) -> str:
    """The tag of a keyword as eight hexadecimal digits. Raises KeyError."""
    tag = datadict.tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"


def _with_representations(keywords: list[str]) -> dict[str, str]:
    return {tag_of(keyword): datadict.dictionary_VR(tag_of(keyword)) for keyword in keywords}
