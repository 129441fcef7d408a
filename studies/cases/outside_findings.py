"""Findings that come from outside over DICOM: SEG, SR and RTSTRUCT series of an arm, told by the arm's condition."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.timezone import now

from dicom_ingest import judging
from dicom_ingest.exam_headers import HeaderUnreadable, headers_of
from dicom_ingest.judging import Candidate, Outcome
from dicom_ingest.models import Route, Series
from portal.audit import trail
from portal.audit.actions import Action
from studies.cases import arm_findings
from studies.cases.arm_findings import Made
from studies.models import ENROLLING, Case, ProtocolVersion
from studies.protocols.protocol_schema import Arm, DicomFindings

SEGMENTATIONS = ("SEG", "RTSTRUCT")
MODALITIES = (*SEGMENTATIONS, "SR")
CASES_PER_TICK = 50
_FROM_OUTSIDE = {"origin": Series.Origin.RECEIVED, "modality__in": MODALITIES}


@dataclass(frozen=True, kw_only=True)
class OutsideSeries:
    """A series from outside, the arm that it belongs to by its condition, and why it belongs to no other."""

    series: Series
    arm: Arm | None
    explanation: str


def collect() -> int:
    """Look at the series that came from outside to cases since these were last looked at; return how many cases."""
    with_arms = ProtocolVersion.objects.filter(document__arms__contains=[{"findings": {"kind": "dicom"}}])
    came = Series.objects.filter(exam=OuterRef("exam"), **_FROM_OUTSIDE)
    since = Exists(came.filter(changed_at__gt=OuterRef("looked_at")))
    arriving = Route.objects.filter(exam=OuterRef("exam"), completed_at=None)
    due = Case.objects.filter(
        Q(since) | Q(Exists(came), looked_at=None),
        ~Exists(arriving),
        study__stage__in=ENROLLING,
        protocol__in=with_arms,
    ).exclude(state=Case.State.EXCLUDED)
    return sum(_collect(pk) for pk in due.order_by("pk").values_list("pk", flat=True)[:CASES_PER_TICK])


def of(case: Case) -> list[OutsideSeries]:
    """Every series from outside that the case's exam has, the newest first, and the arm that each belongs to."""
    found = Series.objects.filter(exam=case.exam, **_FROM_OUTSIDE).order_by("-changed_at", "-pk")
    series = {one.series_instance_uid: one for one in found}
    if not series:
        return []
    arms = [arm for arm in case.protocol.content.arms if isinstance(arm.findings, DicomFindings)]
    try:
        among = _candidates(case)
    except HeaderUnreadable as fault:
        return [OutsideSeries(series=one, arm=None, explanation=str(fault)) for one in series.values()]
    return [_belonging(one, arms, among.get(uid, [])) for uid, one in series.items()]


@transaction.atomic
def _collect(case_id: int) -> bool:
    waiting = Case.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
    case = waiting.select_related("exam", "protocol", "study").filter(pk=case_id).first()
    if case is None:
        return False
    moment = now()
    newest: dict[str, Series] = {}
    for found in of(case):
        if found.arm is not None:
            newest.setdefault(found.arm.key, found.series)
    made = {arm: Made(series=series, origin=_sender(series)) for arm, series in newest.items()}
    kept = [arm for arm, one in made.items() if arm_findings.keep(case, arm, one)]
    case.looked_at = moment
    case.save(update_fields=["looked_at"])
    if kept:
        detail = {"case": case.number, "arms": kept}
        trail.record(Action.FINDINGS_COLLECTED, of=f"case:{case.pk}", study=case.study.slug, detail=detail)
    return True


def _belonging(series: Series, arms: list[Arm], among: list[Candidate]) -> OutsideSeries:
    said = []
    for arm in arms:
        assert isinstance(arm.findings, DicomFindings)
        judgement = judging.judge(arm.findings.when, among)
        if judgement.outcome == Outcome.MATCHED:
            return OutsideSeries(series=series, arm=arm, explanation=judgement.explanation)
        said.append(f"{arm.label}: {judgement.explanation}")
    return OutsideSeries(series=series, arm=None, explanation="\n".join(said))


def _candidates(case: Case) -> dict[str, list[Candidate]]:
    """Each series as it came by each of its routes, by its UID. Raises HeaderUnreadable."""
    headers = headers_of(case.exam)
    found: dict[str, list[Candidate]] = {}
    for route in case.exam.routes.all():
        came = set(route.instances.values_list("series__series_instance_uid", flat=True).distinct())
        among = judging.candidates(headers, called_ae=route.called_ae, calling_ae=route.calling_ae)
        for header, candidate in zip(headers, among, strict=True):
            if header.series_instance_uid in came:
                found.setdefault(header.series_instance_uid, []).append(candidate)
    return found


def _sender(series: Series) -> str:
    route = Route.objects.filter(instances__series=series).order_by("-last_instance_at").first()
    return f"{route.calling_ae or 'unknown'} to {route.called_ae}" if route else ""
