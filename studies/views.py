"""The pages around the worklist: my work, one study, one exam."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from dicom_ingest.models import Exam
from portal import live
from portal.access import Capability, holds, roles_with
from portal.audit import trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest
from studies import destinations, priors
from studies.exam_progress import exams_of_the_patient, progress_of
from studies.models import Case, Membership, Study
from studies.reading import reading_list
from studies.reading.worklist import StudyLine, case_lines, cases_for, study_line, worklist
from studies.study_frame import frame_of
from viewer_static.links import viewer_url

CASES_PER_PAGE = 50


@require_safe
@login_required
def home(request: SignedInRequest) -> HttpResponse:
    """My work."""
    trail.record(Action.EXAMS_LISTED, of="my work")
    return render(request, "studies/home.html", {"work": worklist(request.user), **_dimse_address()})


@require_safe
@login_required
def study(request: SignedInRequest, slug: str) -> HttpResponse:
    """One study: its question, how it flows, its cases and, for those who run it, its members."""
    frame = frame_of(request.user, slug)
    line = study_line(request.user, frame.study)
    if line is None:
        raise Http404
    numbered = line.study.cases.order_by("number") if line.shows_cases else Case.objects.none()
    page = Paginator(numbered.values_list("pk", flat=True), CASES_PER_PAGE).get_page(request.GET.get("page"))
    shown = cases_for(request.user, [line.study]).filter(pk__in=list(page)).order_by("number")
    trail.record(Action.EXAMS_LISTED, of="study", study=slug, detail={"count": len(page.object_list)})
    context = {
        "frame": frame,
        "line": line,
        "page": page,
        "cases": case_lines(list(shown)),
        "reading": [reads for reads in reading_list.reads_of(request.user) if reads.study == line.study],
        "sees_all_feedback": _has(request, line, Capability.VIEW_ALL_FEEDBACK),
        "members": _members(line.study) if _has(request, line, Capability.VIEW_ALL_FEEDBACK) else [],
        "priors": priors.line_of(line.study) if line.sees_flow else None,
        "destinations": destinations.of(line.study) if line.sees_flow else [],
        **_dimse_address(),
    }
    return render(request, "studies/study.html", context)


@require_safe
@login_required
def exam(request: SignedInRequest, study_instance_uid: str) -> HttpResponse:
    """One exam: its series, its jobs and what they found, across the patient's exams."""
    shown = get_object_or_404(Exam.objects.visible_to(request.user), study_instance_uid=study_instance_uid)
    trail.record_on_exam(Action.EXAM_VIEWED, exam=shown.study_instance_uid, detail={"page": "exam"})
    context = {
        "exam": shown,
        "progress": _exam_part(request, shown),
        "patient_exams": exams_of_the_patient(shown, request.user),
        "viewer_url": viewer_url(shown.study_instance_uid),
        "studies": Study.objects.filter(cases__exam=shown, pk__in=_my_studies(request)),
    }
    return render(request, "studies/exam.html", context)


@require_safe
@login_required
def exam_progress(request: SignedInRequest, study_instance_uid: str) -> HttpResponse:
    """The part of the exam's page that keeps itself up to date."""
    shown = get_object_or_404(Exam.objects.visible_to(request.user), study_instance_uid=study_instance_uid)
    return live.answer(request, _exam_part(request, shown))


def _may_complete(request: SignedInRequest, shown: Exam) -> bool:
    return Exam.objects.visible_to(request.user, Capability.SEND_EXAMS).filter(pk=shown.pk).exists()


def _exam_part(request: SignedInRequest, shown: Exam) -> SafeString:
    progress = progress_of(shown)
    return live.part(
        request,
        "studies/exam_progress.html",
        {
            "exam": shown,
            "progress": progress,
            "may_open_jobs": holds(request.user, Capability.VIEW_JOBS),
            "may_complete": _may_complete(request, shown) if progress.is_arriving else False,
        },
        name="exam-progress",
        url=reverse("exam-progress", args=[shown.study_instance_uid]),
        is_final=progress.is_final,
    )


def _has(request: SignedInRequest, line: StudyLine, capability: Capability) -> bool:
    return request.user.is_superuser or bool(roles_with(capability) & set(line.roles))


def _members(study: Study) -> list[Membership]:
    return list(study.memberships.in_force().select_related("user").order_by("role", "user__username"))


def _my_studies(request: SignedInRequest) -> list[int]:
    if request.user.is_superuser:
        return list(Study.objects.values_list("pk", flat=True))
    return list(Membership.objects.in_force().filter(user=request.user).values_list("study_id", flat=True))


def _dimse_address() -> dict[str, object]:
    return {"dimse_host": settings.OVERREAD_DIMSE_HOST, "dimse_port": settings.OVERREAD_DIMSE_PORT}
