"""QIDO-RS over one read: what its manifest holds, matched here, since the database knows but the true values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.http import HttpRequest, JsonResponse

from dicom_ingest.dicomweb.access import root_url
from dicom_ingest.dicomweb.dicomjson import Element, dataset, keyword_of, tag_of
from dicom_ingest.dicomweb.negotiation import json_type
from dicom_ingest.dicomweb.refusals import BadRequest, NotThere
from dicom_ingest.dicomweb.scope import Target
from studies.blinding.access import ReadScope
from studies.blinding.attributes import SEARCHED_OF_STUDY
from studies.blinding.manifest import ShownExam, ShownInstance, ShownSeries

_NOT_KEYS = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept", "charset"})
_OF_STUDY = frozenset(tag_of(keyword) for keyword in SEARCHED_OF_STUDY)
_LONGEST = 4096


def search_studies(request: HttpRequest, scope: ReadScope, target: Target) -> JsonResponse:
    """`/studies`"""
    root = root_url(request)
    return _response(request, (_study(exam, root) for exam in scope.read.manifest.exams))


def search_series(request: HttpRequest, scope: ReadScope, target: Target) -> JsonResponse:
    """`/series` and `/studies/{study}/series`"""
    root = root_url(request)
    return _response(request, (_series(exam, series, root) for exam in _exams(scope, target) for series in exam.series))


def search_instances(request: HttpRequest, scope: ReadScope, target: Target) -> JsonResponse:
    """`/instances`, `/studies/{study}/instances` and `/studies/{study}/series/{series}/instances`"""
    if target.series:
        scope.find_series(target)
    root = root_url(request)
    rows = (
        _instance(exam, series, instance, root)
        for exam in _exams(scope, target)
        for series in exam.series
        if target.series in ("", series.uid)
        for instance in series.instances
    )
    return _response(request, rows)


def _exams(scope: ReadScope, target: Target) -> Sequence[ShownExam]:
    if not target.study:
        return scope.read.manifest.exams
    exam = scope.read.exam(target.study)
    if exam is None:
        raise NotThere
    return [exam]


def _study(exam: ShownExam, root: str) -> Element:
    first = exam.series[0].attributes
    return {tag: element for tag, element in first.items() if tag in _OF_STUDY} | dataset(
        InstanceAvailability="ONLINE",
        ModalitiesInStudy=sorted({series.modality for series in exam.series}),
        RetrieveURL=f"{root}/studies/{exam.uid}",
        NumberOfStudyRelatedSeries=len(exam.series),
        NumberOfStudyRelatedInstances=sum(len(series.instances) for series in exam.series),
    )


def _series(exam: ShownExam, series: ShownSeries, root: str) -> Element:
    return series.attributes | dataset(
        RetrieveURL=f"{root}/studies/{exam.uid}/series/{series.uid}",
        NumberOfSeriesRelatedInstances=len(series.instances),
    )


def _instance(exam: ShownExam, series: ShownSeries, instance: ShownInstance, root: str) -> Element:
    return series.attributes | dataset(
        SOPClassUID=instance.sop_class,
        SOPInstanceUID=instance.sop,
        InstanceAvailability="ONLINE",
        RetrieveURL=f"{root}/studies/{exam.uid}/series/{series.uid}/instances/{instance.sop}",
        AvailableTransferSyntaxUID=instance.transfer_syntax,
        InstanceNumber=instance.number,
        Rows=instance.rows,
        Columns=instance.columns,
        NumberOfFrames=instance.number_of_frames,
    )


def _response(request: HttpRequest, rows: Iterable[Element]) -> JsonResponse:
    """Those of `rows` that match, on the page that is wanted. Raises BadRequest."""
    conditions = _conditions(request)
    found = [row for row in rows if all(holds(row) for holds in conditions)]
    start = _whole(request, "offset", 0)
    page = found[start : start + _whole(request, "limit", len(found))]
    by_tag = [dict(sorted(row.items())) for row in page]
    return JsonResponse(
        by_tag, safe=False, content_type=json_type(request), headers={"Cache-Control": "private, no-cache"}
    )


def _conditions(request: HttpRequest) -> list[Callable[[Element], bool]]:
    return [_condition(name, values) for name, values in request.GET.lists() if name not in _NOT_KEYS and any(values)]


def _condition(name: str, values: list[str]) -> Callable[[Element], bool]:
    """Whether one of an attribute's values is wanted. An attribute that is not told at all matches nothing."""
    keyword = keyword_of(name)
    if keyword is None or any(len(value) > _LONGEST for value in values):
        raise BadRequest(f"{name[:64]!r} is no attribute that can be matched here.")
    tag = tag_of(name)
    is_list = keyword.endswith("UID")
    wanted = [one for value in values for one in (re.split(r"[\\,]", value) if is_list else [value]) if one]
    return lambda row: any(_matches(told, one) for told in _told(row, tag) for one in wanted)


def _told(row: Element, tag: str | None) -> list[str]:
    values: list[Any] = row.get(tag or "", {}).get("Value", [])
    return [str(value.get("Alphabetic", "") if isinstance(value, dict) else value) for value in values]


def _matches(told: str, wanted: str) -> bool:
    """By wild cards in any case, or as a range of dates (PS3.4 C.2.2.2)."""
    low, dash, high = wanted.partition("-")
    if dash and re.fullmatch(r"\d{8}", told) and re.fullmatch(r"(\d{8})?-(\d{8})?", wanted):
        return (low or told) <= told <= (high or told)
    pattern = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in wanted)
    return re.fullmatch(pattern, told, re.IGNORECASE | re.DOTALL) is not None


def _whole(request: HttpRequest, name: str, default: int) -> int:
    text = request.GET.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadRequest(f"{name} has to be a whole number, 0 or more.")
    return int(text) if text else default
