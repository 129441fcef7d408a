"""Pixels as a picture for people: modality and window, colours, viewport, PNG or JPEG (PS3.18 8.3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi, apply_windowing

from dicom_ingest.dicomweb.codecs import Pixels
from dicom_ingest.dicomweb.refusals import BadRequest

JPEG, PNG = "image/jpeg", "image/png"
FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
DEFAULT_QUALITY = 90


@dataclass(frozen=True, kw_only=True)
class Window:
    """Centre and width in the units of the modality, and the VOI LUT Function as PS3.18 calls it."""

    center: float
    width: float
    function: str


@dataclass(frozen=True, kw_only=True)
class Viewport:
    """A picture of at most `width` by `height` pixels, of a region of the image in its own pixels.

    x, y, columns, rows: the region's corner and extent; 0 columns or rows reach to the image's end, negative ones
    turn the picture over (PS3.18 8.3.5.1.3).
    """

    width: int
    height: int
    x: float = 0.0
    y: float = 0.0
    columns: float = 0.0
    rows: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """What a request wants of a picture; None for what the image itself says."""

    media_type: str = JPEG
    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = DEFAULT_QUALITY


def rendered(pixels: Pixels, header: Dataset, wanted: Rendering) -> bytes:
    """One frame as a PNG or JPEG file.

    pixels: (rows, columns) of stored values, or (rows, columns, 3) of RGB. header: the attributes that present them.
    """
    grey_or_colour = pixels if pixels.ndim == 3 else _presented(pixels, header, wanted.window)
    image = Image.fromarray(_eight_bits(grey_or_colour, header))
    if wanted.viewport:
        image = _within(image, wanted.viewport)
    buffer = BytesIO()
    if wanted.media_type == PNG:
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "JPEG", quality=wanted.quality)
    return buffer.getvalue()


def _presented(pixels: Pixels, header: Dataset, window: Window | None) -> Pixels:
    """Single samples as grey values from 0 to 255, or as the colours of their palette."""
    if header.PhotometricInterpretation == "PALETTE COLOR":
        return apply_color_lut(pixels, header)
    values = apply_modality_lut(pixels, header)
    found = window or (None if "VOILUTSequence" in header else _own_window(header))
    if found:
        grey = _stretched(apply_windowing(values.astype(np.float64), _onto_eight_bits(found)), 0, 255)
    elif "VOILUTSequence" in header:
        bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
        grey = _stretched(apply_voi(values, header), 0, (1 << bits) - 1)
    else:
        grey = _stretched(values, float(np.min(values)), float(np.max(values)))
    return 255 - grey if header.PhotometricInterpretation == "MONOCHROME1" else grey


def _own_window(header: Dataset) -> Window | None:
    """The first window of the image, or None where it has none that can be used (PS3.3 C.11.2.1.2)."""
    center, width = (_first(header.get(keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    named = {name: function for function, name in FUNCTIONS.items()}
    function = named.get(str(header.get("VOILUTFunction") or "LINEAR"))
    if center is None or width is None or function is None or not is_usable(width, function):
        return None
    return Window(center=center, width=width, function=function)


def is_usable(width: float, function: str) -> bool:
    """A linear window is at least 1 wide, the others wider than 0 (PS3.3 C.11.2.1.2 and 3)."""
    return width >= 1 if function == "linear" else width > 0


def _first(value: object) -> float | None:
    first = next(iter(value), None) if isinstance(value, MultiValue) else value
    return None if first in (None, "") else float(str(first))


def _onto_eight_bits(window: Window) -> Dataset:
    """The attributes by which pydicom maps `window` to 0 to 255; the values it is given are the modality's already."""
    told = Dataset()
    told.PhotometricInterpretation, told.BitsStored, told.PixelRepresentation = "MONOCHROME2", 8, 0
    told.WindowCenter, told.WindowWidth = window.center, window.width
    told.VOILUTFunction = FUNCTIONS[window.function]
    return told


def _stretched(values: Pixels, low: float, high: float) -> Pixels:
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    scaled = (values.astype(np.float64) - low) * (255.0 / (high - low))
    return np.clip(np.rint(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)


def _eight_bits(pixels: Pixels, header: Dataset) -> Pixels:
    """Colours of more bits, of an image or of a palette, with their highest eight."""
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    is_palette = header.PhotometricInterpretation == "PALETTE COLOR"
    bits = pixels.dtype.itemsize * 8 if is_palette else int(header.BitsStored)
    return np.ascontiguousarray((pixels >> max(0, bits - 8)).astype(np.uint8))


def _within(image: Image.Image, viewport: Viewport) -> Image.Image:
    """The viewport's region of `image`, as large as fits into the viewport with its proportions kept.

    Raises BadRequest for a region that is not of the image.
    """
    columns, rows = abs(viewport.columns) or image.width - viewport.x, abs(viewport.rows) or image.height - viewport.y
    box = int(viewport.x), int(viewport.y), int(viewport.x + columns), int(viewport.y + rows)
    if not (0 <= box[0] < box[2] <= image.width and 0 <= box[1] < box[3] <= image.height):
        raise BadRequest(f"The region of the viewport does not lie in the image of {image.width} x {image.height}.")
    region = image.crop(box)
    if viewport.columns < 0:
        region = region.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if viewport.rows < 0:
        region = region.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    scale = min(viewport.width / region.width, viewport.height / region.height)
    size = max(1, round(region.width * scale)), max(1, round(region.height * scale))
    return region.resize(size, Image.Resampling.BILINEAR)
