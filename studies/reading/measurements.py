"""Measurements and annotations drawn in the viewer, saved to the read as a report (DICOM SR, TID 1500)."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from uuid import uuid4

import pydicom
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from pydicom import Dataset
from pydicom.uid import generate_uid

from dicom_ingest import indexer, store
from dicom_ingest.models import Instance, Series
from inference import orders
from inference.writers import provenance
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.models import Case, Read, ReadReport
from studies.reading import reads
from studies.reading.reads import ReadRefused
from studies.reading.report_content import MOST_DRAWN, REPORTS, drawn_in

SERIES_NUMBER_OFFSET = 8000
"""The series number of a report is this plus how many the exam has: behind what pipelines make and people draw."""
_STILL_THERE = "Nothing was saved; what you drew is still in the viewer."


class ReportRefused(ReadRefused):
    """A report that cannot be kept; the text says why and what to do."""


def keep_report(read: Read, sent: Dataset, *, by: User, original: bytes) -> ReadReport:
    """Keep the report `sent`, with the bytes as they came, in a series of its own. Sent once more, it is kept once.

    sent: under the store's own UIDs. Raises Read.DoesNotExist, ReadRefused, and OSError with nothing kept.
    """
    sent_uid = str(sent.get("SOPInstanceUID", ""))
    if kept := ReadReport.objects.filter(read=read, read__reader=by, sent_uid=sent_uid).first():
        return kept
    drawn = _checked(read, sent)
    copy = _copy(read, sent)
    path = Path(settings.OVERREAD_STORE) / "deposits" / f"{uuid4()}.dcm"
    store.durable_folder(path.parent)
    store.write_durably(path, original)
    try:
        return _keep(read, copy, by, drawn=drawn, sent_uid=sent_uid, original=original, path=path)
    except BaseException:
        path.unlink(missing_ok=True)
        exam = read.case.exam.study_instance_uid
        shutil.rmtree(store.series_folder(exam, copy.SeriesInstanceUID), ignore_errors=True)
        raise


def reports_of(read: Read) -> QuerySet[ReadReport]:
    """What its reader saved in `read`, the newest first: that one counts. For its reader, and for who is unblinded."""
    return ReadReport.objects.filter(read=read).order_by("-made_at")


def of_case(case: Case) -> list[ReadReport]:
    """What counts of each read of the case, for who is unblinded."""
    found = ReadReport.objects.filter(read__case=case).select_related("read__reader")
    return list(found.order_by("read_id", "-made_at").distinct("read_id"))


def _checked(read: Read, sent: Dataset) -> list[dict[str, object]]:
    if sent.get("SOPClassUID") not in REPORTS:
        raise ReportRefused(f"What was sent is no measurement report (DICOM SR). {_STILL_THERE} Save it as a report.")
    if sent.get("StudyInstanceUID") != read.case.exam.study_instance_uid:
        raise ReportRefused(f"This report is of other images than this read shows. {_STILL_THERE} Reload the page.")
    named = {str(one.value) for one in sent.iterall() if one.keyword == "ReferencedSOPInstanceUID"}
    known = Instance.objects.filter(series__exam=read.case.exam, series__origin=Series.Origin.RECEIVED)
    if named - set(known.filter(sop_instance_uid__in=named).values_list("sop_instance_uid", flat=True)):
        raise ReportRefused(
            f"Something is drawn on images that are not of this case, such as an earlier exam's. {_STILL_THERE} Remove "
            "it, and save again."
        )
    drawn = drawn_in(sent)
    if not 0 < len(drawn) <= MOST_DRAWN:
        raise ReportRefused(f"{len(drawn)} measurements are in it: a report has 1 to {MOST_DRAWN}. {_STILL_THERE}")
    return drawn


def _copy(read: Read, sent: Dataset) -> Dataset:
    """The report as it is filed: of the exam's own patient, under UIDs that nobody has seen."""
    images = orders.files_of(read.case.exam.series.filter(origin=Series.Origin.RECEIVED).order_by("pk")[:1])
    first = pydicom.dcmread(images[0], stop_before_pixels=True)
    copy = Dataset()
    copy.update(sent)
    provenance.name_as_source(copy, first)
    copy.PatientAge = first.get("PatientAge", "")
    copy.StudyDescription = first.get("StudyDescription", "")
    copy.SeriesInstanceUID, copy.SOPInstanceUID = generate_uid(prefix=None), generate_uid(prefix=None)
    copy.SeriesNumber = SERIES_NUMBER_OFFSET + read.case.exam.series.filter(origin=Series.Origin.MEASURED).count()
    copy.file_meta = pydicom.dataset.FileMetaDataset()
    copy.file_meta.TransferSyntaxUID = sent.file_meta.TransferSyntaxUID
    return copy


@transaction.atomic
def _keep(
    read: Read, copy: Dataset, by: User, *, drawn: list[dict[str, object]], sent_uid: str, original: bytes, path: Path
) -> ReadReport:
    held = reads.hold(read.pk, by)
    if held.state != Read.State.OPENED:
        raise ReportRefused(f"This read is not open. {_STILL_THERE} Open it from My work.")
    try:
        filed = indexer.file_deposit(copy, exam=held.case.exam, origin=Series.Origin.MEASURED)
    except indexer.NotFiled as fault:
        raise ReportRefused(f"{fault} {_STILL_THERE} Save once more.") from fault
    report = ReadReport.objects.create(
        read=held,
        series=filed.series,
        measurements=drawn,
        sent_uid=sent_uid,
        original=str(path.relative_to(settings.OVERREAD_STORE)),
        sha256=hashlib.sha256(original).hexdigest(),
    )
    exam, case = held.case.exam.study_instance_uid, held.case.number
    detail = {"exam": exam, "case": case, "count": len(drawn)}
    trail.record(Action.MEASUREMENTS_SAVED, of=f"read:{held.pk}", study=held.study.slug, detail=detail)
    return report
