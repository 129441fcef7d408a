"""The fixed cast of the tests: one study, its members by role, an outsider, and exams of one patient."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker, Settings

from dicom_ingest.models import AETitle, Exam, Route
from feedback.models import Form
from portal.access import Role
from portal.models import User
from studies.models import Membership, Study
from tests.protocols import open_study

pytest_plugins = ["tests.demonstration", "tests.acting", "tests.answering", "tests.slapd"]
PASSWORD = "a-password-of-tests"


@pytest.fixture(autouse=True)
def store(settings: Settings, tmp_path: Path) -> Path:
    """An empty store of the test's own."""
    settings.OVERREAD_STORE = tmp_path / "store"
    return tmp_path / "store"


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Hashing that takes no time: the real one costs half a second for each user of the cast."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@dataclass(frozen=True, kw_only=True)
class Cast:
    """One user per role of the study, an administrator of the portal, and a reader of another study."""

    admin: User
    coordinator: User
    reader: User
    other_reader: User
    qc: User
    governance: User
    scientist: User
    outsider: User


@pytest.fixture
def brain_ae(db: None) -> AETitle:
    return AETitle.objects.create(title="BRAIN", pipeline="brain-extraction", quiet_period_seconds=1)


@pytest.fixture
def form(db: None) -> Form:
    """The form of the demonstration study, in its first version."""
    from feedback.forms import quality_form

    return quality_form()


@pytest.fixture
def study(brain_ae: AETitle, form: Form) -> Study:
    return open_study("brain", title="Brain volume", ae_title=brain_ae, form=form)


@pytest.fixture
def cast(study: Study) -> Cast:
    other_ae = AETitle.objects.create(title="LIVER")
    other = open_study("liver", title="Liver", ae_title=other_ae, form=study.form)

    def member(name: str, role: Role, *, of: Study = study) -> User:
        user = User.objects.create_user(name, password=PASSWORD)
        Membership.objects.create(study=of, user=user, role=role)
        return user

    return Cast(
        admin=User.objects.create_superuser("admin", password=PASSWORD),
        coordinator=member("coordinator", Role.COORDINATOR),
        reader=member("reader1", Role.READER),
        other_reader=member("reader2", Role.READER),
        qc=member("qc", Role.QC_REVIEWER),
        governance=member("governance", Role.GOVERNANCE),
        scientist=member("scientist", Role.DATA_SCIENTIST),
        outsider=member("outsider", Role.READER, of=other),
    )


@pytest.fixture
def signed_in() -> Iterator[Callable[[User], Client]]:
    """A browser in which the given user has logged in."""

    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    yield log_in


@pytest.fixture
def exam(study: Study) -> Exam:
    """A complete exam that came to the study's AE title and is its first case; no files belong to it."""
    from studies.cases.enrolment import enrol_complete_exams

    exam = Exam.objects.create(
        study_instance_uid="1.2.826.0.1.3680043.8.498.1",
        patient_id="DEMO-0001",
        patient_name="Demo^Alder",
        accession_number="ACC0001",
        study_description="MR brain",
    )
    route = Route.objects.create(exam=exam, called_ae="BRAIN", calling_ae="SCANNER", received_instances=1)
    Route.objects.filter(pk=route.pk).update(completed_at=route.last_instance_at)
    enrol_complete_exams()
    return exam


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Tests that commit are followed by a TRUNCATE of all tables, which the audit trail would refuse."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER entries_are_kept")
