"""Correcting a result's segmentation from its page: the part of the page, the editor's address, and what it saves."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from dicom_ingest.dicomweb import deposits
from dicom_ingest.dicomweb.deposits import Deposit
from dicom_ingest.dicomweb.refusals import Forbidden, NotTaken, NotThere
from dicom_ingest.dicomweb.scope import Scope, Seen, Target
from dicom_ingest.models import Exam, Series
from feedback import correction_clock, corrections
from feedback.correction_block import CorrectionBlock
from feedback.corrections import NotKept
from feedback.models import Correction
from feedback.responses import may_answer, visible_results
from inference.models import Result
from portal.models import User
from portal.signed_in import SignedInRequest
from viewer_static.links import correction_url

TEMPLATE = "feedback/_correction.html"


def block_of(result: Result, user: User, *, problem: str = "") -> CorrectionBlock | None:
    """What the page of `result` says of correcting it; None where there is nothing to correct, or not for `user`."""
    if result.segmentation is None or not may_answer(user, result):
        return None
    made = corrections.current(result.segmentation, user)
    return CorrectionBlock(
        address=reverse("result-correction", args=[result.pk]),
        begin=reverse("result-correction-begin", args=[result.pk]),
        empty=reverse("result-correction-none", args=[result.pk]),
        correction=made,
        structures=list(made.structures.all()) if made else (),
        failure=made.problem if made else "",
        closed=corrections.why_not(user, result),
        problem=problem,
    )


@require_safe
@never_cache
@login_required
def correction(request: SignedInRequest, result_id: UUID) -> HttpResponse:
    """The part of the page; it asks for itself again while a worker measures."""
    return _part(request, _result(request, result_id))


@require_POST
@never_cache
@login_required
def begin(request: SignedInRequest, result_id: UUID) -> HttpResponse:
    """Where the editor is, on the AI's segmentation or on the user's own copy of it, and when it was opened."""
    result = _answerable(request, result_id)
    if problem := corrections.why_not(request.user, result):
        return JsonResponse({"problem": problem}, status=HTTPStatus.CONFLICT)
    return JsonResponse({"viewer": editor_url(result, request.user), "opened": _clock(result, request.user)})


@require_POST
@never_cache
@login_required
def none(request: SignedInRequest, result_id: UUID) -> HttpResponse:
    """Keep "no lesion" as the user's correction."""
    result, problem = _answerable(request, result_id), ""
    try:
        corrections.check(request.user, result)
        corrections.say_empty(to=_target(result, request.user, opened=request.POST.get("editor", "")))
    except NotKept as refused:
        problem = str(refused)
    if not request.headers.get("HX-Request"):
        return HttpResponseRedirect(reverse("result", args=[result.pk]))
    return _part(request, result, problem=problem)


def editor_url(result: Result, user: User) -> str:
    """The viewer's editing tools on what `user` would correct: their own copy, where they have one."""
    assert result.segmentation is not None
    own = corrections.current(result.segmentation, user)
    shown = own.series if own and own.series else result.segmentation
    return correction_url(
        result.exam.study_instance_uid,
        segmentation_series_uid=shown.series_instance_uid,
        dicomweb_root=f"/results/{result.pk}/dicomweb",
    )


def scope_of(user: User, root: Mapping[str, str], /) -> Scope:
    """One exam for its editor: what everybody sees of it, and of what people deposited, the user's own corrections.

    Raises NotThere.
    """
    result = _visible(user, root["result"])
    return Scope(see=lambda: _seen(result, user), name=f"result-{result.pk}-{user.pk}")


def store(request: HttpRequest, scope: Scope, target: Target) -> JsonResponse:
    """`POST /studies` of a result's root: the segmentation that its editor saves."""
    assert request.resolver_match is not None and isinstance(request.user, User)
    result, user = _visible(request.user, request.resolver_match.kwargs["result"]), request.user

    def keep(deposit: Deposit) -> None:
        try:
            corrections.check(user, result)
            to = _target(result, user, opened=deposit.opened)
            corrections.deposit(deposit.dataset, to=to, original=deposit.original)
        except NotKept as refused:
            raise NotTaken(str(refused)) from refused

    if not may_answer(user, result):
        raise Forbidden("Corrections are made by the readers of the exam's study. Nothing was saved.")
    return deposits.take(request, keep)


def _target(result: Result, user: User, *, opened: str) -> corrections.Target:
    assert result.segmentation is not None
    seconds = correction_clock.seconds_since(opened, of=str(result.pk), by=user)
    return corrections.Target(
        author=user,
        exam=result.exam,
        predecessor=result.segmentation,
        hold=lambda: corrections.hold_current(result),
        result=result,
        seconds=seconds,
    )


def _clock(result: Result, user: User) -> str:
    return correction_clock.start(of=str(result.pk), by=user)


def _seen(result: Result, user: User) -> Seen:
    own = Correction.objects.filter(author=user, result=result, sitting="").exclude(series=None)
    series = Series.objects.filter(exam=result.exam_id)
    mine = series.filter(Q(pk__in=own.values("series")) | Q(pk__in=series.for_everybody().values("pk")))
    return Seen(exams=Exam.objects.filter(pk=result.exam_id), series=mine)


def _visible(user: User, key: str) -> Result:
    found = visible_results(user).select_related("segmentation").filter(pk=key).first()
    if found is None:
        raise NotThere
    return found


def _result(request: SignedInRequest, result_id: UUID) -> Result:
    return get_object_or_404(visible_results(request.user).select_related("segmentation"), pk=result_id)


def _answerable(request: SignedInRequest, result_id: UUID) -> Result:
    result = _result(request, result_id)
    if not may_answer(request.user, result):
        raise PermissionDenied("Corrections are made by the readers of the exam's study.")
    return result


def _part(request: SignedInRequest, result: Result, *, problem: str = "") -> HttpResponse:
    block = block_of(result, request.user, problem=problem)
    status = HTTPStatus.CONFLICT if problem else HTTPStatus.OK
    return render(request, TEMPLATE, {"correction": block}, status=status)
