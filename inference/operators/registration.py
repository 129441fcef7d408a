"""Where a point of one exam lies in an earlier exam of the same head: rigid registration, and what is done with it.

The search itself is SimpleITK's. Everything is in mm, LPS, whatever the two grids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar, cast

import numpy as np
import SimpleITK as sitk  # noqa: N813 - its own name in its own documentation
from highdicom import Volume
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from inference.errors import NotMeasurable
from inference.operators.components import CUBIC_MM_PER_ML
from inference.operators.grids import resample
from inference.operators.loading import load_volume
from inference.operators.registry import operator
from inference.operators.units import Millimetres
from inference.operators.values import Image, Mask, Measurement, PriorSeries

OnPrior = TypeVar("OnPrior", Image, Mask)

WORKING_SPACING = 2.0
"""Both images are brought to voxels of this many mm before they are compared."""
SHRINK, SMOOTH = (4, 2, 2, 2), (6.0, 3.0, 1.0, 1.0)
"""From coarse to fine: the factor by which the working grid is thinned, and the Gaussian before that, in mm.

The last level comes twice: begun again with long steps, the search leaves the place where it got stuck.
"""
BINS, SAMPLED, SEED = 32, 0.15, 1
STEPS, FIRST_STEP, LAST_STEP, SHORTER = 150, 2.0, 1e-3, 0.8
"""Most steps of the search at each level; their length in mm, at first and when the search ends; and the factor by
which they get shorter at each turn back."""
FLAT = 1e-8
"""The search ends where the slope falls below this; ITK's own limit is far above the slopes of mutual information."""
LARGEST_TURN = 50.0
LEAST_OVERLAP = 0.6
FOREGROUND = 0.15
"""Signal above which a voxel is taken for head, as a part of the 98th percentile."""


class NotAligned(NotMeasurable):
    """Two images do not show the same head in a way that a turn and a shift could bring together."""


@dataclass(frozen=True)
class RigidTransform:
    """A turn and a shift. matrix: (4, 4), from mm, LPS, in the current exam to mm, LPS, in the prior.

    similarity: normalised mutual information of the aligned images (Studholme et al., Pattern Recognition 32, 1999): 1
    when neither tells anything of the other, 2 when each tells all. overlap: part of the current head that lies within
    the prior's image.
    """

    matrix: NDArray[np.float64]
    similarity: float
    overlap: float

    @property
    def degrees(self) -> float:
        """The angle of the turn."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.matrix[:3, :3]) - 1) / 2, -1, 1))))


@operator("load-prior", version="1")
def load_prior(prior: PriorSeries) -> Image:
    """The prior's series as `load-volume` gives it. Raises NotMeasurable when the patient has no earlier exam."""
    if prior.series is None:
        raise NotMeasurable("This is the patient's first exam with this pipeline: there is no prior to compare with.")
    return load_volume(prior.series)


@operator("register-to-prior", version="1")
def register_to_prior(
    image: Image, prior: Image, *, least_similarity: Annotated[float, Field(ge=1, le=2)] = 1.06
) -> RigidTransform:
    """The turn and shift (6 parameters) that lay the current image on the prior one of the same head.

    The two may differ in grid, contrast and field of view. Starts from the centres of mass, then climbs the mutual
    information (Mattes et al., IEEE TMI 22, 2003) in three resolutions; the same images give the same transform.
    Raises NotAligned when the result turns by more than 50 degrees, loses the head, or leaves the two images telling
    less of each other than `least_similarity`.
    """
    fixed, moving = (_working(one) for one in (image, prior))
    matrix = _search(_as_sitk(fixed), _as_sitk(moving))
    found = RigidTransform(matrix, *_agreement(fixed, moving, matrix))
    _refuse_implausible(found, least_similarity)
    return found


@operator("align-prior", version="1")
def align_prior(volume: OnPrior, transform: RigidTransform, reference: Volume) -> OnPrior:
    """What lies on the prior's grid brought to the grid of `reference`, a volume of the current exam.

    Linear for images, nearest voxel for masks; 0 beyond the prior's field of view.
    """
    is_mask = np.issubdtype(volume.array.dtype, np.integer)
    laid = _at(volume, transform.matrix, reference, order=0 if is_mask else 1)
    return cast(OnPrior, reference.with_array(laid))


