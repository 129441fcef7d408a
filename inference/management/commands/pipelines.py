"""`manage.py pipelines`: list, show, validate, fetch and make pipelines, and run one on a folder without any server."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from inference import artifacts, operator_page, pipeline, scaffold, standalone
from inference.errors import InferenceError, ModelDigestMismatch, ModelNotInstalled, NoEligibleSeries
from inference.execution import Report
from inference.operators import registry
from inference.schema import ModelPin, Pipeline
from inference.timing import LOADING, READING, WRITING, OnStep, OperatorTiming

FAILED, SKIPPED = 1, 2
WIDTH = 160


class Command(BaseCommand):
    """Works without database, broker and server: only the model store is needed, and only to fetch and run."""

    help = "List, show, validate, fetch and make pipelines, or run one on a folder of DICOM files without any server."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="the pipelines of this installation, and whether their models are here")
        actions.add_parser("operators", help="what steps can be made of, as the page in docs/")
        for action, what in {"show": "the definition and its digest", "fetch": "download and check its models"}.items():
            actions.add_parser(action, help=what).add_argument("name", metavar="NAME")
        actions.add_parser("validate", help="check a definition").add_argument("file", metavar="FILE", type=Path)
        new = actions.add_parser("new", help="a package to start from: definition, operator, and tests that pass")
        new.add_argument("name", metavar="NAME")
        new.add_argument("--out", metavar="DIR", type=Path, help="the folder to make; a folder NAME here when left out")
        run = actions.add_parser("run", help="run on the DICOM files of one exam")
        run.add_argument("name", metavar="NAME")
        run.add_argument("folder", metavar="DIR", type=Path)
        run.add_argument("--out", metavar="DIR", type=Path, required=True, help="where segmentation and results go")

    def handle(self, *_args: object, **options: Any) -> None:
        actions: dict[str, Callable[[argparse.Namespace], None]] = {
            "list": self._list,
            "operators": self._operators,
            "show": self._show,
            "fetch": self._fetch,
            "validate": self._validate,
            "new": self._new,
            "run": self._run,
        }
        try:
            actions[options["action"]](argparse.Namespace(**options))
        except NoEligibleSeries as fault:
            raise CommandError(f"Skipped: {fault}", returncode=SKIPPED) from fault
        except InferenceError as fault:
            raise CommandError(str(fault), returncode=FAILED) from fault
        except OSError as fault:
            reason = f"{fault.filename} cannot be used: {fault.strerror}. Choose another folder, or free some disk."
            raise CommandError(reason, returncode=FAILED) from fault

    def _list(self, _options: argparse.Namespace) -> None:
        table = Table(*(Column(name, no_wrap=True) for name in ("pipeline", "version", "digest", "models", "title")))
        for one in pipeline.available():
            models = "\n".join(f"{pin.label} {_model_state(pin)}" for pin in one.models.values())
            table.add_row(one.name, one.version, one.digest[:12], models or "none", one.title)
        self._print(table)
        for problem in pipeline.problems():
            self._print(problem)

    def _operators(self, _options: argparse.Namespace) -> None:
        self.stdout.write(operator_page.page(), ending="")

    def _show(self, options: argparse.Namespace) -> None:
        shown = pipeline.load_named(options.name)
        self._print(f"# digest {shown.digest}")
        for step in shown.steps:
            spec = registry.find(step.operator)
            self._print(f"# {step.id}: {spec.name}, code version {spec.version}. {spec.summary}")
        self._print(pipeline.source_of(options.name))

    def _validate(self, options: argparse.Namespace) -> None:
        valid = pipeline.load(options.file)
        self._print(f"{options.file} is valid: {valid.name} {valid.version}, digest {valid.digest}")

    def _new(self, options: argparse.Namespace) -> None:
        folder = options.out or Path(options.name)
        for file in scaffold.create(options.name, folder):
            self._print(f"Written: {file}")
        self._print(f"Try it: pytest {folder}. Then read {folder / 'README.md'}.")

    def _fetch(self, options: argparse.Namespace) -> None:
        for pin in pipeline.load_named(options.name).models.values():
            directory = artifacts.fetch(artifacts.manifest_of(pin.name, pin.version, _models_dir()), _models_dir())
            artifacts.verify(directory, pin.sha256)
            self._print(f"{pin.label} is installed and intact in {directory}")

    def _run(self, options: argparse.Namespace) -> None:
        chosen = pipeline.load_named(options.name)
        if not options.folder.is_dir():
            raise CommandError(f"{options.folder} is not a folder. Give the folder with the exam's DICOM files.")
        with _progress(chosen, quiet=options.verbosity == 0) as on_step:
            run = standalone.run_on_folder(
                chosen,
                options.folder,
                options.out,
                models_dir=_models_dir(),
                salt=settings.OVERREAD_UID_SALT,
                run=str(uuid4()),
                on_step=on_step,
            )
        for note in (*run.exam.notes, run.selection.reason):
            self._print(note)
        for line in _found(run.report):
            self._print(line)
        for file in run.files:
            self._print(f"Written: {file}")

    def _print(self, what: str | Table) -> None:
        Console(file=self.stdout, width=WIDTH, soft_wrap=True, highlight=False).print(what, markup=False)  # type: ignore[arg-type]


def _found(report: Report) -> Iterator[str]:
    """What came out, a line each."""
    for measurement in report.measurements:
        yield f"{measurement.name}: {measurement.value:.1f} {measurement.unit}"
    for one in report.classifications:
        yield f"{one.name}: {one.label} ({one.probabilities[one.label]:.2f})"
    for box in report.boxes:
        yield f"{box.region}: {box.finding} ({box.probability:.2f})"
    if report.is_urgent:
        yield "Urgent: asks to be read before others."
    yield from report.notes


def _models_dir() -> Path:
    return Path(settings.OVERREAD_STORE) / "models"


def _model_state(pin: ModelPin) -> str:
    directory = artifacts.model_directory(_models_dir(), name=pin.name, version=pin.version)
    try:
        artifacts.verify(directory, pin.sha256)
    except ModelNotInstalled:
        return "(not installed)"
    except ModelDigestMismatch:
        return "(DIFFERS from the pinned digest)"
    return "(installed)"


@contextmanager
def _progress(running: Pipeline, *, quiet: bool) -> Iterator[OnStep]:
    """A bar that names the step in progress, on stderr where that is a terminal."""
    console = Console(stderr=True)
    names = [READING, *([LOADING] if running.models else []), *(step.id for step in running.steps), WRITING]
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task(names[0], total=len(names))

        def on_step(timing: OperatorTiming) -> None:
            following = [*names[names.index(timing.step) + 1 :], timing.step]
            bar.update(task, advance=1, description=following[0])

        yield on_step
