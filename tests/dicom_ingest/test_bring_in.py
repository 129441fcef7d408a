"""What takes the files of the page: who may send what to where, what is kept, and what is turned down and why."""

import tracemalloc
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from pydicom.uid import MediaStorageDirectoryStorage
from pytest_django import Settings

from dicom_ingest import bring_in_views, spool, store
from dicom_ingest.models import AETitle, Exam, Instance, QuarantinedInstance, Route
from portal.access import Role
from portal.models import User
from studies.models import Membership, Study
from tests.conftest import Cast
from tests.dicom_ingest.scans import STUDY, complete, encoded, mr_slice, receive

SignedIn = Callable[[User], Client]
PAGE = "/bring-in/"
IMAGE = "application/octet-stream"


def send(client: Client, content: bytes, *, to: str = "BRAIN", content_type: str = IMAGE, **extra: Any) -> Any:
    return client.post(f"{PAGE}files/?to={to}", content, content_type=content_type, **extra)


@pytest.fixture
def coordinator(cast: Cast, signed_in: SignedIn) -> Client:
    return signed_in(cast.coordinator)


@pytest.fixture
def other_coordinator(cast: Cast, signed_in: SignedIn) -> Client:
    """Who coordinates the study of LIVER."""
    user = User.objects.create_user("elsewhere")
    Membership.objects.create(study=Study.objects.get(slug="liver"), user=user, role=Role.COORDINATOR)
    return signed_in(user)


def test_the_page_offers_the_ae_titles_of_the_users_studies(coordinator: Client, cast: Cast) -> None:
    AETitle.objects.create(title="NOBODYS")
    shown = coordinator.get(PAGE).content.decode()
    assert 'value="BRAIN"' in shown
    assert "LIVER" not in shown
    assert "NOBODYS" not in shown


def test_the_page_offers_an_administrator_every_active_ae_title(cast: Cast, signed_in: SignedIn) -> None:
    AETitle.objects.create(title="NOBODYS")
    AETitle.objects.create(title="CLOSED", active=False)
    shown = signed_in(cast.admin).get(PAGE).content.decode()
    assert all(f'value="{title}"' in shown for title in ("BRAIN", "LIVER", "NOBODYS"))
    assert "CLOSED" not in shown


def test_without_an_ae_title_the_page_says_who_sets_one_up(coordinator: Client) -> None:
    AETitle.objects.update(active=False)
    assert "An administrator sets one up" in coordinator.get(PAGE).content.decode()


def test_a_file_is_filed_as_if_sent_to_the_ae_title(coordinator: Client) -> None:
    answer = send(coordinator, encoded(mr_slice(1)))
    assert (answer.status_code, answer.json()) == (200, {"fate": "new", "sentence": "", "exam": f"/exams/{STUDY}/"})
    route = Route.objects.get()
    assert (route.called_ae, route.calling_ae, route.received_instances) == ("BRAIN", "BRING-IN", 1)
    assert send(coordinator, encoded(mr_slice(1))).json()["fate"] == "repeat"


def test_several_files_of_one_exam_go_in_before_it_is_a_case(coordinator: Client) -> None:
    assert [send(coordinator, encoded(mr_slice(n))).json()["fate"] for n in (1, 2, 3)] == ["new"] * 3
    assert Instance.objects.count() == 3


def test_what_cannot_be_filed_is_quarantined_and_says_why(coordinator: Client) -> None:
    answer = send(coordinator, encoded(mr_slice(1))[:-100])
    assert answer.status_code == 200
    assert answer.json()["fate"] == "quarantined"
    assert "cut short" in answer.json()["sentence"]
    assert QuarantinedInstance.objects.get().called_ae == "BRAIN"


def test_other_content_under_a_known_uid_is_quarantined_as_a_conflict(coordinator: Client) -> None:
    send(coordinator, encoded(mr_slice(1)))
    answer = send(coordinator, encoded(mr_slice(1, PatientID="OTHER")))
    assert "already filed with other content" in answer.json()["sentence"]


@pytest.mark.parametrize("content", [b"x", b"%PDF-1.7", b"\0" * 200, b"PK\3\4" + b"x" * 300])
def test_what_is_no_dicom_file_is_refused_and_not_kept(coordinator: Client, content: bytes) -> None:
    answer = send(coordinator, content)
    assert (answer.status_code, answer.json()["fate"]) == (415, "refused")
    assert "Not a DICOM file" in answer.json()["sentence"]
    assert spool.waiting() == []
    assert not QuarantinedInstance.objects.exists()


