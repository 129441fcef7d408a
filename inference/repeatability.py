"""Whether a rerun's result is that of its first job: its numbers, its findings, and every file of it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet

from inference import orders
from inference.models import Finding, Job, Result
from inference.writers.comparison import differences

logger = logging.getLogger(__name__)

SAME = "The same bytes but for UIDs and dates."


@dataclass(frozen=True)
class _File:
    """One file of a result under the words for what it is."""

    description: str
    path: Path


def waiting() -> QuerySet[Job]:
    """Reruns that have a result which was not compared yet."""
    return Job.objects.filter(rerun_of__isnull=False, comparison="", result__isnull=False)


def compare(job_id: uuid.UUID) -> str:
    """Say on a rerun in what its result differs from its first job's, once; return what is said there."""
    again = Job.objects.select_related("rerun_of__result", "result").get(pk=job_id)
    if again.comparison or again.rerun_of is None:
        return again.comparison
    said = _said(again.rerun_of.result, again.result)
    Job.objects.filter(pk=job_id).update(comparison=said)
    return said


def _said(first: Result, again: Result) -> str:
    try:
        found = [*_of_numbers(first, again), *_of_findings(first, again), *_of_files(first, again)]
    except Exception as fault:
        # Whatever stands in the way is said on the job; tried again it would stand there again.
        logger.exception("The result of rerun %s could not be compared.", again.job_id)
        return f"The results could not be compared: {type(fault).__name__}: {fault}"
    return "\n".join(found) or SAME


def _of_numbers(first: Result, again: Result) -> Iterator[str]:
    before, now = _numbers(first), _numbers(again)
    for name in dict.fromkeys([*before, *now]):
        if name not in now:
            yield f"{name}: not measured again."
        elif name not in before:
            yield f"{name}: measured only now."
        elif before[name] != now[name]:
            yield f"{name}: {_in_words(now[name])}, was {_in_words(before[name])}."


def _numbers(result: Result) -> Mapping[str, tuple[float, str]]:
    return {one.name: (one.value, one.unit) for one in result.measurements.all()}


def _in_words(number: tuple[float, str]) -> str:
    return f"{number[0]!r} {number[1]}"


def _of_findings(first: Result, again: Result) -> Iterator[str]:
    before, now = list(first.findings.all()), list(again.findings.all())
    if len(before) != len(now):
        yield f"Findings: {len(now)}, were {len(before)}."
        return
    for one, other in zip(before, now, strict=True):
        if _told(one) != _told(other):
            yield f"{other.name}: {other.label} ({other.probability!r}), was {one.label} ({one.probability!r})."
    if first.is_urgent != again.is_urgent:
        yield f"Urgent: {'yes' if again.is_urgent else 'no'}, was {'yes' if first.is_urgent else 'no'}."


def _told(one: Finding) -> tuple[object, ...]:
    edges = (one.top, one.left, one.bottom, one.right)
    return one.kind, one.name, one.label, one.probabilities, one.sop_instance_uid, edges


def _of_files(first: Result, again: Result) -> Iterator[str]:
    before, now = list(_files(first)), list(_files(again))
    if [file.description for file in before] != [file.description for file in now]:
        yield f"Files: {_listed(now)}; were {_listed(before)}."
        return
    for one, other in zip(before, now, strict=True):
        for sentence in differences(one.path, other.path):
            yield f"{one.description}: {sentence}"


def _files(result: Result) -> Iterator[_File]:
    """Every file, a series' in the order of its instance numbers."""
    done = set()
    for file in result.files.select_related("series"):
        if file.series is None:
            yield _File(file.description, Path(settings.OVERREAD_STORE) / file.path)
        elif file.series not in done:
            done.add(file.series)
            for path in orders.files_of([file.series]):
                yield _File(file.description, path)
    if result.segmentation and result.segmentation not in done:
        for path in orders.files_of([result.segmentation]):
            yield _File("Segmentation", path)


def _listed(files: list[_File]) -> str:
    return ", ".join(file.description for file in files) or "none"
