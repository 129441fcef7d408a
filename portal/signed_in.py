"""The request that a page gets from somebody who has signed in."""

from django.http import HttpRequest

from portal.models import User


class SignedInRequest(HttpRequest):
    """What a view behind `login_required` is given."""

    user: User
