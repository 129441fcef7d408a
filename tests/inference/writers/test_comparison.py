"""What a rerun says of its objects: the same but for UIDs, dates and times, or in what they differ."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.identity import Identity
from inference.operators.values import Mask
from inference.products import FinishedRun, WrittenFile
from inference.schema import ObjectKind
from inference.writers import capture, nifti, pdf, rtstruct, seg, sr
from inference.writers.comparison import differences
from tests.inference.writers.runs import hips_and_chest, two_organs
from tests.inference.writers.sources import ct_series, radiographs

WRITE: dict[ObjectKind, Callable[[FinishedRun, Path], list[WrittenFile]]] = {
    "seg": seg.write,
    "sr": sr.write,
    "rtstruct": rtstruct.write,
    "capture": capture.write,
    "pdf": pdf.write,
    "nifti": nifti.write,
}


def written(run: FinishedRun, kind: ObjectKind, folder: Path) -> Path:
    folder.mkdir()
    return WRITE[kind](run, folder)[0].path


def with_voxels_cleared(run: FinishedRun, count: int) -> FinishedRun:
    """The run, had it found `count` voxels less of its first segment."""
    first, *others = run.outputs.segments
    array = first.array.copy()
    array.reshape(-1)[np.flatnonzero(array)[:count]] = 0
    masks = (Mask(first.with_array(array)), *others)
    return replace(run, outputs=replace(run.outputs, segments=masks))


@pytest.mark.parametrize("kind", WRITE)
def test_two_runs_of_one_result_differ_in_nothing(kind: ObjectKind, tmp_path: Path) -> None:
    first = written(two_organs(ct_series()), kind, tmp_path / "first")
    time.sleep(0.01)  # another time of creation
    again = two_organs(ct_series(), identity=Identity(salt="salt of a test", run="job 2"))
    second = written(again, kind, tmp_path / "second")
    assert differences(first, second) == []
    if kind != "nifti":
        assert first.read_bytes() != second.read_bytes(), "their UIDs do differ"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("seg", "PixelData differs in 3 of 3840 voxels."),
        ("nifti", "The image differs in 3 of 1920 voxels."),
        ("rtstruct", "ROIContourSequence > ContourSequence > ContourData differs in 4 of 24 values."),
    ],
)
def test_voxels_that_differ_are_counted(kind: ObjectKind, said: str, tmp_path: Path) -> None:
    run = two_organs(ct_series())
    first = written(run, kind, tmp_path / "first")
    second = written(with_voxels_cleared(run, 3), kind, tmp_path / "second")
    assert any(one.startswith(said) for one in differences(first, second)), differences(first, second)


def test_a_number_that_differs_is_named_with_both_values(tmp_path: Path) -> None:
    run = two_organs(ct_series())
    liver, *others = run.outputs.measurements
    smaller = (replace(liver, value=1500.0), *others)
    other = replace(run, outputs=replace(run.outputs, measurements=smaller))
    first, second = written(run, "sr", tmp_path / "first"), written(other, "sr", tmp_path / "second")
    (said,) = [one for one in differences(first, second) if "NumericValue" in one]
    assert said.endswith("NumericValue differs: 1534.25 against 1500.0.")


def test_a_box_that_moved_is_noticed(tmp_path: Path) -> None:
    run = hips_and_chest(radiographs())
    box, *others = run.outputs.boxes
    moved = replace(run, outputs=replace(run.outputs, boxes=(replace(box, top=21.0), *others)))
    first, second = written(run, "sr", tmp_path / "first"), written(moved, "sr", tmp_path / "second")
    assert [one.rsplit(" > ", 1)[-1] for one in differences(first, second)] == [
        "GraphicData differs in 3 of 10 values."
    ]


def test_a_missing_attribute_and_another_number_of_items_are_said(tmp_path: Path) -> None:
    one_note, none = two_organs(ct_series(), notes=["No earlier exam."]), two_organs(ct_series())
    first, second = written(one_note, "sr", tmp_path / "first"), written(none, "sr", tmp_path / "second")
    assert "ContentSequence has 11 items against 10." in differences(first, second)


def test_files_of_two_kinds_are_not_compared_further(tmp_path: Path) -> None:
    run = two_organs(ct_series())
    first, second = written(run, "seg", tmp_path / "first"), written(run, "nifti", tmp_path / "second")
    assert differences(first, second) == ["segmentation.dcm and labels.nii.gz are files of different formats."]
    other = written(run, "rtstruct", tmp_path / "third")
    assert "The SOP class differs: Segmentation Storage against RT Structure Set Storage." in differences(first, other)
