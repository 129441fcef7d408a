"""QIDO-RS: search for exams, series and instances within a scope (PS3.18 10.6).

Every search takes a bounded number of SQL queries, whatever the number of its results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from django.db.models import Model, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, JsonResponse

from dicom_ingest import request_attributes
from dicom_ingest.dicomweb.access import root_url
from dicom_ingest.dicomweb.dicomjson import Element, dataset, path_of
from dicom_ingest.dicomweb.included import Included, header
from dicom_ingest.dicomweb.matching import Level, condition
from dicom_ingest.dicomweb.negotiation import json_type
from dicom_ingest.dicomweb.refusals import BadRequest
from dicom_ingest.dicomweb.scope import Scope, Target
from dicom_ingest.models import Exam, Instance, Series
from portal.audit import trail
from portal.audit.actions import Action

MOST_RESULTS = 1000
MOST_COUNTED = 200  # of the results that remain: to count a hundred thousand would take longer than to search
FUZZY_IGNORED = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
_NOT_KEYS = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept", "charset"})

Row = TypeVar("Row", bound=Model)


@dataclass
class Search:
    """One search: what its rows have to fulfil, which page of them is wanted, what is told of them and of itself."""

    condition: Q
    named: frozenset[str]
    included: Included
    limit: int
    offset: int
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: HttpRequest, level: Level, scope: Scope) -> Search:
        """Read the query parameters. Raises BadRequest for one that is unknown or malformed."""
        matched = _matched(request)
        return cls(
            condition=condition(level, matched, scope),
            named=frozenset(keyword for keyword, values in matched.items() if any(values)),
            included=Included.of(request, level, matched=matched),
            limit=min(_whole(request, "limit", MOST_RESULTS), MOST_RESULTS),
            offset=_whole(request, "offset", 0),
            warnings=[FUZZY_IGNORED] if request.GET.get("fuzzymatching", "").lower() == "true" else [],
        )

    def page(self, rows: QuerySet[Row]) -> list[Row]:
        """The wanted page of those of `rows` that match; notes in `warnings` how many more there are."""
        matching = rows.filter(self.condition)
        end = self.offset + self.limit
        page = list(matching[self.offset : end + 1])
        if len(page) > self.limit:
            remaining = matching[end : end + MOST_COUNTED + 1].count()
            number = str(remaining) if remaining <= MOST_COUNTED else f"more than {MOST_COUNTED}"
            self.warnings.append(f"There are {number} additional results that can be requested")
        return page[: self.limit]


def search_studies(request: HttpRequest, scope: Scope, target: Target) -> JsonResponse:
    """`/studies`"""
    search = Search.of(request, Level.STUDY, scope)
    exams = search.page(scope.exams.newest_first())
    summaries = _summaries(scope, exams)
    rows = [_exam(exam, root_url(request)) | _counts(summaries.get(exam.pk, _Summary())) for exam in exams]
    if search.included.needs_header(_exam_tags()):
        headers = _headers_of_exams(summaries)
        rows = [
            search.included.of_header(headers.get(exam.pk, {})) | row for exam, row in zip(exams, rows, strict=True)
        ]
    _note(target, search, Level.STUDY, hits=len(rows))
    return _response(request, rows, search)


def search_series(request: HttpRequest, scope: Scope, target: Target) -> JsonResponse:
    """`/series` and `/studies/{study}/series`"""
    search = Search.of(request, Level.SERIES, scope)
    rows = scope.series if "SeriesInstanceUID" in search.named else scope.listed
    if target.study:
        rows = rows.filter(exam=scope.find_exam(target))
    found = search.page(rows.select_related("exam").order_by("exam_id", "series_number", "pk"))
    root = root_url(request)
    headers = _headers_of_series(found) if search.included.needs_header(_exam_tags() | _series_tags()) else {}
    results = []
    for series in found:
        exam, own = _exam(series.exam, root), _series(series, root)
        besides = search.included.of_header(headers.get(series.pk, {})) | search.included.of_columns(exam)
        results.append(besides | own | _above(exam, left_out=bool(target.study)))
    _note(target, search, Level.SERIES, hits=len(results))
    return _response(request, results, search)


def search_instances(request: HttpRequest, scope: Scope, target: Target) -> JsonResponse:
    """`/instances`, `/studies/{study}/instances` and `/studies/{study}/series/{series}/instances`"""
    search = Search.of(request, Level.INSTANCE, scope)
    found = search.page(_instances(scope, target, search.named))
    root = root_url(request)
    needs_header = search.included.needs_header(_exam_tags() | _series_tags() | _instance_tags())
    results = []
    for instance in found:
        exam, series = _exam(instance.series.exam, root), _series(instance.series, root)
        besides = search.included.of_header(_header_of(instance)) if needs_header else {}
        above = _above(series, left_out=bool(target.series)) | _above(exam, left_out=bool(target.study))
        besides |= search.included.of_columns(exam | series)
        results.append(besides | above | _instance(instance, root))
    _note(target, search, Level.INSTANCE, hits=len(results))
    return _response(request, results, search)


def _matched(request: HttpRequest) -> dict[str, list[str]]:
    """The values to match by keyword."""
    matched: dict[str, list[str]] = {}
    for name, values in request.GET.lists():
        if name in _NOT_KEYS:
            continue
        keyword = path_of(name)
        if keyword is None:
            raise BadRequest(f"{name[:64]!r} is neither a DICOM attribute nor a parameter of a search.")
        if any(not character.isprintable() for value in values for character in value):
            raise BadRequest(f"{keyword} cannot be matched: the value holds control characters.")
        matched.setdefault(keyword, []).extend(values)
    return matched


def _whole(request: HttpRequest, name: str, default: int) -> int:
    text = request.GET.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadRequest(f"{name} has to be a whole number, 0 or more.")
    return int(text)


def _instances(scope: Scope, target: Target, named: frozenset[str]) -> QuerySet[Instance]:
    if target.series:
        rows = Instance.objects.filter(series=scope.find_series(target))
    elif named & {"SeriesInstanceUID", "SOPInstanceUID"}:
        rows = scope.instances
    else:
        rows = Instance.objects.filter(series__in=scope.listed.values("pk"))
    if target.study and not target.series:
        rows = rows.filter(series__exam=scope.find_exam(target))
    return rows.select_related("series__exam").defer("frames").order_by("series_id", "instance_number", "pk")


@dataclass
class _Summary:
    """What a study's result says of its series."""

    modalities: set[str] = field(default_factory=set)
    series: int = 0
    instances: int = 0
    first: int = 0  # the key of the series that was made first: its headers speak for the exam


