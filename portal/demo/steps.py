"""Set-up as people see it: what is being done, and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn


@contextmanager
def step(console: Console, what: str) -> Iterator[None]:
    """Show that `what` is being done, then that it was, and how long it took."""
    began = time.monotonic()
    with console.status(f"{what} ..."):
        yield
    console.print(f"  ok  {what} ({time.monotonic() - began:.1f} s)")


class Bars:
    """A bar for each label that is heard of (`portal.demo.assets.Progress`); they vanish at the end."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("  {task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._bars: dict[str, TaskID] = {}
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        self.seconds = time.monotonic() - self._began

    def __call__(self, label: str, done: int, total: int) -> None:
        if label not in self._bars:
            self._bars[label] = self._progress.add_task(label)
        self._progress.update(self._bars[label], completed=done, total=total)
