"""Work on several planes at once; numpy and scipy release the interpreter's lock while they compute."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

THREADS = min(4, os.cpu_count() or 1)


def for_each(make: Callable[[int], None], count: int) -> None:
    """Call `make` for 0 to `count` - 1, in any order; the first error of any is raised."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(make, range(count)):
            pass