def _summaries(scope: Scope, exams: list[Exam]) -> dict[int, _Summary]:
    rows = scope.listed_of_visible.filter(exam__in=[exam.pk for exam in exams])
    summaries: dict[int, _Summary] = {}
    for key, exam, modality, instances in rows.order_by("pk").values_list(
        "pk", "exam_id", "modality", "instance_count"
    ):
        summary = summaries.setdefault(exam, _Summary(first=key))
        summary.modalities.add(modality)
        summary.series += 1
        summary.instances += instances
    return summaries


def _headers_of_exams(summaries: Mapping[int, _Summary]) -> dict[int, Element]:
    """The header of one instance of each exam."""
    first = Series.objects.filter(pk__in=[summary.first for summary in summaries.values()]).select_related("exam")
    by_series = _headers_of_series(list(first))
    return {exam: by_series.get(summary.first, {}) for exam, summary in summaries.items()}


def _headers_of_series(found: list[Series]) -> dict[int, Element]:
    """The header of one instance of each series."""
    uids = {each.pk: (each.exam.study_instance_uid, each.series_instance_uid) for each in found}
    any_of = Instance.objects.filter(series=OuterRef("pk")).order_by().values("sop_instance_uid")[:1]
    sops = Series.objects.filter(pk__in=uids).order_by().annotate(any_sop=Subquery(any_of)).values_list("pk", "any_sop")
    return {key: header(*uids[key], sop) for key, sop in sops if sop is not None}


def _header_of(instance: Instance) -> Element:
    series = instance.series
    return header(series.exam.study_instance_uid, series.series_instance_uid, instance.sop_instance_uid)


def _above(attributes: Element, *, left_out: bool) -> Element:
    """The attributes of a level above, which a search below one resource of that level leaves out, but for its UID."""
    kept = {"0020000D", "0020000E"} if left_out else attributes.keys() - {"00081190"}
    return {tag: element for tag, element in attributes.items() if tag in kept}


