"""What cannot be filed is quarantined with a reason that says what to do."""

import struct
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from dicom_ingest import store
from dicom_ingest.indexer import index, index_waiting
from dicom_ingest.models import Exam, Instance, QuarantinedInstance, Series
from tests.dicom_ingest.scanner import Scanner, encoded, mr_series
from tests.dicom_ingest.waiting import compressed, filed, frame, image, quarantined, spooled

pytestmark = pytest.mark.django_db

Reason = QuarantinedInstance.Reason


def test_what_is_not_dicom_is_quarantined_with_its_reason(scanner: Scanner) -> None:
    scanner.send_bytes(b"GIF89a" * 40)
    (outcome,) = index_waiting()
    row = outcome.quarantined
    assert row is not None
    assert (row.reason, row.called_ae, row.calling_ae) == (Reason.NOT_DICOM, "BRAIN", "SCANNER")
    assert "Send DICOM instances only" in row.explanation
    assert (store.quarantine_folder() / row.file_name).read_bytes().endswith(b"GIF89a" * 40)


def test_a_file_in_the_spool_that_never_was_dicom_is_quarantined() -> None:
    path = spooled(b"")
    path.write_bytes(b"somebody dropped this here")
    row = index(path).quarantined
    assert row is not None
    assert (row.reason, row.called_ae) == (Reason.NOT_DICOM, "")


def test_an_empty_dataset_is_quarantined() -> None:
    assert quarantined(b"").reason == Reason.NOT_DICOM


def test_an_image_without_pixels_is_quarantined_with_its_reason() -> None:
    dataset = image()
    del dataset.PixelData
    row = quarantined(dataset)
    assert row.reason == Reason.NO_PIXELS
    assert "MR Image Storage" in row.explanation


def test_pixel_data_of_no_extent_are_no_pixels() -> None:
    assert quarantined(image(Rows=0, NumberOfFrames=2**31 - 1)).reason == Reason.NO_PIXELS


def test_a_truncated_file_is_quarantined_with_its_reason() -> None:
    row = quarantined(encoded(image())[:-100])
    assert row.reason == Reason.TRUNCATED
    assert "412 bytes where 512 are needed" in row.explanation


def test_pixel_data_shorter_than_the_image_are_truncated() -> None:
    assert quarantined(image(PixelData=b"\0" * 100)).reason == Reason.TRUNCATED


def test_compressed_pixel_data_without_their_end_are_truncated() -> None:
    whole = compressed([b"first!", b"second"], frames=2)
    assert quarantined(whole[:-8], syntax=JPEGBaseline8Bit).reason == Reason.TRUNCATED
    assert quarantined(whole[:-12], syntax=JPEGBaseline8Bit).reason == Reason.TRUNCATED
    fewer = compressed([b"first!"], frames=2)
    assert quarantined(fewer, syntax=JPEGBaseline8Bit).reason == Reason.TRUNCATED


def test_a_deflated_dataset_that_does_not_inflate_is_truncated() -> None:
    assert quarantined(b"\xff" * 64, syntax=DeflatedExplicitVRLittleEndian).reason == Reason.TRUNCATED


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_an_image_cut_anywhere_is_never_taken_for_a_whole_one(syntax: UID) -> None:
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "T-D1100", "Head"
    dataset = image(AnatomicRegionSequence=Sequence([inner]))
    dataset["AnatomicRegionSequence"].is_undefined_length = True
    dataset.AnatomicRegionSequence[0].is_undefined_length_sequence_item = True
    whole = encoded(dataset, syntax)
    refused = [Reason.NOT_DICOM, Reason.TRUNCATED, Reason.NO_PIXELS, Reason.MISSING_ATTRIBUTE]
    for end in [*range(0, len(whole) - 512, 7), len(whole) - 300, len(whole) - 1]:
        assert quarantined(whole[:end], syntax=syntax).reason in refused, end
    assert Instance.objects.count() == 0
    assert filed(dataset, syntax=syntax)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
@pytest.mark.parametrize("uid", ["1.2/../../../tmp/escaped", "1.02.3", "1.2\\1.3"])
def test_a_malformed_uid_reaches_no_path(keyword: str, uid: str, store: Path) -> None:
    row = quarantined(image(**{keyword: uid}))
    assert row.reason == Reason.BAD_UID
    assert keyword in row.explanation
    assert not (store / "exams").exists()


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_missing_uid_is_named(keyword: str) -> None:
    dataset = image()
    delattr(dataset, keyword)
    row = quarantined(dataset)
    assert row.reason == Reason.MISSING_ATTRIBUTE
    assert keyword in row.explanation


def test_pixel_data_that_nothing_describes_are_quarantined() -> None:
    dataset = image()
    del dataset.Rows
    row = quarantined(dataset)
    assert row.reason == Reason.MISSING_ATTRIBUTE
    assert "Rows" in row.explanation


def test_attributes_that_describe_the_pixels_senselessly_are_quarantined() -> None:
    once, twice = b"\x28\0\0\1US\2\0\x10\0", b"\x28\0\0\1US\4\0\x10\0\x10\0"  # BitsAllocated
    row = quarantined(encoded(image()).replace(once, twice))
    assert row.reason == Reason.MISSING_ATTRIBUTE
    assert "unusable" in row.explanation


def test_other_content_under_a_known_uid_is_quarantined_and_the_first_kept() -> None:
    dataset = image()
    first = filed(dataset)
    dataset.PixelData = b"\7" * 512
    assert quarantined(dataset).reason == Reason.CONFLICT
    assert Instance.objects.get() == first
    assert frame(first) != b"\7" * 512


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_known_uid_in_another_place_is_quarantined(keyword: str) -> None:
    dataset = image()
    filed(dataset)
    setattr(dataset, keyword, "1.2.3.4")
    assert quarantined(dataset).reason == Reason.CONFLICT
    assert Exam.objects.count() == Series.objects.count() == 1


def test_a_series_that_belongs_to_another_exam_is_quarantined() -> None:
    first, second = mr_series(slices=2)
    filed(first)
    second.StudyInstanceUID = "1.2.3.4"
    assert quarantined(second).reason == Reason.CONFLICT
    assert Exam.objects.count() == 1


def test_nothing_of_the_patient_is_in_an_explanation() -> None:
    dataset = image()
    del dataset.Rows
    explanation = quarantined(dataset).explanation
    assert "Birch" not in explanation
    assert "DEMO-0002" not in explanation


def test_a_frame_table_cannot_be_overrun() -> None:
    """An item that claims more bytes than the file has."""
    whole = compressed([b"first!"], frames=1)
    broken = whole.replace(struct.pack("<HHL", 0xFFFE, 0xE000, 6), struct.pack("<HHL", 0xFFFE, 0xE000, 600))
    assert quarantined(broken, syntax=JPEGBaseline8Bit).reason == Reason.TRUNCATED
