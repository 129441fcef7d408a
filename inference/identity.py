"""UIDs that follow from an installation's secret and a run, so that a repeated run replaces its own half-done work."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import UID


@dataclass(frozen=True)
class Identity:
    """Where the UIDs of a result come from.

    salt: a secret of the installation, so that nobody else can recompute them. run: names the run; a run that is
    repeated after a crash makes the same UIDs again, and so replaces its own half-done work.
    """

    salt: str
    run: str

    def uid(self, *parts: str) -> UID:
        """A UID under 2.25 (PS3.5 B.2) that follows from the salt and `parts` alone."""
        text = "\x00".join(parts).encode()
        digest = hmac.new(self.salt.encode(), text, hashlib.sha256).digest()
        return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")

    def tracking_uid(self, source: Dataset, *, pipeline: str, segment: str) -> UID:
        """One UID for one structure of one patient, the same in all of the patient's exams (PS3.3 C.8.20.2)."""
        patient = (str(source.get("PatientID", "")), str(source.get("IssuerOfPatientID", "")))
        # Without a patient id there is no telling who two exams belong to: they must not be linked.
        scope = patient if patient[0] else (str(source.StudyInstanceUID),)
        return self.uid("tracking", *scope, pipeline, segment)
