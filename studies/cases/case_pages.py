"""The list of a study's cases, one case, and one exam that is none; and the buttons on them."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from portal.access import Capability
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from portal.signed_in import SignedInRequest
from studies.blinding import ahead
from studies.cases import case_flow, case_list, qc, rescreening
from studies.cases.case_list import Filters, Kind
from studies.cases.case_view import view_of
from studies.cases.flow import FlowBox
from studies.evidence import disclosure
from studies.models import Case, QCReview, ReadReport, Screening
from studies.protocols import protocol
from studies.protocols.protocol_schema import TableFindings
from studies.reading import measurements
from studies.refusals import Refused
from studies.study_frame import StudyFrame, frame_of

CASES_PER_PAGE = 50


@require_safe
@login_required
def case_page_list(request: SignedInRequest, slug: str) -> HttpResponse:
    """The cases of a study, or the exams of any other box of its flow."""
    frame = frame_of(request.user, slug, Capability.VIEW_FLOW)
    filters = Filters.of(request.GET.dict())
    shows_patients = frame.may(Capability.VIEW_EXAMS)
    found = case_list.found(frame.study, filters, shows_patients=shows_patients)
    page = Paginator(found, CASES_PER_PAGE).get_page(request.GET.get("page"))
    trail.record(Action.EXAMS_LISTED, of="cases", study=slug, detail={"count": len(page.object_list)})
    context = {
        "frame": frame,
        "filters": filters,
        "query": filters.query,
        "boxes": list(FlowBox),
        "kinds": list(Kind),
        "page": page,
        "rows": case_list.rows_of(list(page)),
        "shows_patients": shows_patients,
        "may_import": frame.may(Capability.MANAGE_CASES) and _has_tables(frame),
    }
    return render(request, "studies/cases.html", context)


@require_safe
@login_required
def case_page(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    """One case: its screening, jobs, findings, quality check, truth and reads."""
    frame = frame_of(request.user, slug, Capability.VIEW_FLOW)
    case = _case(frame, number)
    _viewed(case.exam.study_instance_uid, slug, page="case")
    context = {
        "frame": frame,
        "tab_here": "study-cases",
        "view": view_of(case, frame, viewer=request.user),
        "case": case,
        "unshowable": ahead.problem_of(case),
        "screening": case.screening,
        "measured": _measured(frame, case, request.user),
        **_rights(frame),
        **_history(case.screening),
    }
    return render(request, "studies/case.html", context)


@require_safe
@login_required
def screening_page(request: SignedInRequest, slug: str, screening: int) -> HttpResponse:
    """One exam that came to the study: what each criterion said of it. A case's is on the case's page."""
    frame = frame_of(request.user, slug, Capability.VIEW_FLOW)
    kept = _screening(frame, screening)
    if hasattr(kept, "case"):
        return redirect("study-case", slug, kept.case.number)
    _viewed(kept.exam.study_instance_uid, slug, page="screening")
    context = {"frame": frame, "tab_here": "study-cases", "screening": kept, **_rights(frame), **_history(kept)}
    return render(request, "studies/screening.html", context)


@require_POST
@login_required
def review(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    """Pass or reject a case before readers see it."""
    frame = frame_of(request.user, slug, Capability.REVIEW_QUALITY)
    case = _case(frame, number)
    accepts = request.POST.get("verdict") == QCReview.Verdict.ACCEPT
    verdict = QCReview.Verdict.ACCEPT if accepts else QCReview.Verdict.REJECT
    reason, note = request.POST.get("reason", ""), request.POST.get("note", "")
    return _done(
        request,
        lambda: qc.review(case, verdict, by=request.user, reason=reason, note=note),
        said=f"Your verdict on case {number} is kept.",
        to=("study-case", slug, number),
    )


@require_POST
@login_required
def review_again(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    """Have a rejected case checked anew."""
    case = _case(frame_of(request.user, slug, Capability.MANAGE_CASES), number)
    return _done(
        request,
        lambda: qc.reopen(case, by=request.user, reason=request.POST.get("why", "")),
        said=f"Case {number} awaits QC again.",
        to=("study-case", slug, number),
    )


@require_POST
@login_required
def try_again(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    """Retry the jobs for which a case failed."""
    case = _case(frame_of(request.user, slug, Capability.MANAGE_CASES), number)
    return _done(
        request,
        lambda: case_flow.try_again(case, by=request.user),
        said="The case's pipelines are asked for again.",
        to=("study-case", slug, number),
    )


@require_POST
@login_required
def screen_again(request: SignedInRequest, slug: str, screening: int) -> HttpResponse:
    """Screen one exam again, by the newest version of the protocol."""
    kept = _screening(frame_of(request.user, slug, Capability.MANAGE_CASES), screening)
    return _done(
        request,
        lambda: rescreening.screen_again([kept], by=request.user, why=request.POST.get("why", "")),
        said="The exam was screened again. What was said before is kept below.",
        to=("study-screening", slug, screening),
    )


@require_POST
@login_required
def decide(request: SignedInRequest, slug: str, screening: int) -> HttpResponse:
    """Decide by hand whether an exam enters."""
    kept = _screening(frame_of(request.user, slug, Capability.MANAGE_CASES), screening)
    enters = request.POST.get("outcome") == Screening.Outcome.MATCHED
    outcome = Screening.Outcome.MATCHED if enters else Screening.Outcome.EXCLUDED
    return _done(
        request,
        lambda: rescreening.decide(kept, outcome, by=request.user, why=request.POST.get("why", "")),
        said="Your decision is kept.",
        to=("study-screening", slug, screening),
    )


def _viewed(exam: str, study: str, *, page: str) -> None:
    trail.record(Action.EXAM_VIEWED, of=exam, study=study, detail={"page": page})


def _done(request: SignedInRequest, act: Callable[[], object], *, said: str, to: tuple[str, str, int]) -> HttpResponse:
    try:
        act()
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, said)
    return redirect(to[0], *to[1:])


def _case(frame: StudyFrame, number: int) -> Case:
    cases = Case.objects.select_related("study__ae_title", "exam", "protocol", "screening__protocol", "screening__exam")
    return get_object_or_404(cases, study=frame.study, number=number)


def _screening(frame: StudyFrame, pk: int) -> Screening:
    kept = Screening.objects.select_related("exam", "protocol", "case", "study__ae_title", "decided_by")
    return get_object_or_404(kept, study=frame.study, pk=pk)


def _rights(frame: StudyFrame) -> dict[str, bool]:
    return {
        "may_manage": frame.may(Capability.MANAGE_CASES) and frame.study.enrols,
        "may_review": frame.may(Capability.REVIEW_QUALITY) and frame.study.enrols,
        "shows_patients": frame.may(Capability.VIEW_EXAMS),
        "may_open_jobs": frame.may(Capability.VIEW_JOBS),
        "sees_truth": frame.may(Capability.VIEW_TRUTH),
        "sees_reads": frame.may(Capability.VIEW_ALL_FEEDBACK),
    }


def _history(screening: Screening) -> dict[str, object]:
    return {"history": screening.history.select_related("replaced_by", "decided_by", "protocol")}


def _has_tables(frame: StudyFrame) -> bool:
    arms = protocol.current(frame.study).content.arms
    return any(isinstance(arm.findings, TableFindings) for arm in arms)


def _measured(frame: StudyFrame, case: Case, user: User) -> list[ReadReport]:
    """What readers measured in the viewer, for those whom the protocol lets see results."""
    if not frame.may(Capability.VIEW_RESULTS) or disclosure.why_kept(frame, user):
        return []
    return measurements.of_case(case)
