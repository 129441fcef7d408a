"""Questions that are answered in the images: by something drawn, or by a region that is picked.

The answer refers to what was drawn and where. Either to an instance that holds it,
`{"SOPInstanceUID": "1.2.3", "Modality": "SEG"}`, or to a measurement of the viewer,
`{"label": "Lesion 1", "type": "length", "SOPInstanceUID": "1.2.4", "points": [[10, 20], [30.5, 20]]}`. Points are
[column, row] in pixels of the image with that UID, as DICOM's Graphic Data (0070,0022) of an SR: 0, 0 is the upper left
corner of the upper left pixel. A multi-frame image needs `ReferencedFrameNumber`, which counts from 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Self, cast

from pydantic import model_validator

from feedback.questions.asked import Answer, BadAnswer, JSONSchema, Plain, last

Drawing = Literal["point", "length", "bidirectional", "angle", "box", "circle", "ellipse", "polygon"]
Holder = Literal["SEG", "SR"]
Area = Literal["point", "box"]

POINTS: Mapping[str, tuple[int, int]] = {
    "point": (1, 1),
    "length": (2, 2),
    "bidirectional": (4, 4),
    "angle": (3, 3),
    "box": (2, 2),
    "circle": (2, 2),
    "ellipse": (4, 4),
    "polygon": (3, 2000),
}
"""The least and the most points of each. A box has two opposite corners, a circle its centre and a point on it."""
UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")
UID_LENGTH = 64
FARTHEST = 1_000_000
LONGEST_LABEL = 100
KEPT = re.compile(r"[^\x00-\x1f\ud800-\udfff]*")
MEASUREMENT = frozenset({"label", "type", "SOPInstanceUID", "ReferencedFrameNumber", "points"})


class _Drawn(Plain):
    @property
    def drawings(self) -> tuple[str, ...]:
        """The drawings that may be answered with."""
        raise NotImplementedError

    def read(self, posted: Sequence[str]) -> object:
        """The JSON that the page's script writes, or what somebody typed: `SEG 1.2.3`, or the UID alone."""
        text = last(posted).strip()
        if not text:
            return ""
        modality, _, uid = text.rpartition(" ")
        if UID.fullmatch(uid):
            return {"SOPInstanceUID": uid} | ({"Modality": modality.strip().upper()} if modality else {})
        try:
            return cast(object, json.loads(text))
        except (ValueError, RecursionError):
            return text

    def say(self, answer: Answer) -> str:
        if not isinstance(answer, Mapping):
            return str(answer)
        if "Modality" in answer:
            return f"{answer['Modality']} {answer['SOPInstanceUID']}"
        points = cast(Sequence[Sequence[float]], answer["points"])
        where = " ".join(f"({column:g}, {row:g})" for column, row in points[:4])
        more = f" and {len(points) - 4} more points" if len(points) > 4 else ""
        label = f"{answer['label']}: " if answer.get("label") else ""
        return f"{label}{answer['type']} at {where}{more} in image {answer['SOPInstanceUID']}"

    def _measurement(self, answer: Mapping[object, object]) -> dict[str, Answer]:
        drawing, points = answer.get("type"), answer.get("points")
        if set(answer) - MEASUREMENT or drawing not in self.drawings:
            raise BadAnswer(f"Draw one of: {', '.join(self.drawings)}.")
        uid = _checked_uid(answer.get("SOPInstanceUID"))
        checked: dict[str, Answer] = {"type": str(drawing), "SOPInstanceUID": uid}
        if "label" in answer:
            checked["label"] = _checked_label(answer["label"])
        if "ReferencedFrameNumber" in answer:
            checked["ReferencedFrameNumber"] = _checked_frame(answer["ReferencedFrameNumber"])
        return checked | {"points": _checked_points(points, *POINTS[str(drawing)])}

    def _measurement_schema(self) -> Iterator[JSONSchema]:
        for drawing in self.drawings:
            least, most = POINTS[drawing]
            yield {
                "type": "object",
                "properties": {
                    "type": {"const": drawing},
                    "label": {"type": "string", "maxLength": LONGEST_LABEL, "pattern": f"^{KEPT.pattern}$(?!\\n)"},
                    "SOPInstanceUID": UID_SCHEMA,
                    "ReferencedFrameNumber": {"type": "integer", "minimum": 1, "maximum": FARTHEST},
                    "points": {"type": "array", "items": POINT_SCHEMA, "minItems": least, "maxItems": most},
                },
                "required": ["type", "SOPInstanceUID", "points"],
                "additionalProperties": False,
            }


