import time
from datetime import date
from pathlib import Path

import pytest
from pynetdicom import evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from dicom_ingest.pacs import remotes
from dicom_ingest.pacs.errors import PacsError, Refused
from dicom_ingest.pacs.models import Remote
from dicom_ingest.pacs.query import Criteria, search
from tests.dicom_ingest.pacs.conftest import NOW, OTHER, PRIOR
from tests.dicom_ingest.pacs.peers import HOST, Peer, certificate, needs_orthanc, orthanc, storescp
from tests.ports import free_port

pytestmark = pytest.mark.django_db

CASES = [
    (Criteria(patient_id="PACS-0001"), [NOW, PRIOR]),
    (Criteria(accession_number="PRIOR1"), [PRIOR]),
    (Criteria(date_from=date(2024, 5, 1)), [OTHER, NOW]),
    (Criteria(date_to=date(2023, 12, 31)), [PRIOR]),
    (Criteria(date_from=date(2024, 5, 1), date_to=date(2024, 5, 1)), [NOW]),
    (Criteria(date_from=date(2023, 1, 1), modality="CT"), [OTHER]),
    (Criteria(patient_name="Birch"), [NOW, PRIOR]),
    (Criteria(patient_name="Birch^Ada"), [NOW, PRIOR]),
    (Criteria(patient_name="Birk^Önder"), [OTHER]),
    (Criteria(patient_id="PACS-0009"), []),
]


@pytest.mark.parametrize("criteria,expected", CASES, ids=lambda one: str(one)[:40])
def test_a_pacs_is_searched_by_each_key(pacs: Peer, criteria: Criteria, expected: list[str]) -> None:
    found = search(pacs.row(), criteria)
    assert [match.study_instance_uid for match in found.matches] == expected


@needs_orthanc
def test_a_dicomweb_server_is_searched_by_each_key(archive: Peer) -> None:
    remote = archive.web_row()
    for criteria, expected in CASES:
        found = search(remote, criteria)
        assert [match.study_instance_uid for match in found.matches] == expected, criteria
    [match] = search(remote, Criteria(accession_number="NOW1")).matches
    assert (match.patient_label, match.modalities, match.instances) == ("Birch, Ada", ("MR",), 2)
    assert match.description == "2024-05-01 MR MR Brain"


def test_a_match_says_whose_exam_it_is(pacs: Peer) -> None:
    [match] = search(pacs.row(), Criteria(patient_id="PACS-0002", modality="CT")).matches
    assert match.patient_label == "Birk, Önder"
    assert match.patient_birth_date == date(1951, 2, 3)
    assert match.modalities == ("CT",)


@needs_orthanc
def test_a_search_stops_at_its_limit_and_says_so(pacs: Peer, archive: Peer) -> None:
    for remote in (pacs.row(), archive.web_row(), archive.row()):
        found = search(remote, Criteria(date_from=date(2000, 1, 1)), limit=2)
        assert (len(found.matches), found.is_cut) == (2, True), remote
        assert not search(remote, Criteria(date_from=date(2000, 1, 1)), limit=3).is_cut


def test_a_search_for_everything_is_refused(pacs: Peer) -> None:
    remote = pacs.row()
    for criteria in (Criteria(), Criteria(modality="MR"), Criteria(patient_id="*")):
        with pytest.raises(Refused, match="every exam would match"):
            search(remote, criteria)


def test_a_remote_that_may_not_be_searched_is_not_asked(pacs: Peer) -> None:
    with pytest.raises(Refused, match="may not be searched"):
        search(pacs.row(may_query=False), Criteria(patient_id="PACS-0001"))


def test_an_echo_tells_what_is_wrong_in_words(pacs: Peer) -> None:
    assert "answers as PACS@127.0.0.1" in remotes.echo(pacs.row())
    with pytest.raises(Refused, match="Check the AE titles: ours is OVERREAD, and we call it WRONG"):
        remotes.echo(pacs.row(name="b", ae_title="WRONG"))
    with pytest.raises(PacsError, match=r"Nothing answers at 127\.0\.0\.1"):
        remotes.echo(pacs.row(name="c", port=free_port()))
    with pytest.raises(PacsError, match="TLS"):
        remotes.echo(pacs.row(name="d", tls=True))


def test_a_rejection_that_comes_before_we_look_for_it_is_told_as_one(pacs: Peer) -> None:
    late = [(evt.EVT_REQUESTED, lambda _event: time.sleep(0.5))]
    contexts = [build_context(Verification)]
    with (
        pytest.raises(Refused, match="Called AE title not recognised"),
        remotes.association(pacs.row(ae_title="WRONG"), contexts, handlers=late),
    ):
        pass


@needs_orthanc
def test_a_dicomweb_credential_comes_from_the_environment_and_is_never_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with orthanc(free_port(), password="s3cret") as peer:
        remote = peer.web_row(credential=Remote.Credential.BASIC, credential_variable="OVERREAD_REMOTE_ARCHIVE")
        with pytest.raises(Refused, match="set OVERREAD_REMOTE_ARCHIVE"):
            remotes.echo(remote)
        monkeypatch.setenv("OVERREAD_REMOTE_ARCHIVE", "overread:wrong")
        with pytest.raises(Refused, match="401"):
            remotes.echo(remote)
        monkeypatch.setenv("OVERREAD_REMOTE_ARCHIVE", "overread:s3cret")
        assert "answers searches" in remotes.echo(remote)


def test_what_does_not_answer_dicom_json_is_told_in_words() -> None:
    remote = Remote(name="web", kind="dicomweb", base_url=f"http://{HOST}:{free_port()}")
    with pytest.raises(PacsError, match="cannot be reached") as told:
        search(remote, Criteria(patient_id="SECRET-1"))
    assert "SECRET-1" not in str(told.value)


def test_tls_holds_only_with_a_certificate_that_this_machine_trusts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key, issued = certificate(tmp_path)
    with storescp("+tls", key, issued, "-ic") as peer:
        remote = peer.row(tls=True)
        with pytest.raises(PacsError, match="Check the address and the certificate"):
            remotes.echo(remote)
        monkeypatch.setenv("SSL_CERT_FILE", issued)
        assert "(TLS)" in remotes.echo(remote)
