"""What holds for every kind of object: whose it is, of what standing, and that a repeated run makes the same again."""

from __future__ import annotations

import gzip
import logging
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pydicom
import pytest
from pydicom import Dataset

from inference.errors import OperatorContractBroken
from inference.identity import Identity
from inference.operators.values import SourceSeries
from inference.products import FinishedRun, WrittenFile
from inference.schema import DEMONSTRATION_NOTICE, NOTICE, ObjectKind
from inference.writers import WRITERS, provenance, sr, write_all
from tests.inference.series import write as write_series
from tests.inference.writers.runs import hips_and_chest, multi_frame_series, two_organs, verdict
from tests.inference.writers.sources import ct_series, radiographs

KINDS: tuple[ObjectKind, ...] = get_args(ObjectKind)
DICOM_KINDS = tuple(kind for kind in KINDS if kind != "nifti")
UIDS = ("SeriesInstanceUID", "SOPInstanceUID")


def asking_for(run: FinishedRun, *kinds: ObjectKind, demonstration: bool = False) -> FinishedRun:
    """The run, had its pipeline asked for objects of these kinds."""
    outputs = run.pipeline.outputs.model_copy(update={"objects": list(kinds)})
    changed = {"outputs": outputs, "demonstration": demonstration}
    return replace(run, pipeline=run.pipeline.model_copy(update=changed))


def objects(files: list[WrittenFile]) -> list[Dataset]:
    return [pydicom.dcmread(file.path) for file in files]


def test_there_is_a_writer_for_every_kind_and_files_come_in_the_order_asked_for(tmp_path: Path) -> None:
    assert set(WRITERS) == set(KINDS)
    files = write_all(asking_for(two_organs(ct_series()), *reversed(KINDS)), tmp_path / "new folder")
    assert [file.kind for file in files] == list(reversed(KINDS))
    assert all(file.path.stat().st_size > 0 and file.description for file in files)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("demonstration", "notice"), [(False, NOTICE), (True, DEMONSTRATION_NOTICE)])
def test_every_object_says_of_what_standing_it_is(
    kind: ObjectKind, demonstration: bool, notice: str, tmp_path: Path
) -> None:
    (file,) = write_all(asking_for(two_organs(ct_series()), kind, demonstration=demonstration), tmp_path)
    content = file.path.read_bytes()
    assert notice.encode() in (gzip.decompress(content) if kind == "nifti" else content)


def test_a_repeated_run_makes_the_same_uids_and_another_run_others(tmp_path: Path) -> None:
    def uids(run: str) -> list[str]:
        identity = Identity(salt="salt", run=run)
        volume = write_all(asking_for(two_organs(ct_series(), identity=identity), *DICOM_KINDS), tmp_path)
        images = write_all(asking_for(hips_and_chest(radiographs(), identity=identity), "capture"), tmp_path)
        return [str(one[keyword].value) for one in objects([*volume, *images]) for keyword in UIDS]

    first, again, other = uids("job 1"), uids("job 1"), uids("job 2")
    assert first == again
    assert not set(first) & set(other)
    assert len(set(first)) == 2 * len(DICOM_KINDS) + 1, "one series a kind, one UID an instance"


def test_kinds_are_told_apart_by_their_series_numbers(tmp_path: Path) -> None:
    written = objects(write_all(asking_for(two_organs(ct_series()), *DICOM_KINDS), tmp_path))
    numbers = [int(one.SeriesNumber) for one in written]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) > 1000
    assert {one.SeriesDescription for one in written} == {"Brain extraction 1.0.0"}


@pytest.mark.parametrize("kind", DICOM_KINDS)
def test_patient_and_exam_are_named_as_in_the_source_however_odd(
    kind: ObjectKind, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    instances = ct_series()
    for instance in instances:
        instance.SpecificCharacterSet = "ISO_IR 100"
        instance.PatientName, instance.PatientSex, instance.PatientBirthDate = "Müller", "U", ""
        del instance.AccessionNumber, instance.ReferringPhysicianName
    with caplog.at_level(logging.DEBUG):
        (one,) = objects(write_all(asking_for(two_organs(instances), kind), tmp_path))
    assert (str(one.PatientName), one.PatientSex, one.AccessionNumber) == ("Müller", "U", "")
    assert one.StudyInstanceUID == instances[0].StudyInstanceUID
    assert "Müller" not in caplog.text
    assert instances[0].PatientName == "Müller", "the source is left as it was"


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192"])
def test_what_is_copied_of_the_exam_keeps_its_letters(charset: str, tmp_path: Path) -> None:
    instances = ct_series()
    for instance in instances:
        instance.SpecificCharacterSet, instance.PatientName = charset, "Müller^Jürgen"
        instance.StudyDescription = "Schädel nativ"
    folder = write_series(instances, tmp_path / "received")
    received = SourceSeries.from_files(folder.iterdir()).instances
    for one in objects(write_all(asking_for(two_organs(received), *DICOM_KINDS), tmp_path / "out")):
        assert str(one.PatientName) == "Müller^Jürgen"
        assert one.StudyDescription == "Schädel nativ"


@pytest.mark.parametrize("kind", DICOM_KINDS)
def test_every_object_names_the_pipeline_its_version_and_its_digest(kind: ObjectKind, tmp_path: Path) -> None:
    run = asking_for(two_organs(multi_frame_series()), kind)
    (one,) = objects(write_all(run, tmp_path))
    assert (one.Manufacturer, one.ManufacturerModelName) == ("Overread", "brain-extraction")
    assert one.SoftwareVersions == provenance.software_version(run.pipeline)
    assert one.DeviceSerialNumber == run.pipeline.digest
    assert "Error" not in verdict(tmp_path / next(tmp_path.iterdir()).name)


def test_a_box_on_an_image_that_the_run_did_not_see_is_a_fault_of_the_operator(tmp_path: Path) -> None:
    run = hips_and_chest(radiographs())
    lost = replace(run.outputs.boxes[0], sop_instance_uid="1.2.3")
    with pytest.raises(OperatorContractBroken, match=r"1\.2\.3"):
        sr.write(replace(run, outputs=replace(run.outputs, boxes=(lost,))), tmp_path)
