"""The gate of everything that leaves: nothing, unless a study's governance decision names the destination.

This app knows no study. `studies` registers, at start-up, the one function that answers from its decisions; until then
nothing leaves.
"""

from collections.abc import Callable

from django.db.models import QuerySet

from dicom_ingest.models import Exam, Series
from dicom_ingest.pacs.errors import Refused
from dicom_ingest.pacs.models import Remote

Gate = Callable[[str, Remote, Exam], QuerySet[Series]]


class _Provider:
    """The function that `studies` registers."""

    gate: Gate | None = None


def register(gate: Gate) -> None:
    """Let `studies` answer: the series of an exam that a study may send to a remote, or Refused with the reason."""
    _Provider.gate = staticmethod(gate)


def sendable(study: str, remote: Remote, exam: Exam) -> QuerySet[Series]:
    """The series of `exam` that may leave for `remote` on behalf of `study`. Raises Refused, with the reason."""
    if not remote.active or not remote.may_send:
        raise Refused(f"Nothing may be sent to {remote}. An administrator can allow it.")
    if _Provider.gate is None:
        raise Refused("No study can allow anything to be sent.")
    return _Provider.gate(study, remote, exam)
