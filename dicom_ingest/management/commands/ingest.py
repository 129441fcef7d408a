"""`manage.py ingest`: bring in the exams of a folder or a zip, and go on where an earlier run was cut off."""

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dicom_ingest.bring_in import FROM_THE_COMMAND, Brought, Fate, bring_in
from dicom_ingest.bring_in_journal import Journal
from dicom_ingest.bring_in_sources import SourceFile, Unreadable, UnusableSource, opened
from dicom_ingest.models import AETitle

REFUSED, STOPPED, INTERRUPTED = 1, 2, 130
_KEPT_BEFORE = "kept before"
_UNREMARKABLE = {Fate.NEW, Fate.REPEAT, Fate.LEFT_OUT}
_REASONS_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Bring in the DICOM files of a folder, at any depth, or of a zip, as if they had been sent to an AE title. "
        "Run it again after an interruption: what was kept is not read again. "
        "Exits with 0 when everything is kept, 1 when files were refused or quarantined, 2 when it could not go on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, metavar="DIR|ZIP")
        parser.add_argument("--to", metavar="AE_TITLE", help="where the exams go; needed when there are several")
        parser.add_argument("--again", action="store_true", help="read also what an earlier run has kept")

    def handle(self, *, source: Path, to: str | None, again: bool, verbosity: int, **options: Any) -> None:
        called_ae = _called_ae(to)
        self._console = Console(file=options.get("stdout") or sys.stdout, highlight=False, soft_wrap=True)
        self._tells_all = verbosity > 1
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        try:
            with opened(source) as files, Journal(source, called_ae=called_ae) as journal:
                self._bring(files, called_ae=called_ae, journal=journal, again=again)
        except UnusableSource as error:
            raise CommandError(str(error), returncode=STOPPED) from error
        except OSError as error:
            self._summarise(called_ae)
            said = f"Stopped: {error.strerror or error}. Free space under OVERREAD_STORE, then run the same again."
            raise CommandError(said, returncode=STOPPED) from error
        except KeyboardInterrupt:
            self._summarise(called_ae)
            self._console.print("Interrupted. Run the same again to go on from here.")
            raise SystemExit(INTERRUPTED) from None
        self._summarise(called_ae)
        if self._counts[Fate.REFUSED] or self._counts[Fate.QUARANTINED]:
            raise SystemExit(REFUSED)

    def _bring(self, files: list[SourceFile], *, called_ae: str, journal: Journal, again: bool) -> None:
        for file in self._with_bar(files):
            if file.identity in journal and not again:
                self._counts[_KEPT_BEFORE] += 1
                continue
            brought = _brought(file, called_ae=called_ae)
            if brought.is_kept:
                journal.add(file.identity)
            if brought.fate == Fate.WAITING:
                connection.close()  # so that the next file asks for the database anew
            self._tell(file, brought)

    def _with_bar(self, files: list[SourceFile]) -> Iterable[SourceFile]:
        columns = (TextColumn("Bringing in"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        shows = self._console.is_terminal
        bar = Progress(*columns, console=self._console, transient=True)
        with bar if shows else nullcontext():
            yield from bar.track(files, total=len(files)) if shows else files

    def _tell(self, file: SourceFile, brought: Brought) -> None:
        self._counts[brought.fate] += 1
        if brought.fate not in _UNREMARKABLE:
            self._reasons[brought.sentence] += 1
        if self._tells_all or brought.fate not in _UNREMARKABLE:
            reason = f": {brought.sentence}" if brought.sentence else ""
            self._console.print(escape(f"{brought.fate:11} {_printable(file.name)}{reason}"))

    def _summarise(self, called_ae: str) -> None:
        counted = ", ".join(f"{self._counts[what]} {what}" for what in [*Fate, _KEPT_BEFORE] if self._counts[what])
        self._console.print(f"To {called_ae}: {counted or 'no files'}.", markup=False)
        if self._counts[_KEPT_BEFORE]:
            self._console.print("What was kept before is read again with --again.")
        for reason, times in self._reasons.most_common(_REASONS_SHOWN):
            self._console.print(f"  {times} x {reason}", markup=False)


def _called_ae(asked: str | None) -> str:
    """The AE title asked for, or the only one there is. Raises CommandError."""
    titles = list(AETitle.objects.filter(active=True).values_list("title", flat=True))
    if asked is None and len(titles) == 1:
        return titles[0]
    if asked in titles:
        return str(asked)
    there_are = f"There are: {', '.join(titles)}." if titles else "There is none yet: add one in the administration."
    problem = "Say with --to where the exams go." if asked is None else f'There is no active AE title "{asked}".'
    raise CommandError(f"{problem} {there_are}", returncode=STOPPED)


def _brought(file: SourceFile, *, called_ae: str) -> Brought:
    if file.is_ignored:
        return Brought(fate=Fate.LEFT_OUT, sentence="No image: a list or a note that a disc or a system adds.")
    if file.obstacle:
        return Brought(fate=Fate.REFUSED, sentence=file.obstacle)
    try:
        return bring_in(file.chunks(), called_ae=called_ae, calling_ae=FROM_THE_COMMAND)
    except Unreadable as error:
        return Brought(fate=Fate.REFUSED, sentence=str(error))


def _printable(name: str) -> str:
    """A file's name without what would steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in name)
