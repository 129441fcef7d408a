from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils.timezone import now
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicom_ingest.indexer import file_derived
from dicom_ingest.models import Exam, Instance, Series
from dicom_ingest.pacs import commitment, queue, send
from dicom_ingest.pacs.errors import Refused
from dicom_ingest.pacs.models import Remote, Sending, SentInstance
from dicom_ingest.store import instance_path
from inference.models import Job, PipelineVersion, Result
from portal.models import User
from studies import destinations
from studies.models import Study, StudyDestination
from tests.conftest import Cast
from tests.dicom_ingest.pacs.peers import needs_orthanc, orthanc, storescp
from tests.dicom_ingest.scanner import Scanner
from tests.dicom_ingest.scans import STUDY, complete, mr_slice, receive
from tests.dicom_ingest.waiting import until
from tests.ports import free_port

pytestmark = pytest.mark.django_db(transaction=True)

MADE = "1.2.826.0.1.3680043.8.498.88"


@pytest.fixture
def results(study: Study) -> list[Instance]:
    """Three instances that the study's pipeline made of its case."""
    [received] = receive(mr_slice(1))
    exam = complete(received.series.exam)
    return results_of(exam, [mr_slice(n, study=STUDY, series=MADE, SeriesDescription="Made") for n in (1, 2, 3)])


def results_of(exam: Exam, made: list[Dataset]) -> list[Instance]:
    version = PipelineVersion.objects.create(name="brain-extraction", version="1", digest="d", title="B", definition={})
    job = Job.objects.create(pipeline=version, exam=exam, fingerprint="a", state=Job.State.SUCCEEDED)
    instances = [file_derived(one, exam=exam) for one in made]
    Result.objects.create(job=job, exam=exam, segmentation=instances[0].series)
    return instances


def decide(study: Study, remote: Remote, user: User, what: str = "results") -> None:
    StudyDestination.objects.create(study=study, remote=remote, what=what, reason="Minutes of May", decided_by=user)


def queued(remote: Remote) -> Sending:
    assert destinations.queue_results() == 1
    assert destinations.queue_results() == 0, "Once is enough."
    return Sending.objects.get(remote=remote)


def states(sending: Sending) -> list[str]:
    sending.refresh_from_db()
    return [one.state for one in sending.instances.order_by("instance__instance_number")]


def file_of(instance: Instance) -> Path:
    return instance_path(STUDY, instance.series.series_instance_uid, instance.sop_instance_uid)


def test_results_go_by_c_store_where_governance_says_so(results: list[Instance], study: Study, cast: Cast) -> None:
    with storescp() as peer:
        remote = peer.row(may_send=True)
        decide(study, remote, cast.governance)
        sending = queued(remote)
        assert send.run_next()
        arrived = {dcmread(file).SOPInstanceUID: dcmread(file) for file in peer.folder.iterdir()}
    assert (states(sending), sending.state) == (["sent"] * 3, "succeeded")
    assert set(arrived) == {one.sop_instance_uid for one in results}, "Only results leave, not what was received."
    for instance in results:
        assert arrived[instance.sop_instance_uid].PixelData == dcmread(file_of(instance)).PixelData


def test_without_a_decision_nothing_leaves_and_the_sentence_says_why(
    results: list[Instance], study: Study, cast: Cast
) -> None:
    remote = Remote.objects.create(name="ARCHIVE", ae_title="ARCHIVE", host="127.0.0.1", port=1, may_send=True)
    exam = results[0].series.exam
    assert destinations.queue_results() == 0
    with pytest.raises(Refused, match="No governance decision of Brain volume names ARCHIVE"):
        send.request(exam, remote, study="brain")
    decide(study, remote, cast.governance, "none")
    with pytest.raises(Refused, match=r"decided on .* that nothing is sent to ARCHIVE"):
        send.request(exam, remote, study="brain")
    with pytest.raises(Refused, match="is no case of the study"):
        send.request(exam, remote, study="liver")
    decide(study, remote, cast.governance)
    Remote.objects.update(may_send=False)
    remote.refresh_from_db()
    with pytest.raises(Refused, match="Nothing may be sent to ARCHIVE"):
        send.request(exam, remote, study="brain")
    assert not Sending.objects.exists()


def test_a_decision_withdrawn_stops_what_still_waits(results: list[Instance], study: Study, cast: Cast) -> None:
    with storescp() as peer:
        remote = peer.row(may_send=True)
        decide(study, remote, cast.governance)
        sending = queued(remote)
        decide(study, remote, cast.governance, "none")
        assert send.run_next()
        assert not list(peer.folder.iterdir())
    assert states(sending) == ["waiting"] * 3
    assert (sending.state, "nothing is sent to ARCHIVE" in sending.reason) == ("failed", True)


def test_a_superseded_result_does_not_leave(results: list[Instance], study: Study, cast: Cast) -> None:
    with storescp() as peer:
        remote = peer.row(may_send=True)
        decide(study, remote, cast.governance)
        sending = queued(remote)
        Series.objects.filter(series_instance_uid=MADE).update(superseded_at=sending.created_at)
        assert send.run_next()
        assert not list(peer.folder.iterdir())
    assert states(sending) == ["failed"] * 3


