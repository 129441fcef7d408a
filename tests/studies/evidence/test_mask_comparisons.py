from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from inference.operators.loading import load_volume
from inference.operators.values import SourceSeries
from studies.evidence import mask_comparisons
from studies.evidence.models import UNDER_WAY, MaskComparison, StructureOverlap
from studies.models import Case, CaseTruth, TruthVersion
from tests.conftest import Cast
from tests.studies.blinding.makers import LIVER, SPLEEN, Masks, Scene, box, ours, scan, sent, vendors

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
MakeScene = Callable[..., Scene]
SMALL, LARGE = box(low=1, high=3), box(low=1, high=4)
"""Two and three slices of the same 5 x 3 pixels."""


def hold(scene: Scene, cast: Cast, masks: Masks, *, locked_at: datetime | None = LONG_AGO) -> CaseTruth:
    """Make what a vendor drew the case's truth, by a new version of it."""
    series = sent(vendors(scene.instances, masks, kind="BINARY"))
    version = TruthVersion.objects.create(
        study=scene.study, number=TruthVersion.objects.count() + 1, source="segmentations", made_by=cast.coordinator
    )
    kept = CaseTruth.objects.create(version=version, case=scene.case, series=series)
    TruthVersion.objects.filter(pk=version.pk).update(locked_at=locked_at)
    return kept


@pytest.fixture
def judged(make_scene: MakeScene, cast: Cast, tmp_path: Path) -> Scene:
    """One enrolled case: the machine draws two slices of a liver of three."""
    made = make_scene()
    Case.objects.filter(pk=made.case.pk).update(state=Case.State.ENROLLED)
    made.finding("machine", ours(made.instances, {LIVER: SMALL}, folder=tmp_path / "run"))
    hold(made, cast, {LIVER: LARGE})
    return made


def test_an_arms_mask_is_held_against_the_truths_once(judged: Scene) -> None:
    assert mask_comparisons.compare_waiting() == 1
    overlap = StructureOverlap.objects.get()
    voxel_ml = load_volume(SourceSeries(tuple(judged.instances))).voxel_volume / 1000
    small, large = int(SMALL.sum()), int(LARGE.sum())
    assert (small, large) == (30, 45)
    assert overlap.structure == "Liver"
    assert overlap.dice == pytest.approx(2 * small / (small + large))
    assert (overlap.first_ml, overlap.second_ml) == pytest.approx((small * voxel_ml, large * voxel_ml))
    assert mask_comparisons.compare_waiting() == 0


def test_what_a_stopped_worker_left_is_taken_again_and_what_one_is_at_is_not(judged: Scene) -> None:
    [pair] = mask_comparisons.waiting()
    left = MaskComparison.objects.create(first_id=pair.first, second_id=pair.second, problem=UNDER_WAY)
    assert mask_comparisons.waiting() == []
    assert mask_comparisons.compare(pair) is None
    MaskComparison.objects.update(compared_at=left.compared_at - timedelta(hours=2))
    assert mask_comparisons.compare_waiting() == 1
    assert MaskComparison.objects.get().problem == ""
    assert StructureOverlap.objects.count() == 1


def test_a_newer_finding_is_compared_anew_and_the_older_one_stays(judged: Scene, tmp_path: Path) -> None:
    mask_comparisons.compare_waiting()
    judged.case.findings.update(replaced_at="2026-01-02T00:00Z")
    judged.finding("machine", ours(judged.instances, {LIVER: LARGE}, folder=tmp_path / "again"))
    assert mask_comparisons.compare_waiting() == 1
    assert list(StructureOverlap.objects.order_by("dice").values_list("dice", flat=True)) == pytest.approx([0.8, 1.0])


def test_truth_that_is_not_locked_is_held_against_nothing(make_scene: MakeScene, cast: Cast, tmp_path: Path) -> None:
    made = make_scene()
    Case.objects.update(state=Case.State.ENROLLED)
    made.finding("machine", ours(made.instances, {LIVER: SMALL}, folder=tmp_path / "run"))
    hold(made, cast, {LIVER: LARGE}, locked_at=None)
    assert mask_comparisons.waiting() == []


def test_a_case_that_is_not_enrolled_waits(judged: Scene) -> None:
    Case.objects.update(state=Case.State.AWAITING_QC)
    assert mask_comparisons.waiting() == []


def test_a_structure_that_the_arm_does_not_draw_overlaps_nowhere(judged: Scene, cast: Cast) -> None:
    hold(judged, cast, {SPLEEN: LARGE, LIVER: SMALL})
    mask_comparisons.compare_waiting()
    found = {one.structure: one for one in StructureOverlap.objects.all()}
    assert {name: one.dice for name, one in found.items()} == {"Liver": 1.0, "Spleen": 0.0}
    assert found["Spleen"].first_ml == 0.0


def test_what_lies_on_other_images_says_so_and_is_not_tried_again(judged: Scene, cast: Cast) -> None:
    elsewhere = scan()
    for instance in elsewhere:
        instance.FrameOfReferenceUID, instance.ImagePositionPatient = (
            "1.2.3",
            [0.0, 0.0, 900.0 + instance.InstanceNumber],
        )
        instance.SOPInstanceUID += ".9"
        instance.SeriesInstanceUID += ".9"
    hold(replace(judged, instances=elsewhere), cast, {LIVER: np.ones_like(LARGE)})
    mask_comparisons.compare_waiting()
    kept = MaskComparison.objects.get()
    assert "frame of reference is not theirs" in kept.problem
    assert not StructureOverlap.objects.exists()
    assert mask_comparisons.compare_waiting() == 0


def test_without_a_reference_the_first_arm_of_an_endpoint_is_held_against_the_others(
    make_scene: MakeScene, segmented: Callable[[Scene, Masks], None]
) -> None:
    endpoint = {"key": "overlap", "label": "Overlap", "measure": "dice", "arms": ["machine", "vendor", "novice"]}
    made = make_scene(endpoints=[endpoint])
    Case.objects.update(state=Case.State.ENROLLED)
    segmented(made, {LIVER: LARGE})
    assert mask_comparisons.arms_compared(made.study) == [("machine", "vendor"), ("machine", "novice")]
    assert mask_comparisons.compare_waiting() == 2
    assert list(StructureOverlap.objects.values_list("dice", flat=True)) == [1.0, 1.0]
