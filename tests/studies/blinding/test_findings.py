"""Findings made anew: the right pixels in the right place, alike for all arms; and what cannot be shown, with why."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from django.test import Client
from highdicom.seg import Segmentation
from pydicom.sr.coding import Code

from portal.models import User
from studies.blinding import preparation
from studies.blinding.errors import Unshowable
from studies.models import ArmFinding
from tests.inference.series import CORONAL
from tests.inference.writers.runs import verdict
from tests.studies.blinding.conftest import MakeScene
from tests.studies.blinding.makers import (
    LIVER,
    SHAPE,
    SPLEEN,
    Masks,
    Scene,
    box,
    ours,
    persons,
    scan,
    sent,
    vendors,
)
from tests.studies.blinding.reached import Root

SignIn = Callable[[User], Client]
BOTH = {LIVER: box(), SPLEEN: box(low=2, high=5)}


def served(root: Root) -> list[pydicom.Dataset]:
    """The findings of the read as files, by series number."""
    found = []
    for row in root.series("SEG"):
        study, series = root.studies[0], row["0020000E"]["Value"][0]
        at = f"/studies/{study}/series/{series}"
        sop = root.json(f"{at}/instances")[0]["00080018"]["Value"][0]
        answer = root.get(f"{at}/instances/{sop}", "application/dicom; transfer-syntax=*")
        found.append(pydicom.dcmread(BytesIO(answer.body)))
    return sorted(found, key=lambda one: int(one.SeriesNumber))


def drawn(dataset: pydicom.Dataset, segment: int) -> Any:
    """A segment's mask by another's reading of the object, in the order of its frames."""
    sops = [
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for frame in dataset.PerFrameFunctionalGroupsSequence[: SHAPE[0]]
    ]
    found = Segmentation.from_dataset(dataset)
    return found.get_pixels_by_source_instance(sops, segment_numbers=[segment])[..., 0]


@pytest.fixture
def served_of(signed_in: SignIn) -> Callable[..., list[pydicom.Dataset]]:
    def get(scene: Scene, *arms: str) -> list[pydicom.Dataset]:
        return served(Root(signed_in(scene.reader), scene.read(*arms)))

    return get


ServedOf = Callable[..., list[pydicom.Dataset]]


@pytest.mark.parametrize("masks", [{LIVER: box()}, BOTH], ids=["one", "two"])
def test_every_arms_pixels_are_where_it_drew_them(
    make_scene: MakeScene, segmented: Callable[[Scene, Masks], None], served_of: ServedOf, masks: Masks
) -> None:
    scene = make_scene()
    segmented(scene, masks)
    for finding in served_of(scene, "machine", "vendor", "novice"):
        assert finding.NumberOfFrames == SHAPE[0] * len(masks)
        labels = [segment.SegmentLabel for segment in finding.SegmentSequence]
        assert labels == ["Liver", "Spleen"][: len(masks)]
        for number, mask in enumerate(masks.values(), start=1):
            np.testing.assert_array_equal(drawn(finding, number), mask)


def test_it_is_a_valid_segmentation_by_anothers_judgement(scene: Scene, served_of: ServedOf, tmp_path: Path) -> None:
    (finding,) = served_of(scene, "vendor")
    file = tmp_path / "finding.dcm"
    finding.save_as(file)
    said = verdict(file)
    assert "Segmentation" in said
    assert [line for line in said.splitlines() if line.startswith("Error")] == []


def test_it_lies_on_the_images_of_the_read(scene: Scene, signed_in: SignIn) -> None:
    root = Root(signed_in(scene.reader), scene.read("vendor"))
    (finding,) = served(root)
    (images,) = root.series("MR")
    at = f"/studies/{root.studies[0]}/series/{images['0020000E']['Value'][0]}"
    assert finding.ReferencedSeriesSequence[0].SeriesInstanceUID == images["0020000E"]["Value"][0]
    header = root.json(f"{at}/metadata")[2]
    frame = finding.PerFrameFunctionalGroupsSequence[2]
    source = frame.DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == header["00080018"]["Value"][0]
    assert frame.PlanePositionSequence[0].ImagePositionPatient == header["00200032"]["Value"]
    assert finding.FrameOfReferenceUID == header["00200052"]["Value"][0]


def test_an_arm_that_draws_less_has_empty_segments_in_its_place(make_scene: MakeScene, served_of: ServedOf) -> None:
    scene = make_scene()
    scene.finding("vendor", sent(vendors(scene.instances, BOTH)))
    scene.finding("novice", sent(persons(scene.instances, {SPLEEN: box()})))
    more, less = served_of(scene, "vendor", "novice")
    assert len(more.SegmentSequence) == len(less.SegmentSequence) == 2
    assert len(more.PixelData) == len(less.PixelData)
    assert not drawn(less, 1).any()
    assert drawn(less, 2).any()


def test_structures_that_only_one_arm_knows_make_the_case_unshowable(make_scene: MakeScene) -> None:
    scene = make_scene()
    own = Code("HEPAR", "99VENDOR", "Hepar")
    scene.finding("vendor", sent(vendors(scene.instances, {own: box(), SPLEEN: box(low=2)})))
    scene.finding("novice", sent(persons(scene.instances, BOTH)))
    with pytest.raises(Unshowable, match=r"draws a structure .* that arm .* does not"):
        preparation.prepare(scene.read("vendor"))


def test_a_private_code_of_a_single_structure_does_not_tell(make_scene: MakeScene, served_of: ServedOf) -> None:
    scene = make_scene()
    scene.finding("vendor", sent(vendors(scene.instances, {Code("HEPAR", "99VENDOR", "Hepar"): box()})))
    scene.finding("novice", sent(persons(scene.instances, {LIVER: box()})))
    labels = {one.SegmentSequence[0].SegmentLabel for one in served_of(scene, "vendor", "novice")}
    assert labels == {"Structure"}


def test_a_segmentation_in_another_orientation_is_brought_onto_the_images(
    make_scene: MakeScene, served_of: ServedOf
) -> None:
    """Drawn on a finer coronal scan of the same place, voxel for voxel the same box."""
    scene = make_scene()
    mask = box()
    spacing, origin = 2.0, (-20.0, -30.0, -40.0)
    rows, columns = SHAPE[1:]
    turned = np.repeat(mask.transpose(1, 0, 2)[:, ::-1], 2, axis=1).astype(np.uint8)
    coronal = scan_coronal(scene, turned.shape, origin=origin, thickness=spacing, rows=rows, columns=columns)
    scene.finding("vendor", sent(vendors(coronal, {LIVER: turned}, kind="BINARY")))
    scene.finding("novice", sent(persons(scene.instances, {LIVER: mask})))
    brought, straight = served_of(scene, "vendor", "novice")
    np.testing.assert_array_equal(drawn(straight, 1), mask)
    np.testing.assert_array_equal(drawn(brought, 1), mask)


def scan_coronal(
    scene: Scene,
    shape: tuple[int, ...],
    *,
    origin: tuple[float, float, float],
    thickness: float,
    rows: int,
    columns: int,
) -> list[pydicom.Dataset]:
    """Coronal planes over the scan, 1 mm apart, with rows of half the scan's slice distance from the top down."""
    from tests.inference.series import mr_series

    top = origin[2] + thickness * (SHAPE[0] - 1) + thickness / 4
    planes = mr_series(
        np.zeros(shape, np.uint16),
        orientation=CORONAL,
        spacing=(1.0, thickness / 2, 1.0),
        origin=(origin[0], origin[1], top),
        series_number=8,
    )
    for plane in planes:
        for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "FrameOfReferenceUID", "AccessionNumber"):
            setattr(plane, keyword, getattr(scene.instances[0], keyword))
    return planes


