"""Boxes as truth, from a table with a row for each: which image, and its edges in pixels of that image.

A case without a box, such as one without a fracture, has one row whose image and edges are empty. Boxes are kept as
readers' own drawings are (see `feedback.questions.drawn`): opposite corners as [column, row], 0, 0 being the upper left
corner of the upper left pixel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dicom_ingest.models import Instance
from feedback.questions import Annotation, Region
from studies.cases import case_tables, tables, truth_values
from studies.cases.case_tables import MatchedRow, Matching
from studies.cases.tables import LineError, Table
from studies.models import Study
from studies.protocols.protocol_schema import Protocol

IMAGE, EDGES = "SOPInstanceUID", ("left", "top", "right", "bottom")
FRAME, LABEL = "frame", "label"
KEY = "boxes"
"""Under which boxes are kept where no question of the reference asks for one."""


Images = Mapping[str, tuple[int, int, int]]
"""Rows, columns and frames by SOP Instance UID."""


class _NoBox(ValueError):
    """A row that is no box; the message says why."""


def is_of_boxes(content: bytes) -> bool:
    """Whether the table has a box's columns. Raises TableUnreadable."""
    table = tables.read(content)
    return all(table.column(name) for name in (IMAGE, *EDGES))


def match(study: Study, content: bytes, protocol: Protocol, *, keys: Sequence[str]) -> Matching:
    """What the table says of which case: one matched row for each, with all its boxes.

    Of a case with a row that is no box none is taken, since the others would be less than its truth.
    Raises TableUnreadable.
    """
    found = case_tables.rows_of(study, content, keys=keys)
    known = _images_of([row.case.exam_id for row in found.rows])
    boxes: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    first: dict[int, MatchedRow] = {}
    errors = list(found.errors)
    spoiled: set[int] = set()
    for row in found.rows:
        first.setdefault(row.case.pk, row)
        try:
            box = _box(row.values, found.table, known.get(row.case.exam_id, {}))
        except _NoBox as fault:
            errors.append(LineError(row.line, f"{fault} No box of case {row.case.number} is taken."))
            spoiled.add(row.case.pk)
            continue
        boxes[row.case.pk] += [box] if box else []
    key = key_of(protocol)
    matched = [replace(row, values={key: boxes[pk]}) for pk, row in first.items() if pk not in spoiled]
    return Matching(
        table=found.table,
        key=found.key,
        columns=(key,),
        matched=tuple(matched),
        unmatched=found.unmatched,
        duplicates=(),
        errors=tuple(sorted(errors, key=lambda error: error.line)),
        without_row=tuple(case for case in found.cases if case.pk not in first),
    )


def key_of(protocol: Protocol) -> str:
    """The answer of the reference that is drawn; KEY where none is."""
    questions = truth_values.questions_of(protocol)
    drawn = (key for key in protocol.reference.answers if isinstance(questions.get(key), Region | Annotation))
    return next(drawn, KEY)


def _images_of(exams: Sequence[int]) -> Mapping[int, Images]:
    """The images of each exam."""
    found: defaultdict[int, dict[str, tuple[int, int, int]]] = defaultdict(dict)
    instances = Instance.objects.filter(series__exam__in=set(exams), rows__gt=0)
    columns = instances.values_list("series__exam", "sop_instance_uid", "rows", "columns", "number_of_frames")
    for exam, sop, rows, width, frames in columns:
        found[exam][sop] = (rows or 0, width or 0, frames)
    return found


def _box(values: Mapping[str, str], table: Table, images: Images) -> dict[str, Any] | None:
    """The box of a row; None for a row that says that there is none. Raises _NoBox."""
    said = {name: values.get(table.column(name) or "", "") for name in (IMAGE, *EDGES, FRAME, LABEL)}
    if not any(said[name] for name in (IMAGE, *EDGES)):
        return None
    if empty := [name for name in (IMAGE, *EDGES) if not said[name]]:
        raise _NoBox(f"{empty[0]} is empty: fill in {IMAGE}, {', '.join(EDGES)}, or leave all empty for no box.")
    if said[IMAGE] not in images:
        raise _NoBox(f"Image {said[IMAGE][:64]} is none of this case's exam.")
    rows, columns, frames = images[said[IMAGE]]
    box: dict[str, Any] = {"type": "box", IMAGE: said[IMAGE], "points": _corners(said, rows, columns)}
    if said[LABEL]:
        box["label"] = said[LABEL][:100]
    if said[FRAME]:
        box["ReferencedFrameNumber"] = _frame(said[FRAME], frames)
    return box


def _corners(said: Mapping[str, str], rows: int, columns: int) -> list[list[float]]:
    try:
        left, top, right, bottom = (float(said[edge].replace(",", ".")) for edge in EDGES)
    except ValueError as fault:
        raise _NoBox(f"{', '.join(EDGES)} have to be numbers of pixels.") from fault
    if not (0 <= left < right <= columns and 0 <= top < bottom <= rows):
        raise _NoBox(f"The box does not lie in its image of {columns} x {rows} pixels, left before right, top first.")
    return [[left, top], [right, bottom]]


def _frame(text: str, frames: int) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= frames:
        raise _NoBox(f"The image has {frames} frames, counted from 1; {text[:20]} is none of them.")
    return int(text)
