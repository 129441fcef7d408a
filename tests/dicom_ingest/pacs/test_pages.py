import logging
from collections.abc import Callable

import pytest
from django.test import Client

from dicom_ingest.models import AETitle
from dicom_ingest.pacs.models import Remote, Retrieval
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.pacs.conftest import NOW
from tests.dicom_ingest.pacs.peers import Peer
from tests.dicom_ingest.scans import mr_slice, receive

pytestmark = pytest.mark.django_db

SignedIn = Callable[[User], Client]


def search(client: Client, remote: Remote, **fields: str) -> str:
    response = client.post("/pacs/", {"remote": remote.pk, **fields})
    assert response.status_code == 200
    return response.content.decode()


def token(page: str) -> str:
    return page.partition('name="exam" value="')[2].partition('"')[0]


def test_a_coordinator_searches_and_brings_an_exam_in_to_a_study_of_theirs(
    pacs: Peer, cast: Cast, signed_in: SignedIn
) -> None:
    remote, client = pacs.row(retrieve="c-move"), signed_in(cast.coordinator)
    page = search(client, remote, patient_id="PACS-0001")
    assert "2 exams at PACS" in page
    assert "Birch, Ada" in page
    assert '<option value="BRAIN">' in page
    assert "LIVER" not in page, "It belongs to a study of others."
    client.post("/pacs/retrieve/", {"remote": remote.pk, "called_ae": "BRAIN", "exam": token(page)})
    retrieval = Retrieval.objects.get()
    assert (retrieval.study_instance_uid, retrieval.called_ae) == (NOW, "BRAIN")
    assert retrieval.requested_by == cast.coordinator
    page = client.get("/pacs/").content.decode()
    assert "1 exam will be brought in" in page
    assert "2024-05-01 MR Brain" in page
    client.post(f"/pacs/retrievals/{retrieval.pk}/cancel/")
    retrieval.refresh_from_db()
    assert retrieval.state == "cancelled"
    client.post(f"/pacs/retrievals/{retrieval.pk}/retry/")
    retrieval.refresh_from_db()
    assert retrieval.state == "queued"


def test_an_exam_comes_to_no_study_of_others_and_only_from_a_search(
    pacs: Peer, cast: Cast, signed_in: SignedIn
) -> None:
    remote, client = pacs.row(retrieve="c-move"), signed_in(cast.coordinator)
    found = token(search(client, remote, patient_id="PACS-0001"))
    client.post("/pacs/retrieve/", {"remote": remote.pk, "called_ae": "LIVER", "exam": found})
    client.post("/pacs/retrieve/", {"remote": remote.pk, "called_ae": "BRAIN", "exam": NOW})
    other = pacs.row(name="other", retrieve="c-move")
    client.post("/pacs/retrieve/", {"remote": other.pk, "called_ae": "BRAIN", "exam": found})
    assert not Retrieval.objects.exists()


def test_an_exam_that_is_here_is_marked(pacs: Peer, cast: Cast, signed_in: SignedIn) -> None:
    remote, client = pacs.row(), signed_in(cast.coordinator)
    assert "already here" not in search(client, remote, accession_number="NOW1")
    receive(mr_slice(1, study=NOW, series=f"{NOW}.7"))
    page = search(client, remote, accession_number="NOW1")
    assert "already here" in page
    assert "Nothing may be brought in from PACS" in page


def test_the_patient_is_in_no_url_and_no_log_line(
    pacs: Peer, cast: Cast, signed_in: SignedIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("pynetdicom").setLevel(logging.ERROR)  # as settings.LOGGING has it
    remote, client = pacs.row(retrieve="c-move"), signed_in(cast.coordinator)
    page = search(client, remote, patient_name="Birch", patient_id="PACS-0001")
    assert "searched PACS by PatientID, PatientName: 2 exams" in caplog.text
    answer = client.post("/pacs/retrieve/", {"remote": remote.pk, "called_ae": "BRAIN", "exam": token(page)})
    assert "Birch" not in caplog.text + answer.headers["Location"]
    assert "PACS-0001" not in caplog.text + answer.headers["Location"]


def test_what_is_wrong_with_a_search_is_said_on_the_page(pacs: Peer, cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.coordinator)
    assert "No remote may be searched yet" in client.get("/pacs/").content.decode()
    remote = pacs.row()
    assert "every exam would match" in search(client, remote)
    assert "Leave out backslashes" in search(client, remote, patient_id="A\\B")
    assert "No exam there matches" in search(client, remote, patient_id="NOBODY")
    Remote.objects.update(ae_title="WRONG")
    assert "Check the AE titles" in search(client, remote, patient_id="NOBODY")


def test_an_administrator_tries_a_remote(pacs: Peer, cast: Cast, signed_in: SignedIn) -> None:
    remote, client = pacs.row(), signed_in(cast.admin)
    answer = client.post(f"/pacs/remotes/{remote.pk}/echo/", follow=True)
    assert "PACS answers as PACS@127.0.0.1" in answer.content.decode()
    Remote.objects.update(ae_title="WRONG")
    answer = client.post(f"/pacs/remotes/{remote.pk}/echo/", follow=True)
    assert "rejected the association" in answer.content.decode()


def test_remotes_are_kept_over_rest(pacs: Peer, cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.admin)
    wrong = client.post("/api/remotes/", {"name": "a", "kind": "dicomweb", "retrieve": "c-get"})
    assert set(wrong.json()) == {"base_url", "retrieve"}
    leaking = {"credential": "bearer", "credential_variable": "OVERREAD_SECRET_KEY"}
    row = {"name": "a", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs.port}
    assert "credential_variable" in client.post("/api/remotes/", row | leaking).json()
    made = client.post("/api/remotes/", row)
    assert made.status_code == 201, made.json()
    echo = client.post(f"/api/remotes/{made.json()['id']}/echo/").json()
    assert echo["answers"], echo
    changed = client.patch(f"/api/remotes/{made.json()['id']}/", {"retrieve": "wado"}, content_type="application/json")
    assert changed.status_code == 400
    Retrieval.objects.create(remote_id=made.json()["id"], study_instance_uid=NOW, called_ae="BRAIN")
    assert client.delete(f"/api/remotes/{made.json()['id']}/").status_code == 400


def test_transfers_over_rest_are_those_of_ones_own_studies(cast: Cast, signed_in: SignedIn, db: None) -> None:
    remote = Remote.objects.create(name="a")
    for title in AETitle.objects.values_list("title", flat=True):
        Retrieval.objects.create(remote=remote, study_instance_uid=NOW, called_ae=title)
    seen = signed_in(cast.coordinator).get("/api/retrievals/").json()["results"]
    assert [one["called_ae"] for one in seen] == ["BRAIN"]
    assert signed_in(cast.reader).get("/api/retrievals/").status_code == 403