@operator("volume-outside-prior", version="1")
def volume_outside_prior(mask: Mask, prior: Mask, *, margin: Millimetres = 3.0) -> Measurement:
    """Volume in ml of what lies in `mask` further than `margin` mm from every voxel of `prior`, on the same grid.

    The margin takes up what registration and outlines leave open. All of the mask counts where the prior's is empty.
    """
    beyond = mask.array > 0
    if prior.array.any():
        beyond &= ndimage.distance_transform_edt(prior.array == 0, sampling=mask.spacing) > margin
    voxel_volume = abs(float(np.linalg.det(mask.affine[:3, :3])))
    return Measurement(int(np.count_nonzero(beyond)) * voxel_volume / CUBIC_MM_PER_ML, "ml")


def _working(image: Image) -> Image:
    coarse = resample(image, spacing=(WORKING_SPACING,) * 3)
    if np.ptp(coarse.array) == 0:
        raise NotAligned("The two exams cannot be aligned: one of the images is blank. Look at the series chosen.")
    return coarse


def _as_sitk(volume: Volume) -> sitk.Image:
    # SimpleITK counts axes from the last of the array.
    made = sitk.GetImageFromArray(volume.array.astype(np.float32, copy=False))
    made.SetSpacing([float(step) for step in volume.spacing[::-1]])
    made.SetDirection(volume.direction[:, ::-1].ravel().tolist())
    made.SetOrigin([float(part) for part in volume.affine[:3, 3]])
    return made


def _search(fixed: sitk.Image, moving: sitk.Image) -> NDArray[np.float64]:
    """The matrix that SimpleITK's search ends at."""
    start = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    # Sums in another order would give another transform on a re-run. ITK takes this number from the process alone.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(SAMPLED, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        FIRST_STEP, LAST_STEP, STEPS, relaxationFactor=SHORTER, gradientMagnitudeTolerance=FLAT
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(SHRINK)
    method.SetSmoothingSigmasPerLevel(SMOOTH)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=False)
    try:
        return _matrix(method.Execute(fixed, moving))
    except RuntimeError as fault:
        # ITK gives up in this way when the samples leave the other image.
        raise NotAligned(
            "The two exams cannot be aligned: the images drift apart. Look at whether both show the whole head."
        ) from fault


def _matrix(transform: sitk.Transform) -> NDArray[np.float64]:
    """The transform as a matrix, from where it takes the origin and the unit vectors."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    units = [np.array(transform.TransformPoint(tuple(unit))) - origin for unit in np.eye(3)]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.stack(units, axis=1), origin
    return matrix


def _agreement(fixed: Image, moving: Image, matrix: NDArray[np.float64]) -> tuple[float, float]:
    """Normalised mutual information over the head that both show, and the part of the current head that it is."""
    head = fixed.array > FOREGROUND * np.percentile(fixed.array, 98)
    aligned = _at(moving, matrix, fixed, order=1, outside=np.nan)
    both = head & np.isfinite(aligned)
    overlap = np.count_nonzero(both) / max(int(np.count_nonzero(head)), 1)
    if not both.any():
        return 1.0, overlap
    joint = np.histogram2d(fixed.array[both], aligned[both], bins=BINS)[0]
    joint /= joint.sum()
    return (_entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))) / max(_entropy(joint), 1e-9), overlap


def _entropy(parts: NDArray[np.float64]) -> float:
    some = parts[parts > 0]
    return float(-(some * np.log(some)).sum())


def _at(
    volume: Volume, matrix: NDArray[np.float64], reference: Volume, *, order: int, outside: float = 0.0
) -> NDArray[np.float32]:
    """`volume` at the voxels of `reference`, taken through `matrix` into the frame of `volume`."""
    to_index = volume.inverse_affine @ matrix @ reference.affine
    return np.asarray(
        ndimage.affine_transform(
            volume.array,
            to_index[:3, :3],
            offset=to_index[:3, 3],
            output_shape=reference.spatial_shape,
            order=order,
            mode="constant",
            cval=outside,
        )
    )


def _refuse_implausible(found: RigidTransform, least_similarity: float) -> None:
    advice = "Look at whether both series show the same patient's head."
    if found.degrees > LARGEST_TURN:
        raise NotAligned(
            f"The two exams cannot be aligned: the best match turns by {found.degrees:.0f} degrees. {advice}"
        )
    if found.overlap < LEAST_OVERLAP:
        raise NotAligned(
            f"The two exams cannot be aligned: only {100 * found.overlap:.0f} % of the head lies in the prior. {advice}"
        )
    if found.similarity < least_similarity:
        raise NotAligned(
            f"The two exams cannot be aligned: at the best match the images hardly resemble each other (normalised "
            f"mutual information {found.similarity:.2f}, at least {least_similarity:.2f} is asked for). {advice}"
        )
