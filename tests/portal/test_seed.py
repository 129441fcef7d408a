"""The demonstration's cast: made once, left as people change it, and never outside the demonstration."""

import pytest
from django.contrib.auth import authenticate
from django.core.checks import CheckMessage, run_checks
from django.test import RequestFactory
from pytest_django import Settings

from dicom_ingest.models import AETitle
from inference import shipped
from portal.access import Capability, holds
from portal.demo.seed import PASSWORD, STUDIES, NotADemonstration, seed
from portal.models import User
from studies.annotation import dealing
from studies.models import Membership, Study
from studies.protocols import protocol

pytestmark = pytest.mark.django_db
EVERYBODY = {
    "admin", "coordinator", "reader1", "reader2", "qc", "adjudicator", "governance", "scientist", "expert", "novice"
}  # fmt: skip


ROLES = {
    "coordinator": "coordinator",
    "reader1": "reader",
    "reader2": "reader",
    "qc": "qc",
    "adjudicator": "adjudicator",
    "governance": "governance",
    "scientist": "scientist",
}


@pytest.fixture
def demonstration(settings: Settings) -> None:
    settings.OVERREAD_DEMO = True


@pytest.mark.usefixtures("demonstration")
def test_everybody_of_the_demonstration_can_log_in(rf: RequestFactory) -> None:
    seed()
    assert set(User.objects.values_list("username", flat=True)) == EVERYBODY
    assert all(authenticate(rf.post("/login/"), username=name, password=PASSWORD) for name in EVERYBODY)


@pytest.mark.usefixtures("demonstration")
def test_each_member_has_the_role_of_the_name() -> None:
    seed()
    assert Study.objects.count() == len(STUDIES)
    for study in Study.objects.all():
        roles = dict(Membership.objects.filter(study=study).values_list("user__username", "role"))
        drawing = {"expert": "annotator", "novice": "annotator"} if study.slug == "liver-transplant" else {}
        assert roles == ROLES | drawing
    assert holds(User.objects.get(username="reader1"), Capability.GIVE_FEEDBACK)
    assert User.objects.get(username="admin").is_superuser


@pytest.mark.usefixtures("demonstration")
def test_the_liver_study_scores_an_expert_a_novice_and_the_ai_blind() -> None:
    seed()
    study = Study.objects.get(slug="liver-transplant")
    content = protocol.current(study).content
    assert study.readers_are_blinded and content.design.arms_named == ("ai", "expert", "novice")
    for arm in ("expert", "novice"):
        [annotator] = dealing.annotators_of(study, content.arm(arm))
        assert User.objects.get(pk=annotator).username == arm


@pytest.mark.usefixtures("demonstration")
def test_what_comes_to_brain_runs_the_brain_pipeline_and_belongs_to_the_study() -> None:
    seed()
    ae_title = AETitle.objects.get(title="BRAIN")
    assert (ae_title.pipeline, ae_title.quiet_period_seconds) == ("brain-extraction", 5)
    assert Study.objects.get(slug="brain-volume").ae_title == ae_title


@pytest.mark.usefixtures("demonstration")
def test_every_ae_title_of_the_demonstration_names_a_pipeline_that_is_shipped() -> None:
    seed()
    assert set(AETitle.objects.values_list("pipeline", flat=True)) == set(shipped.names())


@pytest.mark.usefixtures("demonstration")
def test_seeding_again_adds_nothing_and_keeps_what_people_changed(rf: RequestFactory) -> None:
    seed()
    reader = User.objects.get(username="reader1")
    reader.set_password("of my own")
    reader.save()
    AETitle.objects.filter(title="BRAIN").update(quiet_period_seconds=30)
    Membership.objects.filter(user__username="qc").delete()
    seed()
    assert User.objects.count() == len(EVERYBODY)
    assert authenticate(rf.post("/login/"), username="reader1", password="of my own")
    assert AETitle.objects.get(title="BRAIN").quiet_period_seconds == 30
    assert not Membership.objects.filter(user__username="qc").exists()


def test_a_portal_that_is_no_demonstration_gets_no_user_with_a_public_password(settings: Settings) -> None:
    settings.OVERREAD_DEMO = False
    with pytest.raises(NotADemonstration):
        seed()
    assert not User.objects.exists()


@pytest.mark.parametrize("variable", ["OVERREAD_WEB_HOST", "OVERREAD_DIMSE_HOST"])
@pytest.mark.usefixtures("demonstration")
def test_no_command_runs_a_demonstration_that_would_listen_beyond_loopback(settings: Settings, variable: str) -> None:
    assert findings() == []
    setattr(settings, variable, "0.0.0.0")
    (error,) = findings()
    assert (error.id, error.is_serious()) == ("portal.E001", True)
    assert error.msg.startswith(f"{variable} is '0.0.0.0'")
    settings.OVERREAD_DEMO = False
    assert findings() == []


def findings() -> list[CheckMessage]:
    """What the portal itself found wrong, whatever other apps may have to say."""
    return [message for message in run_checks() if str(message.id).startswith("portal.")]
