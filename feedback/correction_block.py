"""The part of a page that offers to correct a segmentation, and tells what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feedback.models import CorrectedStructure, Correction


@dataclass(frozen=True, kw_only=True)
class CorrectionBlock:
    """What the reader is shown.

    address: of this part; begin: opens the editor; empty: takes "no lesion"; structures: what was measured; failure:
    why nothing could be; closed: why nothing can be corrected now, "" where it can; problem: what went wrong just now.
    """

    address: str
    begin: str
    empty: str
    correction: Correction | None = None
    structures: Sequence[CorrectedStructure] = ()
    failure: str = ""
    closed: str = ""
    problem: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether the page asks again soon."""
        return self.correction is not None and self.correction.state == Correction.State.MEASURING

    @property
    def has_failed(self) -> bool:
        return self.correction is not None and self.correction.state == Correction.State.FAILED
