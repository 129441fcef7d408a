"""Numbers as a study could have them, made by the statistics themselves of answers that are drawn here."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from studies.cases.flow import FlowCounts
from studies.evidence.shape import (
    Answer,
    EndpointEvidence,
    Evidence,
    Line,
    Missing,
    QualityControl,
    ReaderName,
    TruthUsed,
    Whose,
)
from studies.protocols.protocol_schema import Endpoint
from studies.statistics import agreement, proportions, roc, times
from studies.statistics.estimate import NotComputable

AT = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
READERS = (
    ReaderName(key=901, name="anna", role="Expert"),
    ReaderName(key=902, name="berta", role="Novice"),
    ReaderName(key=903, name="carl", role="Novice"),
)
VERSION = "brain-extraction 1.0.0 (dddddddddddd)"


def line(what: str, answer: Answer, whose: Whose, **more: Any) -> Line:
    return Line(whose=whose, what=what, answer=answer, expected=60, **more)


def evidence(counts: FlowCounts | None = None, **changed: Any) -> Evidence:
    """Sensitivity, an area with its curves, volumes, reading times, and an endpoint that cannot be computed."""
    drawn = random.Random(7)
    parts: dict[str, Any] = {
        "study": "glioma",
        "title": "Glioma follow-up",
        "stage": "locked",
        "protocol": 1,
        "made_at": AT,
        "is_pilot": False,
        "truth": TruthUsed(number=1, locked_at=AT, cases=58),
        "flow": counts or FlowCounts(),
        "endpoints": (_volumes(drawn), _sensitivity(drawn), _area(drawn), _nothing()),
        "reading_times": tuple(_reading_times(drawn)),
        "turnaround": (line("Received to enrolled", times.duration([300.0, 420.0, 500.0]), Whose(), unit="s"),),
        "quality_control": QualityControl(
            lines=(line("Accepted", proportions.proportion(55, 60), Whose()),), rejections={"Wrong series": 5}
        ),
        "limits": ("The intervals take cases as independent; 12 patients have more than one exam.",),
    }
    return Evidence(**(parts | changed))


def _whose() -> Sequence[Whose]:
    together = Whose(arm="aided", arm_label="Aided", by_readers=True)
    each = (Whose(arm="aided", arm_label="Aided", by_readers=True, reader=reader) for reader in READERS)
    return (Whose(arm="ai", arm_label="AI", pipeline=VERSION), together, *each)


def _sensitivity(drawn: random.Random) -> EndpointEvidence:
    missing = (Missing(count=2, reason="without truth"), Missing(count=3, reason="not read yet"))
    return EndpointEvidence(
        endpoint=Endpoint(
            key="found", label="Lesions found", measure="sensitivity", hypothesis="superiority", is_primary=True
        ),
        lines=tuple(
            line("Sensitivity", proportions.proportion(drawn.randint(18, 27), 28), whose, missing=missing)
            for whose in _whose()
        ),
        notes=("An answer of 3 or more counts as positive.",),
    )


def _area(drawn: random.Random) -> EndpointEvidence:
    truths = [True] * 25 + [False] * 30
    lines = []
    for whose in _whose():
        scores = [drawn.gauss(0.8 if true else 0.0, 0.7) for true in truths]
        lines.append(line("AUC", roc.area(truths, scores), whose, points=roc.curve(truths, scores)))
    return EndpointEvidence(
        endpoint=Endpoint(key="rank", label="Ranks lesions above none", measure="auc"), lines=tuple(lines)
    )


def _volumes(drawn: random.Random) -> EndpointEvidence:
    truth = [drawn.uniform(3, 80) for _ in range(40)]
    found = [volume + drawn.gauss(1.2, 3) for volume in truth]
    limits = agreement.bland_altman(found, truth)
    assert isinstance(limits, agreement.Limits)
    whose = Whose(arm="ai", arm_label="AI", pipeline=VERSION)
    points = tuple(((a + b) / 2, a - b) for a, b in zip(found, truth, strict=True))
    return EndpointEvidence(
        endpoint=Endpoint(key="volume", label="Volume of the lesion", measure="volume-difference"),
        lines=(
            line("Lesion: bias", limits.bias, whose, unit="ml", points=points),
            line("Lesion: lower limit of agreement", limits.lower, whose, unit="ml"),
            line("Lesion: upper limit of agreement", limits.upper, whose, unit="ml"),
        ),
    )


def _nothing() -> EndpointEvidence:
    return EndpointEvidence(
        endpoint=Endpoint(key="kappa", label="Agreement with the panel", measure="kappa"),
        lines=(line("Kappa", NotComputable(reason="No case was read by two readers yet.", of=0), Whose()),),
    )


def _reading_times(drawn: random.Random) -> list[Line]:
    lines = []
    for reader in READERS:
        whose = Whose(arm="aided", arm_label="Aided", by_readers=True, reader=reader)
        seconds = [drawn.lognormvariate(4, 0.5) for _ in range(40)]
        lines.append(line("Active reading time", times.duration(seconds), whose, unit="s"))
    return lines
