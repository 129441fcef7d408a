"""Every URL of the portal, asked for by everybody. One that the table lacks fails the test: declare who may use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.cache import cache
from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client

from dicom_ingest import store
from portal.models import User
from tests.portal.matrix.addresses import Address, Values, addresses
from tests.portal.matrix.table import ADMIN, EVERYBODY, TABLE


def test_every_url_lets_in_those_whom_the_table_names(everybody: dict[str, User], values: Values) -> None:
    cache.clear()  # the throttle of `token` counts other tests' requests
    clients = _clients(everybody)
    found = {
        address.name: {who for who, client in clients.items() if _is_let_in(client, address, values)}
        for address in addresses()
        if not address.is_admins
    }
    declared = {name: set(row.allowed) for name, row in TABLE.items()}
    differing = sorted(name for name in found.keys() | declared.keys() if found.get(name) != declared.get(name))
    assert not differing, {name: {"is let in": found.get(name), "declared": declared.get(name)} for name in differing}


def test_the_administration_is_for_superusers_alone(everybody: dict[str, User]) -> None:
    clients = _clients(everybody)
    parts = {"object_id": 1, "id": 1, "content_type_id": 1, "app_label": "studies", "url": "elsewhere"}
    guarded = [one for one in addresses() if one.is_admins and one.name not in {"admin:login", "admin:logout"}]
    assert len(guarded) > 10
    for address in guarded:
        path = address.filled(parts)
        sent_away = {
            who for who, client in clients.items() if "/admin/login/" in client.get(path).headers.get("Location", "")
        }
        assert sent_away == EVERYBODY - ADMIN, path


def _clients(users: dict[str, User]) -> dict[str, Client]:
    clients = {"anonymous": Client()}
    for name, user in users.items():
        clients[name] = Client()
        clients[name].force_login(user)
    return clients


def _is_let_in(client: Client, address: Address, values: Values) -> bool:
    row = TABLE.get(address.name)
    if row is None:
        return False
    path = address.asked(values, query=row.query)
    with _undone():
        response = getattr(client, row.method)(path)
        assert response.status_code != 405, f"{path} is not asked for with {row.method.upper()}"
        return not _is_refusal(response)


def _is_refusal(response: HttpResponseBase) -> bool:
    return response.status_code in {401, 403, 404} or response.headers.get("Location", "").startswith("/login/?next=")


@contextmanager
def _undone() -> Iterator[None]:
    """Whatever is changed inside is as before afterwards."""
    quarantined = store.quarantine_folder() / "one.dcm"
    quarantined.parent.mkdir(parents=True, exist_ok=True)
    quarantined.write_bytes(b"???")
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
