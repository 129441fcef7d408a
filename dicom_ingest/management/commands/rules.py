"""`manage.py rules`: list, check, import and try routing rules."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now
from rich.progress import track

from dicom_ingest import rule_files, rule_trial, rules
from dicom_ingest.judging import Outcome
from dicom_ingest.rule_files import RuleFileInvalid
from dicom_ingest.rule_models import CONTENT, Rule
from dicom_ingest.rule_trial import TrialLine


class Command(BaseCommand):
    """A new rule is imported inactive, to be tried first; one that is stored already stays as active as it was."""

    help = "List, check and import routing rules, or try one on the exams that came last."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="the rules of this installation")
        wanted = {"check": "say what is wrong with a file", "import": "store the rule of a file, inactive"}
        for action, what in {**wanted, "try": "which of the last exams it would match"}.items():
            actions.add_parser(action, help=what).add_argument("file", metavar="FILE", type=Path)

    def handle(self, *_args: object, **options: Any) -> None:
        actions: dict[str, Callable[[argparse.Namespace], None]] = {
            "list": self._list,
            "check": self._check,
            "import": self._import,
            "try": self._try,
        }
        try:
            actions[options["action"]](argparse.Namespace(**options))
        except ValidationError as fault:
            raise CommandError(" ".join(fault.messages)) from fault
        except (RuleFileInvalid, OSError) as fault:
            raise CommandError(str(fault)) from fault

    def _list(self, _options: argparse.Namespace) -> None:
        for rule in Rule.objects.all():
            state = "active" if rule.active else "inactive"
            pipelines = ", ".join(rule.pipelines) or "no pipeline"
            self.stdout.write(f"{rule.name} (version {rule.version}, {state}): {pipelines}")

    def _check(self, options: argparse.Namespace) -> None:
        _checked(options.file)
        self.stdout.write(f"{options.file} is valid.")

    def _import(self, options: argparse.Namespace) -> None:
        rule = rules.save(_as_stored(rule_files.read(options.file)), by=None)
        self.stdout.write(f'Rule "{rule.name}" is stored as version {rule.version}.')

    def _try(self, options: argparse.Namespace) -> None:
        rule, until = _checked(options.file), now()
        total = rule_trial.try_rule(rule, until=until, seconds=0).total
        lines: list[TrialLine] = []
        for start in track(range(0, total, rule_trial.BATCH), description="Trying", disable=options.verbosity == 0):
            lines += rule_trial.try_rule(rule, until=until, start=start, seconds=0).lines
        for line in lines:
            self.stdout.write(f"{line.exam}: {line.judgement.outcome.label}. {line.judgement.explanation}")
        matched = sum(line.judgement.outcome == Outcome.MATCHED for line in lines)
        self.stdout.write(f"It would match {matched} of {len(lines)} exams.")


def _checked(file: Path) -> Rule:
    rule = rule_files.read(file)
    rule.full_clean(validate_unique=False, validate_constraints=False)
    return rule


def _as_stored(read: Rule) -> Rule:
    """The stored rule of that name with the file's content, or the file's own where there is none yet."""
    stored = Rule.objects.filter(name=read.name).first()
    if stored is None:
        return read
    for field in ("description", *CONTENT):
        setattr(stored, field, getattr(read, field))
    return stored
