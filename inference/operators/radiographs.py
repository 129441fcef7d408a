"""From the projection images of an exam to pictures as a viewer shows them: DX, CR and MG.

The way from stored values to grey levels is that of PS3.3 C.11 and PS3.4 N.2: modality transform, values of interest,
then polarity. Nothing is resampled here, so that whatever is found later lies on the original pixels.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from dicom_ingest.conditions import Unanswered, check, describe, holds
from dicom_ingest.headers import series_header_of_dataset
from inference.decoding import UNDECODABLE
from inference.errors import NoFittingView, NotARadiograph, UnreadableImage
from inference.operators.registry import operator
from inference.operators.values import Radiograph, Radiographs, SourceSeries

MODALITIES = ("CR", "DX", "MG")
GREY = ("MONOCHROME1", "MONOCHROME2")


def _of_instance(expression: str) -> str:
    return check(expression, ("instance",))


class ViewCondition(BaseModel):
    """What an image must meet, in CEL over `instance`, and what to say of one that does not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Annotated[str, AfterValidator(_of_instance)]
    otherwise: Annotated[str, Field(min_length=1), AfterValidator(lambda text: text.rstrip("."))]


@operator("choose-views", version="1")
def choose_views(
    series: SourceSeries, *, conditions: Annotated[list[ViewCondition], Field(min_length=1)]
) -> SourceSeries:
    """The images that meet every condition: an exam of several views holds some that a model is not meant for.

    An image that lacks an attribute that a condition names is left out. The result's remarks say of each why it was.
    Raises NoFittingView, with the reason for every image, when none is left.
    """
    reasons = [(one, _why_not(one, conditions)) for one in sorted(series.instances, key=_place)]
    left_out = tuple(f"{_label(one)} was left out: {reason}." for one, reason in reasons if reason is not None)
    chosen = tuple(one for one, reason in reasons if reason is None)
    if not chosen:
        raise NoFittingView(f"No image of the exam is of a view that this pipeline looks at. {' '.join(left_out)}")
    return SourceSeries(chosen, (*series.remarks, *left_out))


@operator("load-radiographs", version="1")
def load_radiographs(series: SourceSeries) -> Radiographs:
    """Every image as (rows, columns) float32 from 0, black, to 1, white, ordered by series and instance number.

    spacing_mm is PixelSpacing or else ImagerPixelSpacing, divided by EstimatedRadiographicMagnificationFactor where
    that is given; None where neither is.
    Raises NotARadiograph for images of other modalities, in colour, or of several frames; UnreadableImage.
    """
    ordered = sorted(series.instances, key=_place)
    return Radiographs(tuple(Radiograph(_shown(one), _spacing(one), one) for one in ordered))


