"""Retrying and discarding what could not be filed."""

import logging

import pytest

from dicom_ingest import store
from dicom_ingest.indexer import index_waiting
from dicom_ingest.models import Instance, QuarantinedInstance, Route
from dicom_ingest.quarantine import discard, retry
from portal.models import User
from tests.dicom_ingest.scanner import encoded, mr_series
from tests.dicom_ingest.waiting import filed, image, quarantined

pytestmark = pytest.mark.django_db


def test_a_retry_that_goes_well_files_the_instance_and_clears_the_row() -> None:
    first, second = mr_series(slices=2)
    instance = filed(first)
    first.PatientComments = "other content"
    row = quarantined(first)
    instance.delete()  # as an administrator would, to keep the second instead
    filed(second)
    retry(row)
    (outcome,) = index_waiting()
    assert outcome.instance is not None
    assert QuarantinedInstance.objects.count() == 0
    assert list(store.quarantine_folder().iterdir()) == []
    assert Route.objects.get().called_ae == "BRAIN"


def test_a_retry_that_fails_again_comes_back_with_its_reason() -> None:
    row = quarantined(b"not DICOM")
    retry(row)
    assert not (store.quarantine_folder() / row.file_name).exists()
    index_waiting()
    again = QuarantinedInstance.objects.get()
    assert (again.pk, again.reason) == (row.pk, row.reason)
    assert again.received_at > row.received_at
    assert (store.quarantine_folder() / row.file_name).is_file()


def test_a_second_retry_before_the_first_is_done_is_told() -> None:
    row = quarantined(b"not DICOM")
    retry(row)
    with pytest.raises(FileNotFoundError):
        retry(row)


def test_discarding_removes_the_row_and_the_bytes_and_says_who(caplog: pytest.LogCaptureFixture) -> None:
    admin = User.objects.create_superuser("admin")
    row = quarantined(encoded(image())[:-100])
    with caplog.at_level(logging.WARNING):
        record = discard(row, by=admin, why="A phantom")
    assert (record.discarded_by, record.why, len(record.sha256)) == (admin, "A phantom", 64)
    assert QuarantinedInstance.objects.count() == Instance.objects.count() == 0
    assert list(store.quarantine_folder().iterdir()) == []
    assert f"{admin.pk} discarded quarantined {row.file_name}" in caplog.text
