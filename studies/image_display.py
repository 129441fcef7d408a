"""The link behind a PACS's button: IHE Invoke Image Display, RAD-106 (IHE RAD TF-2, 4.106).

`requestType=STUDY` with `studyUID` or `accessionNumber`, both lists separated by commas, or `requestType=PATIENT` with
`patientID` as an HL7 v2 CX value (`123^^^Issuer`). Parameters that choose a viewer or how it shows images are accepted
and have no effect: there is one viewer, it shows the images as received.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware, make_naive
from django.views.decorators.http import require_safe

from dicom_ingest.models import Exam, ExamQuerySet
from dicom_ingest.store import MalformedUID, checked_uid
from inference.models import Result
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from portal.signed_in import SignedInRequest
from studies.reading import reading_list

CHOICES = 50


class MalformedRequest(ValueError):
    """The link lacks a parameter that RAD-106 requires, or a value cannot be read. Says what is expected."""


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """The exams with these identifiers; with both lists, those that are in both."""

    study_uids: tuple[str, ...]
    accession_numbers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PatientRequest:
    """The exams of one patient, newest first, within the given limits. Times are the scanner's local ones."""

    patient_id: str
    issuer: str
    lower: datetime | None
    upper: datetime | None
    modalities: tuple[str, ...]
    most_recent: int | None


@require_safe
@login_required
def image_display(request: SignedInRequest) -> HttpResponse:
    """Lead to what the link asks for: the reader's open read of it, its result, its exam, or a choice of exams.

    Of several exams, the one that the reader has to read is what was meant.
    """
    try:
        wanted = parse(request.GET)
    except MalformedRequest as fault:
        return render(request, "studies/image_display_malformed.html", {"fault": fault}, status=400)
    exams = find(wanted, request.user)
    _note(exams, asked=request.GET["requestType"])
    if not exams:
        return render(request, "studies/image_display_none.html", status=404)
    waiting = reading_list.reads_of_exams(request.user, exams)
    if len(waiting) == 1:
        return redirect("read", waiting[0].pk)
    if len(exams) > 1:
        context = {"exams": exams, "limit": CHOICES, "to_read": {read.case.exam_id for read in waiting}}
        return render(request, "studies/image_display_choice.html", context)
    result = Result.objects.current().filter(exam=exams[0]).order_by("-created_at").first()
    if result is None:
        return redirect("exam", exams[0].study_instance_uid)
    return redirect("result", result.pk)


def _note(exams: list[Exam], *, asked: str) -> None:
    """That somebody came by a link, and which exam it led to; what the link said of a patient is left out."""
    detail = {"kind": asked, "hits": len(exams)}
    if len(exams) == 1:
        trail.record_on_exam(Action.IMAGE_DISPLAY_INVOKED, exam=exams[0].study_instance_uid, detail=detail)
    else:
        trail.record(Action.IMAGE_DISPLAY_INVOKED, of="", detail=detail)


def parse(query: QueryDict) -> StudyRequest | PatientRequest:
    """What the link asks for. Raises MalformedRequest."""
    match query.get("requestType"):
        case "STUDY":
            return _study_request(query)
        case "PATIENT":
            return _patient_request(query)
        case None | "":
            raise MalformedRequest("requestType is missing. It has to be STUDY or PATIENT.")
        case other:
            raise MalformedRequest(f"requestType is “{other}”. It has to be STUDY or PATIENT, in capitals.")


def find(wanted: StudyRequest | PatientRequest, user: User) -> list[Exam]:
    """The exams that match and that `user` may see or has to read, newest first, at most `CHOICES` of them.

    Where a study hides its patients from readers, nobody is led from a patient to the read: it would tell who it is.
    """
    visible = Exam.objects.visible_to(user) | Exam.objects.filter(pk__in=reading_list.exams_of_reads(user))
    match wanted:
        case StudyRequest():
            return list(_by_study(visible, wanted).order_by("-study_date", "-study_time", "pk")[:CHOICES])
        case PatientRequest():
            return _by_patient(visible, wanted)
        case _:
            assert_never(wanted)


def _study_request(query: QueryDict) -> StudyRequest:
    uids, accession_numbers = _listed(query, "studyUID"), _listed(query, "accessionNumber")
    if not uids and not accession_numbers:
        raise MalformedRequest("With requestType=STUDY, either studyUID or accessionNumber has to be given.")
    return StudyRequest(study_uids=tuple(_uid(value) for value in uids), accession_numbers=accession_numbers)


def _patient_request(query: QueryDict) -> PatientRequest:
    identifier, *components = query.get("patientID", "").split("^")
    if not identifier:
        raise MalformedRequest("With requestType=PATIENT, patientID has to be given, for example 123^^^Issuer.")
    issuer = components[2].partition("&")[0] if len(components) > 2 else ""
    return PatientRequest(
        patient_id=identifier,
        issuer=issuer,
        lower=_moment(query, "lowerDateTime"),
        upper=_moment(query, "upperDateTime"),
        modalities=_listed(query, "modalitiesInStudy"),
        most_recent=_count(query, "mostRecentResults"),
    )


def _by_study(visible: ExamQuerySet, wanted: StudyRequest) -> ExamQuerySet:
    if wanted.study_uids:
        visible = visible.filter(study_instance_uid__in=wanted.study_uids)
    if wanted.accession_numbers:
        visible = visible.filter(accession_number__in=wanted.accession_numbers)
    return visible


def _by_patient(visible: ExamQuerySet, wanted: PatientRequest) -> list[Exam]:
    exams = visible.filter(patient_id=wanted.patient_id)
    if wanted.issuer:
        # An exam that names no issuer is not known to be another patient's.
        exams = exams.filter(Q(issuer_of_patient_id=wanted.issuer) | Q(issuer_of_patient_id=""))
    if wanted.modalities:
        exams = exams.filter(series__modality__in=wanted.modalities)
    exams = exams.filter(_not_before(wanted.lower), _not_after(wanted.upper))
    return list(exams.order_by("-study_date", "-study_time", "pk")[: wanted.most_recent or CHOICES])


def _not_before(lower: datetime | None) -> Q:
    if lower is None:
        return Q()
    # A TM value may leave out trailing zeros, so that 1015 is 10:15:00: without the bound's own, text compares as time.
    time = re.sub("(00)+$", "", f"{lower:%H%M%S}")
    return Q(study_date__gt=lower.date()) | Q(study_date=lower.date(), study_time__gte=time)


def _not_after(upper: datetime | None) -> Q:
    if upper is None:
        return Q()
    return Q(study_date__lt=upper.date()) | Q(study_date=upper.date(), study_time__lte=f"{upper:%H%M%S}.999999")


def _listed(query: QueryDict, name: str) -> tuple[str, ...]:
    values = (value.strip() for value in query.get(name, "").split(","))
    return tuple(value for value in values if value)


def _uid(value: str) -> str:
    try:
        return checked_uid(value)
    except MalformedUID as fault:
        raise MalformedRequest(f"studyUID holds something that is no UID: {fault}") from fault


def _moment(query: QueryDict, name: str) -> datetime | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise MalformedRequest(f"{name} is “{text}”. It has to be an XML dateTime, for example 2025-03-31T08:30:00.")
    return make_naive(moment) if is_aware(moment) else moment


def _count(query: QueryDict, name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise MalformedRequest(f"{name} is “{text}”. It has to be a whole number of exams, 1 or more.")
    return min(int(text), CHOICES)
