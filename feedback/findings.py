"""What a pipeline found, for the result page: boxes by region, and the probabilities of each classification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dicom_ingest.models import Instance
from inference import triage
from inference.models import Finding, Result

SHOWN_FROM = 0.01
"""A box's other findings are told from this probability on; classes are all shown."""


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """One label and how probable it is."""

    label: str
    probability: float
    is_most: bool = False
    is_urgent: bool = False

    @property
    def percent(self) -> float:
        return 100 * self.probability


@dataclass(frozen=True, kw_only=True)
class BoxRow:
    """One box: in which image, what was found in it, and what else it could be. where: empty if no image is known."""

    where: str
    found: Likelihood
    others: tuple[Likelihood, ...]


@dataclass(frozen=True, kw_only=True)
class RegionCard:
    """The boxes of one region, by image."""

    name: str
    rows: tuple[BoxRow, ...]


@dataclass(frozen=True, kw_only=True)
class ClassCard:
    """One classification: every class, the most probable first."""

    name: str
    rows: tuple[Likelihood, ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """All findings of a result, and what made it urgent."""

    regions: tuple[RegionCard, ...]
    classes: tuple[ClassCard, ...]
    causes: tuple[triage.Cause, ...]

    @property
    def is_anything(self) -> bool:
        return bool(self.regions or self.classes)


def found_in(result: Result) -> Found:
    """The findings of `result`. Two queries at most."""
    findings = list(result.findings.all())
    causes = tuple(triage.causes_among(findings, result))
    urgent = {cause.label for cause in causes}
    boxes = [one for one in findings if one.kind == Finding.Kind.BOX]
    classes = [one for one in findings if one.kind == Finding.Kind.CLASS]
    return Found(
        regions=tuple(_regions(boxes, urgent)),
        classes=tuple(ClassCard(name=one.name, rows=_likelihoods(one, urgent)) for one in classes),
        causes=causes,
    )


def _regions(boxes: list[Finding], urgent: set[str]) -> Iterable[RegionCard]:
    places = _places(boxes)
    rank = {uid: number for number, uid in enumerate(places)}
    ordered = sorted(boxes, key=lambda box: rank[box.sop_instance_uid])
    for name in dict.fromkeys(box.name for box in boxes):
        yield RegionCard(name=name, rows=tuple(_row(box, places, urgent) for box in ordered if box.name == name))


def _row(box: Finding, places: Mapping[str, str], urgent: set[str]) -> BoxRow:
    likelihoods = _likelihoods(box, urgent)
    return BoxRow(
        where=places.get(box.sop_instance_uid, ""),
        found=likelihoods[0],
        others=tuple(one for one in likelihoods[1:] if one.probability >= SHOWN_FROM),
    )


def _likelihoods(finding: Finding, urgent: set[str]) -> tuple[Likelihood, ...]:
    """Its labels, the one that was named first, then by probability."""
    each = {**finding.probabilities, finding.label: finding.probability}
    ordered = sorted(each.items(), key=lambda item: (item[0] != finding.label, -item[1]))
    return tuple(
        Likelihood(label=label, probability=value, is_most=label == finding.label, is_urgent=label in urgent)
        for label, value in ordered
    )


def _places(boxes: Iterable[Finding]) -> dict[str, str]:
    """The images that boxes lie in, in the order of the exam, as the viewer numbers them.

    Many devices write each projection into a series of its own: then the series' number tells images apart, else the
    image's number within its series. Images that the exam lacks come last, without a number.
    """
    uids = {box.sop_instance_uid for box in boxes}
    known = Instance.objects.filter(sop_instance_uid__in=uids).select_related("series")
    images = list(known.order_by("series__series_number", "series_id", "instance_number", "pk"))
    in_series = Counter(image.series_id for image in images)
    places = {image.sop_instance_uid: _place(image, several=in_series) for image in images}
    return places | dict.fromkeys(uids - places.keys(), "")


def _place(image: Instance, *, several: Mapping[int, int]) -> str:
    parts = []
    if len(several) > 1 and image.series.series_number is not None:
        parts.append(f"series {image.series.series_number}")
    if (len(several) == 1 or several[image.series_id] > 1) and image.instance_number is not None:
        parts.append(f"image {image.instance_number}")
    return ", ".join(parts)
