"""Corrections in blinded reads: whose they are, what they are measured against, and that they tell nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pydicom
import pytest
from django.test import Client
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from dicom_ingest import store
from dicom_ingest.models import Instance, Series
from feedback import correction_work
from feedback.models import Correction
from portal.access import Role
from portal.audit.models import Entry
from portal.models import User
from studies.blinding import preparation, salts
from studies.blinding.links import finding_series_uid
from studies.models import Membership, Read, Study
from studies.reading import corrections, reads
from tests.conftest import PASSWORD
from tests.feedback.corrected import as_bytes, as_viewer_saves, posted
from tests.studies.blinding.conftest import MakeScene, make_scene, segmented
from tests.studies.blinding.makers import LIVER, SPLEEN, TRACES, Scene, box, persons, sent, vendors

__all__ = ["make_scene", "segmented"]
VOXEL_ML = 2.0 / 1000


@pytest.fixture
def scene(make_scene: MakeScene, segmented: Any) -> Scene:
    """One case of which three arms drew the same liver."""
    made = make_scene()
    segmented(made, {LIVER: box()})
    return made


@pytest.fixture
def opened(scene: Scene, client: Client) -> Read:
    """A read of the vendor's mask, opened on its page."""
    client.force_login(scene.reader)
    read = scene.read("vendor", state=Read.State.ASSIGNED, opened_at=None)
    return reads.open_read(read.pk, by=scene.reader)


def as_shown(read: Read) -> list[Dataset]:
    """The images of the read as its reader's viewer has them: headers alone."""
    salt, prepared = salts.of_read(read.study.slug, read.pk), preparation.prepare(read)
    found = []
    for instance in Instance.objects.filter(series__exam=read.case.exam, series__origin="received", rows__gt=0):
        path = store.instance_path(
            read.case.exam.study_instance_uid, instance.series.series_instance_uid, instance.sop_instance_uid
        )
        image = pydicom.dcmread(path)
        if image.Modality == "SEG":
            continue
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            setattr(image, keyword, salt.remapped(str(image[keyword].value)))
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.PatientName, image.PatientID = "Subject^1", "1"
        found.append(image)
    assert prepared.manifest.exams[0].uid == found[0].StudyInstanceUID
    return sorted(found, key=lambda image: int(image.InstanceNumber))


def label_shown(client: Client, read: Read, arm: str) -> list[str]:
    """What the read calls the structures of its finding."""
    salt = salts.of_read(read.study.slug, read.pk)
    exam = salt.remapped(read.case.exam.study_instance_uid)
    answer = client.get(
        f"/reads/{read.pk}/dicomweb/studies/{exam}/series/{finding_series_uid(salt, arm)}/metadata"
    ).json()
    return [one["00620005"]["Value"][0] for one in answer[0]["00620002"]["Value"]]


def begin(client: Client, read: Read) -> str:
    answer = client.post(f"/reads/{read.pk}/correction/begin/", {"claim": read.claim})
    assert answer.status_code == 200, answer.content
    return str(answer.json()["opened"])


def save(
    client: Client, read: Read, drawn: Mapping[str, NDArray[np.uint8]], *, opened: str | None = None
) -> tuple[int, Any]:
    token = begin(client, read) if opened is None else opened
    content = as_bytes(as_viewer_saves(as_shown(read), drawn))
    answer = posted(client, f"/reads/{read.pk}/dicomweb", content, **{"X-Overread-Opened": token})
    return answer.status_code, answer.json()


def test_a_correction_comes_back_to_the_stores_own_images(client: Client, scene: Scene, opened: Read) -> None:
    drawn = box()
    drawn[2, 8, 8] = 1
    status, _ = save(client, opened, {"Liver": drawn})
    assert status == 200
    made = Correction.objects.get()
    finding = scene.case.findings.get(arm="vendor")
    assert (made.predecessor, made.result, made.sitting) == (finding.series, None, f"read/{opened.pk}")
    assert made.series is not None
    assert made.series.exam == scene.exam
    correction_work.measure_waiting()
    liver = made.structures.get()
    assert liver.before_ml == pytest.approx(box().sum() * VOXEL_ML)
    assert liver.ml == pytest.approx(drawn.sum() * VOXEL_ML)
    assert liver.added_ml == pytest.approx(VOXEL_ML)


def test_a_machines_result_is_known_as_what_was_corrected(client: Client, scene: Scene) -> None:
    client.force_login(scene.reader)
    read = reads.open_read(scene.read("machine", state=Read.State.ASSIGNED).pk, by=scene.reader)
    save(client, read, {"Liver": box(high=3)})
    made = Correction.objects.get()
    finding = scene.case.findings.get(arm="machine")
    assert finding.result is not None
    assert made.result == finding.result
    assert made.predecessor == finding.result.segmentation


