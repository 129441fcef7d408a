"""One case as its reviewer sees it: pictures, how they came about, and what was said so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.models import Finding, Job, Measurement
from portal.models import User
from studies.cases import qc, qc_verdict
from studies.models import Case, QCReview
from studies.quality import other_series, preparation, showing, sitting
from studies.quality.manifest import KeptChoice, KeptFinding, KeptPicture, Prepared
from studies.quality.other_series import Choosable
from studies.quality.showing import Shown
from viewer_static.links import viewer_url


@dataclass(frozen=True, kw_only=True)
class FindingView:
    """One finding beside its pictures. job: None for one from outside."""

    kept: KeptFinding
    choice: KeptChoice | None
    job: Job | None
    measurements: Sequence[Measurement]
    classes: Sequence[Finding]
    notes: str


@dataclass(frozen=True, kw_only=True)
class QualityCase:
    """Everything on the page of one case in QC.

    verdicts: of the present round, as far as the reviewer may know them; mine: their own, the newest.
    """

    case: Case
    prepared: Prepared
    findings: Sequence[FindingView]
    reasons: Sequence[str]
    needed: int
    verdicts: Sequence[QCReview]
    hidden: int
    mine: QCReview | None
    may_judge: bool
    choosable: Sequence[Choosable]
    token: str
    viewer: str

    @property
    def pictures(self) -> list[KeptPicture]:
        return [one for finding in self.prepared.manifest.findings for one in finding.pictures]


def view_of(case: Case, *, by: User) -> QualityCase:
    """The case for `by`, who checks cases in its study; it comes with study, AE title, protocol and exam."""
    shown = showing.of(case)
    prepared = preparation.prepared(case, shown)
    control = case.protocol.content.quality_control
    given = qc_verdict.counting(case)
    mine = next((one for one in given if one.reviewer_id == by.pk), None)
    seen = qc_verdict.known_to(by, case, given)
    return QualityCase(
        case=case,
        prepared=prepared,
        findings=_findings(shown, prepared),
        reasons=control.reasons,
        needed=control.reviewers,
        verdicts=seen,
        hidden=len(given) - len(seen),
        mine=mine,
        may_judge=case.study.enrols and (case.state == Case.State.AWAITING_QC or qc.may_change(case, by)),
        choosable=other_series.choosable(case),
        token=sitting.begin(case, by=by),
        viewer=viewer_url(case.exam.study_instance_uid, series_uid=_overlay(shown)),
    )


def _findings(shown: Sequence[Shown], prepared: Prepared) -> list[FindingView]:
    choices = iter(prepared.manifest.choices)
    return [
        FindingView(
            kept=kept,
            choice=next(choices, None) if one.job else None,
            job=one.job,
            measurements=list(one.result.measurements.all()) if one.result else [],
            classes=list(one.result.findings.filter(kind=Finding.Kind.CLASS)) if one.result else [],
            notes=one.result.notes if one.result else "",
        )
        for one, kept in zip(shown, prepared.manifest.findings, strict=True)
    ]


def _overlay(shown: Sequence[Shown]) -> str | None:
    return next((one.segmentation.series_instance_uid for one in shown if one.segmentation), None)
