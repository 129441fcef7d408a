"""Which exams, series and findings a read shows: what the database says, before anything is made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q
from django.utils.timezone import now

from dicom_ingest.models import Exam, Instance, Series
from studies.annotation import showing
from studies.blinding.attributes import image_classes
from studies.models import ArmFinding, Case, Read
from studies.protocols.protocol_schema import DicomFindings, PipelineFindings, Protocol

DRAWN_KINDS = ("SEG", "RTSTRUCT", "SR")
"""Modalities of findings that can be shown blind. Captures and documents have text burned in, and never are."""


@dataclass(frozen=True, kw_only=True)
class ShownExam:
    """One exam of a read. prior: 0 for the case's own, then 1 for the latest before it."""

    exam: Exam
    prior: int
    instances: tuple[Instance, ...]

    @property
    def description(self) -> str:
        return "Exam" if self.prior == 0 else f"Earlier exam {self.prior}"


@dataclass(frozen=True, kw_only=True)
class ArmObjects:
    """What one arm says of the case, as DICOM objects of one kind each. arm: its key in the protocol.

    turn: tells what stands for the arm now from what stood for it before in the same read, where that changes.
    """

    arm: str
    by_kind: Mapping[str, tuple[Instance, ...]]
    turn: str = ""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """All that a read shows. arms: every arm of the case that is drawn, also those that this read does not show, for
    what is shown of one must look like what is shown of the others."""

    exams: tuple[ShownExam, ...]
    arms: tuple[ArmObjects, ...]
    missing: tuple[str, ...]
    """Keys of the read's arms that have to be drawn and of which nothing is here."""

    @property
    def fingerprint(self) -> str:
        """Of everything that is shown: another one means that the read has to be made anew."""
        told = [one.sha256 for exam in self.exams for one in exam.instances]
        told += [
            f"{arm.arm} {kind} {one.sha256}" for arm in self.arms for kind, all_ in arm.by_kind.items() for one in all_
        ]
        return hashlib.sha256("\n".join([*told, *self.missing]).encode()).hexdigest()


def select(read: Read) -> Selection:
    """What `read` shows: findings as they were when it was opened, or as they are now.

    An annotator's read shows the arm's mask as far as it is made, alone: the annotator's own, or what they start from.
    """
    if read.kind == Read.Kind.ANNOTATION:
        return _of_annotation(read)
    return select_for(read.case, read.protocol.content, arms=read.arms, moment=read.opened_at or now())


def select_for(case: Case, protocol: Protocol, *, arms: Iterable[str], moment: datetime) -> Selection:
    """What a read of `arms` of the case shows under a protocol, with findings as they were at `moment`."""
    findings = findings_at(case, protocol.design.arms_named, moment)
    exams = [case.exam, *_priors(case.exam, count=protocol.blinding.priors)]
    objects = tuple(one for one in map(_objects, findings) if one.by_kind)
    here = {one.arm for one in objects}
    return Selection(
        exams=tuple(shown_exam(exam, number) for number, exam in enumerate(exams)),
        arms=objects,
        missing=tuple(arm for arm in arms if _is_drawn(protocol, arm) and arm not in here),
    )


def _of_annotation(read: Read) -> Selection:
    images = select_for(read.case, read.protocol.content, arms=(), moment=now())
    series = showing.shown(read)
    if series is None:
        return replace(images, arms=())
    drawn = Instance.objects.filter(series=series, series__modality="SEG").select_related("series__exam")
    mask = ArmObjects(arm=read.condition, by_kind={"SEG": tuple(drawn)}, turn=series.series_instance_uid)
    return replace(images, arms=(mask,))


def findings_at(case: Case, arms: Iterable[str], moment: datetime) -> list[ArmFinding]:
    """The findings of those arms that counted at `moment`, by key of the arm."""
    counted = Q(replaced_at=None) | Q(replaced_at__gt=moment)
    found = ArmFinding.objects.filter(counted, case=case, arm__in=list(arms), added_at__lte=moment)
    return list(found.select_related("result", "series").order_by("arm", "pk"))


def _is_drawn(protocol: Protocol, arm: str) -> bool:
    """Whether that arm's findings come as DICOM objects: people's answers and tables of values do not."""
    found = protocol.arm(arm)
    return found.is_annotated or isinstance(found.findings, DicomFindings | PipelineFindings)


def _priors(exam: Exam, *, count: int) -> list[Exam]:
    """The patient's last exams before this one, the latest first."""
    if not count or not exam.patient_id or exam.study_date is None:
        return []
    earlier = Exam.objects.filter(
        patient_id=exam.patient_id, issuer_of_patient_id=exam.issuer_of_patient_id, study_date__lt=exam.study_date
    )
    return list(earlier.order_by("-study_date", "-study_time", "-pk")[:count])


def shown_exam(exam: Exam, prior: int) -> ShownExam:
    """Acquired images alone: no series that is, or was, the finding of an arm, whatever its class."""
    of_arms = ArmFinding.objects.filter(case__exam=exam).exclude(series=None).values("series")
    series = Series.objects.current().filter(exam=exam, origin=Series.Origin.RECEIVED).exclude(pk__in=of_arms)
    images = Instance.objects.filter(series__in=series.values("pk"), sop_class_uid__in=image_classes(), rows__gt=0)
    ordered = images.select_related("series").order_by("series__series_number", "series_id", "instance_number", "pk")
    return ShownExam(exam=exam, prior=prior, instances=tuple(ordered))


def _objects(finding: ArmFinding) -> ArmObjects:
    by_kind: dict[str, list[Instance]] = {}
    instances = Instance.objects.filter(series__in=_series(finding), series__modality__in=DRAWN_KINDS)
    for instance in instances.select_related("series__exam").order_by("series_id", "instance_number", "pk"):
        by_kind.setdefault(instance.series.modality, []).append(instance)
    return ArmObjects(arm=finding.arm, by_kind={kind: tuple(found) for kind, found in sorted(by_kind.items())})


def _series(finding: ArmFinding) -> list[int]:
    found = [finding.series_id] if finding.series_id is not None else []
    if finding.result is not None:
        found += [finding.result.segmentation_id] if finding.result.segmentation_id is not None else []
        found += list(finding.result.files.exclude(series=None).values_list("series_id", flat=True))
    return found
