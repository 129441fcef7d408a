"""API tokens for a user name and a password."""

from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.throttling import ScopedRateThrottle


class ObtainToken(ObtainAuthToken):
    """`POST {username, password}` answers `{token}`, which goes into `Authorization: Token ...`."""

    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "login"
