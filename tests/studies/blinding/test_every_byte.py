"""What a reader can reach through a read, in every form: no trace of the patient, of an arm, of anybody else."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

import pytest
from django.test import Client

from dicom_ingest.models import Instance
from portal.models import User
from tests.studies.blinding.makers import ARMS, TRACES, Scene
from tests.studies.blinding.reached import Root

SignIn = Callable[[User], Client]


def true_uids(scene: Scene) -> set[str]:
    """Every UID that the store has of the exam and of what was made of it."""
    rows = Instance.objects.values_list(
        "sop_instance_uid", "series__series_instance_uid", "series__exam__study_instance_uid"
    )
    frames = {str(image.FrameOfReferenceUID) for image in scene.instances if "FrameOfReferenceUID" in image}
    return {uid for row in rows for uid in row} | frames


def traces_in(content: bytes, scene: Scene) -> list[str]:
    """The words and UIDs of the store that stand in `content`, in any case, packed or not."""
    told = content.lower()
    words = [word for word in TRACES if word.lower().encode() in told]
    return words + [uid for uid in true_uids(scene) if uid.encode() in content]


@pytest.mark.parametrize("arms", [(), *((arm,) for arm in ARMS), ("vendor", "machine"), ("novice", "vendor")])
def test_nothing_that_is_served_tells_of_patient_arm_or_person(
    scene: Scene, signed_in: SignIn, arms: tuple[str, ...]
) -> None:
    root = Root(signed_in(scene.reader), scene.read(*arms))
    answers = list(root.everything())
    assert {answer.status for answer in answers} <= {200, 206, 404, 406}
    assert len([answer for answer in answers if answer.status == 200]) > 50
    for answer in answers:
        assert traces_in(answer.all, scene) == [], answer.asked
        assert "Last-Modified" not in answer.headers
        assert "filename" not in answer.headers.get("Content-Disposition", "")
        if answer.headers.get("Content-Encoding") == "gzip":
            assert traces_in(gzip.decompress(answer.body), scene) == [], answer.asked


def test_the_search_for_traces_finds_them_where_they_are(scene: Scene, signed_in: SignIn) -> None:
    """The same requests to the portal's own root, by who may, are full of what the read's root must not have."""
    from tests.conftest import PASSWORD

    admin = User.objects.create_superuser("an-admin", password=PASSWORD)
    root = Root(signed_in(admin), scene.read())
    root.path = "/dicomweb"
    found = {word for answer in root.everything() for word in traces_in(answer.all, scene)}
    assert len(found & true_uids(scene)) >= 10
    assert {"MRN-4711", "Quixote", "Vendorsoft", "DeepHepar", "acme-liver", "Rocinante", "20250611"} <= found


def salted(content: bytes) -> bytes:
    """Without what is salted by read or arm: UIDs, labels, and the boundary of a multipart."""
    content = re.sub(rb"2\.25\.\d{20,40}", b"UID", content)
    content = re.sub(rb"Finding ([AB] )?[0-9a-f]{8}", rb"Finding \1LABEL", content)
    content = re.sub(rb"boundary=\w{32}", b"boundary=B", content)
    content = re.sub(rb"--\w{32}", b"--B", content)
    content = re.sub(rb"'ETag', '[^']*'", b"ETAG", content)
    return re.sub(rb"/reads/[0-9a-f-]{36}/", b"/reads/ID/", content)


def test_one_mask_under_three_arms_is_byte_for_byte_the_same_but_for_salted_ids(
    scene: Scene, signed_in: SignIn
) -> None:
    client = signed_in(scene.reader)
    heard = []
    for arm in ARMS:
        root = Root(client, scene.read(arm))
        (series,) = root.series("SEG")
        study, uid = root.studies[0], series["0020000E"]["Value"][0]
        at = f"/studies/{study}/series/{uid}"
        sop = root.json(f"{at}/instances")[0]["00080018"]["Value"][0]
        paths = [f"{at}/metadata", f"{at}/instances", f"{at}/thumbnail", f"{at}/instances/{sop}/rendered"]
        paths += [f"{at}/instances/{sop}/frames/{number}" for number in range(1, 6)]
        answers = [root.get(path, "*/*") for path in paths]
        answers.append(root.get(f"{at}/instances/{sop}", "application/dicom; transfer-syntax=*"))
        assert all(answer.status == 200 for answer in answers)
        heard.append([salted(answer.all) for answer in answers])
    assert heard[0] == heard[1] == heard[2]


def test_images_alone_are_served_before_the_aid_is_revealed(scene: Scene, signed_in: SignIn) -> None:
    client = signed_in(scene.reader)
    unaided = scene.read()
    aided = scene.read("vendor", after=unaided)
    assert [row["00080060"]["Value"] for row in Root(client, unaided).series()] == [["MR"]]
    assert Root(client, aided).get("/studies").status == 404
    unaided.state = "submitted"
    unaided.save()
    assert len(Root(client, aided).series("SEG")) == 1


def test_two_findings_side_by_side_are_called_a_and_b_in_the_order_that_was_drawn(
    scene: Scene, signed_in: SignIn
) -> None:
    root = Root(signed_in(scene.reader), scene.read("vendor", "machine"))
    told = sorted((row["00200011"]["Value"][0], row["0008103E"]["Value"][0]) for row in root.series("SEG"))
    assert [number for number, _ in told] == [1001, 1002]
    assert [description[:9] for _, description in told] == ["Finding A", "Finding B"]


def test_the_pages_of_a_read_tell_no_more_than_its_images_do(scene: Scene, signed_in: SignIn) -> None:
    read = scene.read("vendor", "machine", state="assigned")
    client = signed_in(scene.reader)
    opened = client.post(f"/reads/{read.pk}/open/")
    assert opened.status_code == 200
    viewer = opened.json()["viewer"]
    assert viewer.endswith(f"dicomweb=/reads/{read.pk}/dicomweb")
    paths = ("/", f"/reads/{read.pk}/", viewer, f"/studies/{scene.study.slug}/")
    pages = [opened, *(client.get(path) for path in paths)]
    assert all(page.status_code == 200 for page in pages)
    of_the_portal = {"Overread", "coordinator", "governance", "machine"}
    for page in pages:
        told = (repr(sorted(page.headers.items())).encode() + page.content).replace(b"/static/vendor/", b"")
        assert set(traces_in(told, scene)) <= of_the_portal, page.request["PATH_INFO"]
