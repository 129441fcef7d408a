"""Who may look at a read, when, and what a hostile reader gets by trying."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import caches
from django.test import Client
from django.utils.timezone import now

from portal.access import Role
from portal.models import User
from studies.models import Membership, Study
from tests.conftest import PASSWORD, Cast
from tests.studies.blinding.makers import PATIENT, Scene
from tests.studies.blinding.reached import ANY_SYNTAX, Root

SignIn = Callable[[User], Client]


def forget_decisions() -> None:
    caches["decisions"].clear()
    caches["nearby"].clear()


def one_frame(root: Root) -> str:
    """The path of a frame of the read's images."""
    study = root.studies[0]
    (series,) = root.series("MR")
    at = f"/studies/{study}/series/{series['0020000E']['Value'][0]}"
    sop = root.json(f"{at}/instances")[0]["00080018"]["Value"][0]
    return f"{at}/instances/{sop}/frames/1"


@pytest.fixture
def others(cast: Cast, scene: Scene) -> list[User]:
    """Everybody else, another reader and the coordinator of the very study among them."""
    member = User.objects.create_user("another-reader", password=PASSWORD)
    Membership.objects.create(study=scene.study, user=member, role=Role.READER)
    coordinator = User.objects.create_user("its-coordinator", password=PASSWORD)
    Membership.objects.create(study=scene.study, user=coordinator, role=Role.COORDINATOR)
    return [member, coordinator, cast.admin, cast.reader, cast.outsider, cast.qc, cast.governance, cast.scientist]


def test_a_read_is_its_readers_alone(scene: Scene, signed_in: SignIn, others: list[User]) -> None:
    read = scene.read("vendor")
    frame = one_frame(Root(signed_in(scene.reader), read))
    for user in others:
        root = Root(signed_in(user), read)
        for path in ("/studies", "/series", frame, "/anything"):
            answer = root.get(path)
            assert answer.status == 404, (user.username, path)
    assert Root(Client(), read).get("/studies").status == 401


def test_a_hidden_read_cannot_be_told_from_none(scene: Scene, signed_in: SignIn, others: list[User]) -> None:
    root = Root(signed_in(others[0]), scene.read("vendor"))
    hidden = root.get("/studies")
    root.path = "/reads/00000000-0000-4000-8000-000000000000/dicomweb"
    absent = root.get("/studies")
    assert (hidden.status, hidden.all) == (absent.status, absent.all)


@pytest.mark.parametrize("stage", [Study.Stage.LOCKED, Study.Stage.CLOSED])
def test_a_study_that_is_not_being_read_shows_nothing(scene: Scene, signed_in: SignIn, stage: Study.Stage) -> None:
    root = Root(signed_in(scene.reader), scene.read("vendor"))
    assert root.get("/studies").status == 200
    Study.objects.filter(pk=scene.study.pk).update(stage=stage)
    forget_decisions()
    assert root.get("/studies").status == 404


def test_a_reader_who_left_the_study_sees_no_more(scene: Scene, signed_in: SignIn) -> None:
    root = Root(signed_in(scene.reader), scene.read("vendor"))
    assert root.get("/studies").status == 200
    Membership.objects.filter(user=scene.reader).update(withdrawn_at=now())
    forget_decisions()
    assert root.get("/studies").status == 404


def test_a_withdrawn_read_and_one_in_its_washout_show_nothing(scene: Scene, signed_in: SignIn) -> None:
    client = signed_in(scene.reader)
    assert Root(client, scene.read("vendor", state="withdrawn")).get("/studies").status == 404
    waiting = scene.read("novice", not_before=now() + timedelta(days=28))
    assert Root(client, waiting).get("/studies").status == 404


def test_a_submitted_read_is_shown_until_the_reader_has_the_case_to_read_again(scene: Scene, signed_in: SignIn) -> None:
    client = signed_in(scene.reader)
    root = Root(client, scene.read("vendor", state="submitted", opened_at=now()))
    assert root.get("/studies").status == 200
    scene.read("novice", not_before=now() + timedelta(days=28))
    forget_decisions()
    assert root.get("/studies").status == 404


