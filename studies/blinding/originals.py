"""From the images that a read shows to those of the store, and back: where drawings in a reader's answers lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studies.blinding import preparation, salts
from studies.models import Read

_IMAGE = "SOPInstanceUID"


def in_store(read: Read, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers as they are kept: drawings lie in the store's own images. Other UIDs stay, to be refused.

    Raises Unshowable, as `preparation.prepare` does, where there is a drawing.
    """
    if not _has_images(answers):
        return dict(answers)
    known = _real_uids(read)
    return {key: _mapped(answer, lambda uid: known.get(uid, uid)) for key, answer in answers.items()}


def as_shown(read: Read, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Kept answers as the read's reader may see them: drawings lie in the images that the read shows."""
    salt = salts.of_read(read.study.slug, read.pk)
    return {key: _mapped(answer, salt.remapped) for key, answer in answers.items()}


def _real_uids(read: Read) -> dict[str, str]:
    """Of the case's own exam: what is drawn in an earlier one is refused, under the UID that the reader knows."""
    own = preparation.prepare(read).manifest.exams[0]
    images = (one for series in own.series for one in series.instances)
    return {image.sop: Path(image.file).stem for image in images if not image.is_bits}


def _has_images(answer: Any) -> bool:
    if isinstance(answer, Mapping):
        return _IMAGE in answer or any(map(_has_images, answer.values()))
    return isinstance(answer, list) and any(map(_has_images, answer))


def _mapped(answer: Any, change: Callable[[str], str]) -> Any:
    if isinstance(answer, Mapping):
        return {key: change(str(one)) if key == _IMAGE else _mapped(one, change) for key, one in answer.items()}
    return [_mapped(one, change) for one in answer] if isinstance(answer, list) else answer
