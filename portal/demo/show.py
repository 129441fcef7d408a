"""The demonstration itself, once the engines run and the settings are known."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from rich.console import Console

from inference import artifacts, pipeline, registration
from inference.errors import InferenceError
from portal.demo import delivery, seed, supervisor, welcome
from portal.demo.assets import AssetError
from portal.demo.cast import write_all
from portal.demo.exams import DemonstrationExam
from portal.demo.interrupts import Interrupts
from portal.demo.preflight import Refused, Setup
from portal.demo.send import SendError
from portal.demo.steps import Bars, step
from portal.demo.watch import Watch

READY_SECONDS = 120


def run(setup: Setup, stack: ExitStack, interrupts: Interrupts, console: Console) -> None:
    """Set up what is missing, start the processes, push the exams, say where to go, and stay until interrupted."""
    try:
        with step(console, "Schema, study and users"):
            call_command("migrate", interactive=False, verbosity=0)
            seed.seed()
        with step(console, "Models"):
            _install_pipelines()
        with interrupts.deferred():
            processes = stack.enter_context(supervisor.running(setup.home))
        watch = Watch(processes)
        exams = _exams(setup, console)
        with step(console, "Receiver, workers, scheduler and web server"):
            _wait_until_ready(setup, watch)
        if missing := delivery.missing(exams):
            delivery.push(missing, setup, console)
        for _ in delivery.follow(exams, console):
            _tell(watch, console)
    except (AssetError, SendError, InferenceError) as error:
        raise Refused(str(error)) from error
    console.print(f"\n{welcome.block(setup, _latest(exams))}", markup=False)
    while True:
        _tell(watch, console)
        time.sleep(2)


def _install_pipelines() -> None:
    models_dir = Path(settings.OVERREAD_STORE) / "models"
    for definition in pipeline.available(pipeline.SHIPPED):
        for pin in definition.models.values():
            artifacts.fetch(artifacts.manifest_of(pin.name, pin.version, models_dir), models_dir)
    registration.register_pipelines()


def _exams(setup: Setup, console: Console) -> list[DemonstrationExam]:
    bars = Bars(console)
    with bars:
        exams, notes = write_all(setup.cache / "sources", setup.cache / "exams", bars)
    console.print(f"  ok  {len(exams)} demonstration exams ({bars.seconds:.1f} s)")
    for note in notes:
        console.print(f"      {note}", markup=False)
    return exams


def _latest(exams: list[DemonstrationExam]) -> DemonstrationExam:
    """The last exam of the first patient: the one with a history to show."""
    return [exam for exam in exams if exam.patient_id == exams[0].patient_id][-1]


def _wait_until_ready(setup: Setup, watch: Watch) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while missing := list(_not_answering(setup)):
        if failing := watch.failing():
            raise Refused(failing)
        if time.monotonic() > deadline:
            raise Refused(f"{missing[0]} does not answer after {READY_SECONDS} s. The logs are in {setup.logs}")
        time.sleep(0.2)


def _not_answering(setup: Setup) -> Iterator[str]:
    try:
        with socket.create_connection((setup.dimse_host, setup.dimse_port), timeout=2):
            pass
    except OSError:
        yield f"The receiver on port {setup.dimse_port}"
    try:
        with urllib.request.urlopen(f"{setup.url}/readyz", timeout=5):  # noqa: S310 - our own address
            pass
    except (urllib.error.URLError, OSError):
        yield f"The web server at {setup.url}"


def _tell(watch: Watch, console: Console) -> None:
    for news in watch.news():
        console.print(news, markup=False)
