"""The page of one read. To everybody but its reader it is not there."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_cache_control
from django.views.decorators.http import require_POST, require_safe

from feedback import languages
from feedback.fields import posted_answers
from feedback.forms import InvalidAnswers, check_answers
from feedback.models import Response
from feedback.responses import NotAccepted
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from portal.signed_in import SignedInRequest
from studies.blinding import originals
from studies.blinding.links import viewer_url
from studies.models import Read
from studies.reading import corrections, measurements, reading_list, reads
from studies.reading.read_panel import Attempt, ReadPanel, open_panel, panel_for, saved_panel
from studies.reading.reads import AlreadySubmitted, ClaimedElsewhere, ReadRefused

PREFETCH_SECONDS = 300


@require_safe
@login_required
def read(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """The read's form beside its images, or what was answered. Opening it is the page's own first act, not this one:
    a browser may fetch the page before its turn."""
    own = _read_of(read_id, request.user)
    if own.kind == Read.Kind.ANNOTATION:
        return redirect("annotation", read_id)
    panel = panel_for(
        own,
        request.user,
        amend="amend" in request.GET,
        languages=languages.wanted_by(request),
    )
    response = _page(request, panel)
    if "prefetch" in request.headers.get("Sec-Purpose", "") and panel.wants_images:
        patch_cache_control(response, private=True, max_age=PREFETCH_SECONDS)
        return response
    add_never_cache_headers(response)
    exam = panel.read.case.exam.study_instance_uid
    trail.record(Action.EXAM_VIEWED, of=exam, study=panel.read.study.slug, detail={"page": "read", "read": read_id})
    return response


@require_safe
@login_required
def next_read(request: SignedInRequest) -> HttpResponse:
    """Lead to the read that comes next over all studies, or home."""
    found = reading_list.next_of(reading_list.reads_of(request.user))
    return redirect("read", found.read.pk) if found else redirect("home")


@require_POST
@login_required
def read_open(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """Claim the read for the page that asks; its images' address is told then, and not before."""
    try:
        opened = reads.open_read(read_id, by=request.user)
    except Read.DoesNotExist as missing:
        raise Http404 from missing
    except ReadRefused as refused:
        return JsonResponse({"problem": str(refused)}, status=HTTPStatus.CONFLICT)
    number, of = reading_list.place_of(opened, request.user)
    return JsonResponse(
        {
            "claim": opened.claim,
            "active": round(opened.active_seconds),
            "viewer": viewer_url(opened),
            "place": f"{opened.get_kind_display() if opened.kind == Read.Kind.ANNOTATION else 'Read'} {number} of {of}",
        }
    )


