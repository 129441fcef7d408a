"""What the invited see: what they are invited to, and how to accept it."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from portal.models import User
from studies.models import Invitation
from studies.people import invitations
from studies.people.member_forms import AccountForm

LOCAL = "portal.accounts.backends.LocalBackend"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """The invitation whose key comes along. POST accepts it as who is signed in."""
    key = request.POST.get("key") or request.GET.get("key", "")
    invited = _of_key(key)
    if request.method != "POST" or not isinstance(request.user, User):
        return _page(request, invited, key)
    try:
        invitations.accept(invited, request.user)
    except invitations.NotInvited as fault:
        return _page(request, invited, key, problem=str(fault), status=HTTPStatus.CONFLICT)
    return _welcome(request, invited)


@sensitive_post_parameters("password1", "password2")
@never_cache
@require_POST
def new_account(request: HttpRequest) -> HttpResponse:
    """Make a local account for the invited, who has none, and accept."""
    key = request.POST.get("key", "")
    invited = _of_key(key)
    if not settings.OVERREAD_LOCAL_ACCOUNTS or request.user.is_authenticated:
        return _page(request, invited, key, status=HTTPStatus.CONFLICT)
    form = AccountForm(request.POST, invitation=invited)
    if not form.is_valid():
        return _page(request, invited, key, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    user = form.save(commit=False)
    try:
        invitations.accept_with_a_new_account(invited, user)
    except invitations.NotInvited as fault:
        return _page(request, invited, key, problem=str(fault), status=HTTPStatus.CONFLICT)
    login(request, user, backend=LOCAL)
    return _welcome(request, invited)


def _of_key(key: str) -> Invitation:
    invited = invitations.of_key(key)
    if invited is None:
        raise Http404
    return invited


def _welcome(request: HttpRequest, invited: Invitation) -> HttpResponse:
    messages.success(request, f"You are {invited.get_role_display().lower()} of this study now.")
    return redirect("study", invited.study.slug)


def _account_form(invited: Invitation) -> AccountForm | None:
    """None where no local account may be made, or the one that was invited is there."""
    has_account = invited.names_a_user and User.objects.filter(username__iexact=invited.addressee).exists()
    return AccountForm(invitation=invited) if settings.OVERREAD_LOCAL_ACCOUNTS and not has_account else None


def _page(
    request: HttpRequest,
    invited: Invitation,
    key: str,
    *,
    form: AccountForm | None = None,
    problem: str = "",
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    if not invited.is_open:
        return render(request, "studies/invitation_over.html", status=HTTPStatus.GONE)
    here = f"{reverse('invitation')}?{urlencode({'key': key})}"
    context = {
        "invited": invited,
        "key": key,
        "problem": problem,
        "sign_in": f"{reverse('login')}?{urlencode({'next': here})}",
        "form": form or _account_form(invited),
        "has_directory": settings.OVERREAD_LDAP.is_on,
        "password_length": settings.OVERREAD_PASSWORD_LENGTH,
    }
    return render(request, "studies/invitation.html", context, status=status)
