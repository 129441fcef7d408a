"""What is filed, and what it leaves in the database, the store and the header."""

import json
import os
import re
import zlib

import pytest
from pydicom import dcmread
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    SegmentationStorage,
)

from dicom_ingest import spool, store
from dicom_ingest.indexer import index_waiting
from dicom_ingest.models import Exam, Instance, Route, Series
from tests.dicom_ingest.scanner import Scanner, encoded, mr_series
from tests.dicom_ingest.waiting import compressed, filed, frame, image, path_of, spooled

pytestmark = pytest.mark.django_db


def test_a_series_becomes_an_exam_with_its_series_and_instances(scanner: Scanner) -> None:
    sent = mr_series(slices=5)
    scanner.send(sent)
    assert len(index_waiting()) == 5
    exam = Exam.objects.get()
    assert (exam.patient_id, exam.patient_name, exam.accession_number) == ("DEMO-0002", "Demo^Birch", "ACC0002")
    assert (str(exam.patient_birth_date), str(exam.study_date)) == ("1960-02-29", "2024-01-31")
    series = exam.series.get()
    assert (series.modality, series.series_number, series.origin) == ("MR", 3, Series.Origin.RECEIVED)
    assert list(series.instances.values_list("instance_number", flat=True)) == [1, 2, 3, 4, 5]
    assert spool.waiting() == []


def test_the_stored_file_holds_the_dataset_as_it_was_sent(scanner: Scanner) -> None:
    payload = encoded(image())
    scanner.send_bytes(payload)
    (outcome,) = index_waiting()
    assert outcome.instance is not None
    assert path_of(outcome.instance).read_bytes().endswith(payload)
    assert outcome.instance.size == path_of(outcome.instance).stat().st_size


def test_two_exams_interleaved_on_one_association_stay_apart(scanner: Scanner) -> None:
    first, second = mr_series(slices=3), mr_series(slices=3)
    scanner.send(one for pair in zip(first, second, strict=True) for one in pair)
    index_waiting()
    for sent in (first, second):
        exam = Exam.objects.get(study_instance_uid=sent[0].StudyInstanceUID)
        found = set(Instance.objects.filter(series__exam=exam).values_list("sop_instance_uid", flat=True))
        assert found == {one.SOPInstanceUID for one in sent}
        assert exam.routes.get().received_instances == 3


def test_one_exam_sent_to_two_titles_has_two_routes(scanner: Scanner) -> None:
    sent = mr_series(slices=3)
    scanner.send(sent, called_ae="BRAIN")
    scanner.send(sent, called_ae="LIVER")
    index_waiting()
    exam = Exam.objects.get()
    assert dict(exam.routes.values_list("called_ae", "received_instances")) == {"BRAIN": 3, "LIVER": 3}
    assert Instance.objects.count() == 3


def test_a_resend_is_counted_and_changes_nothing_else(scanner: Scanner) -> None:
    sent = mr_series(slices=2)
    scanner.send(sent)
    index_waiting()
    Route.objects.update(completed_at=Route.objects.get().last_instance_at)
    before = Route.objects.values().get()
    scanner.send(sent)
    outcomes = index_waiting()
    assert [one.is_repeat for one in outcomes] == [True, True]
    assert Route.objects.values().get() == before
    assert list(Instance.objects.values_list("repeats", flat=True)) == [1, 1]
    assert spool.waiting() == []


def test_a_late_instance_reopens_the_route_and_drops_the_series_metadata() -> None:
    first, late = mr_series(slices=2)
    instance = filed(first)
    route = Route.objects.get()
    Route.objects.update(completed_at=route.last_instance_at)
    metadata = store.metadata_path(first.StudyInstanceUID, first.SeriesInstanceUID)
    metadata.write_bytes(b"as of the first")
    changed_at = instance.series.changed_at
    filed(late)
    route.refresh_from_db()
    assert (route.completed_at, route.received_instances) == (None, 2)
    assert Series.objects.get().changed_at > changed_at
    assert not metadata.exists()


def test_the_first_and_last_instance_are_timed_by_their_arrival() -> None:
    for path, seconds in zip([spooled(one) for one in mr_series(slices=2)], (100, 160), strict=True):
        os.utime(path, (seconds, seconds))
    index_waiting()
    route = Route.objects.get()
    assert (route.first_instance_at.timestamp(), route.last_instance_at.timestamp()) == (100, 160)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_native_frame_is_found_by_its_byte_range(syntax: UID) -> None:
    dataset = image(NumberOfFrames=3, PixelData=bytes(range(256)) * 6)
    instance = filed(dataset, syntax=syntax)
    assert instance.number_of_frames == 3
    assert [frame(instance, number) for number in (1, 2, 3)] == [bytes(range(256)) * 2] * 3


def test_a_compressed_frame_is_found_by_its_byte_range() -> None:
    instance = filed(compressed([b"first!", b"second"], frames=2), syntax=JPEGBaseline8Bit)
    assert [frame(instance, 1), frame(instance, 2)] == [b"first!", b"second"]


def test_a_single_compressed_frame_in_several_fragments_is_all_of_them() -> None:
    instance = filed(compressed([b"first!", b"second"], frames=1), syntax=JPEGBaseline8Bit)
    content = path_of(instance).read_bytes()
    (fragments,) = instance.frames
    assert [content[offset : offset + length] for offset, length in fragments] == [b"first!", b"second"]


