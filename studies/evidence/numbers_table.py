"""The study's numbers themselves, as its page of results shows them: unrounded, with interval and denominator."""

from __future__ import annotations

from collections.abc import Iterator

from studies.evidence import current
from studies.evidence.cells import Value
from studies.evidence.scope import Scope
from studies.evidence.shown import Shown, ShownLine, ShownTable
from studies.evidence.tables import Row, Table, column
from studies.statistics.estimate import Estimate
from studies.statistics.proportions import Proportion

COLUMNS = (
    column("study", "Short name of the study", "key"),
    column("is_pilot", "Whether it is of pilot cases", "flag"),
    column("protocol_version", "Version of the protocol in force", "whole"),
    column("truth_version", "Version of the reference standard; empty while none is locked", "whole"),
    column("table", "Heading under which the page shows it"),
    column("endpoint", "Key of the endpoint; empty for what is told beside the endpoints", "key"),
    column("is_primary", "Whether the endpoint is a primary one", "flag"),
    column("what", "Name of the number"),
    column("arm", "Key of the arm, or the condition of reading", "key"),
    column("arm_label", "The same in words"),
    column("reader", "Whose answers: empty for all readers together, and for what an arm found by itself", "key"),
    column("by_readers", "Whether it is made of readers' answers", "flag"),
    column("pipeline", "Name, version and digest of the pipeline that made the findings; empty for all versions"),
    column("estimate", "The number; empty where it cannot be computed", "number"),
    column("unit", "Its unit; empty for shares (0 to 1), areas and kappas"),
    column("low", "Lower end of the confidence interval", "number"),
    column("high", "Upper end of the confidence interval", "number"),
    column("level", "Confidence level of the interval", "number"),
    column("method", "How the interval was made"),
    column("successes", "Of a share: its numerator", "whole"),
    column("n", "Denominator of the number", "whole"),
    column("expected", "How many there should be", "whole"),
    column("left_out", "How many are left out, and why; `;` between"),
    column("reason", "Why there is no number, or no interval"),
)


def rows(scope: Scope) -> Iterator[Row]:
    """In the order of the page."""
    shown = current.numbers_of(scope)
    keys = {f"endpoint-{one.endpoint.key}": one.endpoint.key for one in shown.evidence.endpoints}
    for table in (*shown.endpoints, *shown.tables):
        for line in table.lines:
            yield _about(shown, table, keys.get(table.key, "")) | _of_line(line)


def _about(shown: Shown, table: ShownTable, endpoint: str) -> dict[str, Value]:
    evidence = shown.evidence
    return {
        "study": evidence.study,
        "is_pilot": evidence.is_pilot,
        "protocol_version": evidence.protocol,
        "truth_version": evidence.truth.number if evidence.truth else None,
        "table": table.title,
        "endpoint": endpoint,
        "is_primary": table.is_primary,
    }


def _of_line(one: ShownLine) -> dict[str, Value]:
    line = one.line
    interval, answer = line.interval, line.answer
    return {
        "what": line.what,
        "arm": line.whose.arm,
        "arm_label": line.whose.arm_label,
        "reader": one.reader,
        "by_readers": line.whose.by_readers,
        "pipeline": line.whose.pipeline,
        "estimate": line.value,
        "unit": line.unit,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "level": interval.level if interval else None,
        "method": answer.method if isinstance(answer, Estimate) else "",
        "successes": answer.successes if isinstance(answer, Proportion) else None,
        "n": line.of,
        "expected": line.expected,
        "left_out": "; ".join(one.left_out),
        "reason": one.reason,
    }


NUMBERS = Table(
    file="results.csv",
    title="Results",
    one_row="One number of the page of results, or why it could not be computed.",
    columns=COLUMNS,
    rows=rows,
)
