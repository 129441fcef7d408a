"""`make bench-dicomweb`: Overread's DICOMweb beside Orthanc's, on one machine, on the same exam, in one run.

    python -m benchmarks.dicomweb [--without-viewer] [--without-scale]

A table on the screen, and `benchmarks/results/dicomweb.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import dicomweb_exam, dicomweb_measures
from benchmarks.dicomweb_ours import AE_TITLE, Ours, portal
from benchmarks.dicomweb_peer import NoPeer, orthanc, upload

RESULTS = Path(__file__).resolve().parent / "results" / "dicomweb.json"


@dataclass(frozen=True)
class Figure:
    """One measure: ours and the peer's, what is compared, and how far it has to be."""

    measure: str
    ours: float
    peer: float | None
    unit: str
    reached: float
    goal: float
    goal_is_least: bool = True

    @property
    def is_reached(self) -> bool:
        return self.reached >= self.goal if self.goal_is_least else self.reached <= self.goal


def main() -> int:
    """Measure, print, write; 0 also where a goal is missed: a slow machine is no defect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--without-viewer", action="store_true", help="leave OHIF in Chromium out")
    parser.add_argument("--without-scale", action="store_true", help="leave the two million instances out")
    chosen = parser.parse_args()
    console = Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no server is left behind
    home = Path(tempfile.mkdtemp(prefix="overread-bench-"))
    try:
        with portal(home) as ours, orthanc(home / "orthanc") as peer:
            figures, kinds = _measured(ours, peer, home, chosen, console)
    except NoPeer as missing:
        console.print(str(missing))
        return 1
    finally:
        shutil.rmtree(home, ignore_errors=True)
    _show(console, figures)
    _write(figures, kinds)
    return 0


def _measured(
    ours: Ours, peer: str, home: Path, chosen: argparse.Namespace, console: Console
) -> tuple[list[Figure], dict[str, object]]:
    console.print(f"Sending {dicomweb_exam.SLICES} CT slices to both")
    upload(peer, dicomweb_exam.slices())
    _receive()
    figures = list(_retrieval(ours, f"{peer}/dicom-web", console))
    if not chosen.without_viewer:
        console.print("OHIF in Chromium")
        figures += _viewer(ours, f"{peer}/dicom-web")
    kinds: dict[str, object] = {}
    if not chosen.without_scale:
        found, kinds = _scale(ours, console)
        figures.append(found)
    return figures, kinds


def _receive() -> None:
    """File the exam as the indexer does, end its quiet period, and enrol it where the reader may see it."""
    from dicom_ingest.completion import complete_now  # noqa: PLC0415 - after django.setup()
    from dicom_ingest.indexer import receive_part10  # noqa: PLC0415
    from dicom_ingest.models import Route  # noqa: PLC0415
    from studies.cases.enrolment import enrol_complete_exams  # noqa: PLC0415

    for file in dicomweb_exam.slices():
        receive_part10(file, called_ae=AE_TITLE, calling_ae="BENCHMARK")
    for route in Route.objects.filter(completed_at=None):
        complete_now(route)
    enrol_complete_exams()


def _retrieval(ours: Ours, peer: str, console: Console) -> Iterator[Figure]:
    headers = {"Authorization": f"Token {ours.token}"}
    console.print("Metadata of the series")
    mine, theirs = (dicomweb_measures.metadata_seconds(*each) for each in ((ours.dicomweb, headers), (peer, {})))
    yield Figure("metadata of 300 slices", mine * 1000, theirs * 1000, "ms", theirs / mine, 20)
    alone = headers | {"Accept": dicomweb_measures.FRAME_ALONE}
    console.print("Frames one by one")
    mine, theirs = (dicomweb_measures.frame_milliseconds(*each) for each in ((ours.dicomweb, alone), (peer, {})))
    yield Figure("one frame, median", mine, theirs, "ms", theirs / mine, 1)
    console.print("Frames by eight clients")
    theirs, mine, wrapped = (
        dicomweb_measures.frames_a_second(*each)
        for each in ((peer, {}), (ours.dicomweb, alone), (ours.dicomweb, headers))
    )
    yield Figure("frames a second, 8 clients", mine, theirs, "1/s", mine / theirs, 1.5)
    yield Figure("the same, ours as multipart too", wrapped, theirs, "1/s", wrapped / theirs, 1.5)


def _viewer(ours: Ours, peer: str) -> Iterator[Figure]:
    from benchmarks.dicomweb_viewer import race  # noqa: PLC0415 - needs a browser

    mine, theirs = race(ours, peer)
    first = theirs.first_image / mine.first_image
    whole = theirs.whole_volume / mine.whole_volume
    yield Figure("OHIF: first image", mine.first_image, theirs.first_image, "s", first, 1)
    yield Figure("OHIF: whole volume", mine.whole_volume, theirs.whole_volume, "s", whole, 1)


def _scale(ours: Ours, console: Console) -> tuple[Figure, dict[str, object]]:
    from benchmarks import dicomweb_scale  # noqa: PLC0415 - after django.setup()

    console.print(f"Adding {dicomweb_scale.EXAMS:,} exams with {dicomweb_scale.INSTANCES:,} instances")
    dicomweb_scale.fill(study_pks=ours.study_pks)
    timings = dicomweb_scale.measure(ours.dicomweb, ours.token, rounds=50)
    overall = timings["all"].p95
    figure = Figure("QIDO among 2,000,000 instances, p95", overall, None, "ms", overall, 50, goal_is_least=False)
    return figure, {kind: asdict(timing) for kind, timing in timings.items()}


def _show(console: Console, figures: list[Figure]) -> None:
    table = Table("measure", "Overread", "Orthanc", "unit", "reached", "goal", "", title="DICOMweb")
    for each in figures:
        peer = "" if each.peer is None else f"{each.peer:.1f}"
        goal = f"{'at least' if each.goal_is_least else 'under'} {each.goal:g}"
        mark = "yes" if each.is_reached else "no"
        table.add_row(each.measure, f"{each.ours:.1f}", peer, each.unit, f"{each.reached:.1f}", goal, mark)
    console.print(table)


def _write(figures: list[Figure], kinds: dict[str, object]) -> None:
    load = os.getloadavg()
    machine = {"cpus": os.cpu_count(), "load_1_5_15": load, "python": sys.version.split()[0]}
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "figures": [asdict(each) | {"is_reached": each.is_reached} for each in figures],
        "qido_by_kind_ms": kinds,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
