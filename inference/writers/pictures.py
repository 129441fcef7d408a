"""The pictures that show a result: key slices with outlines, radiographs with boxes, and what was measured below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from inference.operators.values import Mask
from inference.outputs import MeasuredValue
from inference.products import FinishedRun
from inference.writers import provenance
from inference.writers.contours import rings
from inference.writers.drawing import NOTICE_COLOUR, Canvas, Line, colour_of
from inference.writers.findings import most_probable_first
from inference.writers.grey import grey_levels
from inference.writers.planes import Plane, planes_of

SLICE_SIDE = 640
RADIOGRAPH_SIDE = 1024
"""Length of a picture's longer side in pixels."""
MOST_SLICES = 9
BOX_COLOURS = ("#ffb000", "#40c4ff", "#ff6e6e", "#7ee081", "#d7a1ff")


@dataclass(frozen=True)
class Picture:
    """A picture and the image or frame that it shows. pixels: (rows, columns, 3), uint8, text burned in."""

    pixels: NDArray[np.uint8]
    plane: Plane


def pictures_of(run: FinishedRun) -> list[Picture]:
    """Key slices of a volume, all of one size, or every radiograph that a box or class speaks of, in their order."""
    return [*_slices(run), *_radiographs(run)]


def in_words(measured: MeasuredValue) -> str:
    """Name, value and unit: `Liver volume 1534.3 ml`."""
    return f"{measured.name} {readable(measured.value)} {measured.unit}"


def readable(value: float) -> str:
    """A number for people: one decimal from ten on, three digits below."""
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def classified_lines(run: FinishedRun) -> list[str]:
    """Each classification in words, every class with its probability."""
    return [f"{one.name}: {_chances(one.probabilities)}" for one in run.outputs.classifications]


def _slices(run: FinishedRun) -> Iterator[Picture]:
    masks = run.outputs.segments
    if not masks:
        return
    planes = planes_of(run.series, masks[0])
    size = _size(masks[0].shape[1:], masks[0].spacing[1:], SLICE_SIDE)
    for index in key_slices(masks):
        canvas = Canvas(grey_levels(planes[index]), size=size)
        for segment, mask in zip(run.pipeline.outputs.segments, masks, strict=True):
            for ring in rings(mask.array[index]):
                canvas.outline(ring, colour_of(segment.colour))
        where = Line(f"Slice {index + 1} of {len(planes)}")
        yield Picture(canvas.with_band([*_heading(run), where, *_legend(run)]), planes[index])


def key_slices(masks: Sequence[Mask]) -> list[int]:
    """For each structure its largest slice, then those at a quarter and three quarters of its extent; at most nine.

    The middle slice where there is no structure at all.
    """
    areas = [mask.array.astype(bool).sum(axis=(1, 2)) for mask in masks]
    held = [area for area in areas if area.any()]
    if not held:
        return [masks[0].shape[0] // 2]
    wanted = [int(area.argmax()) for area in held]
    for share in (0.25, 0.75):
        wanted += [int(np.quantile(np.flatnonzero(area), share, method="nearest")) for area in held]
    return sorted(list(dict.fromkeys(wanted))[:MOST_SLICES])


def _radiographs(run: FinishedRun) -> Iterator[Picture]:
    spoken_of = {box.sop_instance_uid for box in run.outputs.boxes}
    spoken_of.update(uid for one in run.outputs.classifications for uid in one.sop_instance_uids)
    for image in run.series.instances:
        if image.SOPInstanceUID in spoken_of:
            yield Picture(_radiograph(run, image), Plane(image, None))


def _radiograph(run: FinishedRun, image: Dataset) -> NDArray[np.uint8]:
    grey = grey_levels(Plane(image, None))
    canvas = Canvas(grey, size=_size(grey.shape, (1.0, 1.0), RADIOGRAPH_SIDE))
    regions = list(dict.fromkeys(box.region for box in run.outputs.boxes))
    for box in run.outputs.boxes:
        if box.sop_instance_uid == image.SOPInstanceUID:
            colour = colour_of(BOX_COLOURS[regions.index(box.region) % len(BOX_COLOURS)])
            label = f"{box.region}: {box.finding} {box.probability:.0%}"
            canvas.box(top=box.top, left=box.left, bottom=box.bottom, right=box.right, label=label, colour=colour)
    said = [*classified_lines(run), *map(in_words, run.outputs.measurements)]
    return canvas.with_band([*_heading(run), *map(Line, said)])


def _heading(run: FinishedRun) -> list[Line]:
    pipeline = run.pipeline
    return [
        Line(pipeline.notice, colour=NOTICE_COLOUR),
        Line(f"{pipeline.title}, {pipeline.name} {provenance.software_version(pipeline)}"),
    ]


def _legend(run: FinishedRun) -> list[Line]:
    """A line for each segment with what was measured of it, then what was measured of no segment."""
    lines = []
    for segment in run.pipeline.outputs.segments:
        of_it = ", ".join(in_words(one) for one in run.outputs.measurements if one.segment == segment.number)
        text = of_it if of_it.startswith(segment.label) else f"{segment.label}: {of_it}".removesuffix(": ")
        lines.append(Line(text, colour_of(segment.colour)))
    return [*lines, *(Line(in_words(one)) for one in run.outputs.measurements if one.segment is None)]


def _chances(probabilities: Mapping[str, float]) -> str:
    return ", ".join(f"{label} {chance:.0%}" for label, chance in most_probable_first(probabilities))


def _size(shape: Sequence[int], spacing: Sequence[float], side: int) -> tuple[int, int]:
    """Rows and columns of a picture in the right proportions whose longer side has `side` pixels."""
    extent = shape[0] * spacing[0], shape[1] * spacing[1]
    scale = side / max(extent)
    return max(1, round(extent[0] * scale)), max(1, round(extent[1] * scale))
