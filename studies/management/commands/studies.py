"""`manage.py studies`: list the studies, export and import protocols, and say which are past their retention."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference.errors import DefinitionInvalid
from portal.audit import trail
from portal.audit.trail import Action
from portal.models import User
from studies.cases import retention
from studies.models import Study
from studies.protocols import protocol
from studies.protocols.new_study_pages import free_name
from studies.protocols.protocol_document import parse, to_yaml
from studies.refusals import ProtocolRefused


class Command(BaseCommand):
    """What is exported here and imported elsewhere is, exported again, the same byte for byte."""

    help = "List the studies, export the protocol of one as YAML, or begin a study from such a file."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="the studies of this installation")
        actions.add_parser("retention", help="the closed studies whose retention is over; nothing is deleted")
        export = actions.add_parser("export", help="write a protocol as YAML")
        export.add_argument("study", metavar="STUDY", help="its short name")
        export.add_argument("--version", dest="number", type=int, help="a version other than the current one")
        export.add_argument("--to", type=Path, metavar="FILE", help="instead of to the terminal")
        begun = actions.add_parser("import", help="begin a study from a file")
        begun.add_argument("file", metavar="FILE", type=Path)
        begun.add_argument("--study", metavar="STUDY", default="", help="its short name; made of the title without it")
        begun.add_argument("--coordinator", metavar="USER", help="who becomes its coordinator")

    def handle(self, *_args: object, **options: Any) -> None:
        actions: dict[str, Callable[[argparse.Namespace], None]] = {
            "list": self._list,
            "retention": self._retention,
            "export": self._export,
            "import": self._import,
        }
        try:
            actions[options["action"]](argparse.Namespace(**options))
        except (DefinitionInvalid, ProtocolRefused, OSError, UnicodeDecodeError) as fault:
            raise CommandError(str(fault)) from fault

    def _list(self, _options: argparse.Namespace) -> None:
        for study in Study.objects.select_related("ae_title"):
            version = protocol.current(study)
            state = "frozen" if version.is_frozen else "draft"
            self.stdout.write(
                f"{study.slug} ({study.get_stage_display().lower()}, protocol {version.number} {state}, "
                f"exams to {study.ae_title.title}): {study.title}"
            )

    def _retention(self, _options: argparse.Namespace) -> None:
        for line in retention.over():
            closed, until = line.closed_at.date(), line.kept_until.date()
            self.stdout.write(f"{line.study.slug}: closed on {closed}, to be kept until {until}")

    def _export(self, options: argparse.Namespace) -> None:
        study = Study.objects.filter(slug=options.study).first()
        if study is None:
            known = ", ".join(Study.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f'There is no study "{options.study}"; there are: {known}.')
        numbered = study.protocols.filter(number=options.number) if options.number else None
        version = protocol.current(study) if numbered is None else numbered.first()
        if version is None:
            raise CommandError(f"The protocol of {study.slug} has no version {options.number}.")
        trail.record(Action.PROTOCOL_EXPORTED, of=f"{study.slug}:{version.number}", study=study.slug)
        text = to_yaml(version.document)
        if options.to is None:
            self.stdout.write(text, ending="")
        else:
            options.to.write_bytes(text.encode())

    def _import(self, options: argparse.Namespace) -> None:
        coordinator = None
        if options.coordinator:
            coordinator = User.objects.filter(username=options.coordinator).first()
            if coordinator is None:
                raise CommandError(f'There is no user "{options.coordinator}".')
        written = parse(options.file.read_text(encoding="utf-8"), file=options.file)
        study = protocol.begin(written, slug=options.study or free_name(written.title), by=coordinator)
        self.stdout.write(f"Study {study.slug} is begun, in draft.")
