import pytest
from pydicom.uid import RLELossless

from dicom_ingest import spool, tasks
from dicom_ingest.indexer import index
from dicom_ingest.models import AETitle, Exam, Instance, QuarantinedInstance, Route
from dicom_ingest.pacs import queue, retrieve
from dicom_ingest.pacs.errors import Refused
from dicom_ingest.pacs.models import Remote, Retrieval, Transfer
from tests.dicom_ingest.pacs.conftest import NOW, PRIOR
from tests.dicom_ingest.pacs.peers import Peer, needs_orthanc
from tests.dicom_ingest.scans import mr_slice
from tests.ports import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def titles(brain_ae: AETitle) -> None:
    AETitle.objects.create(title="LIVER")


def brought_in(remote: Remote, uid: str = NOW, *, called_ae: str = "BRAIN") -> Retrieval:
    """A retrieval after one attempt, what came filed."""
    retrieval = retrieve.request(remote, uid, called_ae=called_ae)
    assert retrieve.run_next()
    for path in spool.waiting():
        index(path)
    retrieval.refresh_from_db()
    return retrieval


def assert_is_here(retrieval: Retrieval, *, calling_ae: str) -> None:
    assert (retrieval.state, retrieval.reason) == ("succeeded", "")
    assert (retrieval.completed, retrieval.failed, retrieval.remaining or 0) == (2, 0, 0)
    exam = Exam.objects.get(study_instance_uid=NOW)
    assert (exam.patient_id, Instance.objects.filter(series__exam=exam).count()) == ("PACS-0001", 2)
    route = Route.objects.get(exam=exam)
    assert (route.called_ae, route.calling_ae) == ("BRAIN", calling_ae)
    assert not QuarantinedInstance.objects.exists()


def test_an_exam_comes_by_c_move_to_our_receiver(pacs: Peer) -> None:
    assert_is_here(brought_in(pacs.row(retrieve="c-move")), calling_ae="PACS")


def test_an_exam_comes_by_c_get_on_our_own_association(pacs: Peer) -> None:
    assert_is_here(brought_in(pacs.row(retrieve="c-get")), calling_ae="PACS")


@needs_orthanc
def test_an_exam_comes_from_orthanc_by_every_way(archive: Peer) -> None:
    for remote in (archive.row(name="m", retrieve="c-move"), archive.row(name="g", retrieve="c-get")):
        retrieval = brought_in(remote)
        assert (retrieval.state, retrieval.reason) == ("succeeded", "")
    retrieval = brought_in(archive.web_row(retrieve="wado"))
    assert (retrieval.state, retrieval.reason, retrieval.completed) == ("succeeded", "", 2)
    assert list(Instance.objects.values_list("repeats", flat=True)) == [2, 2]
    assert not QuarantinedInstance.objects.exists()


def test_a_destination_that_the_pacs_does_not_know_fails_at_once_and_says_what_to_do(pacs: Peer) -> None:
    retrieval = brought_in(pacs.row(retrieve="c-move"), called_ae="LIVER")
    assert retrieval.state == "failed"
    assert "does not know our AE title LIVER" in retrieval.reason


def test_an_exam_that_is_gone_fails_in_words(pacs: Peer) -> None:
    for method in ("c-move", "c-get"):
        retrieval = brought_in(pacs.row(name=method, retrieve=method), f"{NOW}.404")
        assert retrieval.state == "failed", method
        assert "has no image of this exam any more" in retrieval.reason


def test_a_remote_that_is_away_is_tried_again_later_and_at_last_given_up(pacs: Peer) -> None:
    remote = pacs.row(retrieve="c-move", port=free_port())
    retrieval = brought_in(remote)
    assert (retrieval.state, retrieval.attempts) == ("queued", 1)
    assert "Nothing answers" in retrieval.reason
    assert not retrieve.run_next(), "It has to wait."
    for _ in range(retrieval.max_attempts - 1):
        Retrieval.objects.update(not_before=retrieval.created_at)
        assert retrieve.run_next()
    retrieval.refresh_from_db()
    assert retrieval.state == "failed"
    assert retrieval.reason.endswith("It was tried 5 times.")
    Remote.objects.update(port=pacs.port)
    retrieve.request_again(retrieval)
    assert retrieve.run_next()
    retrieval.refresh_from_db()
    assert retrieval.state == "succeeded"


