"""The form of the login page, which says what went wrong."""

from __future__ import annotations

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from portal.accounts.throttle import lock_in_words, locked_until

LOCKED, UNREACHABLE = "locked", "unreachable"
DIRECTORY_IS_AWAY = (
    "The hospital's directory cannot be reached, so hospital accounts cannot sign in for the moment. "
    "Try again in some minutes; if it goes on, tell the portal's administrator. For a local account: the user name and "
    "the password do not fit together."
)


class SignInForm(AuthenticationForm):
    """Django's own; whether a user exists never shows."""

    def get_invalid_login_error(self) -> ValidationError:
        """Why nobody was signed in: locked for a while, the directory is away, or the two do not fit together."""
        request = self.request
        if request is None:
            return super().get_invalid_login_error()
        if until := locked_until(request, self.cleaned_data.get("username", "")):
            return ValidationError(lock_in_words(until), code=LOCKED)
        if getattr(request, "directory_is_away", False):
            return ValidationError(DIRECTORY_IS_AWAY, code=UNREACHABLE)
        return super().get_invalid_login_error()


class AdminSignInForm(SignInForm, AdminAuthenticationForm):
    """The same on the page under `/admin/`."""
