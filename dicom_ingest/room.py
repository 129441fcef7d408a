"""Whether the store's disk has room above the watermark, OVERREAD_MIN_FREE_BYTES."""

import shutil
import time
from functools import lru_cache
from pathlib import Path

from django.conf import settings

RETRY_SECONDS = 60  # when a sender that was turned away for want of room may try again
_LOOK_EVERY_SECONDS = 1.0


def has_room() -> bool:
    """Whether one may be received. The disk is looked at once a second."""
    watermark: int = settings.OVERREAD_MIN_FREE_BYTES
    return _free_bytes(Path(settings.OVERREAD_STORE), _tick()) >= watermark


def lack_of_room() -> str:
    """What to say to people while there is none."""
    wanted = settings.OVERREAD_MIN_FREE_BYTES / 2**30
    lack = f"The store's disk has less than {wanted:g} GiB left: free some or enlarge it."
    return f"{lack} Nothing is received until then."


@lru_cache(maxsize=1)
def _free_bytes(store: Path, _tick: int) -> int:
    while not store.exists():  # before the first exam; the disk is that of the folder it will be made in
        store = store.parent
    return shutil.disk_usage(store).free


def _tick() -> int:
    return int(time.monotonic() / _LOOK_EVERY_SECONDS)
