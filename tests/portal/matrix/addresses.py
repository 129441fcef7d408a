"""Every URL pattern of the portal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

Values = Mapping[str, Mapping[str, object]]
"""What stands in the addresses, by their name; under the empty name what stands in all others."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """One URL pattern of the portal; `name` is its route where it has no name."""

    name: str
    route: str
    is_admins: bool

    def asked(self, values: Values, *, query: str = "") -> str:
        """The address as somebody asks for it, of what `values` holds under its name or under none."""
        known = {**values[""], **values.get(self.name, {})}
        return self.filled(known) + query.replace("<exam>", str(known["study"])).replace("<key>", str(known["key"]))

    def filled(self, values: Mapping[str, object]) -> str:
        """The address with a value for each of its parts."""
        route = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", self.route).replace("^", "").replace("$", "")
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda part: str(values[part[1]]), route)


def addresses() -> list[Address]:
    """All that the portal answers."""
    return list(_walk(get_resolver().url_patterns, route="", namespace=""))


def _walk(patterns: list[URLPattern | URLResolver], *, route: str, namespace: str) -> Iterator[Address]:
    for pattern in patterns:
        here = route + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern.url_patterns, route=here, namespace=inner)
        else:
            name = f"{namespace}{pattern.name}" if pattern.name else here
            yield Address(name=name, route=here, is_admins=namespace == "admin:")
