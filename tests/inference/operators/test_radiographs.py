"""Grey levels as the standard has them, and images that are refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sequence import Sequence

from inference.errors import NoFittingView, NotARadiograph, UnreadableImage
from inference.operators import registry
from inference.operators.radiographs import ViewCondition, choose_views, load_radiographs, windowed
from inference.operators.values import Radiograph
from tests.inference.operators.projections import dx, ramp, series

STEPS = np.arange(16, dtype=np.float32).reshape(4, 4) / 15


def load(instance: Dataset) -> Radiograph:
    return load_radiographs(series(instance)).images[0]


def shown(**attributes: Any) -> NDArray[np.float32]:
    return load(dx(ramp(), **attributes)).pixels


def test_without_a_window_the_whole_range_is_shown() -> None:
    np.testing.assert_allclose(shown(), STEPS, atol=1e-6)
    assert shown().dtype == np.float32


@pytest.mark.parametrize(
    "polarity",
    [
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    ],
)
def test_low_values_are_bright_however_the_image_says_so_and_never_twice(polarity: dict[str, Any]) -> None:
    np.testing.assert_allclose(shown(**polarity), 1 - STEPS, atol=1e-6)


def test_monochrome2_with_the_shape_identity_stays_as_it_is() -> None:
    np.testing.assert_allclose(shown(PresentationLUTShape="IDENTITY"), STEPS, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "at_start", "at_centre", "at_end"),
    [
        # PS3.3 C.11.2.1.2.1 with centre 2048 and width 4096: 0 and 4095 are the ends, 2047.5 is the middle.
        ("LINEAR", (0, 0.0), (2047.5, 0.5), (4095, 1.0)),
        ("LINEAR_EXACT", (0, 0.0), (2048, 0.5), (4096, 1.0)),
        ("SIGMOID", (0, 1 / (1 + np.exp(2))), (2048, 0.5), (4096, 1 / (1 + np.exp(-2)))),
    ],
)
def test_windows_follow_the_three_functions_of_the_standard(
    function: str, at_start: tuple[float, float], at_centre: tuple[float, float], at_end: tuple[float, float]
) -> None:
    points = (at_start, at_centre, at_end)
    values = np.array([value for value, _ in points], dtype=np.float32)
    found = windowed(values, centre=2048, width=4096, function=function)
    np.testing.assert_allclose(found, [wanted for _, wanted in points], atol=1e-6)


def test_a_window_of_width_1_is_a_step() -> None:
    found = windowed(np.array([9, 10, 11], dtype=np.float32), centre=10, width=1, function="LINEAR")
    assert found.tolist() == [0, 1, 1]


def test_the_first_of_several_windows_counts_after_the_rescale() -> None:
    attributes = {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": [4095, 50], "WindowWidth": [8191, 1]}
    found = shown(**attributes)
    wanted = np.clip((2.0 * ramp() - 100 - 4094.5) / 8190 + 0.5, 0, 1)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_voi_table_goes_before_a_window() -> None:
    table = Dataset()
    table.LUTDescriptor = [16, 0, 8]
    table.LUTData = [255] * 8 + [0] * 8
    stored = np.arange(16, dtype=np.uint16).reshape(4, 4)
    instance = dx(stored, VOILUTSequence=Sequence([table]), WindowCenter=8, WindowWidth=16)
    assert load(instance).pixels.ravel().tolist() == [1.0] * 8 + [0.0] * 8


def test_padding_is_black_in_either_polarity() -> None:
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        found = shown(PhotometricInterpretation=photometric, PixelPaddingValue=4095, PixelPaddingRangeLimit=3822)
        assert found.ravel()[-2:].tolist() == [0, 0]
        assert found.ravel()[7] > 0


@pytest.mark.parametrize(
    ("attributes", "spacing"),
    [
        ({}, None),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.2, 0.1], "EstimatedRadiographicMagnificationFactor": 1.25}, (0.16, 0.08)),
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.15, 0.14]}, (0.15, 0.14)),
    ],
)
def test_spacing_is_that_in_the_patient_where_the_image_knows_it(
    attributes: dict[str, Any], spacing: tuple[float, float] | None
) -> None:
    assert load(dx(ramp(), **attributes)).spacing_mm == (pytest.approx(spacing) if spacing else None)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, r"Image 1 of series 1 is in colour \(RGB\)"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "in colour"),
        ({"NumberOfFrames": 4}, "has 4 frames"),
        ({"Modality": "CT"}, "of modality CT, not CR, DX, MG"),
    ],
)
def test_what_is_no_radiograph_is_refused_in_words(attributes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotARadiograph, match=reason):
        load(dx(ramp(), **attributes))


def test_cut_off_pixels_are_refused_in_words() -> None:
    instance = dx(ramp())
    instance.PixelData = instance.PixelData[:10]
    with pytest.raises(UnreadableImage, match="Image 1 of series 1: its pixels cannot be read"):
        load(instance)


def test_images_come_in_the_order_of_series_and_number_however_they_are_spread() -> None:
    together = [dx(ramp(), number=number) for number in (3, 1, 2)]
    apart = [dx(ramp(), series_number=number) for number in (3, 1, 2)]
    loaded = [load_radiographs(series(*one)).images for one in (together, apart)]
    assert [image.instance.InstanceNumber for image in loaded[0]] == [1, 2, 3]
    assert [image.instance.SeriesNumber for image in loaded[1]] == [1, 2, 3]


FRONTAL = ViewCondition(when='instance.ViewPosition == "AP"', otherwise="It is not a frontal view.")
WIDE = ViewCondition(when="instance.Columns >= instance.Rows", otherwise="It is too narrow")


def test_views_that_do_not_fit_are_left_out_and_listed_with_the_reason() -> None:
    views = [dx(ramp(), number=3), dx(ramp(), number=1, ViewPosition="AP"), dx(ramp(), number=2, ViewPosition="LL")]
    chosen = choose_views(series(*views), conditions=[FRONTAL])
    assert [one.InstanceNumber for one in chosen.instances] == [1]
    assert chosen.remarks == (
        'Image 2 of series 1 was left out: It is not a frontal view (instance.ViewPosition is "LL").',
        "Image 3 of series 1 was left out: It is not a frontal view (the instance lacks ViewPosition).",
    )


def test_an_exam_without_a_fitting_view_is_refused_with_every_reason() -> None:
    tall = np.zeros((5, 3), dtype=np.uint16)
    views = [dx(ramp(), number=1, ViewPosition="LL"), dx(tall, number=2, ViewPosition="AP")]
    with pytest.raises(NoFittingView) as refusal:
        choose_views(series(*views), conditions=[FRONTAL, WIDE])
    said = str(refusal.value)
    assert "Image 1 of series 1 was left out: It is not a frontal view" in said
    assert "Image 2 of series 1 was left out: It is too narrow (instance.Columns is 3, instance.Rows is 5)" in said


def test_conditions_are_checked_when_the_definition_is_read() -> None:
    schema = registry.find("choose-views").parameters
    fitting = {"when": 'instance.ViewPosition == "AP"', "otherwise": "not frontal"}
    schema.model_validate({"conditions": [fitting]})
    for expression, complaint in (("instance.ViewPositoin", "did you mean"), ("series.Modality", "expected only")):
        with pytest.raises(ValueError, match=complaint):
            schema.model_validate({"conditions": [{**fitting, "when": f'{expression} == "AP"'}]})
