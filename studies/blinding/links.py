"""Addresses of a read's images in the viewer."""

from __future__ import annotations

from studies.annotation import showing
from studies.blinding import salts
from studies.models import ArmFinding, Read
from viewer_static import links

MOST_SIDE_BY_SIDE = 9
"""Findings that the viewer's layouts take; see viewer_static/ohif/portal/side-by-side.js."""


def dicomweb_root(read: Read) -> str:
    """Path of the DICOMweb root that serves this read, and nothing else."""
    return f"/reads/{read.pk}/dicomweb"


def viewer_url(read: Read) -> str:
    """The viewer on the images of `read`, with its finding laid over them, or with several side by side.

    The address names neither patient nor exam nor arm. Only the read's reader gets anything by it, and only while the
    read may be looked at; see `access.scope_of`.
    """
    salt = salts.of_read(read.study.slug, read.pk)
    exam = salt.remapped(read.case.exam.study_instance_uid)
    if read.kind == Read.Kind.ANNOTATION:
        return _editor_url(read, exam, salt)
    shown = [finding_series_uid(salt, arm) for arm in _arms_with_images(read)]
    return links.viewer_url(
        exam,
        series_uid=shown[0] if len(shown) == 1 else None,
        dicomweb_root=dicomweb_root(read),
        hanging_protocol=f"overread-side-by-side-{min(len(shown), MOST_SIDE_BY_SIDE)}" if len(shown) > 1 else None,
    )


def finding_series_uid(salt: salts.Salt, arm: str, *, turn: str = "") -> str:
    """Series Instance UID under which a read shows the finding of `arm`; turn: as `selection.ArmObjects` has it."""
    return salt.uid("finding", arm, *filter(None, [turn]))


def _editor_url(read: Read, exam: str, salt: salts.Salt) -> str:
    """The viewer's editing tools, on the mask as it is, or on the images where there is none yet."""
    series = showing.shown(read)
    turn = series.series_instance_uid if series else ""
    return links.correction_url(
        exam,
        segmentation_series_uid=finding_series_uid(salt, read.condition, turn=turn) if series else None,
        dicomweb_root=dicomweb_root(read),
    )


def _arms_with_images(read: Read) -> list[str]:
    """The read's arms, in its order, of which there is something to be drawn."""
    found = ArmFinding.objects.filter(case=read.case_id, arm__in=read.arms, replaced_at=None)
    drawn = set(found.exclude(result=None, series=None).values_list("arm", flat=True))
    return [arm for arm in read.arms if arm in drawn]
