"""The stored headers of exams, one for each received series: enough to choose a pipeline and its series by."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Count

from dicom_ingest import store
from dicom_ingest.headers import SeriesHeader, series_header
from dicom_ingest.models import Exam, Instance, Series


class HeaderUnreadable(Exception):
    """The header beside a stored file is missing or broken; the message says which."""


def headers_of(exam: Exam) -> list[SeriesHeader]:
    """The header of each received series of `exam`. Raises HeaderUnreadable."""
    return [_read(exam, instance, count) for instance, count in _first_instances([exam])[exam.pk]]


def headers_of_each(exams: Sequence[Exam]) -> dict[int, list[SeriesHeader] | HeaderUnreadable]:
    """The headers of each exam by its primary key, or why they cannot be read. Two queries, whatever their number."""
    instances = _first_instances(exams)
    return {exam.pk: _read_all(exam, instances[exam.pk]) for exam in exams}


def _read_all(exam: Exam, first: Iterable[tuple[Instance, int]]) -> list[SeriesHeader] | HeaderUnreadable:
    try:
        return [_read(exam, instance, count) for instance, count in first]
    except HeaderUnreadable as fault:
        return fault


def _first_instances(exams: Sequence[Exam]) -> Mapping[int, list[tuple[Instance, int]]]:
    """By exam the first instance of each received series, and how many the series has."""
    received = Series.objects.filter(exam__in=[exam.pk for exam in exams], origin=Series.Origin.RECEIVED)
    counts = dict(received.order_by().annotate(n=Count("instances")).values_list("pk", "n"))
    ordered = Instance.objects.filter(series__in=counts).order_by("series_id", "instance_number", "pk")
    by_exam: dict[int, list[tuple[Instance, int]]] = defaultdict(list)
    for instance in ordered.distinct("series_id").select_related("series"):
        by_exam[instance.series.exam_id].append((instance, counts[instance.series_id]))
    for first in by_exam.values():
        first.sort(key=lambda found: _place(found[0].series))
    return by_exam


def _place(series: Series) -> tuple[bool, int, int]:
    number = series.series_number
    return number is None, number or 0, series.pk


def _read(exam: Exam, instance: Instance, count: int) -> SeriesHeader:
    uid = instance.series.series_instance_uid
    path = store.header_path(exam.study_instance_uid, uid, instance.sop_instance_uid)
    try:
        return series_header(json.loads(path.read_bytes()), number_of_instances=count)
    except (OSError, ValueError, KeyError) as fault:
        raise HeaderUnreadable(
            f"The header of instance {instance.sop_instance_uid} cannot be read ({type(fault).__name__}). "
            "Restore it in the store, or send the exam again."
        ) from fault
