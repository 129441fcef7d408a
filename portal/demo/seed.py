"""The demonstration's cast: its users by role, its AE title, its study. Run again, it adds only what is missing."""

from django.conf import settings
from django.db import transaction

from dicom_ingest.models import AETitle
from feedback.forms import quality_form
from portal.access import Role
from portal.models import User
from studies.models import Membership, Study

PASSWORD = "overread-demo"  # noqa: S105 - public by design, hence loopback only
AE_TITLE = "BRAIN"
PIPELINE = "brain-extraction"
STUDY = "brain-volume"
ADMINISTRATOR = "admin"
MEMBERS = {
    "coordinator": Role.COORDINATOR,
    "reader1": Role.READER,
    "reader2": Role.READER,
    "qc": Role.QC_REVIEWER,
    "governance": Role.GOVERNANCE,
    "scientist": Role.DATA_SCIENTIST,
}
QUIET_SECONDS = 5


class NotADemonstration(Exception):
    """Users with a public password were asked for in a portal that is not the demonstration."""


@transaction.atomic
def seed() -> Study:
    """Make what is missing of the demonstration and return its study. What somebody changed stays changed.

    Raises NotADemonstration unless OVERREAD_DEMO is set.
    """
    if not settings.OVERREAD_DEMO:
        raise NotADemonstration(
            "The demonstration's users have a public password: set OVERREAD_DEMO=1 or make your own."
        )
    _administrator()
    study = _study()
    for username, role in MEMBERS.items():
        _member(study, username, role)
    return study


def _administrator() -> None:
    if not User.objects.filter(username=ADMINISTRATOR).exists():
        User.objects.create_superuser(ADMINISTRATOR, password=PASSWORD)


def _member(study: Study, username: str, role: Role) -> None:
    if User.objects.filter(username=username).exists():
        return
    user = User.objects.create_user(username, password=PASSWORD)
    Membership.objects.create(study=study, user=user, role=role)


def _study() -> Study:
    study, _ = Study.objects.get_or_create(
        slug=STUDY,
        defaults={
            "title": "Brain volume on T1 MR",
            "question": (
                "Does deepbet outline the brain on routine T1-weighted MR well enough that a change of its volume "
                "between two visits can be trusted?"
            ),
            "ae_title": _ae_title(),
            "form": quality_form(),
        },
    )
    return study


def _ae_title() -> AETitle:
    ae_title, _ = AETitle.objects.get_or_create(
        title=AE_TITLE,
        defaults={
            "description": "Brain extraction on every T1 exam sent here",
            "pipeline": PIPELINE,
            "quiet_period_seconds": QUIET_SECONDS,
        },
    )
    return ae_title
