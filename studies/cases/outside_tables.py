"""Outside results that come as a table: looked at first, then kept as findings of an arm."""

from __future__ import annotations

from django.db import transaction

from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.cases import arm_findings, case_tables
from studies.cases.arm_findings import Made
from studies.cases.case_tables import Matching
from studies.models import OutsideTable, Study
from studies.protocols.protocol_schema import Arm, Protocol, TableFindings
from studies.refusals import Refused


def arms_of(protocol: Protocol) -> tuple[Arm, ...]:
    """The arms whose findings come as a table."""
    return tuple(arm for arm in protocol.arms if isinstance(arm.findings, TableFindings))


def preview(table: OutsideTable, findings: TableFindings) -> Matching:
    """What would be kept of the table, and what not, line by line. Raises TableUnreadable."""
    return case_tables.match(
        table.study, bytes(table.content), keys=[findings.match_by], columns=list(findings.columns)
    )


@transaction.atomic
def keep(table: OutsideTable, findings: TableFindings, *, by: User) -> int:
    """Keep the rows that found a case as findings of the table's arm; return how many are new or other than before.

    Raises Refused when none did, and when the study takes nothing.
    """
    study = Study.objects.select_for_update(no_key=True).get(pk=table.study_id)
    if not study.enrols:
        raise Refused(f"{study} is {study.get_stage_display().lower()}: it takes no findings.")
    matching = preview(table, findings)
    if not matching.matched:
        raise Refused("No row of the table finds a case, so there is nothing to keep.")
    case_tables.kept(table)
    kept = sum(
        arm_findings.keep(row.case, table.arm, Made(values=dict(row.values), table=table, origin=table.file_name))
        for row in matching.matched
    )
    detail = {"arm": table.arm, "sha256": table.sha256, "rows": len(matching.matched), "changed": kept}
    trail.record(Action.TABLE_KEPT, of=f"table:{table.pk}", study=study.slug, detail=detail)
    return kept
