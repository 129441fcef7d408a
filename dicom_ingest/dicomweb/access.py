"""Who asks: the token or session of a DICOMweb request, and the view that stands before every resource."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Protocol, TypeVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.authentication import CSRFCheck
from rest_framework.request import Request

from dicom_ingest.dicomweb import decisions, refusals, viewed
from dicom_ingest.dicomweb.responses import packed_json
from dicom_ingest.dicomweb.scope import Scope, Target
from portal.accounts.api_tokens import TokenAuthentication
from portal.models import User

log = logging.getLogger(__name__)

_DECIDING = frozenset({"id", "username", "is_active", "is_staff", "is_superuser"})
TARGET_NAMES = frozenset(each.name for each in fields(Target))

View = Callable[..., HttpResponseBase]
Handler = Callable[[HttpRequest, Scope, Target], HttpResponseBase]  # one method of one resource; raises Refusal

AScope = TypeVar("AScope")
AScope_co = TypeVar("AScope_co", covariant=True)


class ScopeOf(Protocol[AScope_co]):
    """Decides what `user` may see through a root; `root` holds what the root's own URL captured."""

    def __call__(self, user: User, root: Mapping[str, str], /) -> AScope_co: ...


def user_scope(user: User, root: Mapping[str, str], /) -> Scope:
    """The scope of `/dicomweb`: all that the user may see."""
    return Scope.of_user(user)


class _RememberedToken(TokenAuthentication):
    def authenticate_credentials(self, key: str) -> tuple[User, Any]:
        remembered = decisions.key("token", key)
        known: User | None = decisions.recall(remembered).get(remembered)
        if known:
            return known, None
        user, token = super().authenticate_credentials(key)
        _remember(user, remembered)
        return user, token


def authenticated(request: HttpRequest) -> User:
    """Who sent `request`, by token or by session; also sets `request.user`.

    Whom a read request showed stays known for a moment (see `decisions`); who changes something is asked for anew.
    A session that would change something needs its CSRF token, an API token does not.
    Raises NotAuthenticated, or Forbidden when the CSRF token is missing.
    """
    changes = request.method not in ("GET", "HEAD")
    tokens = TokenAuthentication() if changes else _RememberedToken()
    try:
        by_token = tokens.authenticate(Request(request))
    except exceptions.AuthenticationFailed as failed:
        raise refusals.NotAuthenticated(f"{failed.detail} Get a token from /api/token/.") from failed
    if by_token is not None:
        request.user = by_token[0]
    elif not changes:
        _recognise_session(request)
    elif request.user.is_authenticated:
        _check_csrf(request)
    if not isinstance(request.user, User):
        raise refusals.NotAuthenticated('Log in, or send "Authorization: Token ..." with a token from /api/token/.')
    return request.user


def _recognise_session(request: HttpRequest) -> None:
    if not request.session.session_key:
        return
    remembered = decisions.key("session", request.session.session_key)
    known: User | None = decisions.recall_shared(remembered).get(remembered)
    if known:
        request.user = known
    elif isinstance(request.user, User):
        _remember(request.user, remembered)


def _remember(user: User, key: str) -> None:
    """Keep of `user` what decides what they may do; the rest is deferred, and stays out of the cache."""
    names = [field.attname for field in User._meta.concrete_fields if field.attname in _DECIDING]
    decisions.keep({key: User.from_db(user._state.db or "default", names, [getattr(user, name) for name in names])})


def _check_csrf(request: HttpRequest) -> None:
    # Not by SessionAuthentication: it would have the body parsed, which STOW-RS reads as a stream.
    check = CSRFCheck(_no_view)
    check.process_request(request)
    reason = check.process_view(request, _no_view, (), {})
    if reason:
        raise refusals.Forbidden(f"{reason} Send the CSRF token with the session, or use an API token.")


def _no_view(_: HttpRequest) -> HttpResponse:
    return HttpResponse()


def resource(scope_of: ScopeOf[AScope], **handlers: Callable[[HttpRequest, AScope, Target], HttpResponseBase]) -> View:
    """The view of one resource: `handlers` by method name, such as `GET=search_studies`. HEAD goes with GET."""

    @csrf_exempt  # `authenticated` checks it, for sessions only
    def view(request: HttpRequest, **captured: str) -> HttpResponseBase:
        try:
            response = _answer(request, captured)
        except refusals.Refusal as refusal:
            if refusal.status >= 500:
                log.exception("A fault of this server.")
            response = refusal.response()
        patch_vary_headers(response, ["Accept", "Authorization", "Cookie"])
        return packed_json(request, response)

    def _answer(request: HttpRequest, captured: Mapping[str, str]) -> HttpResponseBase:
        user = authenticated(request)
        handler = handlers.get("GET" if request.method == "HEAD" else str(request.method))
        if handler is None:
            raise refusals.MethodNotAllowed(str(request.method), allowed=sorted(handlers))
        named = {name for name in captured if name in TARGET_NAMES}
        target = Target(**{name: captured[name] for name in named})
        root = {name: captured[name] for name in captured.keys() - named}
        response = handler(request, scope_of(user, root), target)
        if target.study and request.method in ("GET", "HEAD"):
            viewed.note(user, target)
        return response

    view.handlers = handlers  # type: ignore[attr-defined]  # for the conformance statement
    return view


def root_url(request: HttpRequest) -> str:
    """The absolute URL of the DICOMweb root through which `request` came, without a slash at its end."""
    before, _, _ = request.path.partition("/dicomweb")
    return request.build_absolute_uri(f"{before}/dicomweb")
