"""The STARD diagram of a study's flow: shapes with places, in units of the drawing, which a template writes as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studies.cases.flow import FlowBox, FlowCounts, Reason

MAIN_X, MAIN_WIDTH, MAIN_HEIGHT = 0.0, 230.0, 62.0
SIDE_X, SIDE_WIDTH = 310.0, 450.0
WIDTH = SIDE_X + SIDE_WIDTH
LINE, PAD, GAP = 25.0, 10.0, 34.0
MAIN_INDENT, INDENT, PART_INDENT, BETWEEN = 72.0, 52.0, 44.0, 12.0
"""Where numbers end, from the box's left edge, and the room between a number and its words."""
REASONS_SHOWN = 8
LONGEST_LABEL = 48

Link = Callable[[FlowBox, str], str]
"""The address of the list of a box, of one criterion where one is named."""

_ROWS = (
    (FlowBox.RECEIVED, (FlowBox.EXCLUDED, FlowBox.UNDECIDED)),
    (FlowBox.MATCHED, (FlowBox.PROCESSING, FlowBox.FAILED, FlowBox.AWAITING_QC, FlowBox.QC_REJECTED)),
    (FlowBox.ENROLLED, (FlowBox.UNASSIGNED,)),
    (FlowBox.ASSIGNED, (FlowBox.UNREAD, FlowBox.PARTLY_READ)),
    (FlowBox.READ, (FlowBox.NOT_ANALYSED,)),
    (FlowBox.ANALYSED, ()),
)
_ROWS_WITHOUT_READERS = (
    *_ROWS[:2],
    (FlowBox.ENROLLED, (FlowBox.NOT_ANALYSED,)),
    (FlowBox.ANALYSED, ()),
)
_TONES = {FlowBox.FAILED: "wrong", FlowBox.UNDECIDED: "waits", FlowBox.AWAITING_QC: "waits"}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One number, which ends at count_x, with its words, which begin at x; `y` is their baseline.

    is_part: of the entry above. tone: "wrong" or "waits", where somebody should do something.
    """

    label: str
    full_label: str
    count: int
    url: str
    x: float
    count_x: float
    y: float
    tone: str = ""
    is_part: bool = False


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A box of the diagram with what stands in it."""

    x: float
    y: float
    width: float
    height: float
    entries: tuple[Entry, ...]
    is_main: bool

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class Diagram:
    """Boxes and the arrows between them, as SVG path data."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    arrows: tuple[str, ...]

    @property
    def view_box(self) -> str:
        """Of the drawing, with room for the lines at its edges."""
        return f"-1 -1 {self.width + 2:g} {self.height + 2:g}"

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every number in reading order, for the table beside the drawing."""
        return tuple(entry for shape in self.shapes for entry in shape.entries)


def draw(counts: FlowCounts, *, is_read: bool, link: Link) -> Diagram:
    """The diagram of the counts. Without readers nothing stands between enrolled and analysed."""
    shapes: list[Shape] = []
    arrows: list[str] = []
    y = 0.0
    rows = _ROWS if is_read else _ROWS_WITHOUT_READERS
    for box, aside in rows:
        main = _main(box, counts, y, link)
        shapes.append(main)
        if not aside:
            break
        side = _side(aside, counts, main.y + main.height + GAP / 2, link)
        shapes.append(side)
        below = max(side.y + side.height + GAP / 2, main.y + main.height + GAP)
        level = side.y + side.height / 2
        arrows.append(f"M{main.middle:g} {main.y + main.height:g}V{below:g}")
        arrows.append(f"M{main.middle:g} {level:g}H{side.x:g}")
        y = below
    return Diagram(WIDTH, shapes[-1].y + shapes[-1].height, tuple(shapes), tuple(arrows))


def _main(box: FlowBox, counts: FlowCounts, y: float, link: Link) -> Shape:
    entry = _entry(box, counts, link, left=MAIN_X + MAIN_INDENT, y=y + MAIN_HEIGHT / 2 + 7)
    return Shape(x=MAIN_X, y=y, width=MAIN_WIDTH, height=MAIN_HEIGHT, entries=(entry,), is_main=True)


def _side(boxes: Sequence[FlowBox], counts: FlowCounts, y: float, link: Link) -> Shape:
    entries: list[Entry] = []
    baseline = y + PAD + 17
    for box in boxes:
        entries.append(_entry(box, counts, link, left=SIDE_X + INDENT, y=baseline + LINE * len(entries)))
        for reason in _shown(counts, box):
            entries.append(_reason(reason, baseline + LINE * len(entries), link))
    height = LINE * len(entries) + 2 * PAD
    return Shape(x=SIDE_X, y=y, width=SIDE_WIDTH, height=height, entries=tuple(entries), is_main=False)


def _shown(counts: FlowCounts, box: FlowBox) -> list[Reason]:
    """The reasons of a box, the smallest ones together."""
    reasons = [reason for reason in counts.reasons if reason.box == box]
    shown, rest = reasons[:REASONS_SHOWN], reasons[REASONS_SHOWN:]
    if rest:
        shown.append(Reason(box=box, criterion="", count=sum(one.count for one in rest)))
    return shown


def _entry(box: FlowBox, counts: FlowCounts, link: Link, *, left: float, y: float) -> Entry:
    return Entry(
        label=box.label,
        full_label=box.label,
        count=counts[box],
        url=link(box, ""),
        x=left + BETWEEN,
        count_x=left,
        y=y,
        tone=_TONES.get(box, "") if counts[box] else "",
    )


def _reason(reason: Reason, y: float, link: Link) -> Entry:
    words = reason.criterion or "other criteria"
    return Entry(
        label=words if len(words) <= LONGEST_LABEL else f"{words[: LONGEST_LABEL - 1]}…",
        full_label=f"{reason.box.label}: {words}",
        count=reason.count,
        url=link(reason.box, reason.criterion),
        x=SIDE_X + INDENT + PART_INDENT + BETWEEN,
        count_x=SIDE_X + INDENT + PART_INDENT,
        y=y,
        is_part=True,
    )
