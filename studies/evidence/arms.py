"""Which findings of which arms a read showed or a response judged, and in what versions pipelines made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inference.models import PipelineVersion, Result
from studies.evidence.scope import Scope, cases_in
from studies.models import ArmFinding, Read
from studies.protocols.protocol_schema import PipelineFindings

BETWEEN = "|"
"""Stands between the parts of a cell that has several."""


@dataclass(frozen=True, kw_only=True)
class Maker:
    """The pipeline that made a finding; empty where none of ours did."""

    pipeline: str = ""
    version: str = ""
    digest: str = ""


NOBODY = Maker()


@dataclass(frozen=True)
class Makers:
    """Who made the findings of a scope's cases, by case and arm."""

    by_case_and_arm: Mapping[tuple[int, str], Maker]

    @classmethod
    def of(cls, scope: Scope) -> Makers:
        """Those of the findings that count. One query."""
        counting = ArmFinding.objects.filter(cases_in(scope, "case__"), replaced_at=None, result__isnull=False)
        rows = counting.select_related("result__job__pipeline").defer("result__job__log")
        return cls({(one.case_id, one.arm): maker_of(one.result) for one in rows})

    def shown(self, read: Read) -> list[Maker]:
        """Of each arm that the read shows, in the order in which it shows them."""
        return [self.by_case_and_arm.get((read.case_id, arm), NOBODY) for arm in read.arms]


def maker_of(result: Result | None) -> Maker:
    """The pipeline that made the result."""
    if result is None:
        return NOBODY
    made_by: PipelineVersion = result.job.pipeline
    return Maker(pipeline=made_by.name, version=made_by.version, digest=made_by.digest)


def arms_of_read(read: Read, scope: Scope) -> list[str]:
    """Keys of the arms that the read shows; where it shows images alone, the arm whose findings its answers are."""
    if read.arms:
        return list(read.arms)
    return [read.condition] if read.condition in scope.arms else []


def arms_of_result(result: Result, scope: Scope) -> list[str]:
    """Keys of the arms whose findings the result's pipeline makes."""
    return list(_arms_of_pipeline(result.job.pipeline.name, scope))


def condition_in_words(condition: str, scope: Scope) -> str:
    """The label of the arm, or what else tells a reader's reads of a case apart."""
    return scope.arms.get(condition) or condition.replace("-", " ").capitalize()


def joined(makers: list[Maker]) -> dict[str, str]:
    """The columns that name the makers."""
    if not any(maker.pipeline for maker in makers):
        return {"pipeline": "", "pipeline_version": "", "pipeline_digest": ""}
    return {
        "pipeline": BETWEEN.join(maker.pipeline for maker in makers),
        "pipeline_version": BETWEEN.join(maker.version for maker in makers),
        "pipeline_digest": BETWEEN.join(maker.digest for maker in makers),
    }


def _arms_of_pipeline(pipeline: str, scope: Scope) -> Iterator[str]:
    for arm in scope.content.arms:
        if isinstance(arm.findings, PipelineFindings) and arm.findings.pipeline == pipeline:
            yield arm.key
