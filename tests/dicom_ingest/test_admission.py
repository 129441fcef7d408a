"""Who may associate and what is taken: by called and calling AE title, address, class, number and room."""

import pytest
from django.core.exceptions import ValidationError
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian, MRImageStorage
from pynetdicom.association import Association
from pytest_django import Settings

from dicom_ingest import spool
from dicom_ingest.admission import Called
from dicom_ingest.models import AETitle, RejectedAssociation
from dicom_ingest.rejections import Rejection
from tests.dicom_ingest.scanner import Scanner, encoded, listening, mr_series, receiving
from tests.dicom_ingest.waiting import until


def refusal(association: Association) -> tuple[int, int, int]:
    assert association.is_rejected
    answer = association.acceptor.primitive
    return answer.result, answer.result_source, answer.diagnostic


def called(**limits: list[str] | int) -> Called:
    return Called.of(AETitle(title="BRAIN", **limits))


@pytest.mark.parametrize(
    "limits",
    [{"allowed_calling_aes": ["OTHER"]}, {"allowed_addresses": ["10.1.2.0/24", "::1"]}],
    ids=["the calling AE title", "the address"],
)
def test_who_is_not_on_the_list_may_not_call(limits: dict[str, list[str]]) -> None:
    refused: list[Rejection] = []
    with receiving(called(**limits), refused=refused.append) as scanner:
        assert refusal(scanner.associate()) == (1, 1, 3)
    assert [one.calling_ae for one in refused] == ["SCANNER"]
    assert "not one of those allowed to call" in refused[0].explanation


def test_who_is_on_every_list_may_call() -> None:
    limits = {"allowed_calling_aes": ["OTHER", "SCANNER"], "allowed_addresses": ["10.1.2.3", "127.0.0.0/8"]}
    with receiving(called(**limits)) as scanner:
        assert scanner.send(mr_series(slices=1)) == [0x0000]


def test_one_association_too_many_is_refused_for_now_and_taken_later() -> None:
    refused: list[Rejection] = []
    with receiving(called(maximum_associations=2), refused=refused.append) as scanner:
        first, second = scanner.associate(), scanner.associate()
        assert refusal(scanner.associate()) == (2, 3, 2)
        first.release()
        tried: list[Association] = []

        def is_taken() -> bool:
            if not any(one.is_established for one in tried):
                tried.append(scanner.associate())
            return any(one.is_established for one in tried)

        assert until(is_taken)
        second.release()
    assert refused[0].explanation == "The AE title takes no more than 2 associations at a time."


def test_a_class_that_is_not_accepted_is_refused_in_negotiation_and_told() -> None:
    refused: list[Rejection] = []
    with receiving(called(accepted_sop_classes=[MRImageStorage]), refused=refused.append) as scanner:
        association = scanner.associate(classes=[MRImageStorage, CTImageStorage])
        assert [(one.abstract_syntax, one.result) for one in association.rejected_contexts] == [(CTImageStorage, 3)]
        association.release()
    assert [one.explanation for one in refused] == ["Not taken here: CT Image Storage."]


@pytest.mark.django_db(transaction=True)
def test_a_change_of_the_limits_takes_effect_without_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_ingest.admission._REFRESH_SECONDS", 0.05)
    AETitle.objects.create(title="BRAIN")
    with listening() as scanner:
        assert scanner.send(mr_series(slices=1)) == [0x0000]
        AETitle.objects.update(allowed_calling_aes=["OTHER"])
        assert until(lambda: bool(scanner.associate().is_rejected))
        assert until(RejectedAssociation.objects.filter(explanation__contains="calling AE title").exists)


def test_below_the_watermark_nothing_is_taken_until_there_is_room(settings: Settings, scanner: Scanner) -> None:
    first, second = mr_series(slices=2)
    association = scanner.associate()
    room = settings.OVERREAD_MIN_FREE_BYTES
    settings.OVERREAD_MIN_FREE_BYTES = 2**60
    answer = association.send_c_store(first)
    assert (answer.Status, answer.ErrorComment) == (0xA700, "No room on the disk. Send again later.")
    settings.OVERREAD_MIN_FREE_BYTES = room
    assert association.send_c_store(second).Status == 0x0000
    association.release()
    assert len(spool.waiting()) == 1


@pytest.mark.parametrize(
    "garbage", [b"GIF89a", b"\x10", b"\x08\x00\x18\x00UI\x00\x00"], ids=["a GIF", "a byte", "late"]
)
def test_what_cannot_be_a_dataset_is_answered_so_and_kept_for_the_quarantine(scanner: Scanner, garbage: bytes) -> None:
    assert scanner.send_bytes(garbage) == 0xC000
    assert spool.waiting()[0].read_bytes().endswith(garbage)


def test_a_request_without_a_dataset_is_answered_so() -> None:
    refused: list[Rejection] = []
    with receiving("BRAIN", refused=refused.append) as scanner:
        assert scanner.send_bytes(b"") == 0xC000
    assert len(refused) == 1
    assert spool.waiting() == []


def test_a_dataset_in_another_byte_order_of_its_tags_is_told_by_its_first_tag(scanner: Scanner) -> None:
    speaking = Scanner(port=scanner.port, syntax=ImplicitVRLittleEndian)
    assert speaking.send_bytes(encoded(mr_series(slices=1)[0], ImplicitVRLittleEndian)) == 0x0000


@pytest.mark.parametrize(
    "limits",
    [
        {"accepted_sop_classes": ["1.2.840.10008.1.1"]},
        {"accepted_sop_classes": ["CT"]},
        {"allowed_calling_aes": ["a title of too many letters"]},
        {"allowed_addresses": ["10.1.2.0/33"]},
        {"allowed_addresses": ["scanner.example"]},
    ],
)
def test_a_limit_that_cannot_be_is_refused_when_it_is_saved(limits: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError):
        AETitle(title="BRAIN", **limits).clean_fields()
