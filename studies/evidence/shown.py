"""A study's numbers as pages and documents show them: rounded, with their units, denominators and reasons in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from feedback.templatetags.figures import MINUS, figure
from studies.evidence.scope import Scope
from studies.evidence.shape import EndpointEvidence, Evidence, Line, Whose
from studies.protocols.protocol_schema import Endpoint
from studies.statistics.estimate import LEVEL, Interval
from studies.statistics.proportions import Proportion
from studies.statistics.times import Duration

SECTIONS: tuple[tuple[str, str, str], ...] = (
    ("reading_times", "Reading times", "From opening a read to submitting it; active: in front and in use."),
    ("turnaround", "Turnaround", "How long a case takes from one step to the next."),
    ("between_readers", "Agreement between readers", "The same cases, read by several readers."),
    ("within_readers", "Agreement of readers with themselves", "The same cases, read again by the same reader."),
    ("corrections", "Corrected segmentations", "What readers changed of the masks that they were shown."),
)
"""Tables beside the endpoints: the field of Evidence, its heading, and what it is about."""
_HUNDRED = 100


@dataclass(frozen=True, kw_only=True)
class ShownLine:
    """One number in words. `line` is what it was made of, for charts and files."""

    line: Line
    whose: str
    reader: str
    what: str
    estimate: str
    interval: str
    count: str
    left_out: tuple[str, ...]
    reason: str

    @property
    def is_computed(self) -> bool:
        return self.line.value is not None


@dataclass(frozen=True, kw_only=True)
class ShownTable:
    """Numbers under one heading. key: a name for addresses within the page."""

    key: str
    title: str
    about: str = ""
    lines: tuple[ShownLine, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()
    is_primary: bool = False
    claim: str = ""

    @property
    def computed(self) -> int:
        return sum(line.is_computed for line in self.lines)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Everything that there is to show of one study at one moment. sha256: of the numbers themselves."""

    evidence: Evidence
    endpoints: tuple[ShownTable, ...]
    tables: tuple[ShownTable, ...]
    rejections: Mapping[str, int]
    sha256: str

    @property
    def every(self) -> Iterator[ShownLine]:
        """Every number, in the order of the page."""
        for table in (*self.endpoints, *self.tables):
            yield from table.lines

    @property
    def count(self) -> int:
        return sum(1 for _ in self.every)


def show(evidence: Evidence, scope: Scope) -> Shown:
    """The numbers as they are shown: readers are called as the protocol says."""
    named = _Names(scope)
    quality = ShownTable(
        key="quality-control",
        title="Quality control",
        about="The check by people before readers saw a case.",
        lines=named.lines(evidence.quality_control.lines),
    )
    others = [
        ShownTable(key=name.replace("_", "-"), title=title, about=about, lines=named.lines(getattr(evidence, name)))
        for name, title, about in SECTIONS
    ]
    endpoints = tuple(named.endpoint(one) for one in _primary_first(evidence.endpoints))
    return Shown(
        evidence=evidence,
        endpoints=endpoints,
        tables=tuple(table for table in (*others, quality) if table.lines),
        rejections=evidence.quality_control.rejections,
        sha256=digest_of(evidence),
    )


def digest_of(evidence: Evidence) -> str:
    """SHA-256 of the numbers, whenever they were made: equal numbers of equal denominators have equal digests."""
    content = asdict(replace(evidence, made_at=datetime.min))
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest()


def claim_of(endpoint: Endpoint) -> str:
    """What the protocol claims of the endpoint, in words."""
    if endpoint.hypothesis == "descriptive":
        return "Descriptive: nothing is claimed"
    margin = f" within {endpoint.margin:g}" if endpoint.margin is not None else ""
    return f"{endpoint.hypothesis.capitalize()}{margin}, alpha {endpoint.alpha:g}"


def number_in_words(line: Line, value: float) -> str:
    """The value with its unit: shares as percent, areas and kappas with three decimals, times by their size."""
    if isinstance(line.answer, Proportion):
        return f"{_decimals(value * _HUNDRED, 1)} %"
    if isinstance(line.answer, Duration) and line.unit == "s":
        return duration_in_words(value)
    if not line.unit:
        return _decimals(value, 3)
    return f"{figure(value)} {line.unit}"


def duration_in_words(seconds: float) -> str:
    """`12.3 s`, `4.2 min`, `3.1 h`, `2.4 d`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


@dataclass(frozen=True)
class _Names:
    """How the scope calls whose a number is."""

    scope: Scope

    def endpoint(self, one: EndpointEvidence) -> ShownTable:
        return ShownTable(
            key=f"endpoint-{one.endpoint.key}",
            title=one.endpoint.label,
            lines=self.lines((*one.lines, *one.differences)),
            reason=one.reason,
            notes=one.notes,
            is_primary=one.endpoint.is_primary,
            claim=claim_of(one.endpoint),
        )

    def lines(self, lines: tuple[Line, ...]) -> tuple[ShownLine, ...]:
        return tuple(self.line(one) for one in lines)

    def line(self, line: Line) -> ShownLine:
        whose = self.whose(line.whose)
        return ShownLine(
            line=line,
            whose=whose.label or "All",
            reader=whose.reader.name if whose.reader else "",
            what=line.what,
            estimate="" if line.value is None else number_in_words(line, line.value),
            interval=_interval(line, line.interval),
            count=_count(line),
            left_out=tuple(f"{one.count} {one.reason}" for one in line.missing),
            reason=line.reason,
        )

    def whose(self, whose: Whose) -> Whose:
        if whose.reader is None:
            return whose
        called = self.scope.person_by(whose.reader.key, whose.reader.name)
        return replace(whose, reader=replace(whose.reader, name=called))


def _interval(line: Line, interval: Interval | None) -> str:
    """`71.2 to 92.0 %`: the unit once, where both ends have it; the level where it is another than usual."""
    if interval is None:
        return ""
    low, high = number_in_words(line, interval.low), number_in_words(line, interval.high)
    amount, _, unit = low.rpartition(" ")
    level = "" if interval.level == LEVEL else f" ({interval.level:.4g})"
    return f"{amount if amount and high.endswith(f' {unit}') else low} to {high}{level}"


def _count(line: Line) -> str:
    if isinstance(line.answer, Proportion):
        return f"{line.answer.successes} of {line.answer.of}"
    return str(line.of)


def _decimals(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", MINUS)


def _primary_first(endpoints: tuple[EndpointEvidence, ...]) -> list[EndpointEvidence]:
    return sorted(endpoints, key=lambda one: not one.endpoint.is_primary)


def _plain(value: Any) -> Any:
    """What `json` cannot write by itself: models of the protocol, times, mappings that are none."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return value.isoformat() if isinstance(value, datetime) else dict(value)