def windowed(values: NDArray[np.float32], *, centre: float, width: float, function: str) -> NDArray[np.float32]:
    """Values of interest from 0 to 1, after the three functions of PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -80, 80))), dtype=np.float32)
    if function == "LINEAR_EXACT":
        return _clipped((values - np.float32(centre - width / 2)) / np.float32(width))
    if width <= 1:  # LINEAR: one step, from black to white
        return (values > centre - 0.5).astype(np.float32)
    return _clipped((values - np.float32(centre - 0.5)) / np.float32(width - 1) + np.float32(0.5))


def is_inverted(instance: Dataset) -> bool:
    """Whether low values are shown bright.

    DX images say it twice, by MONOCHROME1 and by the presentation LUT's shape INVERSE (PS3.3 C.8.11.3.1): that is one
    inversion, not two.
    """
    return bool(
        instance.PhotometricInterpretation == "MONOCHROME1" or instance.get("PresentationLUTShape") == "INVERSE"
    )


def _clipped(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.clip(values, 0, 1), dtype=np.float32)


def _why_not(instance: Dataset, wanted: list[ViewCondition]) -> str | None:
    facts = {"instance": series_header_of_dataset(instance, number_of_instances=1).of_instance}
    for condition in wanted:
        try:
            if holds(condition.when, facts):
                continue
        except Unanswered as fault:
            return f"{condition.otherwise} ({fault})"
        values = describe(condition.when, facts)
        return f"{condition.otherwise} ({values})" if values else condition.otherwise
    return None


def _shown(instance: Dataset) -> NDArray[np.float32]:
    _refuse_others(instance)
    try:
        stored = instance.pixel_array
        values = apply_modality_lut(stored, instance).astype(np.float32)
        shown = _of_interest(values, instance)
    except UNDECODABLE as fault:
        raise UnreadableImage(
            f"{_label(instance)}: its pixels cannot be read: {fault}. Send the image again, uncompressed if it was "
            "compressed."
        ) from fault
    if is_inverted(instance):
        shown = 1 - shown
    if (padding := _padding(stored, instance)) is not None:
        shown[padding] = 0
    return np.ascontiguousarray(shown, dtype=np.float32)


def _of_interest(values: NDArray[np.float32], instance: Dataset) -> NDArray[np.float32]:
    """By the first VOI LUT, else by the first window, else over the whole range of the values."""
    if instance.get("VOILUTSequence"):
        bits = int(instance.VOILUTSequence[0].LUTDescriptor[2])
        table = apply_voi(np.rint(values).astype(np.int32), instance, index=0)
        return np.asarray(table / np.float32(2**bits - 1), dtype=np.float32)
    centre, width = _first(instance, "WindowCenter"), _first(instance, "WindowWidth")
    if centre is not None and width is not None and width > 0:
        function = str(instance.get("VOILUTFunction") or "LINEAR")
        return windowed(values, centre=centre, width=width, function=function)
    low, high = float(values.min()), float(values.max())
    return (values - np.float32(low)) / np.float32(max(high - low, 1e-6))


def _refuse_others(instance: Dataset) -> None:
    if instance.get("Modality") not in MODALITIES:
        raise NotARadiograph(
            f"{_label(instance)} is of modality {instance.get('Modality') or 'unknown'}, not {', '.join(MODALITIES)}. "
            "Choose another series."
        )
    if instance.get("SamplesPerPixel", 1) != 1 or instance.get("PhotometricInterpretation") not in GREY:
        raise NotARadiograph(
            f"{_label(instance)} is in colour ({instance.get('PhotometricInterpretation')}). Send the radiograph "
            "itself, in grey levels."
        )
    if int(instance.get("NumberOfFrames") or 1) > 1:
        raise NotARadiograph(
            f"{_label(instance)} has {instance.NumberOfFrames} frames. Send single images; tomosynthesis and "
            "fluoroscopy are not looked at."
        )


def _padding(stored: NDArray[np.generic], instance: Dataset) -> NDArray[np.bool_] | None:
    """Where the detector or the collimator's mask left no image (PS3.3 C.7.5.1.1.2)."""
    value = instance.get("PixelPaddingValue")
    if value is None:
        return None
    limit = instance.get("PixelPaddingRangeLimit", value)
    return np.asarray((stored >= min(value, limit)) & (stored <= max(value, limit)))


def _spacing(instance: Dataset) -> tuple[float, float] | None:
    if instance.get("PixelSpacing"):
        rows, columns = (float(size) for size in instance.PixelSpacing)
        return rows, columns
    if not instance.get("ImagerPixelSpacing"):
        return None
    magnified = float(instance.get("EstimatedRadiographicMagnificationFactor") or 1.0)
    rows, columns = (float(size) / magnified for size in instance.ImagerPixelSpacing)
    return rows, columns


def _first(instance: Dataset, keyword: str) -> float | None:
    value = instance.get(keyword)
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    return None if value is None else float(value)


def _place(instance: Dataset) -> tuple[int, int]:
    return int(instance.get("SeriesNumber") or 0), int(instance.get("InstanceNumber") or 0)


def _label(instance: Dataset) -> str:
    """How people speak of an image: `Image 2 of series 1`."""
    return f"Image {instance.get('InstanceNumber') or '?'} of series {instance.get('SeriesNumber') or '?'}"
