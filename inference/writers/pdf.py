"""A run's result as one readable page, in an encapsulated PDF (PS3.3 A.45.1)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from django.template import Context, Engine
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage
from pydicom.valuerep import PersonName

from inference.products import FinishedRun, WrittenFile
from inference.writers import printing, provenance
from inference.writers.findings import most_probable_first
from inference.writers.pictures import pictures_of, readable

FILE_NAME = "report.pdf.dcm"
TEMPLATES = Path(__file__).parent.parent / "templates"
TEMPLATE = "inference/result_report.html"


def write(run: FinishedRun, folder: Path) -> list[WrittenFile]:
    """Write the run's page as `report.pdf.dcm` into `folder`. Raises InstallationFault where no PDF can be made."""
    file = folder / FILE_NAME
    make_document(run).save_as(file, enforce_file_format=True)
    return [WrittenFile("pdf", file, "Result report (encapsulated PDF)")]


def make_document(run: FinishedRun) -> Dataset:
    """The page with patient and exam, one picture, every number and finding, and who made it of what standing."""
    page = _page(run)
    document = provenance.new_object(run, "pdf", sop_class=EncapsulatedPDFStorage, modality="DOC")
    document.ConversionType = "WSD"
    document.BurnedInAnnotation = "YES"
    document.AcquisitionDateTime = ""
    document.DocumentTitle = f"{run.pipeline.title}: {run.pipeline.notice}"[:1024]
    document.ConceptNameCodeSequence = [provenance.IMAGING_REPORT]
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(page)
    document.EncapsulatedDocument = page + b"\0" * (len(page) % 2)
    return document


def _page(run: FinishedRun) -> bytes:
    html = _template().render(Context(_said(run)))
    page: bytes = printing.printer()(string=html).write_pdf()
    return page


@cache
def _template() -> Any:
    return Engine(dirs=[str(TEMPLATES)], app_dirs=False).get_template(TEMPLATE)


def _said(run: FinishedRun) -> dict[str, Any]:
    """Everything that the template shows, as text."""
    pictures = pictures_of(run)
    return {
        "title": run.pipeline.title,
        "notice": run.pipeline.notice,
        "facts": list(_facts(run.series.instances[0], run)),
        "picture": _data_url(pictures[len(pictures) // 2].pixels) if pictures else "",
        "measurements": [(one.name, readable(one.value), one.unit) for one in run.outputs.measurements],
        "findings": list(_findings(run)),
        "notes": run.outputs.notes,
        "made_by": list(_made_by(run)),
    }


def _facts(source: Dataset, run: FinishedRun) -> Iterator[tuple[str, str]]:
    name = PersonName(str(source.get("PatientName", ""))).family_comma_given()
    yield "Patient", f"{name} ({source.get('PatientID', '')})"
    yield "Exam", f"{_date(str(source.get('StudyDate', '')))} {source.get('StudyDescription', '')}".strip()
    yield "Accession number", str(source.get("AccessionNumber", ""))
    yield "Images", run.series.label


def _date(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else text


def _findings(run: FinishedRun) -> Iterator[tuple[str, str, str]]:
    for box in run.outputs.boxes:
        yield box.region, box.finding, f"{box.probability:.0%}"
    for one in run.outputs.classifications:
        for label, probability in most_probable_first(one.probabilities):
            yield one.name, label, f"{probability:.0%}"


def _made_by(run: FinishedRun) -> Iterator[str]:
    pipeline = run.pipeline
    yield f"{provenance.MANUFACTURER} pipeline {pipeline.name} {pipeline.version} sha256:{pipeline.digest}"
    for pin in pipeline.models.values():
        yield f"Model {pin.label} sha256:{pin.sha256}"


def _data_url(pixels: NDArray[np.uint8]) -> str:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
