"""What a worker of the queue `transfers` does when it is woken."""

from dicom_ingest.pacs import queue, retrieve, send
from dicom_ingest.pacs.models import Retrieval, Sending, Transfer


def run_next() -> None:
    """Run the transfer that is next, one that sends before one that brings in; then wake a worker for another."""
    if not (send.run_next() or retrieve.run_next()):
        return
    if any(model._default_manager.filter(Transfer.claimable()).exists() for model in (Retrieval, Sending)):
        queue.hint()
