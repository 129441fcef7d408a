"""Plain pixels take a short way, all others pydicom's; both give the same values to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from inference import errors
from inference.operators.loading import load_volume
from tests.inference.series import SAGITTAL, mr_series, source

RNG = np.random.default_rng(11)


def series(**attributes: Any) -> list[Dataset]:
    pixels = RNG.integers(0, 2**16, (4, 5, 6)).astype(np.uint16)
    instances = mr_series(pixels)
    for instance in instances:
        for keyword, value in attributes.items():
            setattr(instance, keyword, value)
    return instances


def eight_bits(instances: list[Dataset]) -> None:
    for instance in instances:
        instance.BitsAllocated, instance.BitsStored, instance.HighBit = 8, 8, 7
        instance.Columns, instance.Rows = 5, 5
        instance.PixelData = instance.PixelData[:25] + b"\0"


def implicit(instances: list[Dataset]) -> None:
    for instance in instances:
        instance.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


def compressed(instances: list[Dataset]) -> None:
    for instance in instances:
        instance.compress(RLELossless, generate_instance_uid=False)


def with_table(instances: list[Dataset]) -> None:
    for instance in instances:
        table = Dataset()
        table.LUTDescriptor = [65536 - 1, 0, 16]
        table.ModalityLUTType = "HU"
        table.LUTData = (np.arange(65535)[::-1].astype("<u2")).tolist()
        instance.ModalityLUTSequence = Sequence([table])


def as_they_are(_instances: list[Dataset]) -> None:
    pass


@pytest.mark.parametrize("spoil", [as_they_are, eight_bits, implicit, compressed, with_table])
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"RescaleSlope": "1", "RescaleIntercept": "-1024"},
        {"RescaleSlope": "0.3333", "RescaleIntercept": "-7.1"},
        {"RescaleSlope": "1", "RescaleIntercept": "-1024", "PixelRepresentation": 1},
        {"RescaleSlope": "2.5", "RescaleIntercept": "0", "PixelRepresentation": 1, "BitsStored": 12, "HighBit": 11},
        {"RescaleIntercept": "-1024"},
    ],
)
def test_values_are_those_of_pydicom(spoil: Callable[[list[Dataset]], None], attributes: dict[str, Any]) -> None:
    instances = series(**attributes)
    spoil(instances)
    expected = np.stack([apply_modality_lut(one.pixel_array, one).astype(np.float32) for one in instances])
    np.testing.assert_array_equal(load_volume(source(instances)).array, expected)


def enhanced(pixels: NDArray[np.uint16], *, orientation: tuple[float, ...] = SAGITTAL) -> Dataset:
    instances = mr_series(pixels, orientation=orientation)
    return hd.legacy.LegacyConvertedEnhancedMRImage(
        legacy_datasets=instances,
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
    )


def test_a_multi_frame_image_has_the_values_and_places_that_highdicom_reads() -> None:
    image = enhanced(RNG.integers(0, 2**16, (7, 5, 6)).astype(np.uint16))
    del image.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    for number, frame in enumerate(image.PerFrameFunctionalGroupsSequence):
        rescale = Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1.5 + number, -3, "US"
        frame.PixelValueTransformationSequence = Sequence([rescale])
    theirs = hd.Image.from_dataset(image).get_volume(
        dtype=np.float64, apply_real_world_transform=False, apply_presentation_lut=False
    )
    ours = load_volume(source([image]))
    matched = theirs.match_geometry(ours)
    np.testing.assert_allclose(ours.array, matched.array, rtol=1e-6)
    np.testing.assert_allclose(ours.affine, matched.affine, atol=1e-6)


def test_compressed_frames_are_those_that_were_compressed() -> None:
    image = enhanced(RNG.integers(0, 2**16, (4, 5, 6)).astype(np.uint16))
    plain = load_volume(source([image])).array
    image.compress(RLELossless, generate_instance_uid=False)
    np.testing.assert_array_equal(load_volume(source([image])).array, plain)


def test_shared_groups_hold_for_every_frame() -> None:
    image = enhanced(RNG.integers(0, 2**16, (4, 5, 6)).astype(np.uint16))
    whole = load_volume(source([image]))
    for keyword in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
        for frame in image.PerFrameFunctionalGroupsSequence:
            if keyword in frame:
                setattr(image.SharedFunctionalGroupsSequence[0], keyword, frame[keyword].value)
                del frame[keyword]
    assert load_volume(source([image])).geometry_equal(whole)


def test_several_stacks_in_one_image_are_refused_in_words() -> None:
    image = enhanced(RNG.integers(0, 2**16, (4, 5, 6)).astype(np.uint16))
    for number, frame in enumerate(image.PerFrameFunctionalGroupsSequence):
        content = Dataset()
        content.StackID = str(1 + number // 2)
        frame.FrameContentSequence = Sequence([content])
    with pytest.raises(errors.NotAVolume, match=r"form 2 stacks \(1, 2\), not one volume. Send a single stack"):
        load_volume(source([image]))


def test_frames_of_several_directions_echoes_or_no_place_are_refused_in_words() -> None:
    pixels = RNG.integers(0, 2**16, (4, 5, 6)).astype(np.uint16)
    turned = enhanced(pixels)
    groups = turned.PerFrameFunctionalGroupsSequence
    orientation = Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    groups[2].PlaneOrientationSequence = Sequence([orientation])
    with pytest.raises(errors.MixedOrientations, match="frame 1 and frame 3"):
        load_volume(source([turned]))
    echoes = enhanced(pixels)
    groups = echoes.PerFrameFunctionalGroupsSequence
    for index in (2, 3):
        groups[index].PlanePositionSequence = groups[index - 2].PlanePositionSequence
    with pytest.raises(errors.DuplicatePositions, match="holds 2 images at every position"):
        load_volume(source([echoes]))
    unplaced = enhanced(pixels)
    del unplaced.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    with pytest.raises(errors.MissingGeometry, match="frame 2 lacks ImagePositionPatient"):
        load_volume(source([unplaced]))


def test_a_multi_frame_image_cut_short_is_refused() -> None:
    image = enhanced(RNG.integers(0, 2**16, (4, 5, 6)).astype(np.uint16))
    image.PixelData = image.PixelData[:-50]
    with pytest.raises(errors.UnreadableImage, match="the pixels of frame"):
        load_volume(source([image]))
