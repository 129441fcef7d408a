"""The reference standard of a study, in versions. A locked one is never changed again, and the newest locked counts.

A version is whole in itself: a new one begins as a copy of the one before. Results are shown only once it is locked
(`is_locked`), so that nobody shapes the truth by them; a version made after that says why, and when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.timezone import now

from dicom_ingest import conditions, judging
from dicom_ingest.exam_headers import HeaderUnreadable, headers_of_each
from dicom_ingest.models import Series
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.cases import case_tables, outside_findings, truth_boxes, truth_values
from studies.cases.case_tables import Matching
from studies.cases.tables import TableUnreadable
from studies.models import Case, CaseTruth, OutsideTable, Study, TruthVersion
from studies.protocols import protocol
from studies.protocols.protocol_schema import Reference
from studies.refusals import Refused

Source = TruthVersion.Source
TABLE_KEYS = ("CaseNumber", "StudyInstanceUID", "AccessionNumber")


@dataclass(frozen=True, kw_only=True)
class SegmentationsFound:
    """Which series each case would get as its truth, and why the others get none."""

    chosen: Mapping[int, Series]
    problems: tuple[str, ...]


def is_locked(study: Study) -> bool:
    """Whether results may be shown: some version of the truth is locked, or the protocol has no reference standard."""
    if reference_of(study).source == "none":
        return True
    return TruthVersion.objects.filter(study=study, locked_at__isnull=False).exists()


def reference_of(study: Study) -> Reference:
    """What the study's protocol says of its reference standard."""
    return protocol.current(study).content.reference


def newest(study: Study) -> TruthVersion | None:
    """The newest version, locked or not."""
    return TruthVersion.objects.filter(study=study).first()


def counting() -> QuerySet[TruthVersion]:
    """The newest locked version of each study."""
    return TruthVersion.objects.filter(locked_at__isnull=False).order_by("study_id", "-number").distinct("study_id")


def of_case(case: Case) -> CaseTruth | None:
    """The truth that counts for the case."""
    return (
        CaseTruth.objects.filter(case=case, version__in=counting().values("pk"))
        .select_related("version", "series")
        .first()
    )


def preview(table: OutsideTable) -> Matching:
    """What the table would say of which case, line by line, typed as the protocol's questions are.

    Rows are answers, or boxes where the table has the columns of these. Raises TableUnreadable.
    """
    content, said = bytes(table.content), protocol.current(table.study).content
    if truth_boxes.is_of_boxes(content):
        return truth_boxes.match(table.study, content, said, keys=TABLE_KEYS)
    columns = [key for key in said.reference.answers if not truth_values.is_drawn(key, said)]
    if said.reference.answers and not columns:
        raise TableUnreadable(
            f"The truth is boxes: name the columns {truth_boxes.IMAGE}, {', '.join(truth_boxes.EDGES)}."
        )
    matching = case_tables.match(table.study, content, keys=TABLE_KEYS, columns=columns)
    return truth_values.typed(matching, said)


@transaction.atomic
def import_table(table: OutsideTable, *, by: User, reason: str = "") -> TruthVersion:
    """Take the rows that found a case into the open version. Raises Refused."""
    study = _locked_study(table.study)
    matching = preview(table)
    if not matching.matched:
        raise Refused("No row of the table finds a case, so there is nothing to take.")
    version = _open_version(study, Source.IMPORT, by=by, reason=reason)
    case_tables.kept(table)
    for row in matching.matched:
        _add_values(version, row.case, row.values)
    detail = {"version": version.number, "sha256": table.sha256, "cases": len(matching.matched)}
    trail.record(Action.TRUTH_IMPORTED, of=f"truth:{version.pk}", study=study.slug, detail=detail)
    return version


def find_segmentations(study: Study, when: str) -> SegmentationsFound:
    """The newest SEG or RTSTRUCT series of each case that meets the condition. Raises ValueError for a bad one."""
    conditions.check(when, conditions.ROUTING)
    cases = list(Case.objects.filter(study=study).exclude(state=Case.State.EXCLUDED).select_related("exam"))
    series = _outside_series(cases)
    with_series = [case for case in cases if case.exam_id in series]
    headers = headers_of_each([case.exam for case in with_series])
    chosen: dict[int, Series] = {}
    problems: list[str] = []
    for case in with_series:
        try:
            found = _meeting(when, headers[case.exam_id], series[case.exam_id])
        except (conditions.Unanswered, HeaderUnreadable) as fault:
            problems.append(f"Case {case.number}: {fault}")
            continue
        if found is not None:
            chosen[case.pk] = found
    return SegmentationsFound(chosen=chosen, problems=tuple(problems))


