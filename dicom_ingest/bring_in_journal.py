"""Which files of a source were kept by an earlier run of `manage.py ingest`, so that the next one goes on from there.

The journal is only a shortcut: bytes that are brought twice are counted as a repeat. So it is not fsynced, and a line
that a kill cut short is ignored. It holds digests, not paths, which may name a patient.
"""

import hashlib
from pathlib import Path

from django.conf import settings

_DIGEST_LENGTH = 64


class Journal:
    """The journal of one source for one AE title; close it by leaving its `with` block."""

    def __init__(self, source: Path, *, called_ae: str) -> None:
        key = hashlib.sha256(f"{source.resolve()}\0{called_ae}".encode(errors="surrogateescape")).hexdigest()
        self._path = Path(settings.OVERREAD_HOME) / "ingest" / f"{key}.journal"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._kept = _read(self._path)
        self._file = self._path.open("a", encoding="ascii")
        self._file.write("\n")  # ends a line that a kill cut short

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, identity: object) -> bool:
        return identity in self._kept

    def add(self, identity: str) -> None:
        """Note that the file is kept."""
        self._file.write(f"{identity}\n")
        self._file.flush()


def _read(path: Path) -> frozenset[str]:
    lines = path.read_text(encoding="ascii", errors="replace").split() if path.exists() else []
    return frozenset(line for line in lines if len(line) == _DIGEST_LENGTH)
