"""What other parts of Overread file: instances that came over DICOMweb, and results."""

import gzip
import json
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    SegmentationStorage,
)

from dicom_ingest import spool, store
from dicom_ingest.indexer import NotFiled, file_derived, index_waiting, receive_part10
from dicom_ingest.models import Instance, Route, Series
from tests.dicom_ingest.scanner import Scanner
from tests.dicom_ingest.waiting import filed, frame, image

pytestmark = pytest.mark.django_db


def part10(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_a_file_that_came_over_dicomweb_is_filed_at_once() -> None:
    outcome = receive_part10(part10(image()), called_ae="STOW-RS")
    assert outcome.instance is not None
    assert Route.objects.get().called_ae == "STOW-RS"
    assert spool.waiting() == []


def test_the_same_instance_over_dimse_and_dicomweb_is_one(scanner: Scanner) -> None:
    dataset = image()
    scanner.send([dataset])
    index_waiting()
    assert receive_part10(part10(dataset), called_ae="STOW-RS").is_repeat
    assert set(Route.objects.values_list("called_ae", "received_instances")) == {("BRAIN", 1), ("STOW-RS", 1)}


def derived_from(source: Dataset) -> Dataset:
    dataset = image(StudyInstanceUID=source.StudyInstanceUID)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    dataset.Modality = "SEG"
    return dataset


def test_a_result_is_filed_in_its_own_series_without_a_route() -> None:
    source = image()
    exam = filed(source).series.exam
    instance = file_derived(derived_from(source), exam=exam)
    assert (instance.series.exam, instance.series.origin) == (exam, Series.Origin.DERIVED)
    assert Route.objects.get().received_instances == 1
    assert frame(instance) == source.PixelData
    packed = store.metadata_path(exam.study_instance_uid, instance.series.series_instance_uid).read_bytes()
    (header,) = json.loads(gzip.decompress(packed))
    assert header["00080018"]["Value"] == [instance.sop_instance_uid]
    assert list(store.spool_folder().iterdir()) == []


def test_the_same_result_again_is_the_same_instance() -> None:
    source = image()
    exam = filed(source).series.exam
    result = derived_from(source)
    assert file_derived(result, exam=exam) == file_derived(result, exam=exam)
    assert Instance.objects.count() == 2


def test_a_result_of_another_exam_or_in_a_received_series_is_refused() -> None:
    source = image()
    exam = filed(source).series.exam
    with pytest.raises(NotFiled, match="cannot be filed"):
        file_derived(image(), exam=exam)
    result = derived_from(source)
    result.SeriesInstanceUID = source.SeriesInstanceUID
    with pytest.raises(NotFiled, match="needs a series of its own"):
        file_derived(result, exam=exam)
    assert Instance.objects.count() == 1
