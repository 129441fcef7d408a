"""`manage.py audit`: verify the trail, write its head down, list rows and export them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import localtime
from rich.console import Console
from rich.table import Column, Table

from portal.audit import anchors, reading, trail
from portal.audit.actions import Action
from portal.audit.reading import Filter
from portal.audit.verifying import verify

WIDTH = 200


class Command(BaseCommand):
    help = (
        "Verify the audit trail, write its last row down outside the database, list rows or export them. "
        "Exits with 1 when a row was edited, inserted, moved or is missing, or when the end was cut off."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="command", required=True, metavar="ACTION")
        actions.add_parser("verify", help="walk along the whole chain and compare it with every anchor")
        actions.add_parser("head", help="show the last row's number and hash, and append them to the anchors")
        listing = actions.add_parser("list", help="rows, newest first")
        listing.add_argument("--limit", type=int, default=50, metavar="N", help="how many at most (50)")
        export = actions.add_parser("export", help="rows as CSV, oldest first; the export itself is put on record")
        export.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")
        for one in (listing, export):
            one.add_argument("--who", default="", metavar="USER")
            one.add_argument("--action", default="", choices=[action.value for action in Action], metavar="ACTION")
            one.add_argument("--of", default="", metavar="UID", help="a UID, slug or key")
            one.add_argument("--study", metavar="SLUG")
            one.add_argument("--since", type=date.fromisoformat, metavar="YYYY-MM-DD")
            one.add_argument("--until", type=date.fromisoformat, metavar="YYYY-MM-DD")

    def handle(self, *_args: object, **options: Any) -> None:
        commands: dict[str, Callable[[argparse.Namespace], None]] = {
            "verify": self._verify,
            "head": self._head,
            "list": self._list,
            "export": self._export,
        }
        commands[options["command"]](argparse.Namespace(**options))

    def _verify(self, _given: argparse.Namespace) -> None:
        verdict = verify()
        for fault in verdict.faults:
            self._print(fault.sentence)
        if verdict.count > len(verdict.faults):
            self._print(f"And {verdict.count - len(verdict.faults)} more.")
        if not verdict.is_whole:
            raise CommandError(f"The audit trail is not whole: {verdict.count} faults in {verdict.rows} rows.")
        self._print(f"The audit trail is whole: {verdict.rows} rows, {verdict.anchors} anchors.")

    def _head(self, _given: argparse.Namespace) -> None:
        try:
            anchor = anchors.write()
        except OSError as fault:
            raise CommandError(f"The anchor could not be written: {fault.filename}: {fault.strerror}.") from fault
        self._print(f"{anchor.number} {anchor.hash} {anchor.at}")

    def _list(self, given: argparse.Namespace) -> None:
        names = ("number", "when", "who", "from", "by", "what", "of", "study")
        table = Table(Column(names[0], justify="right"), *(Column(name, no_wrap=True) for name in names[1:]), "detail")
        for row in _filter(given).rows()[: given.limit]:
            when = f"{localtime(row.at):%Y-%m-%d %H:%M:%S}"
            said = reading.shown_detail(row)
            table.add_row(str(row.number), when, row.actor, row.address, row.via, row.action, row.of, row.study, said)
        self._print(table)

    def _export(self, given: argparse.Namespace) -> None:
        wanted = _filter(given)
        trail.record(
            trail.Action.LOG_EXPORTED, of="log", study=given.study or "", detail={"filters": wanted.narrowed_by}
        )
        if given.out is None:
            sys.stdout.writelines(reading.as_csv(wanted.rows()))
            return
        try:
            with given.out.open("w", newline="") as file:
                file.writelines(reading.as_csv(wanted.rows()))
        except OSError as fault:
            raise CommandError(f"{given.out} could not be written: {fault.strerror}. Choose another file.") from fault
        self._print(f"Written: {given.out}")

    def _print(self, what: str | Table) -> None:
        Console(file=self.stdout, width=WIDTH, soft_wrap=True, highlight=False).print(what, markup=False)  # type: ignore[arg-type]


def _filter(given: argparse.Namespace) -> Filter:
    return Filter(
        study=given.study,
        who=given.who,
        action=given.action,
        of=given.of,
        since=given.since,
        until=given.until,
    )
