"""API tokens for a user name and a password."""

from collections.abc import Mapping
from typing import Any

from django.utils.timezone import now
from rest_framework.authtoken.models import Token
from rest_framework.authtoken.serializers import AuthTokenSerializer
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.exceptions import APIException, Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle

from portal.accounts.forms import DIRECTORY_IS_AWAY
from portal.accounts.throttle import lock_in_words, locked_until
from portal.audit import origin, trail
from portal.audit.actions import Action


class DirectoryIsAway(APIException):
    status_code = 503
    default_detail = DIRECTORY_IS_AWAY


class Credentials(AuthTokenSerializer):
    """A user name and a password; says when they were not even tried."""

    def validate(self, attrs: Mapping[str, str]) -> dict[str, object]:
        """Raises Throttled, DirectoryIsAway or ValidationError."""
        request = self.context["request"]
        try:
            return dict(super().validate(attrs))
        except ValidationError:
            if until := locked_until(request, attrs.get("username", "")):
                seconds = int((until - now()).total_seconds())
                raise Throttled(wait=seconds, detail=lock_in_words(until)) from None
            if getattr(request, "directory_is_away", False):
                raise DirectoryIsAway from None
            raise


class ObtainToken(ObtainAuthToken):
    """`POST {username, password}` answers `{token}`, which goes into `Authorization: Token ...`."""

    serializer_class = Credentials
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "login"

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().post(request, *args, **kwargs)
        user = Token.objects.select_related("user").get(key=response.data["token"]).user
        with trail.acting(user, via=trail.Via.TOKEN, address=origin.current().address):
            trail.record(Action.TOKEN_ISSUED, of="")
        return response
