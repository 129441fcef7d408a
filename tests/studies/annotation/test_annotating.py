"""From a file to the finding of an arm: what is taken, what is refused with which words, and who gets the case then."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.db import IntegrityError
from numpy.typing import NDArray
from pydicom import dcmread

from dicom_ingest.models import Series
from portal.audit.models import Entry
from studies.annotation import annotating, dealing
from studies.annotation.errors import NotAMask
from studies.blinding import ahead, preparation, salts
from studies.blinding.drawing import file_of
from studies.models import ArmFinding, ArmMask, Read
from studies.protocols import protocol
from studies.reading import assignment, reads
from studies.reading.reads import ReadRefused
from studies.refusals import Refused
from tests.studies.annotation.conftest import MakeBench
from tests.studies.annotation.makers import Bench, affine_of, dicom_file, nifti, volumes
from tests.studies.annotation.makers import file_of as nifti_file
from tests.studies.blinding.makers import LIVER, SHAPE, SPLEEN, box, persons, vendors

pytestmark = pytest.mark.django_db


def upload(bench: Bench, read: Read, file: io.BytesIO, name: str = "mask") -> ArmMask:
    return annotating.upload(read.pk, by=bench.annotator, claim=read.claim, file=file, name=name)


def submit(bench: Bench, read: Read, *, is_absent: bool = False) -> ArmMask:
    return annotating.submit(
        read.pk, by=bench.annotator, claim=read.claim, is_absent=is_absent, notes="a note", active=0
    )


def label_file(bench: Bench, *, liver: int = 1, spleen: int = 2) -> io.BytesIO:
    drawn = liver * box() + spleen * box(low=0, high=1)
    return nifti_file(nifti(drawn.astype(np.int16), affine_of(bench.instances)))


def stored(mask: ArmMask) -> NDArray[np.uint8]:
    """(segments, planes, rows, columns) of the stored SEG, by what its frames say of themselves."""
    dataset = dcmread(file_of(mask.series.instances.select_related("series__exam").get()))
    found = np.zeros((len(dataset.SegmentSequence), *SHAPE), np.uint8)
    for pixels, groups in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        height = groups.PlanePositionSequence[0].ImagePositionPatient[2]
        found[number - 1, round((height + 40) / 2)] = pixels
    return found


def test_a_nifti_file_becomes_the_finding_on_the_images_own_grid_and_readers_get_the_case(liver: Bench) -> None:
    read = liver.given()
    assert assignment.assign_in(liver.study) == 0  # the case waits for the expert's mask
    mask = upload(liver, read, label_file(liver), "expert.nii")
    assert mask.way == "nifti"
    assert np.array_equal(stored(mask), np.stack([box(), box(low=0, high=1)]))
    assert volumes(mask.structures) == {"Acme Liver": 0.09, "Acme Spleen": 0.02}
    assert liver.finding() is None  # until it is submitted
    submit(liver, read)
    finding = liver.finding()
    assert finding is not None and finding.series == mask.series
    assert assignment.assign_in(liver.study) == 2  # machine and expert, by the one reader
    assert (Path(settings.OVERREAD_STORE) / mask.original).read_bytes() == label_file(liver).getvalue()


def test_the_answer_keeps_what_was_submitted_with_its_time(liver: Bench) -> None:
    read = liver.given()
    upload(liver, read, label_file(liver))
    submit(liver, read)
    read.refresh_from_db()
    kept = reads.latest_response(read)
    assert read.state == "submitted" and kept is not None
    assert kept.answers == {"mask": "drawn", "notes": "a note"}
    actions = list(Entry.objects.values_list("action", flat=True))
    assert {"mask given to an arm", "mask taken as an arm's finding"} <= set(actions)


def test_its_series_reaches_no_pipeline_and_no_search(liver: Bench) -> None:
    mask = upload(liver, liver.given(), label_file(liver))
    assert mask.series.origin == Series.Origin.DRAWN
    assert mask.series not in Series.objects.for_everybody()


@pytest.mark.parametrize("kind", ["vendor", "person", "remapped"])
def test_a_seg_is_taken_under_the_exams_uids_and_under_those_of_the_reads_root(liver: Bench, kind: str) -> None:
    read = liver.given()
    masks = {LIVER: box(), SPLEEN: box(low=0, high=1)}
    sent = persons(liver.instances, masks) if kind == "person" else vendors(liver.instances, masks, kind="BINARY")
    if kind == "remapped":
        salt = salts.of_read(liver.study.slug, read.pk)
        for element in sent.iterall():
            if element.VR == "UI" and element.keyword in UIDS:
                element.value = salt.remapped(str(element.value))
        sent.StudyInstanceUID = salt.remapped(liver.instances[0].StudyInstanceUID)
        sent.FrameOfReferenceUID = salt.remapped(liver.instances[0].FrameOfReferenceUID)
    mask = upload(liver, read, dicom_file(sent))
    assert np.array_equal(stored(mask), np.stack([box(), box(low=0, high=1)]))
    header = dcmread(file_of(mask.series.instances.select_related("series__exam").get()), stop_before_pixels=True)
    assert header.StudyInstanceUID == liver.case.exam.study_instance_uid
    assert [one.SegmentLabel for one in header.SegmentSequence] == ["Acme Liver", "Acme Spleen"]


UIDS = {"ReferencedSOPInstanceUID", "SeriesInstanceUID"}


def test_a_mask_without_one_of_the_structures_has_it_absent(liver: Bench) -> None:
    mask = upload(liver, liver.given(), dicom_file(vendors(liver.instances, {SPLEEN: box()}, kind="BINARY")))
    assert volumes(mask.structures) == {"Acme Liver": 0.0, "Acme Spleen": 0.09}


def test_nothing_there_is_an_answer_that_readers_are_shown_as_an_empty_mask(liver: Bench) -> None:
    read = liver.given()
    submit(liver, read, is_absent=True)
    mask = ArmMask.objects.get()
    assert mask.is_absent and not stored(mask).any() and liver.finding() is not None


def test_without_a_mask_nothing_is_submitted(liver: Bench) -> None:
    read = liver.given()
    with pytest.raises(ReadRefused, match="There is no mask yet"):
        submit(liver, read)
    read.refresh_from_db()
    assert read.state == "opened"


def other_grid(bench: Bench) -> io.BytesIO:
    affine = affine_of(bench.instances)
    affine[:3, 3] += (0, 0, 7)
    return nifti_file(nifti(box(), affine))


def other_exam(bench: Bench) -> io.BytesIO:
    return dicom_file(vendors(bench.instances, {LIVER: box()}, kind="BINARY"), StudyInstanceUID="1.2.3.4")


def moved_seg(bench: Bench) -> io.BytesIO:
    sent = vendors(bench.instances, {LIVER: box(), SPLEEN: box(low=0, high=1)}, kind="BINARY")
    for frame in sent.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence[0].ImagePositionPatient[2] += 0.9
    return dicom_file(sent)


REFUSED = {
    "another grid": (other_grid, r"another grid.*Expected was Series 3: 14 x 12 x 5 voxels"),
    "a label of nothing": (lambda one: label_file(one, spleen=7), "Label 7 .* 1 Acme Liver, 2 Acme Spleen"),
    "another exam": (other_exam, "belongs to another exam"),
    "a moved segmentation": (moved_seg, "does not lie on the images.*Expected was Series 3"),
    "an image": (lambda one: dicom_file(one.instances[0]), "no segmentation"),
    "a text": (lambda one: io.BytesIO(b"mask" * 100), "neither DICOM nor NIfTI"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_the_mask_is_refused_in_words_and_leaves_nothing(liver: Bench, what: str) -> None:
    make, sentence = REFUSED[what]
    read = liver.given()
    series = Series.objects.count()
    with pytest.raises(NotAMask, match=sentence):
        upload(liver, read, make(liver))
    assert not ArmMask.objects.exists() and Series.objects.count() == series
    assert not list((Path(settings.OVERREAD_STORE) / "annotations").iterdir())


def test_a_mask_that_was_given_is_kept_as_it_is(liver: Bench) -> None:
    mask = upload(liver, liver.given(), label_file(liver))
    mask.file_name = "other"
    with pytest.raises(IntegrityError, match="append-only"):
        mask.save()


def test_the_newest_of_several_is_what_is_submitted(liver: Bench) -> None:
    read = liver.given()
    upload(liver, read, label_file(liver))
    newer = upload(liver, read, label_file(liver, liver=2, spleen=1))
    submit(liver, read)
    assert liver.finding() is not None and liver.finding().series == newer.series  # type: ignore[union-attr]


def test_the_annotators_own_root_shows_the_newest_mask_under_uids_of_its_own(liver: Bench) -> None:
    read = liver.given()
    assert [one.modality for one in preparation.prepare(read).manifest.exams[0].series] == ["MR"]
    upload(liver, read, label_file(liver))
    first = shown_segmentation(read)
    upload(liver, read, label_file(liver, liver=0))
    assert first != shown_segmentation(read)


def shown_segmentation(read: Read) -> str:
    [found] = [one.uid for one in preparation.prepare(read).manifest.exams[0].series if one.modality == "SEG"]
    return found


def test_who_runs_the_study_uploads_for_somebody_outside_and_the_annotator_is_spared(liver: Bench) -> None:
    read = liver.given()
    annotating.upload_for(
        liver.case, "expert", by=liver.coordinator, file=label_file(liver), name="a.nii", made_by="Dr Away"
    )
    read.refresh_from_db()
    assert read.state == "withdrawn"
    assert liver.finding() is not None and liver.finding().origin == "Uploaded by runs-it for Dr Away"  # type: ignore[union-attr]
    assert dealing.assign_in(liver.study) == 0


def test_what_readers_have_begun_with_stays(liver: Bench) -> None:
    annotating.upload_for(liver.case, "expert", by=liver.coordinator, file=label_file(liver), name="a.nii")
    assignment.assign_in(liver.study)
    reads.open_read(Read.objects.filter(kind=Read.Kind.READ, position=1).get().pk, by=liver.reader)
    with pytest.raises(Refused, match="Readers have begun"):
        annotating.upload_for(liver.case, "expert", by=liver.coordinator, file=label_file(liver), name="b.nii")


def test_drawing_begins_no_reading(liver: Bench) -> None:
    read = liver.given()
    upload(liver, read, label_file(liver))
    submit(liver, read)
    newer = annotating.upload_for(liver.case, "expert", by=liver.coordinator, file=None)
    assert liver.finding().series == newer.series  # type: ignore[union-attr]
    assert ArmFinding.objects.filter(arm="expert").count() == 2


def test_a_case_that_waits_for_its_mask_is_no_case_that_cannot_be_shown(liver: Bench) -> None:
    assert ahead.check(liver.case).problem == ""
    read = liver.given()
    upload(liver, read, label_file(liver))
    submit(liver, read)
    assert ahead.check(liver.case).problem == ""


def test_a_single_structure_is_whatever_is_drawn(make_bench: MakeBench) -> None:
    """Where no pipeline says which structures there are, labels get numbers for names."""
    arms = [{"key": "expert", "label": "Expert", "findings": {"kind": "people", "gives": "masks"}}]
    bench = make_bench(arms=arms, pipelines=[], design={"kind": "standalone", "arms": ["expert"]})
    mask = upload(bench, bench.given(), label_file(bench, spleen=0, liver=1))
    assert volumes(mask.structures) == {"Structure": 0.09}


def test_the_protocols_start_is_shown_and_named_in_what_is_drawn_on_it(make_bench: MakeBench) -> None:
    bench = make_bench(start="acme-liver")
    read = bench.given()
    shown_segmentation(read)
    sent = vendors(bench.instances, {LIVER: box(high=5), SPLEEN: box(low=0, high=1)}, kind="BINARY")
    mask = annotating.save_drawn(read, dicom_file(sent), by=bench.annotator)
    assert mask.way == "viewer" and mask.started_from is not None
    header = dcmread(file_of(mask.series.instances.select_related("series__exam").get()), stop_before_pixels=True)
    assert {one.SegmentAlgorithmType for one in header.SegmentSequence} == {"SEMIAUTOMATIC"}


def test_what_the_viewer_saved_is_told_by_the_labels_that_it_was_shown(make_bench: MakeBench) -> None:
    """It loses codes, and counts anew behind a segment that was emptied."""
    bench = make_bench(start="acme-liver")
    read = bench.given()
    sent = vendors(bench.instances, {SPLEEN: box()}, kind="BINARY")
    [segment] = sent.SegmentSequence
    segment.SegmentLabel = "Spleen"
    tissue = segment.SegmentedPropertyTypeCodeSequence[0]
    tissue.CodeValue, tissue.CodingSchemeDesignator, tissue.CodeMeaning = "T-D0050", "SRT", "Tissue"
    mask = annotating.save_drawn(read, dicom_file(sent), by=bench.annotator)
    assert volumes(mask.structures) == {"Acme Liver": 0.0, "Acme Spleen": 0.09}


def test_the_protocol_says_in_words_what_its_people_give(liver: Bench) -> None:
    assert protocol.current(liver.study).content.arm("expert").is_annotated
