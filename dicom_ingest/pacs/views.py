"""The page that searches remotes and brings exams in, and what is under way from and to them.

Identifiers of patients come and go in the bodies of POST requests; no URL, message or log line carries one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.signing import BadSignature
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dicom_ingest.pacs import board, query, queue, remotes, retrieve, send
from dicom_ingest.pacs.board import Line
from dicom_ingest.pacs.errors import PacsError
from dicom_ingest.pacs.forms import BringInForm, Choice, SearchForm, destinations
from dicom_ingest.pacs.models import Remote, Retrieval, Sending
from dicom_ingest.pacs.query import Found
from portal import live
from portal.access import Capability, holds
from portal.audit import trail
from portal.audit.actions import Action
from portal.signed_in import SignedInRequest

logger = logging.getLogger(__name__)


def _for_coordinators(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Others get a page that does not exist."""

    @wraps(view)
    def guarded(request: SignedInRequest, /, **parts: Any) -> HttpResponse:
        if not holds(request.user, Capability.QUERY_PACS):
            raise Http404
        return view(request, **parts)

    return login_required(guarded)


@require_http_methods(["GET", "HEAD", "POST"])
@_for_coordinators
def pacs(request: SignedInRequest) -> HttpResponse:
    """Search a remote, choose exams, and watch them come."""
    form = SearchForm(request.POST) if request.method == "POST" else SearchForm()
    trail.record(Action.EXAMS_LISTED, of="pacs")
    context: dict[str, Any] = {
        "form": form,
        "transfers": _transfers_part(request),
        "remotes": Remote.objects.all() if request.user.is_superuser else (),
        "can_search": Remote.objects.filter(active=True, may_query=True).exists(),
    }
    if form.is_bound and form.is_valid():
        context |= _answer(request, form)
    return render(request, "dicom_ingest/pacs.html", context)


def _answer(request: SignedInRequest, form: SearchForm) -> dict[str, Any]:
    remote: Remote = form.cleaned_data["remote"]
    try:
        found = query.search(remote, form.criteria)
    except PacsError as fault:
        logger.info("User %s searched %s: it could not be asked.", request.user.pk, remote)
        return {"fault": str(fault)}
    asked = ", ".join(form.criteria.keys)
    logger.info("User %s searched %s by %s: %d exams.", request.user.pk, remote, asked, len(found.matches))
    return {
        "remote": remote,
        "found": found,
        "lines": _lines(request, remote, found),
        "destinations": destinations(request.user) if remote.retrieve else (),
    }


def _lines(request: SignedInRequest, remote: Remote, found: Found) -> list[Line]:
    uids = [match.study_instance_uid for match in found.matches]
    here, visible = board.here(uids), board.visible(request.user, uids)
    return [
        Line(
            match=match,
            token=Choice.of(match, remote).token,
            is_here=match.study_instance_uid in here,
            may_open=match.study_instance_uid in visible,
        )
        for match in found.matches
    ]


@require_POST
@_for_coordinators
def bring_in(request: SignedInRequest) -> HttpResponse:
    """Queue the chosen exams."""
    form = BringInForm(request.user, request.POST)
    tokens = request.POST.getlist("exam")
    if not form.is_valid() or not tokens:
        messages.warning(request, "Nothing was brought in: choose at least one exam, and an AE title it shall come to.")
        return redirect("pacs")
    try:
        choices = [Choice.read(token) for token in tokens]
        for choice in choices:
            _queue(request, form, choice)
    except BadSignature:
        messages.warning(request, "The search is too old. Search again, then choose.")
    except PacsError as fault:
        messages.error(request, str(fault))
    else:
        number = len(choices)
        messages.success(request, f"{number} exam{'s' if number > 1 else ''} will be brought in.")
    return redirect("pacs")


def _queue(request: SignedInRequest, form: BringInForm, choice: Choice) -> None:
    remote: Remote = form.cleaned_data["remote"]
    if choice.remote != remote.pk:
        raise BadSignature("The exam was found at another remote.")
    called_ae = form.cleaned_data["called_ae"].title
    retrieve.request(remote, choice.uid, called_ae=called_ae, by=request.user, description=choice.description)


