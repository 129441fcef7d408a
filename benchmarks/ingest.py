"""Receiving, measured beside Orthanc and DCMTK's storescp in one run: `make bench-ingest`.

The sender is DCMTK's dcmsend with TCP_NODELAY=1, as are the receivers that heed it: without it both wait 40 ms for each
delayed acknowledgement of TCP, and nothing else would be measured.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import exams, receivers
from benchmarks.exams import Exam
from benchmarks.receivers import AE_TITLE, HOST, Receiver

RESULT = Path(__file__).parent / "results" / "ingest.json"
_ROUNDS = 3
_AT_ONCE = 4
_POLL_SECONDS = 0.02
_VISIBLE_SECONDS = 300
_NEEDED = {"dcmsend": "dcmtk", "storescp": "dcmtk", "Orthanc": "orthanc orthanc-dicomweb"}


@dataclass
class Figures:
    """Seconds by round, and megabytes of memory, of one receiver."""

    one_association: list[float] = field(default_factory=list)
    visible_after: list[float] = field(default_factory=list)
    four_associations: float | None = None
    one_gigabyte: float | None = None
    peak_rss_mb: float | None = None
    peak_pss_mb: float | None = None


def main() -> None:
    """Measure, print the table and write the file."""
    console = Console()
    missing = sorted({package for command, package in _NEEDED.items() if not _find(command)})
    if missing:
        sys.exit(f"Needed beside Overread: install {' '.join(missing)}, on Debian with apt-get install.")
    load = os.getloadavg()
    if load[0] > (os.cpu_count() or 1) / 2:
        console.print(f"[yellow]This machine is busy (load {load[0]:.1f}): the figures will be of the load.[/]")
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        figures = _measure(Path(folder), console)
    _print(figures, console)
    RESULT.parent.mkdir(exist_ok=True)
    result = {
        "load_before": load,
        "load_after": os.getloadavg(),
        "cores": os.cpu_count(),
        "rounds": _ROUNDS,
        "receivers": {name: asdict(one) for name, one in figures.items()},
        "measures": [asdict(one) for one in _measures(figures)],
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    console.print(f"Written to {RESULT.relative_to(Path.cwd()) if RESULT.is_relative_to(Path.cwd()) else RESULT}")


def _measure(folder: Path, console: Console) -> dict[str, Figures]:
    console.print(f"Making {_ROUNDS + _AT_ONCE} CT exams and one MR exam in {folder}")
    single = [exams.make(exams.CT, folder / f"ct{number}") for number in range(_ROUNDS)]
    together = [exams.make(exams.CT, folder / f"together{number}") for number in range(_AT_ONCE)]
    large = exams.make(exams.MR, folder / "mr")
    figures: dict[str, Figures] = {}
    with ExitStack() as stack:
        starts = (receivers.overread, receivers.orthanc, receivers.storescp)
        running = [stack.enter_context(start(folder / start.__name__)) for start in starts]
        for receiver in running:
            _echo(receiver)
            figures[receiver.name] = Figures()
        for number, exam in enumerate(single, start=1):  # in turn, so that a busy moment hits no one alone
            console.print(f"Round {number} of {_ROUNDS}: one association to each")
            for receiver in running:
                _one(receiver, exam, figures[receiver.name])
        for receiver in running:
            console.print(f"{receiver.name}: {_AT_ONCE} associations at once, then 1 GB")
            _many(receiver, figures[receiver.name], together=together, large=large)
    return figures


def _one(receiver: Receiver, exam: Exam, figures: Figures) -> None:
    os.sync()  # what an earlier receiver left unwritten is not to be paid for by this one
    figures.one_association.append(_seconds(lambda: _send(receiver, exam)))
    figures.visible_after += _until_visible(receiver, [exam])


def _many(receiver: Receiver, figures: Figures, *, together: Sequence[Exam], large: Exam) -> None:
    os.sync()
    figures.four_associations = _seconds(lambda: _send_at_once(receiver, together))
    _until_visible(receiver, together)
    os.sync()
    with _Watched(receiver) as peaks:
        figures.one_gigabyte = _seconds(lambda: _send(receiver, large))
        _until_visible(receiver, [large])
    figures.peak_rss_mb, figures.peak_pss_mb = peaks.rss, peaks.pss


class _Watched:
    """The greatest memory of a receiver while the block runs."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.rss = self.pss = 0.0

    def __enter__(self) -> "_Watched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.25):
            rss, pss = self._receiver.memory_mb()
            self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)


