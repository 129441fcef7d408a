"""Who comes with an API token."""

from __future__ import annotations

from rest_framework.authentication import TokenAuthentication as RESTTokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import AuthenticationFailed

from portal.accounts.entrance import may_enter
from portal.models import User


class TokenAuthentication(RESTTokenAuthentication):
    """The framework's own; the token of an account that the directory closed is worth nothing meanwhile."""

    def authenticate_credentials(self, key: str) -> tuple[User, Token]:
        user, token = super().authenticate_credentials(key)
        if not may_enter(user):
            raise AuthenticationFailed("This account is closed in the hospital's directory, or could not be confirmed.")
        return user, token
