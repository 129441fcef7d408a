"""A report as OHIF 3.13.2 saved it: a length of 48.3 mm and a bidirectional of 37.8 by 25.2 mm, on one image."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread

SAVED = Path(__file__).parent / "data" / "ohif-report.dcm"


def report_on(image: Dataset) -> tuple[Dataset, bytes]:
    """The report, drawn on `image` under whatever UIDs that has; and as bytes."""
    report = dcmread(SAVED)
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    theirs = [
        report.StudyInstanceUID,
        evidence.SeriesInstanceUID,
        evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID,
    ]
    ours = [image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID]
    named = dict(zip(map(str, theirs), map(str, ours), strict=True))
    for element in report.iterall():
        if element.VR == "UI":
            element.value = named.get(str(element.value), element.value)
    written = BytesIO()
    report.save_as(written, enforce_file_format=True)
    return report, written.getvalue()
