"""Signing in, staying signed in, and signing in again where one was."""

from http import HTTPStatus
from typing import Any

from django.contrib.auth import login
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.contrib.messages.views import SuccessMessageMixin
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import sessions
from portal.accounts.entrance import directory_account
from portal.accounts.forms import LOCKED, SignInForm
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User

NOT_YOURS = "What this page holds was entered by another user. Sign in as that user, or load the page again."


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class SignIn(LoginView):
    """The login page."""

    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: SignInForm) -> HttpResponse:  # type: ignore[override]
        response = super().form_invalid(form)
        response.status_code = _status(form)
        return response


class ChangePassword(LoginRequiredMixin, SuccessMessageMixin[PasswordChangeForm], PasswordChangeView):
    """A new password for a local account. That of a hospital account is kept by the hospital alone."""

    template_name = "registration/change_password.html"
    success_url = reverse_lazy("home")
    success_message = "Your password is changed. Other browsers in which you were signed in are signed out."

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            trail.record(Action.PASSWORD_CHANGED, of=f"user:{form.user.pk}")
        return response

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User) and directory_account(request.user) is not None:
            raise Http404
        return super().dispatch(request, *args, **kwargs)


@never_cache
@require_http_methods(["GET", "POST"])
def session_state(request: HttpRequest) -> JsonResponse:
    """Who is signed in and how long that lasts. POST is a sign of the user, and so makes it last longer."""
    return JsonResponse(_state(request))


@sensitive_post_parameters("password")
@never_cache
@csrf_protect
@require_POST
def sign_in_again(request: HttpRequest) -> JsonResponse:
    """Sign in without leaving the page, as the user for whom the page was made."""
    form = SignInForm(request, data=request.POST)
    if not form.is_valid():
        said = form.non_field_errors() or ["Enter the password."]
        return JsonResponse({"problem": " ".join(map(str, said))}, status=_refusal(form))
    user = form.get_user()
    if str(user.pk) != request.POST.get("page_user"):
        return JsonResponse({"problem": NOT_YOURS}, status=HTTPStatus.CONFLICT)
    login(request, user)
    return JsonResponse(_state(request))


def _state(request: HttpRequest) -> dict[str, object]:
    if not request.user.is_authenticated:
        return {"user": None, "seconds": 0}
    return {"user": str(request.user.pk), "seconds": sessions.seconds_left(request.session)}


def _status(form: SignInForm) -> HTTPStatus:
    return HTTPStatus.TOO_MANY_REQUESTS if form.has_error("__all__", LOCKED) else HTTPStatus.OK


def _refusal(form: SignInForm) -> HTTPStatus:
    return max(_status(form), HTTPStatus.UNPROCESSABLE_ENTITY)