@pytest.mark.parametrize("arm", ["machine", "vendor", "novice"])
def test_nothing_that_is_told_of_a_correction_tells_the_arm(client: Client, scene: Scene, arm: str) -> None:
    client.force_login(scene.reader)
    read = reads.open_read(scene.read(arm, state=Read.State.ASSIGNED).pk, by=scene.reader)
    begun = client.post(f"/reads/{read.pk}/correction/begin/", {"claim": read.claim})
    _, answer = save(client, read, {label_shown(client, read, arm)[0]: box(high=3)})
    correction_work.measure_waiting()
    told = [begun.content.decode(), json.dumps(answer), client.get(f"/reads/{read.pk}/correction/").content.decode()]
    refused = posted(client, f"/reads/{read.pk}/dicomweb", b"no DICOM")
    told += [refused.content.decode(), str(refused.headers)]
    made = Correction.objects.get()
    assert made.series is not None
    names = [*TRACES, "Acme", made.series.series_instance_uid, made.predecessor.series_instance_uid]
    for text in told:
        assert [word for word in names if word.lower() in text.lower()] == []
    assert "Liver" in told[2]


def test_the_same_correction_of_any_arm_is_shown_alike(client: Client, scene: Scene) -> None:
    client.force_login(scene.reader)
    pages = []
    for arm in ("machine", "vendor", "novice"):
        read = reads.open_read(scene.read(arm, state=Read.State.ASSIGNED).pk, by=scene.reader)
        save(client, read, {"Liver": box(high=3)})
        correction_work.measure_waiting()
        rows = client.get(f"/reads/{read.pk}/correction/").content.decode()
        pages.append(rows.partition("<tbody>")[2].partition("</tbody>")[0])
    assert pages[0] == pages[1] == pages[2]
    assert "Liver" in pages[0]


def test_structures_keep_their_names_whatever_number_an_arm_gave_them(make_scene: MakeScene, client: Client) -> None:
    scene = make_scene()
    spleen, liver = box(low=1, high=2), box(low=2, high=4)
    scene.finding("vendor", sent(vendors(scene.instances, {SPLEEN: spleen, LIVER: liver}, kind="BINARY")))
    scene.finding("novice", sent(persons(scene.instances, {LIVER: liver})))
    client.force_login(scene.reader)
    read = reads.open_read(scene.read("novice", state=Read.State.ASSIGNED).pk, by=scene.reader)
    labels = label_shown(client, read, "novice")
    assert sorted(labels) == ["Liver", "Spleen"]
    # The person drew no spleen: the reader adds one.
    status, answer = save(client, read, {"Liver": liver, "Spleen": spleen})
    assert status == 200, answer
    correction_work.measure_waiting()
    block = corrections.block_of(Read.objects.get(pk=read.pk))
    assert block is not None
    shown = {one.label: (round(one.before_ml, 4), round(one.ml, 4)) for one in block.structures}
    assert shown == {
        "Liver": (round(liver.sum() * VOXEL_ML, 4),) * 2,
        "Spleen": (0.0, round(spleen.sum() * VOXEL_ML, 4)),
    }


def test_a_read_without_a_finding_or_with_several_has_no_correction(client: Client, scene: Scene) -> None:
    client.force_login(scene.reader)
    for arms in ((), ("machine", "vendor")):
        read = reads.open_read(scene.read(*arms, state=Read.State.ASSIGNED).pk, by=scene.reader)
        assert "data-correction" not in client.get(f"/reads/{read.pk}/").content.decode()
        assert client.post(f"/reads/{read.pk}/correction/begin/", {"claim": read.claim}).status_code == 409
        status, answer = save(client, read, {"Liver": box()}, opened="none")
        assert status == 409
        assert "nothing to correct" in answer["detail"]
    assert not Correction.objects.exists()


def test_only_the_window_that_claimed_the_open_read_saves(client: Client, scene: Scene, opened: Read) -> None:
    token = begin(client, opened)
    reads.open_read(opened.pk, by=scene.reader)  # in another window
    status, answer = save(client, opened, {"Liver": box()}, opened=token)
    assert status == 409
    assert "another window" in answer["detail"]
    assert client.post(f"/reads/{opened.pk}/correction/begin/", {"claim": opened.claim}).status_code == 409
    assert not Correction.objects.exists()


def test_nothing_is_saved_once_the_study_is_closed(client: Client, scene: Scene, opened: Read) -> None:
    token = begin(client, opened)
    Study.objects.filter(pk=scene.study.pk).update(stage=Study.Stage.CLOSED)
    assert save(client, opened, {"Liver": box()}, opened=token)[0] in (404, 409)
    assert not Correction.objects.exists()