def _echo(receiver: Receiver) -> None:
    """Wait for the first association: a port may be open before anybody serves it."""
    subprocess.run(["echoscu", "-aec", AE_TITLE, HOST, str(receiver.port)], check=True, timeout=60)


def _send(receiver: Receiver, exam: Exam) -> None:
    """Send the exam on one association; every instance has to be acknowledged with success."""
    report = exam.folder.with_name(f"{exam.folder.name}.report")
    command = ["dcmsend", "-aec", AE_TITLE, HOST, str(receiver.port), "+sd", str(exam.folder), "+crf", str(report)]
    subprocess.run(command, env=os.environ | {"TCP_NODELAY": "1"}, check=True, timeout=600)
    successes = sum("Status Success" in line or "0x0000" in line for line in report.read_text().splitlines())
    report.unlink()
    if not successes:
        raise RuntimeError(f"{receiver.name} acknowledged nothing.")


def _send_at_once(receiver: Receiver, all_exams: Sequence[Exam]) -> None:
    with ThreadPoolExecutor(len(all_exams)) as pool:
        list(pool.map(lambda exam: _send(receiver, exam), all_exams))


def _until_visible(receiver: Receiver, sent: Sequence[Exam]) -> list[float]:
    """Seconds from now until a query finds every instance of each exam."""
    if receiver.visible is None:
        return []
    begun = time.perf_counter()
    for exam in sent:
        while (found := receiver.visible(exam.study)) < exam.slices:
            if time.perf_counter() - begun > _VISIBLE_SECONDS:
                raise RuntimeError(f"{receiver.name} shows {found} of {exam.slices} instances.")
            time.sleep(_POLL_SECONDS)
    return [time.perf_counter() - begun]


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@dataclass(frozen=True)
class Measure:
    """One line of the table."""

    name: str
    value: float
    unit: str
    reach: str
    is_reached: bool


def _measures(figures: dict[str, Figures]) -> list[Measure]:
    ours = figures["Overread"]
    one = {name: statistics.median(each.one_association) for name, each in figures.items()}
    to_orthanc, to_storescp = one["Orthanc"] / one["Overread"], one["DCMTK storescp"] / one["Overread"]
    visible, together = statistics.median(ours.visible_after), ours.four_associations or 0.0
    rate = _AT_ONCE * one["Overread"] / together
    memory = ours.peak_rss_mb or 0.0
    return [
        Measure("one association, Orthanc's time / ours", to_orthanc, "", "at least 5", to_orthanc >= 5),
        Measure("one association, storescp's time / ours", to_storescp, "", "more than 1", to_storescp > 1),
        Measure("last acknowledgement to whole exam in QIDO", visible, "s", "under 1", visible < 1),
        Measure(f"{_AT_ONCE} associations at once, rate against one", rate, "", "at least 1.5", rate >= 1.5),
        Measure("memory of all processes in a 1 GB exam (RSS)", memory, "MB", "under 400", memory < 400),
    ]


def _print(figures: dict[str, Figures], console: Console) -> None:
    raw = Table(
        "receiver", "300 CT, s", "visible after, s", "4 x 300 CT at once, s", "2000 MR, s", "RSS, MB", "PSS, MB"
    )
    for name, one in figures.items():
        seconds = [
            f"{statistics.median(each):.2f}" if each else "-" for each in (one.one_association, one.visible_after)
        ]
        more = (one.four_associations, one.one_gigabyte, one.peak_rss_mb, one.peak_pss_mb)
        raw.add_row(name, *seconds, *(f"{each:.1f}" for each in more if each is not None))
    console.print(raw)
    table = Table("measure", "value", "reach", "")
    for measure in _measures(figures):
        value = f"{measure.value:.2f} {measure.unit}".strip()
        table.add_row(measure.name, value, measure.reach, "reached" if measure.is_reached else "[red]not reached[/]")
    console.print(table)


def _find(command: str) -> str | None:
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


if __name__ == "__main__":
    main()
