"""Where a request comes from."""

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The address of the browser. Behind the proxy that ends TLS it is the last one the proxy wrote down, which alone
    the browser cannot make up."""
    if settings.OVERREAD_HTTPS:
        forwarded: str = request.META.get("HTTP_X_FORWARDED_FOR", "")
        if last := forwarded.rpartition(",")[2].strip():
            return last
    address: str = request.META.get("REMOTE_ADDR", "")
    return address