def test_a_dicomdir_is_left_out(coordinator: Client) -> None:
    directory = mr_slice(1)
    directory.SOPClassUID = directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    assert send(coordinator, encoded(directory)).json()["fate"] == "left out"
    assert spool.waiting() == []


@pytest.mark.parametrize("title", ["LIVER", "NOWHERE", ""])
def test_an_ae_title_of_others_takes_nothing(coordinator: Client, title: str) -> None:
    answer = send(coordinator, encoded(mr_slice(1)), to=title)
    assert answer.status_code == 400
    assert "not an AE title to which you may send" in answer.json()["sentence"]
    assert not Exam.objects.exists()


def test_nothing_is_added_to_an_exam_of_another_study(other_coordinator: Client) -> None:
    complete(receive(mr_slice(1))[0].series.exam)
    answer = send(other_coordinator, encoded(mr_slice(2)), to="LIVER")
    assert answer.status_code == 403
    assert "came to another study" in answer.json()["sentence"]
    assert Instance.objects.count() == 1


def test_another_media_type_is_turned_down(coordinator: Client) -> None:
    answer = send(coordinator, encoded(mr_slice(1)), content_type="text/plain")
    assert answer.status_code == 415
    assert "application/octet-stream" in answer.json()["sentence"]


def test_a_file_without_a_length_is_turned_down(coordinator: Client) -> None:
    answer = send(coordinator, encoded(mr_slice(1)), CONTENT_LENGTH="")
    assert answer.status_code == 411


def test_a_file_that_is_too_large_is_turned_down_unread(coordinator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bring_in_views, "LARGEST_UPLOAD", 100)
    answer = send(coordinator, encoded(mr_slice(1)))
    assert answer.status_code == 413
    assert "over DICOM" in answer.json()["sentence"]


def test_nothing_is_taken_while_the_disk_is_low(coordinator: Client, settings: Settings) -> None:
    settings.OVERREAD_MIN_FREE_BYTES = 1 << 60
    answer = send(coordinator, encoded(mr_slice(1)))
    assert answer.status_code == 507
    assert "GiB left" in answer.json()["sentence"]


def test_a_file_that_does_not_arrive_whole_is_not_kept(coordinator: Client) -> None:
    content = encoded(mr_slice(1))
    cut: dict[str, Any] = {"wsgi.input": BytesIO(content), "CONTENT_LENGTH": str(len(content) + 1)}
    answer = send(coordinator, content, **cut)
    assert answer.status_code == 400
    assert "did not arrive whole" in answer.json()["sentence"]
    assert [path for path in store.spool_folder().iterdir() if path.is_file()] == []


def test_a_large_file_passes_through_little_memory(coordinator: Client) -> None:
    content = encoded(mr_slice(1, Rows=4096, Columns=4096, PixelData=bytes(32 << 20)))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        assert send(coordinator, content).json()["fate"] == "new"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 40 << 20  # of which the test's own client takes 32


def test_a_full_disk_is_told(coordinator: Client, settings: Settings) -> None:
    settings.OVERREAD_STORE.mkdir()
    (settings.OVERREAD_STORE / "spool").write_bytes(b"in the way")
    answer = send(coordinator, encoded(mr_slice(1)))
    assert answer.status_code == 507
    assert "Have space freed" in answer.json()["sentence"]


def test_the_file_is_safe_before_it_is_answered(coordinator: Client, settings: Settings) -> None:
    """With the way out of the spool blocked, the answer says that nothing is filed, but the bytes are there."""
    settings.OVERREAD_STORE.mkdir()
    (settings.OVERREAD_STORE / "exams").write_bytes(b"in the way")
    content = encoded(mr_slice(1))
    assert send(coordinator, content).status_code == 507
    (waiting,) = spool.waiting()
    assert waiting.read_bytes().endswith(content[-300:])


def test_who_may_not_send_finds_nothing(cast: Cast, signed_in: SignedIn) -> None:
    for user in (cast.reader, cast.qc, cast.governance, cast.scientist, cast.outsider):
        assert signed_in(user).get(PAGE).status_code == 404
        assert send(signed_in(user), encoded(mr_slice(1))).status_code == 404


def test_a_form_on_another_site_can_send_nothing(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.coordinator)
    assert send(client, encoded(mr_slice(1))).status_code == 403