@require_POST
@login_required
def read_draft(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """Keep what stands in the form."""
    shown = _read_of(read_id, request.user)
    try:
        reads.save_draft(
            read_id,
            by=request.user,
            claim=request.POST.get("claim", ""),
            answers=posted_answers(shown.form, request.POST),
            active=_seconds(request),
        )
    except Read.DoesNotExist as gone:  # it was withdrawn meanwhile
        raise Http404 from gone
    except ReadRefused as refused:
        is_claimed = isinstance(refused, ClaimedElsewhere)
        return JsonResponse({"problem": str(refused), "claimed": is_claimed}, status=HTTPStatus.CONFLICT)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


@require_POST
@login_required
def read_submit(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """Submit the read or an amendment of it, and lead on; or hand back all that was entered with 409 or 422."""
    shown = _read_of(read_id, request.user)
    if shown.kind == Read.Kind.ANNOTATION:
        raise Http404
    is_amendment = "reason" in request.POST
    attempt = Attempt(
        answers=posted_answers(shown.form, request.POST),
        claim=request.POST.get("claim", ""),
        active=_seconds(request),
        reason=request.POST.get("reason", ""),
        is_amendment=is_amendment,
        languages=languages.wanted_by(request),
    )
    if languages.PARAMETER in request.POST:
        return _part(request, open_panel(shown, request.user, attempt), HTTPStatus.OK)
    try:
        _take(request, shown, attempt)
    except Read.DoesNotExist as gone:  # it was withdrawn meanwhile
        raise Http404 from gone
    except AlreadySubmitted as late:
        return _answered_elsewhere(request, shown, attempt, late)
    except InvalidAnswers as fault:
        panel = open_panel(shown, request.user, replace(attempt, errors=fault.messages))
        return _part(request, panel, HTTPStatus.UNPROCESSABLE_ENTITY)
    except (ReadRefused, NotAccepted) as refused:
        lost = isinstance(refused, ClaimedElsewhere)
        panel = open_panel(shown, request.user, replace(attempt, problem=str(refused), has_lost_claim=lost))
        return _part(request, panel, HTTPStatus.CONFLICT)
    return _go_on(request, shown, to=read_id if is_amendment else None)


@require_safe
@login_required
def read_measurements(request: SignedInRequest, read_id: UUID) -> HttpResponse:
    """The line that says what was measured and saved, for the page to fetch anew once the viewer has saved."""
    shown = _read_of(read_id, request.user)
    context = {"read": shown, "report": measurements.reports_of(shown).first()}
    response = render(request, "studies/_read_measurements.html", context)
    add_never_cache_headers(response)
    return response


def _take(request: SignedInRequest, shown: Read, attempt: Attempt) -> Response:
    if attempt.is_amendment:
        return reads.amend(shown.pk, by=request.user, answers=attempt.answers, reason=attempt.reason)
    return reads.submit(shown.pk, by=request.user, claim=attempt.claim, answers=attempt.answers, active=attempt.active)


def _answered_elsewhere(
    request: SignedInRequest, shown: Read, attempt: Attempt, late: AlreadySubmitted
) -> HttpResponse:
    """The very same answers were sent again: go on. Other ones: show what counts and, beside it, what came too late."""
    try:
        is_repeat = check_answers(shown.form, attempt.answers) == originals.as_shown(shown, late.response.answers)
    except InvalidAnswers:
        is_repeat = False
    shown.refresh_from_db()
    if is_repeat:
        return _go_on(request, shown, to=None)
    panel = saved_panel(
        shown,
        request.user,
        late.response,
        locked=reads.why_not_amendable(shown),
        entered=attempt.answers,
        languages=attempt.languages,
    )
    return _part(request, panel, HTTPStatus.CONFLICT)


def _go_on(request: SignedInRequest, shown: Read, *, to: UUID | None) -> HttpResponse:
    """To the read named, else to the one that comes next, else home."""
    if to is None and (following := reading_list.read_after(shown, request.user)):
        to = following.pk
    address = reverse("read", args=[to]) if to else reverse("home")
    if request.headers.get("HX-Request"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def _read_of(read_id: UUID, reader: User) -> Read:
    found = reads.mine(reader).select_related("study", "case__exam", "form", "protocol", "after").filter(pk=read_id)
    if (own := found.first()) is None:
        raise Http404
    return own


def _part(request: SignedInRequest, panel: ReadPanel, status: HTTPStatus) -> HttpResponse:
    if not request.headers.get("HX-Request"):
        return _page(request, panel, status)
    return render(request, "studies/_read_panel.html", {"panel": panel}, status=status)


def _page(request: SignedInRequest, panel: ReadPanel, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    # Whoever amends has opened the read before.
    viewer = viewer_url(panel.read) if panel.attempt.is_amendment else ""
    shown = {"panel": panel, "viewer": viewer, "correction": corrections.block_of(panel.read)}
    return render(request, "studies/read.html", shown, status=status)


def _seconds(request: SignedInRequest) -> float:
    """The seconds that the page counted; none where it counted nothing that makes sense."""
    posted = request.POST.get("active", "")
    return float(posted) if posted.isascii() and posted.isdecimal() and len(posted) < 7 else 0.0