def test_an_offset_table_tells_which_fragments_are_a_frame() -> None:
    # Items of 8 + 6 bytes: the second frame begins with the third fragment.
    told = compressed([b"one, a", b"one, b", b"two, a"], frames=2, table=[0, 28])
    instance = filed(told, syntax=JPEGBaseline8Bit)
    content = path_of(instance).read_bytes()
    pieces = [entry if isinstance(entry[0], list) else [entry] for entry in instance.frames]
    read = [[content[offset : offset + length] for offset, length in frame] for frame in pieces]
    assert read == [[b"one, a", b"one, b"], [b"two, a"]]


@pytest.mark.parametrize("table", [[], [0], [0, 5], [28, 0], [14, 28]])
def test_fragments_without_a_usable_offset_table_are_kept_without_ranges(table: list[int]) -> None:
    told = compressed([b"one, a", b"one, b", b"two, a"], frames=2, table=table)
    assert filed(told, syntax=JPEGBaseline8Bit).frames == []


def test_a_deflated_instance_is_kept_whole_without_ranges() -> None:
    dataset = image()
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    payload = deflater.compress(encoded(dataset)) + deflater.flush()
    instance = filed(payload, syntax=DeflatedExplicitVRLittleEndian)
    assert instance.frames == []
    assert dcmread(path_of(instance)).PixelData == dataset.PixelData


@pytest.mark.parametrize(("side", "lengths", "first_bits"), [(16, [32, 32], []), (5, [4, 4], [0, 1])])
def test_one_bit_frames_that_share_bytes_also_name_their_first_bit(
    side: int, lengths: list[int], first_bits: list[int]
) -> None:
    pixels = bytes(side * side * 2 // 8 + 1)
    dataset = image(BitsAllocated=1, BitsStored=1, HighBit=0, NumberOfFrames=2, PixelData=pixels)
    dataset.Rows = dataset.Columns = side
    dataset.SOPClassUID = SegmentationStorage
    frames = filed(dataset).frames
    assert [length for _, length, *_ in frames] == lengths
    assert [bit for _, _, *shared in frames for bit in shared] == first_bits
    assert frames[1][0] - frames[0][0] == side * side // 8


def test_an_instance_that_is_no_image_needs_no_pixels() -> None:
    dataset = image(SOPClassUID=BasicTextSRStorage, Modality="SR")
    del dataset.PixelData, dataset.Rows, dataset.Columns
    assert filed(dataset).frames == []


def header_of(instance: Instance) -> dict[str, dict[str, object]]:
    header: dict[str, dict[str, object]] = json.loads(path_of(instance).with_suffix(".json").read_text("utf-8"))
    return header


def test_the_header_is_dicom_json_with_numbers_and_without_pixels() -> None:
    header = header_of(filed(image(SpecificCharacterSet="ISO_IR 192", PatientName="Demo^Bırch=雨^樺", EchoTime="2.5")))
    assert header["00180081"]["Value"] == [2.5]
    assert header["00200013"] == {"vr": "IS", "Value": [1]}
    assert header["00200032"]["Value"] == [0.0, 0.0, 1.0]
    assert header["00100010"]["Value"] == [{"Alphabetic": "Demo^Bırch", "Ideographic": "雨^樺"}]
    assert header["00083002"]["Value"] == [ExplicitVRLittleEndian]
    assert "7FE00010" not in header
    assert list(header) == sorted(header)


def test_an_odd_value_is_left_out_of_the_header_and_the_instance_filed() -> None:
    payload = encoded(image(EchoTime="2.5", StudyDate="20240131"))
    payload = payload.replace(b"DS\x04\x002.5 ", b"DS\x04\x00abc ").replace(
        b"DA\x08\x0020240131", b"DA\x08\x002024-1-3"
    )
    instance = filed(payload)
    assert "00180081" not in header_of(instance)
    assert header_of(instance)["00180050"]["Value"] == [1.0]
    assert instance.series.exam.study_date is None


def test_what_no_number_can_hold_becomes_null_in_the_header() -> None:
    dataset = image()
    dataset.add_new(0x00189073, "FD", float("nan"))
    assert header_of(filed(dataset))["00189073"]["Value"] == [None]


def test_small_bulk_values_are_inline_and_large_private_ones_stay_in_the_file() -> None:
    dataset = image()
    block = dataset.private_block(0x0029, "OVERREAD TEST", create=True)
    block.add_new(1, "OB", b"small!")
    block.add_new(2, "OB", b"x" * 5000)
    header = header_of(filed(dataset))
    assert header["00291001"] == {"vr": "OB", "InlineBinary": "c21hbGwh"}
    uri = header["00291002"]["BulkDataURI"]
    assert header["00291002"] == {"vr": "OB", "BulkDataURI": uri}
    assert re.fullmatch("/dicomweb/studies/[0-9.]+/series/[0-9.]+/instances/[0-9.]+/bulkdata/00291002", str(uri))


def test_attributes_longer_than_their_columns_or_odd_are_filed_all_the_same() -> None:
    payload = encoded(image(StudyDescription="x" * 64, InstanceNumber=1, PatientID="a\\b"))
    payload = payload.replace(b"LO\x40\x00" + b"x" * 64, b"LO\x60\x00" + b"x" * 94 + b"\0y")
    payload = payload.replace(b"\x20\x00\x13\x00IS\x02\x001 ", b"\x20\x00\x13\x00IS\x0e\x0099999999999999")
    instance = filed(payload)
    assert instance.series.exam.study_description == "x" * 64
    assert instance.series.exam.patient_id == "a\\b"
    assert instance.instance_number is None
