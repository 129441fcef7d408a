"""Whether the portal lives (`/healthz`) and whether it can do its work (`/readyz`), for load balancers and people.

Neither needs a login, so neither tells a patient, a path or a version.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import Redis, RedisError

from dicom_ingest import room
from dicom_ingest.store import spool_folder

BROKER_SECONDS = 2


@dataclass(frozen=True)
class Light:
    """One part of the portal: whether it is well, and a sentence about it."""

    ok: bool
    says: str


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """This process answers requests; nothing else is asked."""
    return JsonResponse({"ok": True, "says": "The web process answers."})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Every part that receiving, running and reading need; 503 when one of them is not well."""
    lights = {name: look() for name, look in LIGHTS.items()}
    ok = all(light.ok for light in lights.values())
    body = {"ok": ok, "checks": {name: asdict(light) for name, light in lights.items()}}
    return JsonResponse(body, status=200 if ok else 503)


def database() -> Light:
    """PostgreSQL answers, and its schema is this release's."""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return Light(False, "The database does not answer: start PostgreSQL or correct DATABASE_URL.")
    if pending:
        return Light(False, f"Migrations wait to be applied ({len(pending)}): run manage.py migrate.")
    return Light(True, "The database answers and its schema is current.")


def broker() -> Light:
    """Redis or Valkey answers. Without it nothing is lost, but nothing moves on."""
    client = Redis.from_url(settings.REDIS_URL, socket_timeout=BROKER_SECONDS, socket_connect_timeout=BROKER_SECONDS)
    try:
        client.ping()
    except RedisError:
        return Light(False, "The broker does not answer: start Redis or Valkey, or correct REDIS_URL.")
    finally:
        client.close()
    return Light(True, "The broker answers.")


def store() -> Light:
    """The store takes files and its disk has room above the watermark."""
    folder = Path(settings.OVERREAD_STORE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")
        is_roomy = room.has_room()
    except OSError as error:
        return Light(False, f"The store cannot be written ({error.strerror}): mend the disk or its permissions.")
    if not is_roomy:
        return Light(False, room.lack_of_room())
    return Light(True, "The store can be written and its disk has room.")


def spool() -> Light:
    """What was acknowledged is filed soon after."""
    arrived = list(_arrivals())
    age = time.time() - min(arrived, default=time.time())
    if age > settings.OVERREAD_MAX_SPOOL_SECONDS:
        waiting = f"Received images wait to be filed ({len(arrived)}), the oldest for {age:.0f} s"
        return Light(False, f"{waiting}: see that the receiver runs.")
    return Light(True, "Received images are filed as they come.")


def _arrivals() -> Iterator[float]:
    """When each file in the spool was written (Unix time)."""
    folder = spool_folder()
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # filed meanwhile
            yield path.stat().st_mtime


LIGHTS: dict[str, Callable[[], Light]] = {"database": database, "broker": broker, "store": store, "spool": spool}