def _counts(summary: _Summary) -> Element:
    return dataset(
        ModalitiesInStudy=sorted(summary.modalities),
        NumberOfStudyRelatedSeries=summary.series,
        NumberOfStudyRelatedInstances=summary.instances,
    )


def _exam(exam: Exam, root: str) -> Element:
    return dataset(
        SpecificCharacterSet="ISO_IR 192",
        StudyDate=exam.study_date,
        StudyTime=exam.study_time,
        AccessionNumber=exam.accession_number,
        InstanceAvailability="ONLINE",
        ReferringPhysicianName=exam.referring_physician_name,
        StudyDescription=exam.study_description,
        RetrieveURL=f"{root}/studies/{exam.study_instance_uid}",
        PatientName=exam.patient_name,
        PatientID=exam.patient_id,
        IssuerOfPatientID=exam.issuer_of_patient_id,
        PatientBirthDate=exam.patient_birth_date,
        PatientSex=exam.patient_sex,
        StudyInstanceUID=exam.study_instance_uid,
        StudyID=exam.study_id,
    )


def _series(series: Series, root: str) -> Element:
    return dataset(
        SpecificCharacterSet="ISO_IR 192",
        SeriesDate=series.series_date,
        SeriesTime=series.series_time,
        Modality=series.modality,
        SeriesDescription=series.series_description,
        RetrieveURL=f"{root}/studies/{series.exam.study_instance_uid}/series/{series.series_instance_uid}",
        SeriesInstanceUID=series.series_instance_uid,
        SeriesNumber=series.series_number,
        NumberOfSeriesRelatedInstances=series.instance_count,
        PerformedProcedureStepStartDate=series.performed_procedure_step_start_date,
        PerformedProcedureStepStartTime=series.performed_procedure_step_start_time,
        **_requests(series),
    )


def _requests(series: Series) -> dict[str, list[Element]]:
    items = request_attributes.items(series)
    return {request_attributes.SEQUENCE: [dataset(**item) for item in items]} if items else {}


def _instance(instance: Instance, root: str) -> Element:
    series = instance.series
    folder = f"{root}/studies/{series.exam.study_instance_uid}/series/{series.series_instance_uid}"
    image = {"NumberOfFrames": instance.number_of_frames, "Rows": instance.rows, "Columns": instance.columns}
    return dataset(
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=instance.sop_class_uid,
        SOPInstanceUID=instance.sop_instance_uid,
        InstanceAvailability="ONLINE",
        RetrieveURL=f"{folder}/instances/{instance.sop_instance_uid}",
        AvailableTransferSyntaxUID=instance.transfer_syntax_uid,
        InstanceNumber=instance.instance_number,
        **(image if instance.rows is not None else {}),
    )


def returned_tags(level: Level) -> frozenset[str]:
    """The tags that each result of a search of `level` has, of its own level."""
    return (_exam_tags, _series_tags, _instance_tags)[level]()


@cache
def _exam_tags() -> frozenset[str]:
    """The tags that every study of a search has."""
    return frozenset(_exam(Exam(), "") | _counts(_Summary()))


@cache
def _series_tags() -> frozenset[str]:
    return frozenset(_series(Series(exam=Exam()), ""))


@cache
def _instance_tags() -> frozenset[str]:
    return frozenset(_instance(Instance(series=Series(exam=Exam()), rows=1), ""))


def _response(request: HttpRequest, results: list[Element], search: Search) -> JsonResponse:
    headers: Mapping[str, str] = {"Cache-Control": "private, no-cache"}
    if search.warnings:
        warned = ", ".join(f'299 {request.get_host()} "{warning}"' for warning in search.warnings)
        headers = {**headers, "Warning": warned}
    by_tag = [dict(sorted(result.items())) for result in results]
    return JsonResponse(by_tag, safe=False, content_type=json_type(request), headers=headers)


def _note(target: Target, search: Search, level: Level, *, hits: int) -> None:
    """Put on record which attributes were searched by, not for what. A search within one exam counts as seeing it."""
    if target.study:
        return
    detail = {"level": level.name.lower(), "keys": sorted(search.named), "hits": hits}
    trail.record(Action.EXAMS_SEARCHED, of="dicomweb", detail=detail)
