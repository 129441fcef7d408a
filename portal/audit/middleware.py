"""Every request says who acts while it is answered: pages, REST and DICOMweb alike."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.audit import origin

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def who_acts(get_response: GetResponse) -> GetResponse:
    """The middleware. The request itself is held, for its user is known only once a view has asked for its token."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with origin.acting(request):
            return get_response(request)

    return middleware
