"""All that one reader comes to hear of a study: every page, every answer of the API, every read from begin to end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from inference.models import Job, Result
from portal.models import User
from studies.models import Read
from tests.portal.matrix.addresses import Address, addresses
from tests.portal.matrix.table import TABLE
from tests.studies.blinding.makers import Scene
from tests.studies.blinding.reached import WHOLE, Answer, Root, body_of

FILLED = {"active": "3", "answer-quality": "4", "answer-verdict": "accept"}
PUBLIC = frozenset({"schema", "healthz", "readyz", "login", "session"})
"""What says the same to everybody, signed in or not, and nothing of any study."""


class Listener:
    """One member of a study, in a browser of their own."""

    def __init__(self, client: Client, user: User, scene: Scene) -> None:
        self._client, self._user, self._scene = client, user, scene

    def reads_all(self, **answers: str) -> Iterator[Answer]:
        """The pages before the first read, each read from begin to end, and the pages after the last one."""
        yield from self._of(lists=True)
        for read in Read.objects.filter(reader=self._user).order_by("position"):
            yield from self._of_read(read, FILLED | answers)
        yield from self._of(lists=True)

    def draws_all(self, mask: bytes) -> Iterator[Answer]:
        """As `reads_all` for who annotates: each read is given the file `mask`."""
        yield from self._of(lists=True)
        for read in Read.objects.filter(reader=self._user).order_by("position"):
            yield from self._of_annotation(read, mask)
        yield from self._of(lists=True)

    def asks_everywhere(self) -> Iterator[Answer]:
        """Every address but those of single reads, asked for with the store's own names of things."""
        yield from self._of(lists=False)

    def _of(self, *, lists: bool) -> Iterator[Answer]:
        known = _true_names(self._scene)
        known = {"slug": known["slug"], "study": known["study"]} if lists else known
        for address in addresses():
            row = TABLE.get(address.name)
            if row is None or row.method != "get" or address.name in PUBLIC or "reads/<" in address.route:
                continue
            for path in _paths(address, known, row.query):
                yield self._get(path)

    def _of_read(self, read: Read, answers: dict[str, str]) -> Iterator[Answer]:
        at = f"/reads/{read.pk}/"
        yield self._get(at)
        yield (begun := self._post(f"{at}open/", {}))
        opened = _json(begun)
        yield self._get(at)
        yield self._get(opened["viewer"])
        yield from _through(Root(self._client, read))
        answered = {"claim": opened["claim"], **answers}
        yield self._post(f"{at}draft/", answered)
        yield self._post(f"{at}submit/", answered)
        read.refresh_from_db()
        assert read.state == Read.State.SUBMITTED, "The answer was not taken."
        yield self._get(at)

    def _of_annotation(self, read: Read, mask: bytes) -> Iterator[Answer]:
        at = f"/reads/{read.pk}/annotation/"
        yield self._get(at)
        yield (begun := self._post(f"/reads/{read.pk}/open/", {}))
        read.refresh_from_db()
        yield self._get(_json(begun)["viewer"])
        yield from _through(Root(self._client, read))
        yield self._post(f"{at}upload/", {"claim": read.claim, "file": SimpleUploadedFile("mask.nii", mask)})
        yield self._get(f"{at}mask/")
        yield from _through(Root(self._client, read))
        yield self._post(f"{at}submit/", {"claim": read.claim, "answer-mask": "drawn"})
        read.refresh_from_db()
        assert read.state == Read.State.SUBMITTED, "The mask was not taken."
        yield self._get(at)

    def _get(self, path: str) -> Answer:
        return _heard(path, self._client.get(path))

    def _post(self, path: str, fields: Mapping[str, str | SimpleUploadedFile]) -> Answer:
        return _heard(path, self._client.post(path, fields))


def _through(root: Root) -> Iterator[Answer]:
    """All headers and all objects; every other way to them is asked in `test_every_byte`."""
    for search in ("/studies", "/series", "/instances?includefield=all"):
        yield root.get(search)
    for study in root.studies:
        yield root.get(f"/studies/{study}/metadata")
        yield root.get(f"/studies/{study}", WHOLE)


def _json(answer: Answer) -> Any:
    assert answer.status == 200, (answer.asked, answer.body)
    return json.loads(answer.body)


def _heard(path: str, response: Any) -> Answer:
    return Answer(path, response.status_code, dict(response.headers), body_of(response))


def _true_names(scene: Scene) -> dict[str, list[object]]:
    """What a reader might put into addresses who knew all of the store: UIDs and primary keys."""
    series = list(scene.exam.series.order_by("pk"))
    return {
        "slug": [scene.study.slug],
        "study_instance_uid": [scene.exam.study_instance_uid],
        "study": [scene.exam.study_instance_uid],
        "series": [one.series_instance_uid for one in series],
        "instance": [one.instances.order_by("pk")[0].sop_instance_uid for one in series],
        "frames": [1],
        "bulkdata": ["00280010"],
        "number": [scene.case.number],
        "result_id": list(Result.objects.values_list("pk", flat=True)),
        "job_id": list(Job.objects.values_list("pk", flat=True)),
        "pk": [*Result.objects.values_list("pk", flat=True), *Job.objects.values_list("pk", flat=True)],
        "reader": [scene.reader.pk],
    }


def _paths(address: Address, known: dict[str, list[object]], query: str) -> Iterator[str]:
    """The address with each thing it could name; none where it names what no test here makes."""
    names = re.findall(r"<(?:\w+:)?(\w+)>", address.route)
    if not set(names) <= known.keys():
        return
    for turn in range(max((len(known[name]) for name in names), default=1)):
        values = {name: known[name][min(turn, len(known[name]) - 1)] for name in names}
        yield address.filled(values) + query.replace("<exam>", str(known["study"][0]))
