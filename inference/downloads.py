"""What a job read and what it made, as zip files that are sent while they are put together.

Nothing is held in memory but the piece on its way. Entries are stored as they are: pixels are compressed already, or
are wanted soon rather than small.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.http import StreamingHttpResponse
from rest_framework.renderers import JSONRenderer

from dicom_ingest.models import Series
from inference import orders
from inference.models import Job, Result
from inference.serializers import ResultSerializer
from portal.audit import trail
from portal.audit.actions import Action

Part = Literal["inputs", "outputs"]

PIECE = 1024 * 1024
RESULTS = "results.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)


class NothingThere(Exception):
    """There is nothing of the kind to download; the message says why."""


@dataclass(frozen=True)
class Entry:
    """One file of the archive: its name there, and where its bytes are."""

    name: str
    content: Path | bytes


class _Pipe:
    """Takes what `zipfile` writes and gives it away; it cannot be sought in, so sizes follow the entries."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """What was not taken yet can still be."""

    def drain(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def entries(job: Job, part: Part) -> list[Entry]:
    """The files of one part: `inputs`, the DICOM files that were read, or `outputs`, what the result left behind.

    Raises NothingThere.
    """
    found = list(_inputs(job) if part == "inputs" else _outputs(job))
    if not found:
        raise NothingThere(_why_nothing(job, part))
    missing = [entry.name for entry in found if isinstance(entry.content, Path) and not entry.content.is_file()]
    if missing:
        raise NothingThere(f"{len(missing)} of its files are no longer in the store, {missing[0]} first.")
    return found


def exported(job: Job, part: Part) -> list[Entry]:
    """The files of one part, whose export is put on record. Raises NothingThere."""
    files = entries(job, part)
    detail = {"part": part, "files": len(files)}
    exam = job.exam.study_instance_uid
    trail.record_on_exam(Action.JOB_FILES_EXPORTED, exam=exam, of=str(job.pk), detail=detail)
    return files


def zipped(files: Iterable[Entry]) -> Iterator[bytes]:
    """The archive of `files`, piece by piece."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for entry in files:
            with archive.open(zipfile.ZipInfo(entry.name, _EPOCH), "w", force_zip64=True) as target:
                for piece in _pieces(entry.content):
                    target.write(piece)
                    yield pipe.drain()
    yield pipe.drain()


def response(job: Job, part: Part) -> StreamingHttpResponse:
    """The archive of one part, as an answer to a request. Raises NothingThere."""
    answer = StreamingHttpResponse(zipped(exported(job, part)), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{file_name(job, part)}"'
    answer["Cache-Control"] = "no-store"
    return answer


def file_name(job: Job, part: Part) -> str:
    """What the archive is called; it names no patient."""
    return f"{job.pipeline.name}-{str(job.pk)[:8]}-{part}.zip"


def _pieces(content: Path | bytes) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _inputs(job: Job) -> Iterator[Entry]:
    yield from _of_series(orders.selected_series(job), "inputs")
    if job.prior_series:
        yield from _of_series([job.prior_series], "prior")


def _outputs(job: Job) -> Iterator[Entry]:
    result = Result.objects.filter(job=job).first()
    if result is None:
        return
    yield Entry(RESULTS, described(result))
    files = list(result.files.select_related("series"))
    made = {file.series_id: file.series for file in files if file.series}
    if result.segmentation:
        made[result.segmentation.pk] = result.segmentation
    yield from _of_series(made.values(), "outputs")
    for file in files:
        if file.path:
            kept = Path(settings.OVERREAD_STORE) / file.path
            yield Entry(f"outputs/{kept.name}", kept)


def described(result: Result) -> bytes:
    """The result's numbers and findings as JSON, the same as REST gives them."""
    plain = json.loads(JSONRenderer().render(ResultSerializer(result).data))
    return json.dumps(plain, indent=2, ensure_ascii=False).encode()


def _of_series(series: Iterable[Series | None], folder: str) -> Iterator[Entry]:
    for one in series:
        if one is not None:
            for path in orders.files_of([one]):
                yield Entry(f"{folder}/{one.modality}-{one.series_instance_uid}/{path.name}", path)


def _why_nothing(job: Job, part: Part) -> str:
    if part == "inputs":
        return "No series was selected for it, so it read no file."
    return f"It has no result: it is {job.get_state_display().lower()}."
