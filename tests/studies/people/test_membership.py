"""What memberships let their holders see, and what blinding takes away again."""

import pytest

from dicom_ingest.models import AETitle, Exam
from portal.access import Role
from portal.models import User
from studies.models import Membership, Study
from tests.conftest import Cast
from tests.protocols import case_of, open_study


@pytest.fixture
def blinded_study(exam: Exam) -> Study:
    """A second study that has the same exam, and whose readers are blinded."""
    ae_title = AETitle.objects.create(title="BLINDED")
    study = open_study("blinded", ae_title=ae_title, blinding={"readers": "blinded"})
    case_of(study, exam, number=1)
    return study


def sees(user: User, exam: Exam) -> bool:
    return Exam.objects.visible_to(user).filter(pk=exam.pk).exists()


def test_a_reader_of_a_blinded_study_finds_its_exam_on_no_page(cast: Cast, exam: Exam, blinded_study: Study) -> None:
    Membership.objects.create(study=blinded_study, user=cast.outsider, role=Role.READER)
    assert not sees(cast.outsider, exam)


@pytest.mark.parametrize("role", [Role.READER, Role.ANNOTATOR, Role.ADJUDICATOR])
def test_blinding_in_one_study_holds_against_a_role_in_another(
    cast: Cast, exam: Exam, blinded_study: Study, role: Role
) -> None:
    assert sees(cast.reader, exam)
    Membership.objects.create(study=blinded_study, user=cast.reader, role=role)
    assert not sees(cast.reader, exam)
    assert sees(cast.other_reader, exam)


def test_a_coordinator_who_also_reads_is_blinded_like_any_reader(cast: Cast, exam: Exam, blinded_study: Study) -> None:
    for role in (Role.COORDINATOR, Role.READER):
        Membership.objects.create(study=blinded_study, user=cast.coordinator, role=role)
    assert not sees(cast.coordinator, exam)


def test_blinding_ends_when_the_study_is_closed(cast: Cast, exam: Exam, blinded_study: Study) -> None:
    Membership.objects.create(study=blinded_study, user=cast.reader, role=Role.READER)
    Study.objects.filter(pk=blinded_study.pk).update(stage=Study.Stage.CLOSED)
    assert sees(cast.reader, exam)


def test_a_withdrawn_membership_grants_nothing(cast: Cast, exam: Exam) -> None:
    held = Membership.objects.get(user=cast.reader)
    Membership.objects.filter(pk=held.pk).update(withdrawn_at=held.granted_at)
    assert not sees(cast.reader, exam)
