"""From the images of a series to a volume."""

from __future__ import annotations

from highdicom import Volume

from inference.operators.pixels import real_values
from inference.operators.registry import operator
from inference.operators.stacking import Stack, stack
from inference.operators.values import Image, SourceSeries


@operator("load-volume", version="2")
def load_volume(series: SourceSeries) -> Image:
    """The series as one volume in real values (rescale slope and intercept, or the modality table, applied).

    Single-frame images (CT, MR, PET) or one enhanced multi-frame image, whose functional groups may be shared or its
    frames' own. Returns (slices, rows, columns) float32 with an affine in mm, LPS; slices run along the normal of the
    image plane. Raises UnreadableImage or a subclass of NotAVolume when the images are not whole, or not one grid.
    """
    return volume_of(stack(series), series.label)


def volume_of(ordered: Stack, label: str) -> Image:
    """The planes of a stack as a volume; see `load_volume`. label: names the series in errors."""
    return Image(
        Volume(
            real_values(ordered.planes, label),
            affine=ordered.affine,
            coordinate_system="PATIENT",
            frame_of_reference_uid=ordered.planes[0].frame_of_reference,
        )
    )