@transaction.atomic
def import_segmentations(study: Study, when: str, *, by: User, reason: str = "") -> TruthVersion:
    """Take the series that meet the condition as the truth of their cases. Raises Refused, ValueError."""
    study = _locked_study(study)
    found = find_segmentations(study, when)
    if not found.chosen:
        raise Refused("No case has a series that meets the condition, so there is nothing to take.")
    version = _open_version(study, Source.SEGMENTATIONS, by=by, reason=reason)
    for case in Case.objects.filter(pk__in=found.chosen):
        _put(version, case, series=found.chosen[case.pk])
    detail = {"version": version.number, "cases": len(found.chosen)}
    trail.record(Action.TRUTH_IMPORTED, of=f"truth:{version.pk}", study=study.slug, detail=detail)
    return version


@transaction.atomic
def record_decision(case: Case, values: Mapping[str, Any], by: User) -> CaseTruth:
    """What a panel or an adjudicator decided becomes the case's truth in the open version. Raises Refused."""
    study = _locked_study(case.study)
    source = Source.PANEL if reference_of(study).source == "panel" else Source.ADJUDICATION
    version = _open_version(study, source, by=by, reason=f"Decided for case {case.number}")
    kept = _put(version, case, values=dict(values))
    detail = {"version": version.number, "case": case.number, "source": source.value}
    trail.record(Action.TRUTH_DECIDED, of=f"truth:{version.pk}", study=study.slug, detail=detail)
    return kept


@transaction.atomic
def lock_newest(study: Study, *, by: User) -> TruthVersion:
    """Make the newest version final. Raises Refused when there is none, when it is final, or when it holds nothing."""
    study = _locked_study(study)
    version = newest(study)
    if version is None or not version.cases.exists():
        raise Refused("There is the truth of no case yet: import some first.")
    if version.is_locked:
        raise Refused(f"Version {version.number} is locked already.")
    version.locked_at, version.locked_by = now(), by
    version.save(update_fields=["locked_at", "locked_by"])
    trail.record(Action.TRUTH_LOCKED, of=f"truth:{version.pk}", study=study.slug, detail={"version": version.number})
    return version


def _open_version(study: Study, source: TruthVersion.Source, *, by: User, reason: str) -> TruthVersion:
    """The version that is not locked: the newest, or a new one that begins as a copy of it, for a reason."""
    last = newest(study)
    if last is not None and not last.is_locked:
        return last
    if last is not None and not reason.strip():
        raise Refused(f"Version {last.number} is locked. Say why there is to be a new one.")
    version = TruthVersion.objects.create(
        study=study, number=last.number + 1 if last else 1, source=source, reason=reason.strip(), made_by=by
    )
    if last is not None:
        CaseTruth.objects.bulk_create(
            CaseTruth(version=version, case_id=old.case_id, values=old.values, series_id=old.series_id)
            for old in last.cases.all()
        )
    return version


def _add_values(version: TruthVersion, case: Case, values: Mapping[str, Any]) -> CaseTruth:
    """Beside what is there under other keys: answers come in one table, boxes in another."""
    before = CaseTruth.objects.filter(version=version, case=case).values_list("values", flat=True).first()
    return _put(version, case, values={**(before or {}), **values})


def _put(version: TruthVersion, case: Case, **fields: Any) -> CaseTruth:
    kept, _ = CaseTruth.objects.update_or_create(version=version, case=case, defaults=fields)
    return kept


def _locked_study(study: Study) -> Study:
    study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    if study.stage == Study.Stage.CLOSED:
        raise Refused(f"{study} is closed: nothing of it changes any more.")
    return study


def _outside_series(cases: list[Case]) -> dict[int, list[Series]]:
    found: dict[int, list[Series]] = {}
    exams = [case.exam_id for case in cases]
    wanted = Series.objects.filter(
        exam__in=exams, origin=Series.Origin.RECEIVED, modality__in=outside_findings.SEGMENTATIONS
    )
    for one in wanted.order_by("-changed_at", "-pk"):
        found.setdefault(one.exam_id, []).append(one)
    return found


def _meeting(when: str, headers: Any, series: list[Series]) -> Series | None:
    """The newest of `series` that meets the condition. Raises conditions.Unanswered, HeaderUnreadable."""
    if isinstance(headers, HeaderUnreadable):
        raise headers
    by_uid = dict(
        zip(
            [h.series_instance_uid for h in headers],
            judging.candidates(headers, called_ae="", calling_ae=""),
            strict=True,
        )
    )
    return next((one for one in series if conditions.holds(when, by_uid[one.series_instance_uid].facts)), None)
