"""The report to a governance board: a study's numbers as a typeset document, A4, with what they were made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string

from inference.models import PipelineVersion
from inference.writers import printing
from portal.audit import anchors
from portal.audit.anchors import Anchor
from studies.cases import flow_diagram
from studies.cases.flow import line_of
from studies.cases.flow_diagram import Diagram
from studies.evidence import charts, forest
from studies.evidence.forest import Forest
from studies.evidence.scope import Scope, cases_in
from studies.evidence.shown import Shown, ShownTable
from studies.models import ArmFinding
from studies.protocols import protocol_reading
from studies.protocols.protocol_reading import ReadSection

TEMPLATE = "studies/report.html"
_NOT_TOLD = ("forms", "retention")
"""Sections of the protocol that are not part of the report: it is exported as a whole beside it."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One table of the report with its drawings."""

    table: ShownTable
    forests: tuple[Forest, ...]


@dataclass(frozen=True, kw_only=True)
class UsedPipeline:
    """A pipeline that made findings. is_frozen: in just the version that the protocol in force names."""

    version: PipelineVersion
    is_frozen: bool


@dataclass(frozen=True, kw_only=True)
class Told:
    """Everything that the report says, as it was at one moment. head: the last row of the audit trail then."""

    shown: Shown
    scope: Scope
    by: str
    report: UUID
    head: Anchor
    parts: tuple[Part, ...]
    diagram: Diagram
    protocol: tuple[ReadSection, ...]
    makers: tuple[UsedPipeline, ...]

    @property
    def context(self) -> Mapping[str, Any]:
        """For the template."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {
            "study": self.scope.study,
            "version": self.scope.version,
            "content": self.scope.content,
            "endpoints": [part for part in self.parts if part.table in self.shown.endpoints],
            "others": [part for part in self.parts if part.table not in self.shown.endpoints],
        }


def told(shown: Shown, scope: Scope, *, by: str, report: UUID) -> Told:
    """What the report says of the numbers. by: the user name of who asked for it; report: its key in the portal."""
    tables = (*shown.endpoints, *shown.tables)
    sections = protocol_reading.read(scope.version.document)
    is_read = line_of(scope.study).is_read
    return Told(
        shown=shown,
        scope=scope,
        by=by,
        report=report,
        head=anchors.head(),
        parts=tuple(Part(table=one, forests=tuple(map(forest.draw, charts.plots_of(one)))) for one in tables),
        diagram=flow_diagram.draw(shown.evidence.flow, is_read=is_read, link=lambda _box, _criterion: ""),
        protocol=tuple(one for one in sections if one.section.key not in _NOT_TOLD),
        makers=tuple(_makers(scope)),
    )


def _makers(scope: Scope) -> Iterator[UsedPipeline]:
    """The versions of pipelines that made the findings which count now."""
    counting = ArmFinding.objects.filter(cases_in(scope, "case__"), replaced_at=None, result__isnull=False)
    frozen = {one.digest for one in scope.content.pipelines}
    used = PipelineVersion.objects.filter(pk__in=counting.values("result__job__pipeline"))
    for one in used.order_by("name", "version", "digest"):
        yield UsedPipeline(version=one, is_frozen=one.digest in frozen)


def typeset(said: Told) -> bytes:
    """The report as PDF. Raises InstallationFault where nothing typesets."""
    html = render_to_string(TEMPLATE, dict(said.context))
    made: bytes = printing.printer()(string=html).write_pdf()
    return made
