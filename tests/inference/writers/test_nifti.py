"""Label maps for tools that do not speak DICOM."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.affines import apply_affine

from inference.writers.nifti import write
from tests.inference.series import PLANES, mr_series, numbered_voxels, source
from tests.inference.writers.runs import blob, finished, two_organs, volumetric


@pytest.mark.parametrize("plane", PLANES)
def test_every_voxel_keeps_its_label_and_its_place_in_the_patient(plane: str, tmp_path: Path) -> None:
    run = two_organs(mr_series(numbered_voxels(), orientation=PLANES[plane])[::-1])
    (file,) = write(run, tmp_path)
    image = nibabel.load(file.path)
    labels = np.asarray(image.dataobj)
    assert set(np.unique(labels)) == {0, 1, 2}
    for number, mask in enumerate(run.outputs.segments, start=1):
        inside = np.argwhere(mask.array)
        lps = mask.map_indices_to_reference(inside)
        ras = apply_affine(image.affine, np.argwhere(labels == number))
        np.testing.assert_allclose(sorted(map(tuple, ras)), sorted(map(tuple, lps * [-1, -1, 1])), atol=1e-4)
    assert image.header.get_xyzt_units()[0] == "mm"


def test_segments_that_overlap_go_into_files_of_their_own(tmp_path: Path) -> None:
    instances = mr_series(numbered_voxels())
    blobs = [blob(source(instances)), blob(source(instances), at=1)]
    files = write(finished(instances, volumetric(), segments=blobs), tmp_path)
    assert [file.path.name for file in files] == ["label-1.nii.gz", "label-2.nii.gz"]
    for number, (file, mask) in enumerate(zip(files, blobs, strict=True), start=1):
        labels = np.asarray(nibabel.load(file.path).dataobj)
        np.testing.assert_array_equal(labels.transpose(2, 1, 0), mask.array * number)


def test_the_file_names_its_labels_and_its_standing_and_is_the_same_each_time(tmp_path: Path) -> None:
    run = two_organs(mr_series(numbered_voxels()))
    (file,) = write(run, tmp_path)
    header = nibabel.load(file.path).header
    said = json.loads(header.extensions[0].get_content())
    assert said["labels"] == {"1": "Liver", "2": "Spleen"}
    assert said["notice"] == run.pipeline.notice == bytes(header["descrip"]).rstrip(b"\0").decode()
    before = file.path.read_bytes()
    (again,) = write(run, tmp_path)
    assert again.path.read_bytes() == before


def test_a_result_without_segments_has_no_label_map(tmp_path: Path) -> None:
    definition = volumetric()
    empty = definition.model_copy(update={"outputs": definition.outputs.model_copy(update={"segments": []})})
    assert write(finished(mr_series(numbered_voxels()), empty), tmp_path) == []
