"""`make bench-inference`: what the engine adds to a model's own time. A table, and `benchmarks/results/inference.json`.

    python -m benchmarks.inference [--exams N]

The peers' figures are those that they published (MONAI Deploy's results table; UCSF's and AI-LAB's papers): their
systems need Kubernetes and GPUs, and do not run here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import inference_jobs

RESULTS = Path(__file__).parent / "results"
PARTS = ("overhead", "rate")


@dataclass(frozen=True)
class Figure:
    """One measure, what it has to stay under or reach, and what others published."""

    measure: str
    value: float
    unit: str
    goal: str
    is_reached: bool
    published: str = ""


def main() -> None:
    """Measure each part in a process and a portal of its own, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exams", type=int, default=200, help="radiograph exams to run")
    parser.add_argument("--part", choices=PARTS, help="measure this part alone and print its numbers")
    chosen = parser.parse_args()
    if chosen.part:
        print(json.dumps(_part(chosen.part, chosen.exams)))
        return
    load = os.getloadavg()
    found = {part: _asked(part, chosen.exams) for part in PARTS}
    figures = [*_overhead(found["overhead"]), *_rate(found["rate"])]
    _show(figures)
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "load_before": load, "python": sys.version.split()[0]},
        "figures": [asdict(figure) for figure in figures],
        "parts": found,
    }
    (RESULTS / "inference.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _asked(part: str, exams: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.inference", "--part", part, "--exams", str(exams)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    numbers: dict[str, float] = json.loads(said.splitlines()[-1])
    return numbers


def _part(part: str, exams: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-inference-") as folder, inference_jobs.portal(Path(folder)):
        if part == "overhead":
            from benchmarks import inference_overhead  # noqa: PLC0415 - after django.setup()

            return inference_overhead.measure(Path(folder))
        from benchmarks import inference_rate  # noqa: PLC0415 - after django.setup()

        return asdict(inference_rate.measure(Path(folder), exams))


def _overhead(seconds: dict[str, float]) -> Iterator[Figure]:
    total, writing = seconds["everything"], seconds["write files"]
    yield Figure("CT of 324 slices, all but the forward pass", total, "s", "under 6", total < 6)
    yield Figure("of it, writing the SEG", writing, "s", "under 1.5", writing < 1.5)


def _rate(rate: dict[str, float]) -> Iterator[Figure]:
    thirty, hourly, loads = rate["first_thirty_seconds"], rate["exams_an_hour"], rate["loads_after_the_first"]
    grown = rate["memory_late"] / rate["memory_early"]
    done = rate["waiting_at_the_end"] == rate["failed"] == 0
    yield Figure("30 five-image exams", thirty, "s", "under 60", thirty < 60, "AI-LAB: 30 studies in a minute")
    published = "UCSF: 20 s an exam; a large hospital: 300 an hour"
    yield Figure("five-image exams", hourly, "an hour", "at least 300, none left", hourly >= 300 and done, published)
    yield Figure("models loaded after the first job", loads, "s", "under 0.05", loads < 0.05)
    yield Figure(f"memory, last jobs of {rate['exams']:g} to first", grown, "times", "under 1.05", grown < 1.05)


def _show(figures: list[Figure]) -> None:
    table = Table("measure", "Overread", "", "goal", "reached", "published by others", title="Inference")
    for each in figures:
        reached = "yes" if each.is_reached else "no"
        table.add_row(each.measure, f"{each.value:.2f}", each.unit, each.goal, reached, each.published)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
