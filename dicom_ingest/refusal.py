"""Why bytes cannot be filed, as a reason to count and a sentence to read."""

from dicom_ingest.models import QuarantinedInstance

Reason = QuarantinedInstance.Reason


class Refused(Exception):
    """An instance that cannot be filed; `explanation` says what is wrong and what to do, without a patient's data."""

    def __init__(self, reason: QuarantinedInstance.Reason, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason
        self.explanation = explanation
