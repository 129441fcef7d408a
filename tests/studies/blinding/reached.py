"""Every byte that a reader can reach through the DICOMweb root of a read: bodies and headers, whatever is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.test import Client

from studies.models import Read

ANY_SYNTAX = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
WHOLE = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@dataclass(frozen=True)
class Answer:
    """One answer as a browser has it."""

    asked: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def all(self) -> bytes:
        """Headers and body."""
        return repr(sorted(self.headers.items())).encode() + self.body


class Root:
    """The root of one read, as one client asks it."""

    def __init__(self, client: Client, read: Read) -> None:
        self.client, self.path = client, f"/reads/{read.pk}/dicomweb"

    def get(self, path: str, accept: str = "*/*", **headers: str) -> Answer:
        response: Any = self.client.get(f"{self.path}{path}", headers={"Accept": accept, **headers})
        return Answer(f"{path} {accept}", response.status_code, dict(response.headers), body_of(response))

    def json(self, path: str) -> Any:
        response: Any = self.client.get(f"{self.path}{path}")
        assert response.status_code == 200, (path, response.content)
        return response.json()

    @property
    def studies(self) -> list[str]:
        return [row["0020000D"]["Value"][0] for row in self.json("/studies")]

    def series(self, modality: str = "") -> list[dict[str, Any]]:
        """The rows of the search for series."""
        return [row for row in self.json("/series") if modality in ("", row["00080060"]["Value"][0])]

    def everything(self) -> Iterator[Answer]:
        """All that can be asked for with the UIDs that searches give away, in every form."""
        for search in ("/studies", "/series", "/instances", "/studies?includefield=all", "/instances?includefield=all"):
            yield self.get(search)
        for study in self.studies:
            at = f"/studies/{study}"
            for below in ("/metadata", "/series", "/instances", "/rendered", "/thumbnail", ""):
                yield self.get(at + below)
            for row in self.json(f"{at}/instances"):
                yield from self._of_instance(at, row)
            for row in self.json(f"{at}/series"):
                for below in ("/metadata", "/instances", "/rendered", "/thumbnail", ""):
                    yield self.get(f"{at}/series/{row['0020000E']['Value'][0]}{below}")

    def _of_instance(self, at: str, row: dict[str, Any]) -> Iterator[Answer]:
        instance = f"{at}/series/{row['0020000E']['Value'][0]}/instances/{row['00080018']['Value'][0]}"
        for below in ("/metadata", "/rendered", "/thumbnail", "/bulkdata/00100010", "/bulkdata/7FE00010"):
            yield self.get(instance + below)
        for accept in (WHOLE, "application/dicom; transfer-syntax=*", "application/dicom", "*/*"):
            yield self.get(instance, accept)
        for frame in range(1, int(row["00280008"]["Value"][0]) + 1):
            for accept in (ANY_SYNTAX, "application/octet-stream; transfer-syntax=*"):
                yield self.get(f"{instance}/frames/{frame}", accept)
            yield self.get(f"{instance}/frames/{frame}/rendered")
        yield self.get(f"{instance}/frames/1", "application/octet-stream; transfer-syntax=*", Range="bytes=0-7")
        yield self.get(f"{instance}/frames/999")


def body_of(response: Any) -> bytes:
    body: bytes = b"".join(response.streaming_content) if response.streaming else response.content
    return body
