"""Overread for the DICOMweb benchmark: its engines, its database and its web server, all in a folder of their own."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from portal.demo import engines
from tests.ports import free_port

if TYPE_CHECKING:
    from feedback.models import Form
    from studies.models import Study

ROOT = Path(__file__).resolve().parent.parent
AE_TITLE = "BENCH"


@dataclass(frozen=True, kw_only=True)
class Ours:
    """Where the portal answers, a reader's token and log-in, and the studies that the reader is in."""

    url: str
    token: str
    user: Any
    password: str
    study_pks: list[int]

    @property
    def dicomweb(self) -> str:
        return f"{self.url}/dicomweb"


@contextmanager
def portal(home: Path) -> Iterator[Ours]:
    """Start everything under `home` with two studies and a reader in both, and stop it at the end."""
    with ExitStack() as stack:
        started = stack.enter_context(engines.running(home))
        port = free_port()
        os.environ.update(started.environment | environment(home, port))
        import django  # noqa: PLC0415 - needs the settings above

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        user, password, token, studies = _people()
        url = f"http://127.0.0.1:{port}"
        stack.enter_context(running([sys.executable, "manage.py", "serve"], log=home / "serve.log"))
        wait_for(f"{url}/healthz")
        yield Ours(url=url, token=token, user=user, password=password, study_pks=studies)


def environment(home: Path, port: int) -> dict[str, str]:
    """The settings of a portal under `home`, but for its engines."""
    return {
        "OVERREAD_HOME": str(home),
        "OVERREAD_STORE": str(home / "store"),
        "OVERREAD_SECRET_KEY": secrets.token_hex(32),
        "OVERREAD_BLINDING_KEY": secrets.token_hex(32),
        "OVERREAD_WEB_PORT": str(port),
        "OVERREAD_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }


def _people() -> tuple[Any, str, str, list[int]]:
    """A reader who is a member of two studies, and a third study whose exams the reader does not see."""
    from rest_framework.authtoken.models import Token  # noqa: PLC0415

    from feedback.forms import quality_form  # noqa: PLC0415
    from portal.access import Role  # noqa: PLC0415
    from portal.models import User  # noqa: PLC0415
    from studies.models import Membership  # noqa: PLC0415

    password = secrets.token_urlsafe()
    user = User.objects.create_user("bench", password=password)
    form, studies = quality_form(), []
    for title in (AE_TITLE, f"{AE_TITLE}2"):
        study = _study(title, form)
        Membership.objects.create(study=study, user=user, role=Role.READER)
        studies.append(study.pk)
    return user, password, Token.objects.create(user=user).key, studies


def _study(title: str, form: Form) -> Study:
    from studies.protocols import protocol  # noqa: PLC0415 - after django.setup()
    from studies.protocols.protocol_schema import Arrival, Blinding, Protocol  # noqa: PLC0415

    arrival = Arrival(ae_title=title, quiet_seconds=1)
    document = Protocol(title=title, question="How fast?", arrival=arrival, blinding=Blinding(readers="open"))
    study = protocol.begin(document, slug=title.lower(), by=None)
    protocol.freeze(study.protocols.get(), by=None)
    study.stage, study.form = "active", form
    study.save()
    return study


@contextmanager
def running(command: list[str], *, log: Path, cwd: Path = ROOT) -> Iterator[None]:
    """Run a server until the block ends."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=cwd)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(url: str, *, seconds: float = 60) -> None:
    """Until `url` answers at all. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.2)
            continue
        return
    raise TimeoutError(f"{url} did not answer within {seconds:.0f} s.")