def test_a_finding_elsewhere_makes_the_case_unshowable_and_says_which_and_why(make_scene: MakeScene) -> None:
    scene = make_scene()
    elsewhere = scan(FrameOfReferenceUID=hd.UID())
    for number, image in enumerate(elsewhere):
        image.ImagePositionPatient = [500.0, 500.0, 500.0 + 2 * number]
    scene.finding("vendor", sent(vendors(elsewhere, {LIVER: box()})))
    with pytest.raises(Unshowable, match=r'arm "vendor" \(series 77, SEG\) cannot be shown: .*frame of reference'):
        preparation.prepare(scene.read("vendor"))


def test_a_reader_of_an_unshowable_case_is_told_no_reason(make_scene: MakeScene, signed_in: SignIn) -> None:
    scene = make_scene()
    answer = Root(signed_in(scene.reader), scene.read("vendor")).get("/studies")
    assert answer.status == 409
    assert b"vendor" not in answer.body


def test_an_image_with_text_burned_in_is_refused_unless_the_patient_is_shown(make_scene: MakeScene) -> None:
    scene = make_scene(images={"BurnedInAnnotation": "YES"})
    with pytest.raises(Unshowable, match="text burned into"):
        preparation.prepare(scene.read())


def test_a_finding_that_was_replaced_stays_for_who_opened_it_before(make_scene: MakeScene, signed_in: SignIn) -> None:
    from django.utils.timezone import now

    scene = make_scene()
    first = scene.finding("vendor", sent(vendors(scene.instances, {LIVER: box()})))
    opened = scene.read("vendor", state="opened", opened_at=now())
    ArmFinding.objects.filter(pk=first.pk).update(replaced_at=now())
    scene.finding("vendor", sent(vendors(scene.instances, {LIVER: box(high=3)})))
    later = scene.read("vendor", condition="again")
    client = signed_in(scene.reader)
    (before,), (after,) = served(Root(client, opened)), served(Root(client, later))
    assert drawn(before, 1).sum() > drawn(after, 1).sum() > 0


def test_a_structure_set_is_shown_as_the_segmentation_that_it_draws(
    make_scene: MakeScene, served_of: ServedOf, tmp_path: Path
) -> None:
    from inference.operators.loading import load_volume
    from inference.operators.values import Mask
    from inference.writers import rtstruct
    from tests.inference.series import source
    from tests.inference.writers.runs import finished, volumetric

    scene = make_scene()
    volume = load_volume(source(scene.instances))
    segments = [Mask(volume.with_array(mask)) for mask in BOTH.values()]
    structures = rtstruct.make_structures(finished(scene.instances, volumetric(), segments=segments))
    scene.finding("vendor", sent(structures))
    scene.finding("machine", ours(scene.instances, BOTH, folder=tmp_path / "run"))
    contoured, masked = served_of(scene, "vendor", "machine")
    for number in (1, 2):
        np.testing.assert_array_equal(drawn(contoured, number), drawn(masked, number))
