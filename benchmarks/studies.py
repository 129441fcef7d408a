"""How long the pages of studies take at the size of a large hospital: `python -m benchmarks.studies`.

100 studies, 10,000 cases, 200 members, and one more study of which 4,000 reads were answered: pages asked for over
HTTP, one at a time, of the portal's own web server. A page counts as the seconds until its last byte. Figures are per
kind of page.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from rich.console import Console
from rich.table import Table

from benchmarks import studies_answered, studies_scale
from benchmarks.dicomweb_ours import environment, running, wait_for
from portal.demo import engines
from tests.ports import free_port

if TYPE_CHECKING:
    from portal.models import User
    from studies.models import Study

RESULT = Path(__file__).parent / "results" / "studies.json"
TARGET_MS = 200
PAGES_OF_A_KIND = 200
EVIDENCE_OF_A_KIND = 10


def main() -> None:
    """Measure, print and write the file."""
    with tempfile.TemporaryDirectory(prefix="bench-studies-") as folder:
        figures = {kind: _figures(times) for kind, times in _measure(Path(folder)).items()}
    table = Table("page", "median ms", "95th percentile ms", "slowest ms")
    for kind, figure in figures.items():
        table.add_row(kind, *(f"{figure[key]:.0f}" for key in ("median_ms", "p95_ms", "max_ms")))
    Console().print(table)
    about = {"cores": os.cpu_count(), "load": os.getloadavg(), "target_p95_ms": TARGET_MS}
    RESULT.write_text(json.dumps(about | {"pages": figures}, indent=2) + "\n")


def _figures(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(1000 * one for one in seconds)
    return {
        "median_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[int(len(ordered) * 0.95)], 1),
        "max_ms": round(ordered[-1], 1),
    }


def _measure(home: Path) -> dict[str, list[float]]:
    with ExitStack() as stack:
        started = stack.enter_context(engines.running(home))
        port = free_port()
        os.environ.update(started.environment | environment(home, port))
        import django  # noqa: PLC0415 - needs the settings above

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415
        from django.db import connection  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        studies, users = studies_scale.write()
        answered, board = studies_answered.write()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        stack.enter_context(running([sys.executable, "manage.py", "serve"], log=home / "serve.log"))
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/healthz")
        return _times(url, [*_asked(studies, users), *_asked_of_results(answered, board)])


def _times(url: str, asked: Iterable[tuple[str, User, str]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    sessions: dict[int, requests.Session] = {}
    for kind, user, path in asked:
        session = sessions.setdefault(user.pk, session_of(user))
        started = time.perf_counter()
        answer = session.get(url + path, allow_redirects=False, timeout=60)
        times.setdefault(kind, []).append(time.perf_counter() - started)
        if answer.status_code != requests.codes.ok:
            sys.exit(f"{path} answered {answer.status_code} to {user}.")
    return times


def session_of(user: User) -> requests.Session:
    """A browser in which the user is signed in."""
    from django.conf import settings  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    client = Client()
    client.force_login(user)
    session = requests.Session()
    session.cookies.set(settings.SESSION_COOKIE_NAME, client.cookies[settings.SESSION_COOKIE_NAME].value)
    return session


def _asked(studies: list[Study], users: list[User]) -> Iterator[tuple[str, User, str]]:
    """Kind of page, who asks, and its path. The first of each kind is asked of the largest study."""
    draw = random.Random("pages")  # noqa: S311 - no secret
    coordinator, *readers = users
    yield "a reader's home", readers[0], "/"  # starts the server's workers
    for _ in range(PAGES_OF_A_KIND):
        yield "a reader's home", draw.choice(readers), "/"
    for kind, path in _PAGES_OF_A_STUDY.items():
        for place in range(PAGES_OF_A_KIND // 4):
            study = studies[0] if place % 2 else draw.choice(studies)
            yield kind, coordinator, path.format(slug=study.slug, number=draw.randint(1, 50))
    for _ in range(PAGES_OF_A_KIND // 8):
        yield "the home of who coordinates all", coordinator, "/"


def _asked_of_results(study: Study, board: User) -> Iterator[tuple[str, User, str]]:
    for _ in range(EVIDENCE_OF_A_KIND):
        yield "results of 4,000 reads", board, f"/studies/{study.slug}/results/"
        yield "their export", board, f"/studies/{study.slug}/results/export.zip"


_PAGES_OF_A_STUDY = {
    "a study": "/studies/{slug}/",
    "its flow": "/studies/{slug}/flow/",
    "its cases": "/studies/{slug}/cases/",
    "the last page of its cases": "/studies/{slug}/cases/?page=last",
    "one case": "/studies/{slug}/cases/{number}/",
    "its reads": "/studies/{slug}/reads/",
    "its protocol": "/studies/{slug}/protocol/",
    "its members": "/studies/{slug}/members/",
}


if __name__ == "__main__":
    main()
