"""The pages of a course: one to work with, one to print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from feedback.course.chart import draw
from feedback.course.choice import FIRST, NADIR, Choice
from feedback.course.course import Course, course_of
from feedback.course.pills import in_words, pills_of
from feedback.course.table import lines_of
from feedback.responses import visible_results
from inference.models import Result
from inference.schema import DEMONSTRATION_NOTICE, NOTICE
from portal import access
from portal.audit import trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest

KEPT = "course-baseline"
"""Under which a session keeps the baseline that its user last chose, by study."""


@require_safe
@never_cache
@login_required
def course_page(request: SignedInRequest, result_id: UUID) -> HttpResponse:
    """One finding over the patient's exams, as far as the user may see them."""
    return _page(request, result_id, "feedback/course/course.html", Action.COURSE_VIEWED)


@require_safe
@never_cache
@login_required
def course_print(request: SignedInRequest, result_id: UUID) -> HttpResponse:
    """The same for paper. `patient=hidden` leaves out who it is of."""
    return _page(request, result_id, "feedback/course/print.html", Action.COURSE_PRINTED)


def _page(request: SignedInRequest, result_id: UUID, template: str, action: Action) -> HttpResponse:
    result = get_object_or_404(visible_results(request.user), pk=result_id)
    choice = _choice(request, result)
    course = course_of(result, request.user, choice)
    exams = [row.exam.study_instance_uid for row in course.rows] if course else []
    trail.record_on_exam(action, exam=result.exam.study_instance_uid, of=str(result.pk), detail={"exams": exams})
    pipeline = result.job.pipeline
    context = {
        "result": result,
        "exam": result.exam,
        "pipeline": pipeline,
        "notice": DEMONSTRATION_NOTICE if pipeline.is_demonstration else NOTICE,
        "course": course,
        "printed_at": now(),
        "hides_patient": request.GET.get("patient") == "hidden",
        **(_of(course) if course else {}),
    }
    return render(request, template, context)


def _of(course: Course) -> Mapping[str, Any]:
    return {
        "choice": course.choice,
        "rule": course.rule,
        "about": in_words(course),
        "drawing": draw(course),
        "lines": lines_of(course),
        **pills_of(course),
    }


def _choice(request: SignedInRequest, result: Result) -> Choice:
    """What the address asks for; without a baseline in it the one that the user last chose in the exam's study."""
    studies = access.studies_of_exam(request.user, result.exam.study_instance_uid)
    study = studies[0] if studies else ""
    kept = request.session.get(KEPT, {})
    choice = Choice.of(request.GET, usual=kept.get(study, FIRST))
    if choice.baseline in {FIRST, NADIR} and choice.baseline != kept.get(study, FIRST):
        request.session[KEPT] = {**kept, study: choice.baseline}
    return choice
