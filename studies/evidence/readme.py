"""The page at the head of an export: what it is of, by which protocol, when and by whom, and each file's digest."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from studies.evidence.scope import Scope
from studies.evidence.tables import Table, Written
from studies.models import TruthVersion

README = "README.txt"
_WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class Made:
    """An export that was made. at: in UTC. audit_head: the last hash of the trail before it."""

    scope: Scope
    by: str
    at: datetime
    audit_head: str
    files: tuple[Written, ...]


def readme(made: Made, tables: Sequence[Table]) -> str:
    """The page as text."""
    return "\n".join([*_about(made), "", *_contents(made, tables), "", *_notes(made), ""])


def _about(made: Made) -> Iterator[str]:
    scope, version = made.scope, made.scope.version
    title = f"{scope.study.title}: results as tables"
    yield title
    yield "=" * len(title)
    yield ""
    frozen = f"in force since {version.frozen_at:%Y-%m-%d %H:%M} UTC" if version.frozen_at else "a draft"
    yield f"Study       {scope.study.slug}, {scope.study.get_stage_display().lower()}"
    yield f"Protocol    version {version.number}, {frozen}"
    yield f"            SHA-256 {version.digest}"
    yield f"Cases       {'of the pilot alone' if scope.is_pilot else 'real ones alone, none of the pilot'}"
    yield f"Truth       {_truth(scope)}"
    yield "Filters     none: every row of those cases, amended and replaced ones marked"
    yield f"Made        {made.at:%Y-%m-%d %H:%M:%S} UTC by {made.by}"
    yield f"Audit trail SHA-256 {made.audit_head} before this export"


def _truth(scope: Scope) -> str:
    locked = TruthVersion.objects.filter(study=scope.study, locked_at__isnull=False).first()
    if locked is None or locked.locked_at is None:
        return "no version is locked, so none is here"
    return f"version {locked.number}, locked {locked.locked_at:%Y-%m-%d %H:%M} UTC"


def _contents(made: Made, tables: Sequence[Table]) -> Iterator[str]:
    said = {table.file: table for table in tables}
    yield "Files"
    yield "-----"
    for one in made.files:
        table = said.get(one.file)
        rows = f", {one.rows} row{'' if one.rows == 1 else 's'}" if table else ""
        yield f"{one.file}{rows}"
        yield f"    SHA-256 {one.sha256}"
        if table:
            yield from _wrapped(f"{table.title}. A row: {table.one_row}")
    yield from (f"    {line}" for line in ("(dictionary.txt says the same as dictionary.csv, to be read)",))


def _notes(made: Made) -> Iterator[str]:
    yield "To be known"
    yield "-----------"
    yield from _wrapped(
        "The tables are CSV as RFC 4180 has it: UTF-8, commas, one line of names. In a spreadsheet choose import from "
        "text, UTF-8. A cell that a spreadsheet would calculate begins with an apostrophe."
    )
    yield from _wrapped(
        "Patients, exams and images have pseudonyms, which only this portal can resolve; names, IDs, accession "
        "numbers and dates of exams are in no file. From what people wrote, these were taken out where they stood as "
        "the images have them, and a name spelled otherwise would stay: have free text read before it leaves the house."
    )
    if made.scope.content.blinding.reader_names == "pseudonymised":
        yield from _wrapped("Readers have pseudonyms, as the protocol says.")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    ")
