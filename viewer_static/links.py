"""Addresses inside the viewer."""

from __future__ import annotations

import re
from urllib.parse import urlencode

PORTAL_DICOMWEB = "/dicomweb"
PRIOR_BESIDE_CURRENT = "overread-prior-beside-current"
"""The layout of viewer_static/ohif/portal/comparison.js."""
DICOMWEB_ROOT_PATTERN = r"^/(dicomweb|(reads|results)/[0-9a-f-]+/dicomweb)$"


def is_dicomweb_root(path: str) -> bool:
    """Whether `path` is one of the portal's own DICOMweb roots, the only ones that the viewer may load from."""
    return "\n" not in path and re.search(DICOMWEB_ROOT_PATTERN, path) is not None


def viewer_url(
    study_instance_uid: str,
    *,
    series_uid: str | None = None,
    dicomweb_root: str = PORTAL_DICOMWEB,
    hanging_protocol: str | None = None,
) -> str:
    """The viewer on one exam; with `series_uid`, on that series: a segmentation laid over its source.

    hanging_protocol: the layout, by its id in the viewer; None for the viewer's own choice.
    """
    return _url(
        "/viewer",
        [study_instance_uid],
        dicomweb_root,
        initialSeriesInstanceUID=series_uid,
        hangingProtocolId=hanging_protocol,
    )


def correction_url(
    study_instance_uid: str, *, segmentation_series_uid: str | None, dicomweb_root: str = PORTAL_DICOMWEB
) -> str:
    """The viewer's editing tools on one segmentation of an exam; None: on its images, to draw a new one."""
    # Without the hanging protocol named, this mode's own takes over, which passes segmentations by.
    return _url(
        "/segmentation",
        [study_instance_uid],
        dicomweb_root,
        initialSeriesInstanceUID=segmentation_series_uid,
        hangingProtocolId="default",
    )


def comparison_url(
    study_instance_uid: str,
    *,
    prior_study_instance_uid: str,
    overlays: tuple[str | None, str | None] = (None, None),
    dicomweb_root: str = PORTAL_DICOMWEB,
) -> str:
    """The viewer with an exam beside an earlier one of the same patient.

    overlays: the series of the segmentation that lies over each, the current exam's first; None for none.
    """
    exams = [study_instance_uid, prior_study_instance_uid]
    if not any(overlays):
        return _url("/viewer", exams, dicomweb_root, hangingProtocolId="@ohif/hpCompare")
    named = ",".join(one or "" for one in overlays)
    return _url("/viewer", exams, dicomweb_root, hangingProtocolId=PRIOR_BESIDE_CURRENT, overlays=named)


def _url(path: str, study_instance_uids: list[str], dicomweb_root: str, **parameters: str | None) -> str:
    """Raises ValueError for a DICOMweb root that is not the portal's."""
    if not is_dicomweb_root(dicomweb_root):
        raise ValueError(f"{dicomweb_root!r} is not a DICOMweb root of the portal.")
    query = {"StudyInstanceUIDs": ",".join(study_instance_uids)}
    query |= {name: value for name, value in parameters.items() if value is not None}
    if dicomweb_root != PORTAL_DICOMWEB:
        query["dicomweb"] = dicomweb_root
    return f"{path}?{urlencode(query, safe=',@/')}"
