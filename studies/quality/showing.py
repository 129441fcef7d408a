"""What the reviewer of a case is shown of it, as the database has it: each finding and its images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dicom_ingest.models import Series
from inference import orders
from inference.models import Job, Result
from studies.blinding import drawing
from studies.blinding.grids import value, values
from studies.cases import arm_findings, case_flow
from studies.models import ArmFinding, Case

DRAWN_BY_MACHINES = ("pipeline", "dicom")
"""Kinds of arms whose findings are checked. What people draw is theirs, and comes after this check."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One finding of a case. title: of its arm, or its pipeline. images: series that it was made from, main first."""

    title: str
    images: tuple[Series, ...]
    segmentation: Series | None
    result: Result | None

    @property
    def job(self) -> Job | None:
        return self.result.job if self.result else None


def of(case: Case) -> list[Shown]:
    """The findings of the case by arm; it comes with its study, protocol and exam. Few queries."""
    arms = {arm.key: arm for arm in case.protocol.content.arms}
    if not arms:
        return [_of_result(result, result.job.pipeline.title) for result in _results(case)]
    machines = [key for key, arm in arms.items() if arm.findings.kind in DRAWN_BY_MACHINES]
    found = {one.arm: one for one in _findings(case) if one.arm in machines}
    return [shown for key in machines if key in found for shown in _of_finding(found[key], arms[key].label)]


def _results(case: Case) -> list[Result]:
    names = [wanted.pipeline for wanted in case_flow.wanted_of_case(case)]
    results = Result.objects.current().filter(exam=case.exam, job__pipeline__name__in=names)
    return list(results.select_related("job__pipeline", "job__input_series", "segmentation").order_by("created_at"))


def _findings(case: Case) -> list[ArmFinding]:
    return list(
        arm_findings.current(case).select_related(
            "series", "result__segmentation", "result__job__pipeline", "result__job__input_series"
        )
    )


def _of_finding(finding: ArmFinding, title: str) -> Iterator[Shown]:
    if finding.result is not None:
        yield _of_result(finding.result, title)
    elif finding.series is not None and finding.series.modality == "SEG":
        images = tuple(_sources(finding.series))
        yield Shown(title=title, images=images, segmentation=finding.series, result=None)


def _of_result(result: Result, title: str) -> Shown:
    images = tuple(orders.selected_series(result.job))
    return Shown(title=title, images=images, segmentation=result.segmentation, result=result)


def _sources(segmentation: Series) -> Sequence[Series]:
    """The received series that a segmentation from outside refers to. Raises GoneFromStore."""
    instances = segmentation.instances.select_related("series__exam")
    headers = [drawing.header_of(instance) for instance in instances]
    named = {
        str(value(one, "SeriesInstanceUID")) for header in headers for one in values(header, "ReferencedSeriesSequence")
    }
    return list(segmentation.exam.series.filter(series_instance_uid__in=named, origin=Series.Origin.RECEIVED))
