"""The page of a study's members: who has which role since when and by what, and what its coordinators do about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Protocol

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from portal.access import Capability
from portal.signed_in import SignedInRequest
from studies.models import GroupGrant, Invitation, Membership
from studies.people import group_grants, invitation_mail, invitations, members
from studies.people.member_forms import GroupGrantForm, InvitationForm
from studies.people.member_lines import former_members, group_lines, invitation_lines, member_lines
from studies.study_frame import StudyFrame, frame_of

NEW_LINK = "invitation_link"
"""In the session, until the page has shown it: the link of an invitation, which is told once."""


class _OfAStudy(Protocol):
    def __call__(self, request: SignedInRequest, frame: StudyFrame, /) -> HttpResponse: ...


class _OfOneThing(Protocol):
    def __call__(self, request: SignedInRequest, frame: StudyFrame, /, pk: int) -> HttpResponse: ...


def _for_managers(view: _OfAStudy) -> Callable[[SignedInRequest, str], HttpResponse]:
    """For those who manage the study's members; to others the page does not exist."""

    @wraps(view)
    def guarded(request: SignedInRequest, slug: str) -> HttpResponse:
        return view(request, frame_of(request.user, slug, Capability.MANAGE_MEMBERS))

    return never_cache(login_required(guarded))


def _of_one(view: _OfOneThing) -> Callable[[SignedInRequest, str, int], HttpResponse]:
    @wraps(view)
    def guarded(request: SignedInRequest, slug: str, pk: int) -> HttpResponse:
        return view(request, frame_of(request.user, slug, Capability.MANAGE_MEMBERS), pk=pk)

    return never_cache(login_required(guarded))


@require_safe
@_for_managers
def members_page(request: SignedInRequest, frame: StudyFrame, /) -> HttpResponse:
    """Members, invitations and groups."""
    return _page(request, frame, new_link=request.session.pop(NEW_LINK, None))


@require_POST
@_for_managers
def invite(request: SignedInRequest, frame: StudyFrame, /) -> HttpResponse:
    """Invite somebody: by mail where the portal can send any, else the page shows the link."""
    form = InvitationForm(request.POST, study=frame.study)
    if not form.is_valid():
        return _page(request, frame, invitation_form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    role, reader_role = form.granted
    addressee = form.cleaned_data["addressee"]
    invitation, key = invitations.invite(frame.study, addressee, role, reader_role=reader_role, by=request.user)
    return _hand_over(request, invitation, key)


@require_POST
@_of_one
def renew_invitation(request: SignedInRequest, frame: StudyFrame, /, pk: int) -> HttpResponse:
    """A new link for an invitation."""
    invitation = get_object_or_404(Invitation, pk=pk, study=frame.study)
    try:
        key = invitations.renew(invitation, by=request.user)
    except invitations.NotInvited as fault:
        messages.error(request, str(fault))
        return _back(frame)
    return _hand_over(request, invitation, key)


@require_POST
@_of_one
def withdraw_invitation(request: SignedInRequest, frame: StudyFrame, /, pk: int) -> HttpResponse:
    """Let an invitation's link open nothing more."""
    invitation = get_object_or_404(Invitation, pk=pk, study=frame.study)
    invitations.withdraw(invitation)
    messages.success(request, f"The invitation to {invitation.addressee} is withdrawn: its link opens nothing more.")
    return _back(frame)


@require_POST
@_of_one
def withdraw_member(request: SignedInRequest, frame: StudyFrame, /, pk: int) -> HttpResponse:
    """Take a role from a member."""
    membership = get_object_or_404(Membership.objects.in_force().select_related("user"), pk=pk, study=frame.study)
    try:
        members.withdraw(membership)
    except members.NotWithdrawn as fault:
        messages.error(request, str(fault))
        return _back(frame)
    name = members.name_of(membership.user)
    messages.success(request, f"{name} is no longer {membership.get_role_display().lower()} of this study.")
    return redirect("home") if membership.user == request.user else _back(frame)


@require_POST
@_for_managers
def grant_to_group(request: SignedInRequest, frame: StudyFrame, /) -> HttpResponse:
    """Give a role to everybody in a group of the directory."""
    form = GroupGrantForm(request.POST, study=frame.study)
    if not settings.OVERREAD_LDAP.is_on:
        messages.error(request, "There is no directory whose groups could be given a role.")
        return _back(frame)
    if form.is_valid():
        role, reader_role = form.granted
        try:
            group_grants.grant(frame.study, form.cleaned_data["group"], role, reader_role=reader_role, by=request.user)
        except group_grants.AlreadyGranted as fault:
            form.add_error("group", str(fault))
        else:
            messages.success(request, f"Everybody in the group is {role.label.lower()} from the next sign-in on.")
            return _back(frame)
    return _page(request, frame, group_form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)


@require_POST
@_of_one
def withdraw_group_grant(request: SignedInRequest, frame: StudyFrame, /, pk: int) -> HttpResponse:
    """Take the role from those who have it by a group."""
    grant = get_object_or_404(GroupGrant.objects.in_force(), pk=pk, study=frame.study)
    group_grants.withdraw(grant)
    messages.success(request, "The group's grant is withdrawn, and with it the roles that its members had by it.")
    return _back(frame)


def _hand_over(request: SignedInRequest, invitation: Invitation, key: str) -> HttpResponse:
    """Send the link, or have the page show it where no mail leaves."""
    link = request.build_absolute_uri(f"{reverse('invitation')}?key={key}")
    if invitation_mail.send(invitation, link):
        messages.success(request, f"The invitation went to {invitation.addressee} by mail.")
    else:
        request.session[NEW_LINK] = {"link": link, "addressee": invitation.addressee}
    return redirect("study-members", invitation.study.slug)


def _back(frame: StudyFrame) -> HttpResponse:
    return redirect("study-members", frame.study.slug)


def _page(
    request: SignedInRequest,
    frame: StudyFrame,
    *,
    new_link: dict[str, str] | None = None,
    invitation_form: InvitationForm | None = None,
    group_form: GroupGrantForm | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    study = frame.study
    context = {
        "frame": frame,
        "tab_here": "study-members",
        "lines": member_lines(study),
        "former": former_members(study),
        "invitations": invitation_lines(study),
        "groups": group_lines(study),
        "has_directory": settings.OVERREAD_LDAP.is_on,
        "sends_mail": bool(settings.OVERREAD_MAIL_URL),
        "invitation_form": invitation_form or InvitationForm(study=study),
        "group_form": group_form or GroupGrantForm(study=study),
        "new_link": new_link,
    }
    return render(request, "studies/members.html", context, status=status)
