"""One case as its page shows it: why it is one, what its pipelines do, what each arm says, who checked and read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import F

from inference.models import Job
from portal.access import Capability
from portal.models import User
from studies.cases import case_flow, outside_findings, qc_verdict, truth
from studies.cases.outside_findings import OutsideSeries
from studies.models import ArmFinding, Case, CaseTruth, QCReview, Read
from studies.protocols.protocol_schema import Arm
from studies.study_frame import StudyFrame

SOURCES = {
    "pipeline": "Pipeline of ours",
    "dicom": "From outside, over DICOM",
    "table": "Table of outside results",
    "people": "People",
    "annotators": "Annotators' masks",
}


@dataclass(frozen=True, kw_only=True)
class ArmLine:
    """An arm of the case's protocol with its finding, and those that newer ones replaced."""

    arm: Arm
    finding: ArmFinding | None
    replaced: int
    shows_values: bool
    annotation: Read | None = None
    """Of an arm whose masks annotators give: who was given the case."""

    @property
    def source(self) -> str:
        return SOURCES["annotators" if self.arm.is_annotated else self.arm.findings.kind]


@dataclass(frozen=True, kw_only=True)
class QualityLine:
    """The check of a case: who said what in this round, and before."""

    reviews: Sequence[QCReview]
    earlier: Sequence[QCReview]
    needed: int
    reasons: tuple[str, ...]
    is_disputed: bool
    hidden: int = 0
    """Verdicts that the viewer, who is to give their own, is not told yet."""

    @property
    def given(self) -> int:
        return len(self.reviews) + self.hidden


@dataclass(frozen=True, kw_only=True)
class CaseView:
    """Everything on the page of one case. Fewer than twenty queries."""

    case: Case
    jobs: Sequence[Job]
    arms: Sequence[ArmLine]
    stray: Sequence[OutsideSeries]
    quality: QualityLine | None
    truth: CaseTruth | None
    reads: Sequence[Read]
    before: int | None
    after: int | None


def view_of(case: Case, frame: StudyFrame, *, viewer: User) -> CaseView:
    """The case as the holder of the frame may see it; it comes with its study, exam, protocol and screening."""
    return CaseView(
        case=case,
        jobs=_jobs(case),
        arms=_arms(case, shows_values=frame.may(Capability.VIEW_TRUTH)),
        stray=[one for one in outside_findings.of(case) if one.arm is None],
        quality=_quality(case, viewer if frame.may(Capability.REVIEW_QUALITY) else None),
        truth=truth.of_case(case) if frame.may(Capability.VIEW_TRUTH) else None,
        reads=_reads(case) if frame.may(Capability.VIEW_ALL_FEEDBACK) else (),
        before=_neighbour(case, number__lt=case.number),
        after=_neighbour(case, number__gt=case.number),
    )


def _jobs(case: Case) -> list[Job]:
    names = {wanted.pipeline for wanted in case_flow.wanted_of_case(case)}
    jobs = Job.objects.filter(exam=case.exam, pipeline__name__in=names, rerun_of=None)
    return list(jobs.select_related("pipeline").defer("log", "pipeline__definition").order_by("-created_at"))


def _arms(case: Case, *, shows_values: bool) -> list[ArmLine]:
    found = case.findings.select_related("result", "series", "table").order_by(F("replaced_at").asc(nulls_first=True))
    by_arm: dict[str, list[ArmFinding]] = {}
    for finding in found:
        by_arm.setdefault(finding.arm, []).append(finding)
    given = case.reads.filter(kind=Read.Kind.ANNOTATION).exclude(state=Read.State.WITHDRAWN).select_related("reader")
    annotations = {read.condition: read for read in given}
    return [
        replace(_arm_line(arm, by_arm.get(arm.key, []), shows_values=shows_values), annotation=annotations.get(arm.key))
        for arm in case.protocol.content.arms
    ]


def _arm_line(arm: Arm, findings: Sequence[ArmFinding], *, shows_values: bool) -> ArmLine:
    current = next((one for one in findings if one.replaced_at is None), None)
    replaced = sum(one.replaced_at is not None for one in findings)
    return ArmLine(arm=arm, finding=current, replaced=replaced, shows_values=shows_values)


def _quality(case: Case, reviewer: User | None) -> QualityLine | None:
    """reviewer: the viewer, where they check cases: while theirs is to come, others' verdicts are not shown."""
    control = case.protocol.content.quality_control
    reviews = list(case.qc_reviews.select_related("reviewer"))
    if not control.required and not reviews:
        return None
    counting = qc_verdict.counting_of(case, reviews)
    told = counting if reviewer is None else qc_verdict.known_to(reviewer, case, counting)
    return QualityLine(
        reviews=told,
        hidden=len(counting) - len(told),
        earlier=[review for review in reviews if review not in counting],
        needed=control.reviewers,
        reasons=control.reasons,
        is_disputed=qc_verdict.is_disputed(counting),
    )


def _reads(case: Case) -> list[Read]:
    return list(case.reads.select_related("reader").order_by("reader__username", "position"))


def _neighbour(case: Case, **beyond: int) -> int | None:
    order = "number" if "number__gt" in beyond else "-number"
    return Case.objects.filter(study=case.study_id, **beyond).order_by(order).values_list("number", flat=True).first()