def test_nobody_else_saves_or_sees_it(client: Client, scene: Scene, opened: Read) -> None:
    token = begin(client, opened)
    save(client, opened, {"Liver": box(high=3)}, opened=token)
    colleague = User.objects.create_user("colleague", password=PASSWORD)
    Membership.objects.create(study=scene.study, user=colleague, role=Role.READER)
    own = Series.objects.get(origin=Series.Origin.CORRECTED)
    other = Client()
    other.force_login(colleague)
    theirs = Read.objects.create(
        study=scene.study,
        case=scene.case,
        reader=colleague,
        arms=["vendor"],
        condition="vendor",
        form=scene.form,
        protocol=scene.case.protocol,
        position=1,
    )
    theirs = reads.open_read(theirs.pk, by=colleague)
    assert save(other, opened, {"Liver": box()}, opened=token)[0] == 404
    for path in ("", "correction/"):
        assert other.get(f"/reads/{opened.pk}/{path}").status_code == 404
    page = other.get(f"/reads/{theirs.pk}/").content.decode()
    assert "none yet" in page
    assert own.series_instance_uid not in json.dumps(other.get(f"/reads/{theirs.pk}/dicomweb/series").json())
    assert len(other.get(f"/reads/{theirs.pk}/dicomweb/series").json()) == 2, "the images and the finding"
    exam = scene.exam.study_instance_uid
    assert other.get(f"/dicomweb/studies/{exam}/series/{own.series_instance_uid}/metadata").status_code == 404


def test_no_lesion_is_an_answer_in_a_read_too(client: Client, opened: Read) -> None:
    answer = client.post(
        f"/reads/{opened.pk}/correction/none/", {"window": opened.claim}, headers={"HX-Request": "true"}
    )
    assert "No lesion" in answer.content.decode()
    correction_work.measure_waiting()
    made = Correction.objects.get()
    assert (made.is_empty, made.sitting, made.structures.get().ml) == (True, f"read/{opened.pk}", 0.0)
    lost = client.post(f"/reads/{opened.pk}/correction/none/", {"window": "other"}, headers={"HX-Request": "true"})
    assert lost.status_code == 409


def test_other_objects_are_refused_with_a_sentence(client: Client, opened: Read) -> None:
    report = as_viewer_saves(as_shown(opened), {"Liver": box()})
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    answer = posted(client, f"/reads/{opened.pk}/dicomweb", as_bytes(report))
    assert answer.status_code == 409
    assert "no objects of this kind" in answer.json()["detail"]


def test_it_is_on_record_under_the_read(client: Client, scene: Scene, opened: Read) -> None:
    save(client, opened, {"Liver": box(high=3)})
    row = Entry.objects.get(action="corrected segmentation saved")
    assert (row.of, row.study, row.actor) == (f"read:{opened.pk}", "liver-masks", scene.reader.username)


def test_the_reader_goes_on_from_their_own_correction(client: Client, scene: Scene, opened: Read) -> None:
    before = client.post(f"/reads/{opened.pk}/correction/begin/", {"claim": opened.claim}).json()["viewer"]
    save(client, opened, {"Liver": box(high=3), "Cyst": box(low=3, high=4)})
    after = client.post(f"/reads/{opened.pk}/correction/begin/", {"claim": opened.claim}).json()["viewer"]
    assert before != after
    uid = parse_qs(urlsplit(after).query)["initialSeriesInstanceUID"][0]
    root = f"/reads/{opened.pk}/dicomweb"
    found = {one["0020000E"]["Value"][0]: one for one in client.get(f"{root}/series").json()}
    assert len(found) == 3, "the images, the finding and the correction"
    assert found[uid]["0008103E"]["Value"] == ["Correction"]
    exam = salts.of_read(opened.study.slug, opened.pk).remapped(scene.exam.study_instance_uid)
    (header,) = client.get(f"{root}/studies/{exam}/series/{uid}/metadata").json()
    assert [one["00620005"]["Value"][0] for one in header["00620002"]["Value"]] == ["Liver", "Cyst"]
    whole = client.get(
        f"{root}/studies/{exam}/series/{uid}/instances/{header['00080018']['Value'][0]}",
        headers={"Accept": "application/dicom"},
    )
    drawn = pydicom.dcmread(BytesIO(b"".join(whole.streaming_content)))  # type: ignore[attr-defined]
    assert drawn.pixel_array[: len(box())].sum() == box(high=3).sum()
    assert drawn.pixel_array[len(box()) :].sum() == box(low=3, high=4).sum()
    assert [word for word in TRACES if word.lower() in str(drawn).lower().replace("overread", "")] == []
