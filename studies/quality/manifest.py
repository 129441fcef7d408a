"""The pictures of a case as they are kept: files in one folder, and a manifest of what they show."""

from __future__ import annotations

import re
from pathlib import Path

from django.urls import reverse
from pydantic import BaseModel

from dicom_ingest import store

MANIFEST = "manifest.json"
_MARK = re.compile(r"[0-9]{1,5}-[0-9a-f]{32}")
_PICTURE = re.compile(r"[0-9]{1,3}-[0-9]{1,3}-(plain|overlaid|small)\.webp")


class KeptPicture(BaseModel):
    """One image of a case: files of it, and what it shows. width, height: of the large ones, in pixels."""

    name: str
    caption: str
    width: int
    height: int

    @property
    def plain(self) -> str:
        return f"{self.name}-plain.webp"

    @property
    def overlaid(self) -> str:
        return f"{self.name}-overlaid.webp"

    @property
    def small(self) -> str:
        return f"{self.name}-small.webp"


class KeptStructure(BaseModel):
    """One line of a finding's legend."""

    label: str
    colour: str


class KeptFinding(BaseModel):
    """One finding of the case with its pictures. problem: why some are missing, in words."""

    title: str
    pictures: list[KeptPicture]
    structures: list[KeptStructure]
    problem: str = ""


class KeptSeries(BaseModel):
    """One received series of the exam. reason: why the pipeline does not take it by itself; "" where it fits."""

    uid: str
    label: str
    is_taken: bool
    reason: str


class KeptChoice(BaseModel):
    """What a pipeline made of the exam's series, in words."""

    pipeline: str
    reason: str
    series: list[KeptSeries]


class Manifest(BaseModel):
    """What a case looks like to its reviewer."""

    findings: list[KeptFinding]
    choices: list[KeptChoice]

    @property
    def is_whole(self) -> bool:
        return not any(finding.problem for finding in self.findings)


class Prepared:
    """The pictures of a case. mark: tells what they show, so that an address always means the same picture."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder.name
        self.manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())

    def addresses(self, case_id: int) -> list[str]:
        """The addresses of its pictures, for a browser that fetches them ahead."""
        all_ = [one for found in self.manifest.findings for one in found.pictures]
        names = [name for one in all_ for name in (one.plain, one.overlaid, one.small)]
        return [reverse("qc-picture", args=[case_id, self.mark, name]) for name in names]


def quality_folder() -> Path:
    """All pictures, one folder a case."""
    return store.exams_folder().parent / "quality"


def picture(case_id: int, mark: str, name: str) -> Path | None:
    """The file of a picture that was made; None for one that was not, whatever the names are."""
    if not _MARK.fullmatch(mark) or not _PICTURE.fullmatch(name):
        return None
    path = quality_folder() / str(case_id) / mark / name
    return path if path.is_file() else None
