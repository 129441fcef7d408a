"""What the DICOMweb benchmark measures on either server, in the same way."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import statistics
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

from benchmarks.dicomweb_exam import SERIES, SIZE, SLICES, STUDY, instance_uid

# As OHIF asks: the portal's configuration wants a frame by itself, which Orthanc does not offer.
FRAME_ALONE = "application/octet-stream; transfer-syntax=*"
FRAME_WRAPPED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
CLIENTS = 8
_SECONDS = 6.0
_SERIES_PATH = f"studies/{STUDY}/series/{SERIES}"

Headers = dict[str, str]


def metadata_seconds(root: str, headers: Headers, *, times: int = 7) -> float:
    """Median until all bytes of the series' metadata have come, gzipped where the server can, as to a browser.

    Raises RuntimeError when they do not describe the whole series.
    """
    took, body, connection = [], b"", _connection(root)
    accepted = {**headers, "Accept": "application/dicom+json", "Accept-Encoding": "gzip"}
    for _ in range(times + 1):  # the first one warms up
        begun = time.perf_counter()
        connection.request("GET", f"{urlsplit(root).path}/{_SERIES_PATH}/metadata", headers=accepted)
        response = connection.getresponse()
        body = response.read()
        took.append(time.perf_counter() - begun)
    connection.close()
    found = len(json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body))
    if found != SLICES:
        raise RuntimeError(f"{root} gave metadata of {found} instances, not of {SLICES}.")
    return statistics.median(took[1:])


def frame_milliseconds(root: str, headers: Headers) -> float:
    """Median of all frames of the series, one after the other on one connection."""
    took = []
    connection = _connection(root)
    for number in range(1, SLICES + 1):
        begun = time.perf_counter()
        _read_frame(connection, root, number, headers)
        took.append((time.perf_counter() - begun) * 1000)
    connection.close()
    return statistics.median(took)


def frames_a_second(root: str, headers: Headers, *, clients: int = CLIENTS) -> float:
    """How many frames `clients` processes read in all, each on a connection of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(clients) as pool:
        pool.map(abs, range(clients))  # started before the time begins
        counts = pool.starmap(_read_for_a_while, [(root, headers, client) for client in range(clients)], chunksize=1)
    return sum(counts) / _SECONDS


def _read_for_a_while(root: str, headers: Headers, client: int) -> int:
    connection = _connection(root)
    deadline, count = time.monotonic() + _SECONDS, 0
    while time.monotonic() < deadline:
        _read_frame(connection, root, 1 + (client * SLICES // CLIENTS + count) % SLICES, headers)
        count += 1
    return count


def _connection(root: str) -> HTTPConnection:
    parts = urlsplit(root)
    return HTTPConnection(parts.hostname or "", parts.port, timeout=60)


def _read_frame(connection: HTTPConnection, root: str, number: int, headers: Headers) -> None:
    path = f"{urlsplit(root).path}/{_SERIES_PATH}/instances/{instance_uid(number)}/frames/1"
    connection.request("GET", path, headers={"Accept": FRAME_WRAPPED, **headers})
    response = connection.getresponse()
    length = len(response.read())
    if response.status != 200 or length < SIZE * SIZE * 2:
        raise RuntimeError(f"{root}: frame {number} came with status {response.status} and {length} bytes.")
