"""From which address a request comes. A header that says so is believed only of proxies that the settings name."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's address, or "" where the server does not know one.

    `X-Forwarded-For` is read from its end as long as whoever wrote the entry is one of OVERREAD_TRUSTED_PROXIES: what a
    client put there itself stands before that, and counts for nothing.
    """
    sender = _address(request.META.get("REMOTE_ADDR", ""))
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    while hops and _is_trusted(sender):
        claimed = _address(hops.pop())
        if not claimed:
            break
        sender = claimed
    return sender


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def _is_trusted(address: str) -> bool:
    return bool(address) and any(ip_address(address) in each for each in _networks(*settings.OVERREAD_TRUSTED_PROXIES))


@lru_cache(maxsize=8)
def _networks(*named: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(name, strict=False) for name in named)
