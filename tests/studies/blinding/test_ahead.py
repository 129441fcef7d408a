"""What is made before a reader asks, what a coordinator hears of, and which true image a drawing lies on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.core.cache import caches
from django.test import Client
from django.utils.timezone import now

from portal.access import Role
from portal.models import User
from studies.blinding import ahead, originals, preparation
from studies.models import Case, CaseShowing, Membership, Read
from tests.conftest import Cast
from tests.studies.blinding.conftest import MakeScene
from tests.studies.blinding.makers import FORM, LIVER, Scene, box, sent, vendors
from tests.studies.blinding.reached import Root

SignIn = Callable[[User], Client]


def enrolled(scene: Scene) -> Case:
    Case.objects.filter(pk=scene.case.pk).update(state=Case.State.ENROLLED)
    scene.case.refresh_from_db()
    return scene.case


def test_a_case_that_cannot_be_shown_is_told_its_coordinator_before_a_reader_sees_it(make_scene: MakeScene) -> None:
    scene = make_scene(design={"kind": "independent", "arms": ["vendor"], "form": FORM})
    case = enrolled(scene)
    assert ahead.check_cases() == 1
    assert 'Arm "vendor" has no finding' in ahead.problem_of(case)
    assert [one.case for one in ahead.problems(scene.study)] == [case]
    assert ahead.check_cases() == 0, "nothing new"
    scene.finding("vendor", sent(vendors(scene.instances, {LIVER: box()})))
    assert ahead.check_cases() == 1
    assert ahead.problem_of(case) == ""
    assert not ahead.problems(scene.study).exists()


def test_a_coordinator_reads_on_the_pages_why_readers_cannot_be_shown_a_case(
    make_scene: MakeScene, cast: Cast, signed_in: SignIn
) -> None:
    scene = make_scene(design={"kind": "independent", "arms": ["vendor"], "form": FORM})
    Membership.objects.create(study=scene.study, user=cast.coordinator, role=Role.COORDINATOR)
    case = enrolled(scene)
    ahead.check_cases()
    browser = signed_in(cast.coordinator)
    for page in ("flow/", f"cases/{case.number}/"):
        shown = browser.get(f"/studies/{scene.study.slug}/{page}").content.decode()
        assert "Arm &quot;vendor&quot; has no finding" in shown


def test_a_case_in_process_and_one_of_an_open_study_are_not_tried(make_scene: MakeScene) -> None:
    make_scene()
    assert ahead.check_cases() == 0
    Case.objects.update(state=Case.State.ENROLLED)
    assert ahead.check_cases() == 1
    assert CaseShowing.objects.count() == 1


def test_the_reads_that_come_next_are_made_ready_and_no_others(scene: Scene) -> None:
    first, second, third = (scene.read(arm) for arm in ("machine", "vendor", "novice"))
    later = scene.read("vendor", condition="later", not_before=now() + timedelta(days=1))
    assert ahead.prepare_reads() == 2
    ready = [preparation.folder_of(read).is_dir() for read in (first, second, third, later)]
    assert ready == [True, True, False, False]
    assert ahead.prepare_reads() == 0
    Read.objects.filter(pk=first.pk).update(state=Read.State.SUBMITTED)
    assert ahead.prepare_reads() == 1
    assert preparation.folder_of(third).is_dir()


def test_what_was_made_goes_when_it_is_no_longer_needed_and_comes_back_when_it_is(
    scene: Scene, signed_in: SignIn
) -> None:
    read, kept = scene.read("vendor", opened_at=now()), scene.read("novice")
    client = signed_in(scene.reader)
    before = Root(client, read).json("/series")
    assert len(before) == 2
    preparation.prepare(kept)
    long_ago = now() - ahead.KEPT - timedelta(days=1)
    Read.objects.filter(pk=read.pk).update(state=Read.State.SUBMITTED, submitted_at=long_ago)
    assert ahead.tidy() == 1
    assert not preparation.folder_of(read).exists()
    assert preparation.folder_of(kept).exists()
    Read.objects.filter(pk=kept.pk).update(state=Read.State.WITHDRAWN)
    caches["decisions"].clear()
    caches["nearby"].clear()
    assert Root(client, read).json("/series") == before


def test_an_older_version_of_a_read_is_deleted_when_it_is_made_anew(scene: Scene) -> None:
    read = scene.read("vendor", state="assigned", opened_at=None)
    old = preparation.prepare(read).folder
    finding = scene.case.findings.get(arm="vendor")
    finding.replaced_at = now()
    finding.save()
    scene.finding("vendor", sent(vendors(scene.instances, {LIVER: box(high=3)})))
    new = preparation.prepare(read).folder
    assert new != old
    assert not old.exists()


def test_drawings_are_kept_on_the_true_image_and_shown_on_the_reads_own(scene: Scene, signed_in: SignIn) -> None:
    read = scene.read("vendor")
    root = Root(signed_in(scene.reader), read)
    row = next(row for row in root.json("/instances") if row["00080060"]["Value"] == ["MR"])
    shown = row["00080018"]["Value"][0]
    answers = {"lesion": [{"type": "box", "SOPInstanceUID": shown, "points": [[1, 1], [4, 4]]}], "score": 4}
    kept = originals.in_store(read, answers)
    true = kept["lesion"][0]["SOPInstanceUID"]
    assert true in {str(image.SOPInstanceUID) for image in scene.instances}
    assert kept["score"] == 4
    assert originals.as_shown(read, kept) == answers
    assert originals.in_store(read, {"lesion": [{"SOPInstanceUID": "1.2.3"}]})["lesion"][0]["SOPInstanceUID"] == "1.2.3"