class Annotation(_Drawn):
    """Something that the reader draws: one of `shapes` in the viewer, or an instance of one of the `objects`."""

    type: Literal["annotation"] = "annotation"
    shapes: tuple[Drawing, ...] = ("length", "bidirectional", "box", "ellipse", "polygon")
    objects: tuple[Holder, ...] = ("SEG", "SR")

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        if not self.shapes and not self.objects:
            raise ValueError("name at least one of shapes and objects to answer with")
        return self

    @property
    def drawings(self) -> tuple[str, ...]:
        return self.shapes

    def check(self, answer: object) -> Answer:
        if not isinstance(answer, dict):
            raise BadAnswer(self._wanted)
        if "points" in answer and self.shapes:
            return self._measurement(answer)
        return self._instance(answer)

    def answer_schema(self) -> JSONSchema:
        instance: JSONSchema = {
            "type": "object",
            "properties": {"SOPInstanceUID": UID_SCHEMA, "Modality": {"enum": list(self.objects)}},
            "required": ["SOPInstanceUID", "Modality"],
            "additionalProperties": False,
        }
        return {"anyOf": [*([instance] if self.objects else []), *self._measurement_schema()]}

    def _instance(self, answer: Mapping[object, object]) -> dict[str, Answer]:
        holder = answer.get("Modality", self.objects[0] if len(self.objects) == 1 else None)
        if not self.objects or holder not in self.objects or set(answer) - {"SOPInstanceUID", "Modality"}:
            raise BadAnswer(self._wanted)
        return {"SOPInstanceUID": _checked_uid(answer.get("SOPInstanceUID")), "Modality": str(holder)}

    @property
    def _wanted(self) -> str:
        drawn = f"draw it in the viewer ({', '.join(self.shapes)})" if self.shapes else ""
        named = f"name the SOPInstanceUID and the Modality of a {' or '.join(self.objects)}" if self.objects else ""
        wanted = " or ".join(part for part in (drawn, named) if part)
        return f"{wanted[0].upper()}{wanted[1:]}."


class Region(_Drawn):
    """A place that the reader picks in the viewer: one point, or a box."""

    type: Literal["region"] = "region"
    area: Area = "point"

    @property
    def drawings(self) -> tuple[str, ...]:
        return (self.area,)

    def check(self, answer: object) -> Answer:
        if not isinstance(answer, dict):
            raise BadAnswer(f"Pick a {self.area} in the viewer.")
        return self._measurement(answer)

    def answer_schema(self) -> JSONSchema:
        return {"anyOf": list(self._measurement_schema())}


UID_SCHEMA: JSONSchema = {"type": "string", "maxLength": UID_LENGTH, "pattern": f"^{UID.pattern}$(?!\\n)"}
POINT_SCHEMA: JSONSchema = {
    "type": "array",
    "items": {"type": "number", "minimum": -FARTHEST, "maximum": FARTHEST},
    "minItems": 2,
    "maxItems": 2,
}


def referred_images(answer: object) -> Iterator[str]:
    """The SOP Instance UIDs that a checked answer, of whatever kind, refers to."""
    if isinstance(answer, Mapping):
        if isinstance(answer.get("SOPInstanceUID"), str):
            yield str(answer["SOPInstanceUID"])
            return
        answer = list(answer.values())
    if isinstance(answer, list):
        for one in answer:
            yield from referred_images(one)


def _checked_uid(uid: object) -> str:
    if not isinstance(uid, str) or len(uid) > UID_LENGTH or not UID.fullmatch(uid):
        raise BadAnswer("The drawing names no image. Draw it again in the viewer.")
    return uid


def _checked_label(label: object) -> str:
    if not isinstance(label, str) or len(label) > LONGEST_LABEL or not KEPT.fullmatch(label):
        raise BadAnswer(f"The drawing's label must be one line of at most {LONGEST_LABEL} characters. Shorten it.")
    return label


def _checked_frame(frame: object) -> int:
    if isinstance(frame, bool) or not isinstance(frame, int) or not 1 <= frame <= FARTHEST:
        raise BadAnswer("The drawing names no frame of the image. Draw it again in the viewer.")
    return frame


def _checked_points(points: object, least: int, most: int) -> list[list[float]]:
    if not isinstance(points, list) or not least <= len(points) <= most or not all(map(_is_point, points)):
        count = f"{least}" if least == most else f"{least} to {most}"
        raise BadAnswer(f"The drawing needs {count} points, each as column and row. Draw it again in the viewer.")
    return [list(point) for point in points]


def _is_point(point: object) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(map(_is_coordinate, point))


def _is_coordinate(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -FARTHEST <= value <= FARTHEST
