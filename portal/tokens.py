"""API tokens for a user name and a password."""

from typing import Any

from rest_framework.authtoken.models import Token
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle

from portal.audit import origin, trail
from portal.audit.actions import Action


class ObtainToken(ObtainAuthToken):
    """`POST {username, password}` answers `{token}`, which goes into `Authorization: Token ...`."""

    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "login"

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().post(request, *args, **kwargs)
        user = Token.objects.select_related("user").get(key=response.data["token"]).user
        with trail.acting(user, via=trail.Via.TOKEN, address=origin.current().address):
            trail.record(Action.TOKEN_ISSUED, of="")
        return response
