"""QIDO-RS: search for exams, series and instances within a scope (PS3.18 10.6).

Every search takes a bounded number of SQL queries, whatever the number of its results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, JsonResponse

from dicom_ingest.dicomweb.access import root_url
from dicom_ingest.dicomweb.dicomjson import Element, dataset, keyword_of
from dicom_ingest.dicomweb.matching import Level, conditions
from dicom_ingest.dicomweb.negotiation import json_type
from dicom_ingest.dicomweb.refusals import BadRequest
from dicom_ingest.dicomweb.scope import Scope, Target
from dicom_ingest.models import Exam, Instance, Series

MOST_RESULTS = 1000
FUZZY_IGNORED = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
_NOT_KEYS = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept", "charset"})

Row = TypeVar("Row", bound=Model)


@dataclass
class Search:
    """One search: what its rows have to fulfil, which page of them is wanted, and what the client is warned of."""

    condition: Q
    named: frozenset[str]
    limit: int
    offset: int
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: HttpRequest, level: Level, scope: Scope) -> Search:
        """Read the query parameters. Raises BadRequest for one that is unknown or malformed."""
        matched = _matched(request)
        condition = Q()
        for keyword, values in matched.items():
            found = conditions(level, keyword=keyword, values=values, scope=scope)
            if found is None:
                raise BadRequest(f"A search for {_PLURALS[level]} cannot match {keyword}.")
            condition &= found
        return cls(
            condition=condition,
            named=frozenset(keyword for keyword, values in matched.items() if any(values)),
            limit=min(_whole(request, "limit", MOST_RESULTS), MOST_RESULTS),
            offset=_whole(request, "offset", 0),
            warnings=[FUZZY_IGNORED] if request.GET.get("fuzzymatching", "").lower() == "true" else [],
        )

    def page(self, rows: QuerySet[Row]) -> list[Row]:
        """The wanted page of those of `rows` that match; notes in `warnings` how many more there are."""
        matching = rows.filter(self.condition)
        page = list(matching[self.offset : self.offset + self.limit + 1])
        if len(page) > self.limit:
            remaining = matching.count() - self.offset - self.limit
            self.warnings.append(f"There are {remaining} additional results that can be requested")
        return page[: self.limit]


_PLURALS = {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}


def search_studies(request: HttpRequest, scope: Scope, target: Target) -> JsonResponse:
    """`/studies`"""
    search = Search.of(request, Level.STUDY, scope)
    exams = search.page(scope.exams.order_by("-study_date", "-received_at", "pk"))
    summaries = _summaries(scope, exams)
    results = [_exam(exam, root_url(request)) | _counts(summaries.get(exam.pk, _Summary())) for exam in exams]
    return _response(request, results, search)


def search_series(request: HttpRequest, scope: Scope, target: Target) -> JsonResponse:
    """`/series` and `/studies/{study}/series`"""
    search = Search.of(request, Level.SERIES, scope)
    rows = scope.series if "SeriesInstanceUID" in search.named else scope.listed
    if target.study:
        rows = rows.filter(exam=scope.find_exam(target))
    found = search.page(rows.select_related("exam").order_by("exam_id", "series_number", "pk"))
    counts = _instances_by_series(found)
    results = [
        _series(series, root_url(request))
        | dataset(NumberOfSeriesRelatedInstances=counts.get(series.pk, 0))
        | _above(_exam(series.exam, root_url(request)), left_out=bool(target.study))
        for series in found
    ]
    return _response(request, results, search)


def search_instances(request: HttpRequest, scope: Scope, target: Target) -> JsonResponse:
    """`/instances`, `/studies/{study}/instances` and `/studies/{study}/series/{series}/instances`"""
    search = Search.of(request, Level.INSTANCE, scope)
    found = search.page(_instances(scope, target, search.named))
    results = [
        _instance(instance, root_url(request))
        | _above(_series(instance.series, root_url(request)), left_out=bool(target.series))
        | _above(_exam(instance.series.exam, root_url(request)), left_out=bool(target.study))
        for instance in found
    ]
    return _response(request, results, search)


def _matched(request: HttpRequest) -> dict[str, list[str]]:
    """The values to match by keyword."""
    matched: dict[str, list[str]] = {}
    for name, values in request.GET.lists():
        if name in _NOT_KEYS:
            continue
        keyword = keyword_of(name)
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


def _summaries(scope: Scope, exams: list[Exam]) -> dict[int, _Summary]:
    rows = (
        scope.listed.filter(exam__in=exams)
        .order_by()
        .values_list("exam_id", "modality")
        .annotate(series_count=Count("pk", distinct=True), instance_count=Count("instances"))
    )
    summaries: dict[int, _Summary] = {}
    for exam, modality, series, instances in rows:
        summary = summaries.setdefault(exam, _Summary())
        summary.modalities.add(modality)
        summary.series += series
        summary.instances += instances
    return summaries


def _instances_by_series(found: list[Series]) -> dict[int, int]:
    rows = Instance.objects.filter(series__in=found).order_by().values_list("series_id")
    return dict(rows.annotate(number=Count("pk")))


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
    )


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


def _response(request: HttpRequest, results: list[Element], search: Search) -> JsonResponse:
    headers: Mapping[str, str] = {"Cache-Control": "private, no-cache"}
    if search.warnings:
        warned = ", ".join(f'299 {request.get_host()} "{warning}"' for warning in search.warnings)
        headers = {**headers, "Warning": warned}
    by_tag = [dict(sorted(result.items())) for result in results]
    return JsonResponse(by_tag, safe=False, content_type=json_type(request), headers=headers)
