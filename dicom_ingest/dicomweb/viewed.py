"""Seeing an exam's images over DICOMweb is put on record once in a while for each user and exam, not for each frame."""

from __future__ import annotations

from dicom_ingest.dicomweb import decisions
from dicom_ingest.dicomweb.scope import Target
from portal.audit import trail
from portal.audit.actions import Action
from portal.audit.once import first_time
from portal.models import User


def note(user: User, target: Target) -> None:
    """`user` gets something of the exam that `target` names. Costs nothing but a look into memory after the first."""
    with first_time(decisions.key("on-record", user.pk, target.study)) as is_first:
        if is_first:
            trail.record_on_exam(Action.IMAGES_VIEWED, exam=target.study)