@require_safe
@_for_coordinators
def transfers(request: SignedInRequest) -> HttpResponse:
    """The part of the page that keeps itself up to date."""
    return live.answer(request, _transfers_part(request))


def _transfers_part(request: SignedInRequest) -> SafeString:
    retrievals = list(board.retrievals(request.user)[: board.SHOWN])
    sendings = list(board.sendings(request.user)[: board.SHOWN])
    visible = board.visible(request.user, [one.study_instance_uid for one in retrievals])
    return live.part(
        request,
        "dicom_ingest/pacs_transfers.html",
        {"retrievals": retrievals, "sendings": sendings, "visible": visible},
        name="transfers",
        url=reverse("pacs-transfers"),
        is_final=False,
    )


@require_POST
@login_required
def try_remote(request: SignedInRequest, /, pk: int) -> HttpResponse:
    """Ask a remote whether it is there, and say what it answered."""
    if not request.user.is_superuser:
        raise Http404
    remote = get_object_or_404(Remote, pk=pk)
    try:
        messages.success(request, remotes.echo(remote))
    except PacsError as fault:
        messages.error(request, str(fault))
    return redirect("pacs")


@require_POST
@_for_coordinators
def cancel_retrieval(request: SignedInRequest, /, transfer_id: UUID) -> HttpResponse:
    """Stop bringing an exam in."""
    get_object_or_404(board.retrievals(request.user), pk=transfer_id)
    if not queue.cancel(Retrieval, transfer_id):
        messages.warning(request, "It has ended already.")
    return redirect("pacs")


@require_POST
@_for_coordinators
def retry_retrieval(request: SignedInRequest, /, transfer_id: UUID) -> HttpResponse:
    """Bring an exam in once more."""
    retrieval = get_object_or_404(board.retrievals(request.user), pk=transfer_id)
    try:
        if retrieval.is_retryable:
            retrieve.request_again(retrieval)
    except PacsError as fault:
        messages.warning(request, str(fault))
    return redirect("pacs")


@require_safe
@_for_coordinators
def sending(request: SignedInRequest, /, transfer_id: UUID) -> HttpResponse:
    """One sending, instance by instance."""
    shown = get_object_or_404(board.sendings(request.user), pk=transfer_id)
    trail.record_on_exam(Action.EXAM_VIEWED, exam=shown.exam.study_instance_uid, detail={"page": "sending"})
    return render(
        request, "dicom_ingest/pacs_sending.html", {"sending": shown, "progress": _sending_part(request, shown)}
    )


@require_safe
@_for_coordinators
def sending_progress(request: SignedInRequest, /, transfer_id: UUID) -> HttpResponse:
    """The part of a sending's page that keeps itself up to date."""
    shown = get_object_or_404(board.sendings(request.user), pk=transfer_id)
    return live.answer(request, _sending_part(request, shown))


def _sending_part(request: SignedInRequest, shown: Sending) -> SafeString:
    return live.part(
        request,
        "dicom_ingest/pacs_sending_progress.html",
        {"sending": shown, "instances": shown.instances.select_related("instance__series")},
        name="sending-progress",
        url=reverse("sending-progress", args=[shown.pk]),
        is_final=shown.is_final and not shown.is_commitment_awaited,
    )


@require_POST
@_for_coordinators
def cancel_sending(request: SignedInRequest, /, transfer_id: UUID) -> HttpResponse:
    """Stop a sending; what has left has left."""
    get_object_or_404(board.sendings(request.user), pk=transfer_id)
    if not queue.cancel(Sending, transfer_id):
        messages.warning(request, "It has ended already.")
    return redirect("sending", transfer_id=transfer_id)


@require_POST
@_for_coordinators
def retry_sending(request: SignedInRequest, /, transfer_id: UUID) -> HttpResponse:
    """Send once more what was not taken."""
    get_object_or_404(board.sendings(request.user), pk=transfer_id)
    if not send.retry(transfer_id):
        messages.warning(request, "It waits or is under way already, or it is done.")
    return redirect("sending", transfer_id=transfer_id)