def test_the_uids_of_the_store_and_of_other_reads_lead_nowhere(scene: Scene, signed_in: SignIn) -> None:
    client = signed_in(scene.reader)
    root, other = Root(client, scene.read("vendor")), Root(client, scene.read("novice"))
    mine, theirs = root.studies[0], other.studies[0]
    assert mine != theirs
    hers = other.series("SEG")[0]["0020000E"]["Value"][0]
    image = scene.instances[0]
    for path in (
        f"/studies/{PATIENT.study_instance_uid}/metadata",
        f"/studies/{image.StudyInstanceUID}/series/{image.SeriesInstanceUID}/metadata",
        f"/studies/{mine}/series/{image.SeriesInstanceUID}/instances/{image.SOPInstanceUID}/frames/1",
        f"/studies/{theirs}/metadata",
        f"/studies/{mine}/series/{hers}/metadata",
        f"/studies/{mine}/series/{hers}/thumbnail",
        one_frame(other),
        f"/studies/{mine}/series/../../../../../dicomweb/studies",
        f"/studies/{mine}/series/%2e%2e/metadata",
        f"/studies/{mine}/series/..%2f..%2fmanifest/metadata",
        "/manifest.json",
        "/../dicomweb/studies",
        "/",
    ):
        assert root.get(path).status == 404, path


def test_a_reader_cannot_ask_the_portals_own_root_instead(scene: Scene, signed_in: SignIn) -> None:
    client = signed_in(scene.reader)
    assert client.get("/dicomweb/studies").json() == []
    assert client.get(f"/dicomweb/studies/{PATIENT.study_instance_uid}/metadata").status_code == 404


def test_searches_by_true_values_find_nothing(scene: Scene, signed_in: SignIn) -> None:
    root = Root(signed_in(scene.reader), scene.read("vendor", "machine"))
    for query in (
        "PatientID=MRN-4711",
        "PatientName=Quixote*",
        "StudyDate=20250611",
        "AccessionNumber=ACC*",
        f"StudyInstanceUID={PATIENT.study_instance_uid}",
        "StudyDescription=*Dulcinea*",
    ):
        assert root.json(f"/studies?{query}") == [], query
    for query in ("Manufacturer=Vendorsoft", "Manufacturer=*", "SeriesDescription=*Acme*", "SeriesNumber=77"):
        assert root.json(f"/series?{query}") == [], query
    pseudonym = root.json("/studies")[0]["00100020"]["Value"][0]
    assert len(root.json(f"/studies?00100020={pseudonym}&limit=101&offset=0&fuzzymatching=false")) == 1
    assert len(root.json("/series?Modality=SEG")) == 2
    assert root.get("/studies?limit=-1").status == 400
    assert root.get("/studies?nonsense=1").status == 400


def test_through_a_read_nothing_is_changed_and_only_what_a_reader_draws_is_taken(
    scene: Scene, signed_in: SignIn
) -> None:
    root = Root(signed_in(scene.reader), scene.read("vendor"))
    for method in (root.client.put, root.client.delete):
        assert method(f"{root.path}/studies").status_code == 405
    assert root.client.post(f"{root.path}/studies").status_code == 415


def test_a_range_of_a_frame_is_that_of_its_pixels_and_no_other_byte(scene: Scene, signed_in: SignIn) -> None:
    root = Root(signed_in(scene.reader), scene.read())
    path, syntax = one_frame(root), "application/octet-stream; transfer-syntax=*"
    whole = root.get(path, syntax).body
    assert whole == scene.instances[0].PixelData
    for asked, expected in (("bytes=0-", whole), ("bytes=4-9", whole[4:10]), ("bytes=-4", whole[-4:])):
        answer = root.get(path, syntax, Range=asked)
        assert (answer.status, answer.body) == (206, expected)
    assert root.get(path, syntax, Range="bytes=100000-100001").status == 416


def test_etags_of_one_image_differ_from_read_to_read(scene: Scene, signed_in: SignIn) -> None:
    client = signed_in(scene.reader)
    roots = [Root(client, scene.read("vendor")), Root(client, scene.read("novice"))]
    etags = [root.get(one_frame(root), ANY_SYNTAX).headers["ETag"] for root in roots]
    assert etags[0] != etags[1]


def test_a_lost_file_is_not_named(scene: Scene, signed_in: SignIn) -> None:
    from dicom_ingest import store

    root = Root(signed_in(scene.reader), scene.read())
    path, image = one_frame(root), scene.instances[0]
    store.instance_path(image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID).unlink()
    answer = root.get(path, ANY_SYNTAX)
    assert answer.status == 500
    assert str(image.SOPInstanceUID).encode() not in answer.all


def test_a_read_that_is_not_opened_yet_shows_nothing(scene: Scene, signed_in: SignIn) -> None:
    """Or its reader could look at an aid, and then amend the unaided answer that only the aid's opening locks."""
    read = scene.read("vendor", state="assigned", opened_at=None)
    client = signed_in(scene.reader)
    assert Root(client, read).get("/studies").status == 404
    assert client.post(f"/reads/{read.pk}/open/").status_code == 200
    assert Root(client, read).get("/studies").status == 200