def test_a_sending_goes_on_where_its_killed_worker_stopped(results: list[Instance], study: Study, cast: Cast) -> None:
    with storescp() as peer:
        remote = peer.row(may_send=True)
        decide(study, remote, cast.governance)
        sending = queued(remote)
        assert queue.claim_next(Sending) == sending
        sending.instances.filter(instance=results[0]).update(state=SentInstance.State.SENT)
        Sending.objects.update(lease_expires_at=sending.created_at)  # as after a kill
        assert send.run_next()
        arrived = {dcmread(file).SOPInstanceUID for file in peer.folder.iterdir()}
    assert arrived == {one.sop_instance_uid for one in results[1:]}
    assert (states(sending), sending.state, sending.attempts) == (["sent"] * 3, "succeeded", 2)


def test_an_archive_that_is_away_gets_everything_later(results: list[Instance], study: Study, cast: Cast) -> None:
    with storescp() as peer:
        remote = peer.row(may_send=True, port=free_port())
        decide(study, remote, cast.governance)
        sending = queued(remote)
        assert send.run_next()
        assert (states(sending), sending.state) == (["waiting"] * 3, "queued")
        assert "Nothing answers" in sending.reason
        assert sending.not_before > sending.created_at
        Remote.objects.update(port=peer.port)
        Sending.objects.update(not_before=sending.created_at)
        assert send.run_next()
    assert states(sending) == ["sent"] * 3


def test_what_an_archive_does_not_take_is_told_for_each_instance(
    study: Study, cast: Cast, signed_in: Callable[[User], Client]
) -> None:
    [received] = receive(mr_slice(1))
    exam = complete(received.series.exam)
    odd = mr_slice(2, study=STUDY, series=MADE)
    odd.SOPClassUID = odd.file_meta.MediaStorageSOPClassUID = UID("1.2.826.0.1.3680043.8.498.5")
    [_, instance] = results_of(exam, [mr_slice(1, study=STUDY, series=MADE), odd])
    with storescp() as peer:
        remote = peer.row(may_send=True)
        decide(study, remote, cast.governance)
        sending = queued(remote)
        assert send.run_next()
    assert (states(sending), sending.state) == (["sent", "failed"], "failed")
    assert "1 of 2 instances were not taken" in sending.reason
    client = signed_in(cast.coordinator)
    page = client.get(f"/pacs/sendings/{sending.pk}/").content.decode()
    assert instance.sop_instance_uid in page
    assert "ARCHIVE does not take 1.2.826.0.1.3680043.8.498.5" in page
    assert "1 of 2" in client.get("/pacs/").content.decode()
    [listed] = client.get("/api/sendings/").json()["results"]
    assert [one["state"] for one in listed["instances"]] == ["sent", "failed"]
    client.post(f"/pacs/sendings/{sending.pk}/retry/")
    assert states(sending) == ["sent", "waiting"]


@needs_orthanc
def test_results_go_by_stow_with_a_status_for_each(results: list[Instance], study: Study, cast: Cast) -> None:
    with orthanc(free_port()) as peer:
        remote = peer.web_row(may_send=True)
        decide(study, remote, cast.governance)
        sending = queued(remote)
        assert send.run_next()
        stored = [file for file in peer.folder.rglob("*") if file.is_file() and b"DICM" in file.read_bytes()[:132]]
    assert (states(sending), sending.state, sending.reason) == (["sent"] * 3, "succeeded", "")
    assert len(stored) == 3


@needs_orthanc
def test_an_archive_commits_itself_on_an_association_of_its_own(
    results: list[Instance], study: Study, cast: Cast, receiver: Scanner
) -> None:
    with orthanc(receiver.port, knows=("OVERREAD",)) as peer:
        remote = peer.row(may_send=True, commitment=True)
        decide(study, remote, cast.governance)
        sending = queued(remote)
        assert send.run_next()
        assert until(lambda: states(sending) == ["committed"] * 3), sending.reason
        assert (sending.state, sending.is_commitment_awaited) == ("succeeded", False)
        # what the archive has lost it does not commit itself to
        sending.instances.update(state=SentInstance.State.SENT)
        Sending.objects.update(state="queued", attempts=0)
        Instance.objects.filter(pk=results[0].pk).update(sop_instance_uid=f"{MADE}.404")
        assert send.run_next()
        assert until(lambda: states(sending) == ["failed", "committed", "committed"])
    assert (sending.state, "not committed" in sending.reason or "not taken" in sending.reason) == ("failed", True)


def test_an_archive_that_keeps_silent_is_asked_again_for_a_week(
    results: list[Instance], study: Study, cast: Cast
) -> None:
    archive = Remote.objects.create(
        name="ARCHIVE", ae_title="ARCHIVE", host="127.0.0.1", port=1, may_send=True, commitment=True
    )
    decide(study, archive, cast.governance)
    sending = queued(archive)
    sending.instances.update(state=SentInstance.State.SENT)
    Sending.objects.update(state="succeeded", attempts=1, commitment_asked_at=now() - timedelta(minutes=50))
    assert commitment.remind() == 0  # it may still be at it
    Sending.objects.update(commitment_asked_at=now() - timedelta(minutes=70))
    assert commitment.remind() == 1
    sending.refresh_from_db()
    assert (sending.state, sending.attempts) == ("queued", 0)
    Sending.objects.update(state="succeeded", created_at=now() - timedelta(days=8))
    assert commitment.remind() == 0
    Sending.objects.update(created_at=now())
    sending.instances.update(state=SentInstance.State.COMMITTED)
    assert commitment.remind() == 0
