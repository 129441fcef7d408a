"""One export of a study: its tables as CSV, what they mean, and a page that says of what, when and by whom, in one zip.

The same rows give the same bytes in every table; only the page that says when and by whom differs.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from studies.evidence import dictionary, tables
from studies.evidence.cases_table import CASES
from studies.evidence.corrections_table import CORRECTIONS
from studies.evidence.findings_table import FINDINGS
from studies.evidence.measurements_table import MEASUREMENTS
from studies.evidence.moment import one_moment
from studies.evidence.numbers_table import NUMBERS
from studies.evidence.quality_table import QUALITY
from studies.evidence.questions_table import QUESTIONS
from studies.evidence.readme import README, Made, readme
from studies.evidence.reads_table import READS
from studies.evidence.responses_table import RESPONSES
from studies.evidence.scope import Scope
from studies.evidence.tables import Table, Written
from studies.evidence.truth_table import TRUTH
from studies.protocols.protocol_document import to_yaml

TABLES: tuple[Table, ...] = (
    RESPONSES, READS, MEASUREMENTS, CORRECTIONS, CASES, FINDINGS, TRUTH, QUALITY, QUESTIONS, NUMBERS
)  # fmt: skip
IN_MEMORY = 16 * 2**20
"""Bytes of the zip up to which it is kept in memory before it goes to disk."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_BLOCK = 2**20


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An export, ready to be sent. files: all but the page that lists them. rows: of the responses' table."""

    content: IO[bytes]
    name: str
    size: int
    sha256: str
    files: tuple[Written, ...]

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.files if one.file == RESPONSES.file)


def make(scope: Scope, *, by: str, at: datetime, audit_head: str) -> Bundle:
    """The export of everything in `scope` at this moment. by: the user who asked; audit_head: the trail's last hash.

    Raises ImproperlyConfigured where the portal has no key to make pseudonyms with.
    """
    content = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by who sends it
    with zipfile.ZipFile(content, "w") as archive, one_moment():
        files = _files(archive, scope)
        made = Made(scope=scope, by=by, at=at, audit_head=audit_head, files=files)
        _text(archive, README, readme(made, (*TABLES, dictionary.table_of(TABLES))))
    kind = "pilot" if scope.is_pilot else "real"
    return Bundle(
        content=content,
        name=f"{scope.study.slug}-{kind}-{at:%Y%m%dT%H%M%SZ}.zip",
        size=content.tell(),
        sha256=_digest_of(content),
        files=files,
    )


def _files(archive: zipfile.ZipFile, scope: Scope) -> tuple[Written, ...]:
    every = (*TABLES, dictionary.table_of(TABLES))
    written = [_put(archive, one.file, _writer(one, scope)) for one in every]
    written.append(_text(archive, "dictionary.txt", dictionary.text_of(every)))
    written.append(_text(archive, "protocol.yaml", to_yaml(scope.version.document)))
    return tuple(written)


def _writer(table: Table, scope: Scope) -> Callable[[IO[bytes]], Written]:
    return lambda to: tables.write(table, scope, to)


def _put(archive: zipfile.ZipFile, name: str, write: Callable[[IO[bytes]], Written]) -> Written:
    with archive.open(_entry(name), "w", force_zip64=True) as file:
        return write(file)


def _text(archive: zipfile.ZipFile, name: str, text: str) -> Written:
    data = text.encode()
    archive.writestr(_entry(name), data)
    return Written(file=name, rows=0, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without a clock or an owner, so that equal content gives equal bytes."""
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _digest_of(content: IO[bytes]) -> str:
    content.seek(0)
    digest = hashlib.sha256()
    while block := content.read(_BLOCK):
        digest.update(block)
    content.seek(0)
    return digest.hexdigest()
