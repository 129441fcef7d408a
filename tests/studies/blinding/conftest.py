"""Blinded reads of one case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from dicom_ingest.models import AETitle, Exam
from feedback.models import Form
from portal.access import Role
from portal.models import User
from studies.models import Membership
from tests.conftest import PASSWORD, Cast
from tests.inference.received import receive
from tests.protocols import case_of, open_study
from tests.studies.blinding.makers import ARMS, LIVER, Masks, Scene, box, document, ours, persons, scan, sent, vendors

MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene(cast: Cast, form: Form) -> MakeScene:
    """A blinded study with one case and no findings yet."""

    def make(*, images: dict[str, Any] | None = None, instances: list[Dataset] | None = None, **changes: Any) -> Scene:
        ae_title = AETitle.objects.create(title="LIVERSTUDY", quiet_period_seconds=1)
        study = open_study("liver-masks", ae_title=ae_title, form=form, **document(**changes))
        instances = instances or scan(**(images or {}))
        receive(instances, called_ae="LIVERSTUDY")
        exam = Exam.objects.get(study_instance_uid=instances[0].StudyInstanceUID)
        reader = User.objects.create_user("reader-of-masks", password=PASSWORD)
        Membership.objects.create(study=study, user=reader, role=Role.READER)
        return Scene(study=study, case=case_of(study, exam, number=1), reader=reader, form=form, instances=instances)

    return make


@pytest.fixture
def segmented(tmp_path: Path) -> Callable[[Scene, Masks], None]:
    """Let every arm draw the same masks, each in its own manner."""

    def draw(scene: Scene, masks: Masks) -> None:
        machine, vendor, novice = ARMS
        scene.finding(machine, ours(scene.instances, masks, folder=tmp_path / "run"))
        scene.finding(vendor, sent(vendors(scene.instances, masks)))
        scene.finding(novice, sent(persons(scene.instances, masks)))

    return draw


@pytest.fixture
def scene(make_scene: MakeScene, segmented: Callable[[Scene, Masks], None]) -> Scene:
    """One case of which all three arms drew the same liver."""
    made = make_scene()
    segmented(made, {LIVER: box()})
    return made
