"""Making ready what a read shows: headers blinded and findings made anew, once, in a folder of the read's own."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import ascii_uppercase
from tempfile import mkdtemp
from typing import Any

from django.conf import settings
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from dicom_ingest import store
from dicom_ingest.frames import PixelElement, frame_ranges
from dicom_ingest.header_json import encoded_header
from dicom_ingest.models import Instance
from feedback.models import Correction
from studies.blinding import (
    drawing,
    findings,
    identity,
    links,
    own_correction,
    reports,
    salts,
    segmentation,
    selection,
)
from studies.blinding.attributes import SEARCHED_OF_SERIES, SEARCHED_OF_STUDY, tag_of
from studies.blinding.drawing import Drawing, file_of, header_of, put_in_place, reads_folder
from studies.blinding.errors import Unshowable
from studies.blinding.grids import Grid, value
from studies.blinding.headers import Exposure, shown
from studies.blinding.manifest import MANIFEST, Manifest, Prepared, ShownExam, ShownInstance, ShownSeries, load
from studies.blinding.selection import Selection
from studies.models import Read

Element = dict[str, Any]
CODE_VERSION = 1
"""Counted up when the same read would be shown otherwise."""
FIRST_NUMBER = 1001
"""Series number of the first finding: behind the images."""
_SEARCHED = frozenset(map(tag_of, SEARCHED_OF_STUDY + SEARCHED_OF_SERIES))


def folder_of(read: Read) -> Path:
    """Everything that was made for `read`."""
    return reads_folder() / str(read.pk)


def prepare(read: Read) -> Prepared:
    """What `read` shows, made if that is not done yet, or is out of date. Raises Unshowable."""
    found = selection.select(read)
    folder = folder_of(read) / _fingerprint(read, found)
    if not (folder / MANIFEST).exists():
        _make(read, found, folder)
        _remove_others(folder)
    return load(folder)


def forget(read: Read) -> None:
    """Delete what was made for `read`; it is made again when it is asked for."""
    shutil.rmtree(folder_of(read), ignore_errors=True)


def check(found: Selection, *, is_hidden: bool) -> Drawing | None:
    """What the arms draw. Raises Unshowable where anything selected cannot be shown blind."""
    if found.missing:
        raise Unshowable(
            f'Arm "{found.missing[0]}" has no finding of this case that can be drawn. Wait for it, or send it again.'
        )
    if not found.exams[0].instances:
        raise Unshowable(
            "The exam holds no images that can be shown blind. See docs/operators/blinding.md for which can."
        )
    if is_hidden:
        _check_pixels(found)
    drawn = drawing.draw(found)
    if found.arms and drawn is None and not all("SR" in arm.by_kind for arm in found.arms):
        kinds = "; ".join(f'arm "{arm.arm}": {", ".join(arm.by_kind)}' for arm in found.arms)
        raise Unshowable(f"The arms' findings are of different kinds and could be told by that ({kinds}).")
    if drawn is None:
        _check_reports(found)
    return drawn


def _check_reports(found: Selection) -> None:
    there = {instance.sop_instance_uid for instance in found.exams[0].instances}
    for arm in found.arms:
        report = findings.of_reports([file_of(instance) for instance in arm.by_kind["SR"]])
        if strange := {region.sop for one in report.findings for region in one.regions} - there:
            raise Unshowable(
                f'The report of arm "{arm.arm}" draws on image {min(strange)}, which readers are not shown. '
                "Have it made on the exam's own images, and sent again."
            )


def _check_pixels(found: Selection) -> None:
    for exam in found.exams:
        for instance in exam.instances:
            if str(value(header_of(instance), "BurnedInAnnotation")) == "YES":
                raise Unshowable(
                    f"Series {instance.series.series_number} of the {exam.description.lower()} has text burned into "
                    "its images (Burned In Annotation), which may name the patient. Send it without."
                )


def _fingerprint(read: Read, found: Selection) -> str:
    told = [str(CODE_VERSION), str(drawing.CODE_VERSION), found.fingerprint, *read.arms]
    told += [salts.of_read(read.study.slug, read.pk).text("check"), read.protocol.content.blinding.patient]
    told += [str(own.pk)] if (own := own_correction.latest(read)) else []
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


def _remove_others(folder: Path) -> None:
    for other in folder.parent.iterdir():
        if other != folder and other.suffix != ".part":
            shutil.rmtree(other, ignore_errors=True)


def _make(read: Read, found: Selection, folder: Path) -> None:
    who = identity.of(read)
    drawn = check(found, is_hidden=who.is_hidden)
    store.durable_folder(folder.parent)
    part = Path(mkdtemp(dir=folder.parent, suffix=".part"))
    try:
        maker = _Maker(read, who, part, found, kept=folder)
        exams = [maker.exam(exam, found.arms if exam.prior == 0 else (), drawn) for exam in found.exams]
        manifest = Manifest(exams=tuple(exam for exam in exams if exam.series))
        (part / MANIFEST).write_text(manifest.model_dump_json())
        put_in_place(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


class _Maker:
    """Makes one read's exams into `folder`, which becomes `kept`."""

    def __init__(self, read: Read, who: identity.Identity, folder: Path, found: Selection, *, kept: Path) -> None:
        self._read, self._who, self._folder, self._found, self._kept = read, who, folder, found, kept
        self._turns = {one.arm: one.turn for one in found.arms}
        self._salt = salts.of_read(read.study.slug, read.pk)

    def exam(self, exam: selection.ShownExam, arms: Sequence[selection.ArmObjects], drawn: Drawing | None) -> ShownExam:
        """One exam with the findings of its arms: segmentations of what they draw, or their reports."""
        exposure = Exposure(salt=self._salt, identity=self._who, exam=exam.description)
        series: list[ShownSeries] = []
        all_headers: list[Element] = []
        first_of_drawn: Element = {}
        for instances in _by_series(exam.instances):
            headers = [shown(header_of(instance), exposure) for instance in instances]
            if drawn and instances[0].series.series_instance_uid == drawn.series:
                first_of_drawn = headers[0]
            all_headers += headers
            pairs = zip(instances, headers, strict=True)
            series.append(self._series(headers, [self._image(*pair) for pair in pairs]))
        if arms and drawn:
            series += self._findings(exam, drawn, first_of_drawn)
        elif arms:
            series += self._reports(arms, all_headers)
        return ShownExam(
            uid=self._salt.remapped(exam.exam.study_instance_uid), series=tuple(sorted(series, key=lambda one: one.uid))
        )

    def _image(self, instance: Instance, header: Element) -> ShownInstance:
        return ShownInstance(
            sop=str(value(header, "SOPInstanceUID")),
            sop_class=instance.sop_class_uid,
            number=instance.instance_number,
            transfer_syntax=instance.transfer_syntax_uid,
            rows=instance.rows or 0,
            columns=instance.columns or 0,
            number_of_frames=instance.number_of_frames,
            file=_from_store(file_of(instance)),
            frames=instance.frames,
            mark=self._salt.text("mark", instance.sha256, length=32),
        )

    def _findings(self, exam: selection.ShownExam, drawn: Drawing, source: Element) -> Iterator[ShownSeries]:
        grid = drawing.grid(exam, drawn.series)
        arms = [arm for arm in self._read.arms if arm in drawn.bits]
        for at, arm in enumerate(arms):
            place = self._place(arm, at, of=len(arms))
            dataset = segmentation.header(source, grid, drawn.structures, place, salt=self._salt)
            yield self._drawn(dataset, drawn.bits[arm], kept=drawn.bits[arm], of=arm)
        if len(arms) == 1 and (correction := own_correction.latest(self._read)):
            yield self._correction(correction, arms[0], drawn, grid, source)

    def _correction(self, correction: Correction, arm: str, drawn: Drawing, grid: Grid, source: Element) -> ShownSeries:
        """What the reader made of the finding, for nobody but themselves."""
        made = own_correction.drawn_in(correction, self._found, drawn, arm=arm, grid=grid)
        place = segmentation.Place(
            series_uid=own_correction.series_uid(self._salt, correction),
            sop_uid=self._salt.uid("correction instance", str(correction.pk)),
            number=FIRST_NUMBER + 1,
            description=own_correction.DESCRIPTION,
        )
        name = f"{place.sop_uid}.bits"
        (self._folder / name).write_bytes(segmentation.pixels(made.bits, grid))
        dataset = segmentation.header(source, grid, made.structures, place, salt=self._salt)
        return self._drawn(dataset, self._folder / name, kept=self._kept / name, of="correction")

    def _drawn(self, dataset: Dataset, bits: Path, *, kept: Path, of: str) -> ShownSeries:
        """A segmentation of whose pixels `bits` is made, and which lie in `kept` from then on."""
        header = json.loads(encoded_header(dataset, transfer_syntax_uid=str(ExplicitVRLittleEndian)))
        with bits.open("rb") as file:
            size = bits.stat().st_size
            ranges = frame_ranges(dataset, PixelElement(offset=0, length=size), file, size=size)
            content = hashlib.file_digest(file, "sha256").hexdigest()
        instance = ShownInstance(
            sop=str(dataset.SOPInstanceUID),
            sop_class=str(SegmentationStorage),
            number=1,
            transfer_syntax=str(ExplicitVRLittleEndian),
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
            number_of_frames=int(dataset.NumberOfFrames),
            file=_from_store(kept),
            frames=[each.column for each in ranges],
            mark=self._salt.text("mark", of, content, length=32),
            is_bits=True,
        )
        return self._series([header], [instance])

    def _reports(self, arms: Sequence[selection.ArmObjects], headers: list[Element]) -> Iterator[ShownSeries]:
        by_arm = {arm.arm: arm.by_kind["SR"] for arm in arms}
        shown_arms = [arm for arm in self._read.arms if arm in by_arm]
        for at, arm in enumerate(shown_arms):
            place = self._place(arm, at, of=len(shown_arms))
            report = findings.of_reports([file_of(instance) for instance in by_arm[arm]])
            dataset = reports.make(report, headers, place, salt=self._salt, has_own_words=len(arms) == 1)
            header = json.loads(encoded_header(dataset, transfer_syntax_uid=str(ExplicitVRLittleEndian)))
            instance = ShownInstance(
                sop=place.sop_uid,
                sop_class=str(dataset.SOPClassUID),
                number=1,
                transfer_syntax=str(ExplicitVRLittleEndian),
                rows=0,
                columns=0,
                number_of_frames=1,
                file="",
                frames=[],
                mark=self._salt.text("mark", arm, json.dumps(header), length=32),
            )
            yield self._series([header], [instance])

    def _place(self, arm: str, at: int, *, of: int) -> segmentation.Place:
        name = f"Finding {ascii_uppercase[at]}" if of > 1 else "Finding"
        return segmentation.Place(
            series_uid=links.finding_series_uid(self._salt, arm, turn=self._turns[arm]),
            sop_uid=self._salt.uid("finding instance", arm, *filter(None, [self._turns[arm]])),
            number=FIRST_NUMBER + at,
            description=f"{name} {label(self._salt, arm)}",
        )

    def _series(self, headers: list[Element], instances: list[ShownInstance]) -> ShownSeries:
        uid = str(value(headers[0], "SeriesInstanceUID"))
        packed = gzip.compress(json.dumps(headers, separators=(",", ":")).encode(), compresslevel=6, mtime=0)
        path = self._folder / f"{uid}.json.gz"
        path.write_bytes(packed)
        os.utime(path, (0, 0))  # a server in front may tell when a file was written
        attributes = {tag: element for tag, element in headers[0].items() if tag in _SEARCHED}
        return ShownSeries(uid=uid, attributes=attributes, instances=tuple(instances))


def label(salt: salts.Salt, arm: str) -> str:
    """By which the finding of an arm is known in one read; whoever has the key can find the arm by it."""
    return salt.text("label", arm, length=8)


def _by_series(instances: Sequence[Instance]) -> Iterator[list[Instance]]:
    found: dict[int, list[Instance]] = {}
    for instance in instances:
        found.setdefault(instance.series_id, []).append(instance)
    yield from found.values()


def _from_store(path: Path) -> str:
    return str(path.relative_to(settings.OVERREAD_STORE))
