"""Filing many new instances at a time: one transaction and one fsync of the folder for those of a series.

A batch takes only what is plain. Whatever is refused, known already, or held by another process is left to be filed
alone, and so is a whole series in which anything goes wrong: one bad file never holds up or hides another.
The order is that of `filing`: linked, fsynced, committed, and only then out of the spool.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from django.db import InterfaceError, OperationalError, transaction

from dicom_ingest import filing, spool
from dicom_ingest.header import Header, read_header
from dicom_ingest.models import Instance, QuarantinedInstance, Series
from dicom_ingest.spool import Spooled

_logger = logging.getLogger(__name__)

_Group = dict[Path, tuple[Spooled, Header]]


def file_new(paths: Iterable[Path]) -> dict[Path, Instance]:
    """File those of the waiting files that are plain, and return their instances.

    Raises DatabaseError or OSError when the database or the disk is away; what was not filed waits on.
    """
    filed: dict[Path, Instance] = {}
    with ExitStack() as claims:
        for group in _by_series(paths, claims):
            filed |= _filed(group)
    return filed


def _by_series(paths: Iterable[Path], claims: ExitStack) -> list[_Group]:
    """What can be claimed and read, by series and called AE title."""
    groups: defaultdict[tuple[str, str, str], _Group] = defaultdict(dict)
    for path in paths:
        spooled = claims.enter_context(spool.claimed_if_free(path))
        header = _readable(spooled) if spooled else None
        if spooled and header:
            groups[header.study_uid, header.series_uid, header.called_ae][path] = (spooled, header)
    return list(groups.values())


def _readable(spooled: Spooled) -> Header | None:
    try:
        return read_header(spooled.file)
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - refused or a defect: filed alone, it is told with its reason
        return None


def _filed(group: _Group) -> dict[Path, Instance]:
    try:
        instances = _file_once(group)
    except (OperationalError, InterfaceError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - filed alone, the one at fault is told with its reason
        _logger.info("%d instances are filed one by one (%s).", len(group), type(error).__name__)
        return {}
    for path in instances:
        path.unlink(missing_ok=True)
    return instances


def _file_once(group: _Group) -> dict[Path, Instance]:
    first = next(header for _, header in group.values())
    with transaction.atomic(durable=True):
        series = filing.locked_series(first, origin=Series.Origin.RECEIVED)
        new = _new(group)
        if not new:
            return {}
        arrivals = {path: spooled.arrived_at for path, (spooled, _) in new.items()}
        headers = {path: header for path, (_, header) in new.items()}
        instances = filing.create_all(headers, series, received_at=arrivals)
        filing.touch_route_anew(instances, first, first_at=min(arrivals.values()), last_at=max(arrivals.values()))
        QuarantinedInstance.objects.filter(file_name__in=[path.name for path in new]).delete()
    return dict(zip(new, instances, strict=True))


def _new(group: _Group) -> _Group:
    """Those whose SOP Instance UID is neither filed yet nor that of one before in the group."""
    uids = [header.sop_uid for _, header in group.values()]
    seen = set(Instance.objects.filter(sop_instance_uid__in=uids).values_list("sop_instance_uid", flat=True))
    new: _Group = {}
    for path, (spooled, header) in group.items():
        if header.sop_uid not in seen:
            seen.add(header.sop_uid)
            new[path] = (spooled, header)
    return new
