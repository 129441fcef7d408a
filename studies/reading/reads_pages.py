"""A study's readers and their reads, for those who run it: state and paper trail, never an answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_POST, require_safe

from portal.access import Capability, Role
from portal.models import User
from portal.signed_in import SignedInRequest
from studies.annotation import dealing
from studies.models import Read, Study
from studies.people.membership import BLINDABLE
from studies.protocols import protocol
from studies.reading import adjudication, assignment, panel, reading_progress, reassignment
from studies.reading.assignment import members_who
from studies.reading.reassignment import NotReassigned
from studies.study_frame import StudyFrame, frame_of

READS_PER_PAGE = 100


@require_safe
@login_required
def study_reads(request: SignedInRequest, slug: str) -> HttpResponse:
    """Readers and how far they are."""
    frame = frame_of(request.user, slug, Capability.VIEW_AUDIT)
    version = protocol.current(frame.study)
    context = {
        "frame": frame,
        "version": version,
        "design": version.content.design,
        "progress": reading_progress.progress_of(frame.study, version) if version.content.is_read else None,
        "may_change": frame.may(Capability.MANAGE_CASES),
        "sees_orders": _sees_orders(frame),
    }
    return render(request, "studies/reads.html", context)


@require_safe
@login_required
def reader_reads(request: SignedInRequest, slug: str, reader: int) -> HttpResponse:
    """One reader's reads in their order, with what was drawn for them."""
    frame = frame_of(request.user, slug, Capability.VIEW_AUDIT)
    if not _sees_orders(frame):
        raise Http404
    reads = reading_progress.reads_of(frame.study, reader)
    order = frame.study.orders.filter(reader=reader).first()
    if order is None and not reads.exists():
        raise Http404
    context = {
        "frame": frame,
        "tab_here": "study-reads",
        "reader": get_object_or_404(User, pk=reader),
        "order": order,
        "page": Paginator(reads, READS_PER_PAGE).get_page(request.GET.get("page")),
        "others": _others(frame.study, reader),
        "may_change": frame.may(Capability.MANAGE_CASES),
    }
    return render(request, "studies/reader_reads.html", context)


@require_POST
@login_required
def assign_now(request: SignedInRequest, slug: str) -> HttpResponse:
    """Deal out what waits, without waiting for the next tick."""
    frame = frame_of(request.user, slug, Capability.MANAGE_CASES)
    rooms = (assignment, adjudication, panel, dealing)
    made = sum(each.assign_in(frame.study) for each in rooms)
    messages.success(request, f"{_reads(made)} assigned." if made else "Nothing waits to be assigned.")
    return redirect("study-reads", slug)


@require_POST
@login_required
def give_earlier(request: SignedInRequest, slug: str) -> HttpResponse:
    """Give a reader the cases that were dealt out before they came."""
    frame = frame_of(request.user, slug, Capability.MANAGE_CASES)
    with _telling(request):
        reader = _reader(request, frame.study)
        given = reassignment.give_earlier_cases(frame.study, to=reader, by=request.user)
        messages.success(request, f"{_reads(given)} given to {reader}.")
    return redirect("study-reads", slug)


@require_POST
@login_required
def change(request: SignedInRequest, slug: str, reader: int) -> HttpResponse:
    """Withdraw the chosen open reads of a reader, or have somebody else read them, for a reason."""
    frame = frame_of(request.user, slug, Capability.MANAGE_CASES)
    chosen = _chosen(request, frame.study, reader)
    reason = request.POST.get("reason", "")
    with _telling(request):
        if not chosen:
            raise NotReassigned("Nothing was changed: choose reads that are still open.")
        if request.POST.get("to"):
            other = _reader(request, frame.study)
            given = reassignment.reassign(chosen, to=other, reason=reason, by=request.user)
            messages.success(request, f"{_reads(given)} given to {other}.")
        else:
            taken = reassignment.withdraw(chosen, reason=reason, by=request.user)
            messages.success(request, f"{_reads(taken)} withdrawn.")
    return redirect("study-reads-reader", slug, reader)


def _reads(count: int) -> str:
    return f"{count} read{pluralize(count)}"


@contextmanager
def _telling(request: SignedInRequest) -> Iterator[None]:
    """What is refused inside is said on the page."""
    try:
        yield
    except NotReassigned as refused:
        messages.error(request, str(refused))


def _chosen(request: SignedInRequest, study: Study, reader: int) -> list[Read]:
    open_reads = Read.objects.filter(study=study, reader=reader, state__in=Read.OPEN).select_related("study")
    wanted = set(request.POST.getlist("read"))
    return [read for read in open_reads if str(read.pk) in wanted]


def _reader(request: SignedInRequest, study: Study) -> User:
    """The reader named in `to`. Raises NotReassigned."""
    readers = members_who(Role.READER, study).values("user")
    reader = User.objects.filter(username=request.POST.get("to", ""), pk__in=readers).first()
    if reader is None:
        raise NotReassigned("Nothing was changed: choose one of the study's readers.")
    return reader


def _others(study: Study, reader: int) -> QuerySet[User]:
    members = members_who(Role.READER, study).exclude(user=reader)
    return User.objects.filter(pk__in=members.values("user")).order_by("username")


def _sees_orders(frame: StudyFrame) -> bool:
    """Who reads blind in the study must not learn what was drawn, not even when they run it as well."""
    return not (frame.study.readers_are_blinded and BLINDABLE & set(frame.roles))
