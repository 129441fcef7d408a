"""What an annotator sees over the images: their own newest mask, else the pipeline's that they start from."""

from __future__ import annotations

from dicom_ingest.models import Series
from inference.models import Result
from studies.models import ArmMask, Case, Read
from studies.protocols.protocol_schema import PeopleFindings, Protocol


def newest_mask(read: Read) -> ArmMask | None:
    """What the read's annotator gave last."""
    return ArmMask.objects.filter(read=read).select_related("series", "started_from").first()


def start_of(protocol: Protocol, arm: str) -> str:
    """The pipeline that the arm's annotators start from; empty where they start from nothing."""
    findings = protocol.arm(arm).findings
    return findings.start if isinstance(findings, PeopleFindings) else ""


def start_result(case: Case, protocol: Protocol, arm: str) -> Result | None:
    """The current result with whose mask they start, where it is there."""
    name = start_of(protocol, arm)
    if not name:
        return None
    digest = next((one.digest for one in protocol.pipelines if one.name == name), "")
    found = Result.objects.current().filter(exam=case.exam_id, job__pipeline__name=name).exclude(segmentation=None)
    if digest:
        found = found.filter(job__pipeline__digest=digest)
    return found.select_related("segmentation", "job__pipeline").first()


def shown(read: Read) -> Series | None:
    """The segmentation that the read shows over its images."""
    if (mask := newest_mask(read)) is not None:
        return mask.series
    result = start_result(read.case, read.protocol.content, read.condition)
    return result.segmentation if result else None


def begun_with(read: Read) -> Result | None:
    """With whose mask the one that is drawn now was begun."""
    if (mask := newest_mask(read)) is not None:
        return mask.started_from
    return start_result(read.case, read.protocol.content, read.condition)
