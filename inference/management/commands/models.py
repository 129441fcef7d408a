"""`manage.py models`: import models, list them, take them from stage to stage, and check that their files are whole."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Column, Table

from inference import artifacts, backends, model_import, model_registry
from inference.errors import InferenceError
from inference.model_import import ImportOrder, SitePolicy
from inference.models import RegisteredModel
from inference.stage_models import Stage

FAILED = 1
WIDTH = 160
BROUGHT = "FILE (.pt, .ts, .onnx, .safetensors), a MONAI bundle as DIR or ZIP, or triton:MODEL:VERSION"


class Command(BaseCommand):
    help = "Import models, list and show them, take them from stage to stage, and verify their files."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        _import_arguments(actions.add_parser("import", help="bring a model in and register it"))
        sums = actions.add_parser("sums", help="print what a signer of a model has to sign")
        sums.add_argument("brought", metavar="SOURCE", help=BROUGHT)
        sums.add_argument("--triton-url", metavar="HOST:PORT")
        actions.add_parser("list", help="the models of this installation")
        _model_arguments(actions.add_parser("show", help="card, files and history of one model"))
        stage = _model_arguments(actions.add_parser("stage", help="take a model to another stage"))
        stage.add_argument("to", choices=Stage.values, metavar="STAGE", help=", ".join(Stage.values))
        retire = _model_arguments(actions.add_parser("retire", help="have new exams no longer go to a model"))
        for changing in (stage, retire):
            changing.add_argument("--reason", required=True, help="for the model's history")
        verify = actions.add_parser("verify", help="hash the files of every model, or of one, against its digest")
        verify.add_argument("name", metavar="NAME", nargs="?")

    def handle(self, *_args: object, **options: Any) -> None:
        actions: dict[str, Callable[[argparse.Namespace], None]] = {
            "import": self._import,
            "sums": self._sums,
            "list": self._list,
            "show": self._show,
            "stage": self._stage,
            "retire": self._retire,
            "verify": self._verify,
        }
        try:
            actions[options["action"]](argparse.Namespace(**options))
        except InferenceError as fault:
            raise CommandError(str(fault), returncode=FAILED) from fault
        except OSError as fault:
            reason = f"{fault.filename} cannot be used: {fault.strerror}."
            raise CommandError(reason, returncode=FAILED) from fault

    def _import(self, options: argparse.Namespace) -> None:
        order = ImportOrder(
            brought=options.brought,
            name=options.name,
            version=options.model_version,
            card=options.card,
            by=_who(),
            signature=options.signature,
            architecture=options.architecture,
            half_precision=options.half_precision,
            triton_url=options.triton_url,
        )
        model = model_import.carry_out(order, _policy())
        signed = f"signed by {model.signed_by}" if model.signed_by else "not signed"
        self._print(
            f"{model} is registered ({model.get_stage_display().lower()}, {signed}). Pin it in a pipeline with:"
        )
        self._print(f'    {{name: {model.name}, version: "{model.version}", sha256: {model.digest}}}')

    def _sums(self, options: argparse.Namespace) -> None:
        self.stdout.write(model_import.sums_of(options.brought, triton_url=options.triton_url).decode(), ending="")

    def _list(self, _options: argparse.Namespace) -> None:
        columns = ("model", "version", "stage", "backend", "signed by", "pipelines", "digest")
        table = Table(*(Column(name, no_wrap=True) for name in columns))
        for model in RegisteredModel.objects.all():
            pipelines = ", ".join(model_registry.pipelines_using(model)) or "none"
            signed = model.signed_by or "nobody"
            table.add_row(model.name, model.version, model.stage, model.backend, signed, pipelines, model.digest[:12])
        self._print(table)

    def _show(self, options: argparse.Namespace) -> None:
        model = model_registry.find(options.name, options.model_version)
        self._print(f"{model}: {model.get_stage_display().lower()}, backend {model.backend}, digest {model.digest}")
        for name, sha256 in sorted(model.files.items()):
            self._print(f"  {sha256}  {name}")
        for name, value in model.card.items():
            self._print(f"{name}: {value}")
        for change in model.stage_changes.all():
            self._print(f"{change.at:%Y-%m-%d %H:%M} {change} by {change.by}: {change.reason}")

    def _stage(self, options: argparse.Namespace) -> None:
        model = model_registry.find(options.name, options.model_version)
        change = model_registry.move(model.pk, to=Stage(options.to), by=_who(), reason=options.reason)
        self._print(f"{model} went from {change}.")

    def _retire(self, options: argparse.Namespace) -> None:
        options.to = Stage.RETIRED
        self._stage(options)

    def _verify(self, options: argparse.Namespace) -> None:
        models = RegisteredModel.objects.filter(**({"name": options.name} if options.name else {}))
        faults = 0
        for model in models:
            try:
                _verify(model)
            except InferenceError as fault:
                faults += 1
                self._print(f"{model}: {fault}")
            else:
                self._print(f"{model}: whole")
        if faults:
            raise CommandError(f"{faults} of {len(models)} models cannot be used.", returncode=FAILED)

    def _print(self, what: str | Table) -> None:
        Console(file=self.stdout, width=WIDTH, soft_wrap=True, highlight=False).print(what, markup=False)  # type: ignore[arg-type]


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("brought", metavar="SOURCE", help=BROUGHT)
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", required=True, dest="model_version")
    parser.add_argument("--card", type=Path, required=True, metavar="YAML", help="the model card")
    parser.add_argument("--signature", type=Path, metavar="FILE", help="detached Ed25519 signature over `models sums`")
    parser.add_argument("--architecture", help="for .safetensors: the network that the weights fit")
    parser.add_argument("--half-precision", metavar="TEXT", help="how results in half precision were validated")
    parser.add_argument("--triton-url", metavar="HOST:PORT", help="of the gRPC service, if not the installation's")


def _model_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("model_version", metavar="VERSION")
    return parser


def _verify(model: RegisteredModel) -> None:
    directory = artifacts.model_directory(_policy().models_dir, name=model.name, version=model.version)
    verified = artifacts.verify(directory, model.digest)
    if verified.manifest.source.kind == "triton":
        backends.load(verified)  # what the server says of it is the only thing that can be compared


def _policy() -> SitePolicy:
    return SitePolicy(
        models_dir=Path(settings.OVERREAD_STORE) / "models",
        keys=Path(settings.OVERREAD_MODEL_KEYS),
        must_be_signed=settings.OVERREAD_MODELS_MUST_BE_SIGNED,
    )


def _who() -> str:
    return f"{getpass.getuser()} (command line)"