def test_the_retrieval_of_a_worker_that_died_is_taken_over(pacs: Peer) -> None:
    retrieval = retrieve.request(pacs.row(retrieve="c-move"), NOW, called_ae="BRAIN")
    assert queue.claim_next(Retrieval) == retrieval
    assert queue.claim_next(Retrieval) is None, "Its lease is valid."
    Retrieval.objects.update(lease_expires_at=retrieval.created_at)
    assert retrieve.run_next()
    retrieval.refresh_from_db()
    assert (retrieval.state, retrieval.attempts) == ("succeeded", 2)


def test_an_exam_is_asked_for_once_while_it_is_on_its_way(pacs: Peer) -> None:
    remote = pacs.row(retrieve="c-move")
    assert retrieve.request(remote, NOW, called_ae="BRAIN") == retrieve.request(remote, NOW, called_ae="BRAIN")


def test_what_may_not_be_brought_in_is_refused(pacs: Peer) -> None:
    with pytest.raises(Refused, match="Nothing may be brought in from PACS"):
        retrieve.request(pacs.row(), NOW, called_ae="BRAIN")
    with pytest.raises(Refused, match="NOBODY is not one of Overread's active AE titles"):
        retrieve.request(pacs.row(name="b", retrieve="c-get"), NOW, called_ae="NOBODY")


def test_a_remote_is_asked_for_no_more_at_once_than_it_bears(pacs: Peer) -> None:
    remote = pacs.row(retrieve="c-move", max_parallel=2, pause_seconds=60)
    low = retrieve.request(remote, PRIOR, called_ae="BRAIN", priority=Transfer.Priority.BATCH)
    routine = [retrieve.request(remote, f"{NOW}.{n}", called_ae="BRAIN") for n in (1, 2)]
    assert queue.claim_next(Retrieval) == routine[0], "People come first."
    Retrieval.objects.filter(pk=routine[1].pk).update(state="cancelled")
    assert queue.claim_next(Retrieval) is None, "One association is left to people."
    Retrieval.objects.filter(pk=routine[0].pk).update(state="succeeded")
    assert queue.claim_next(Retrieval) == low


def test_a_cancelled_retrieval_stays_cancelled(pacs: Peer) -> None:
    retrieval = retrieve.request(pacs.row(retrieve="c-move"), NOW, called_ae="BRAIN")
    claimed = queue.claim_next(Retrieval)
    assert claimed is not None
    assert queue.cancel(Retrieval, retrieval.pk)
    with queue.attempt(claimed):
        retrieve.run(claimed)
    retrieval.refresh_from_db()
    assert (retrieval.state, retrieval.reason) == ("cancelled", "Cancelled by hand.")


@needs_orthanc
def test_a_compressed_image_comes_as_it_is_held(archive: Peer) -> None:
    uid = f"{NOW}.9"
    compressed = mr_slice(1, study=uid, series=f"{uid}.7")
    compressed.compress(RLELossless)
    archive.take([compressed])
    for method in ("c-get", "wado"):
        remote = archive.web_row(retrieve=method) if method == "wado" else archive.row(retrieve=method)
        retrieval = brought_in(remote, uid)
        assert (retrieval.state, retrieval.reason) == ("succeeded", ""), method
    instance = Instance.objects.get()
    assert (instance.transfer_syntax_uid, instance.repeats) == (RLELossless, 1)
    assert not QuarantinedInstance.objects.exists()


def test_a_worker_brings_in_what_is_queued(pacs: Peer) -> None:
    retrieval = retrieve.request(pacs.row(retrieve="c-get"), NOW, called_ae="BRAIN")
    assert queue.sweep() == 1
    tasks.transfer_next()
    retrieval.refresh_from_db()
    assert retrieval.state == "succeeded"
    assert queue.sweep() == 0
