"""The demonstration's cast: its users by role, its AE titles, its studies. Run again, it adds only what is missing."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from dicom_ingest.models import AETitle
from feedback.forms import quality_form
from portal.access import Role
from portal.models import User
from studies.models import Membership, Study
from studies.protocols import protocol, protocol_starts, stages
from studies.protocols.design_schema import Shadow
from studies.protocols.protocol_schema import (
    Arm,
    Arrival,
    Blinding,
    Endpoint,
    FrozenPipeline,
    PipelineFindings,
    Protocol,
    SampleSize,
)

PASSWORD = "overread-demo"  # noqa: S105 - public by design, hence loopback only
AE_TITLE = "BRAIN"
ADMINISTRATOR = "admin"
MEMBERS = {
    "coordinator": Role.COORDINATOR,
    "reader1": Role.READER,
    "reader2": Role.READER,
    "qc": Role.QC_REVIEWER,
    "adjudicator": Role.ADJUDICATOR,
    "governance": Role.GOVERNANCE,
    "scientist": Role.DATA_SCIENTIST,
}
ANNOTATORS = ("expert", "novice")
"""Users who draw, in the studies that name them; each of the kind of the same name."""
QUIET_SECONDS = 5
EXEMPT = "exempt: invented patients"


@dataclass(frozen=True, kw_only=True)
class Destination:
    """An AE title and the pipeline that runs on what comes to it."""

    ae_title: str
    pipeline: str
    description: str
    priority: AETitle.Priority = AETitle.Priority.ROUTINE


@dataclass(frozen=True, kw_only=True)
class Demonstrated:
    """A study of the demonstration; what comes to its AE title is screened for it.

    template: the shipped protocol that it follows, with blinded readers of `reader_role`; without one everybody sees
    everything, and results are judged on their own pages.
    """

    slug: str
    title: str
    comes_to: Destination
    question: str = ""
    template: str = ""
    reader_role: str = ""
    annotators: tuple[str, ...] = ()


BRAIN_VOLUME = Demonstrated(
    slug="brain-volume",
    title="Brain volume on T1 MR",
    question=(
        "Does deepbet outline the brain on routine T1-weighted MR well enough that a change of its volume between two "
        "visits can be trusted?"
    ),
    comes_to=Destination(
        ae_title=AE_TITLE,
        pipeline="brain-extraction",
        description="Brain extraction on every T1 exam sent here",
    ),
)
STUDIES = (
    BRAIN_VOLUME,
    Demonstrated(
        slug="glioma-follow-up",
        title="Glioma follow-up on FLAIR",
        template="bts",
        reader_role="neuroradiologist",
        comes_to=Destination(
            ae_title="GLIOMA",
            pipeline="glioma-followup",
            description="Lesion and its change over time on every FLAIR exam sent here",
        ),
    ),
    Demonstrated(
        slug="liver-transplant",
        title="Liver lobes before living donation",
        template="lts",
        reader_role="scorer",
        annotators=ANNOTATORS,
        comes_to=Destination(
            ae_title="LIVER",
            pipeline="liver-transplant",
            description="Lobes, vessels and future liver remnant on every CT sent here",
        ),
    ),
    Demonstrated(
        slug="hip-fracture",
        title="Hip fracture on pelvis radiographs",
        template="hfd",
        reader_role="resident",
        comes_to=Destination(
            ae_title="HIP",
            pipeline="hip-fracture",
            description="Both hips on every pelvis radiograph sent here",
        ),
    ),
    Demonstrated(
        slug="abdominal-organs",
        title="Organs on abdominal CT",
        question="Can four organ models run at once and leave one segmentation that a reader accepts?",
        comes_to=Destination(
            ae_title="ORGANS",
            pipeline="multi-organ",
            description="Four organs at once on every CT sent here",
        ),
    ),
    Demonstrated(
        slug="chest-triage",
        title="Triage of chest radiographs",
        question="Would the model's order of reading bring a pneumothorax to a radiologist sooner?",
        comes_to=Destination(
            ae_title="CHEST",
            pipeline="chest-xray-triage",
            description="Probabilities of findings on every chest radiograph sent here; they order the reading",
        ),
    ),
)
COMPARISON = Destination(
    ae_title="MINDGRAB",
    pipeline="brain-extraction-mindgrab",
    description="A second model of the brain, to compare with the first; takes a minute an exam, so it comes last",
    priority=AETitle.Priority.BATCH,
)


class NotADemonstration(Exception):
    """Users with a public password were asked for in a portal that is not the demonstration."""


@transaction.atomic
def seed() -> None:
    """Make what is missing of the demonstration. What somebody changed stays changed.

    Raises NotADemonstration unless OVERREAD_DEMO is set.
    """
    if not settings.OVERREAD_DEMO:
        raise NotADemonstration(
            "The demonstration's users have a public password: set OVERREAD_DEMO=1 or make your own."
        )
    _administrator()
    members = [(user, role) for username, role in MEMBERS.items() if (user := _new_user(username))]
    for username in ANNOTATORS:
        _new_user(username)
    for demonstrated in STUDIES:
        _study(demonstrated, members)
    _ae_title(COMPARISON)


def _administrator() -> None:
    if not User.objects.filter(username=ADMINISTRATOR).exists():
        User.objects.create_superuser(ADMINISTRATOR, password=PASSWORD)


def _new_user(username: str) -> User | None:
    """The user, or None where somebody may have changed what was made before."""
    if User.objects.filter(username=username).exists():
        return None
    return User.objects.create_user(username, password=PASSWORD)


def _study(demonstrated: Demonstrated, new_members: Iterable[tuple[User, Role]]) -> None:
    """The study with its members, active from the start."""
    _ae_title(demonstrated.comes_to)
    study = Study.objects.filter(slug=demonstrated.slug).first()
    if study is not None:
        _join(study, new_members, demonstrated)
        return
    study = protocol.begin(_protocol(demonstrated), slug=demonstrated.slug, by=None)
    _join(study, _present(), demonstrated)
    Membership.objects.bulk_create(
        Membership(study=study, user=user, role=Role.ANNOTATOR, reader_role=user.username)
        for user in User.objects.filter(username__in=demonstrated.annotators)
    )
    stages.activate(study, by=None)
    if not demonstrated.template:
        Study.objects.filter(pk=study.pk).update(form=quality_form())


def _join(study: Study, members: Iterable[tuple[User, Role]], demonstrated: Demonstrated) -> None:
    Membership.objects.bulk_create(
        Membership(
            study=study, user=user, role=role, reader_role=demonstrated.reader_role if role == Role.READER else ""
        )
        for user, role in members
    )


def _protocol(demonstrated: Demonstrated) -> Protocol:
    template = demonstrated.template or "shadow"
    ae_title = demonstrated.comes_to.ae_title
    start = protocol_starts.from_template(template, title=demonstrated.title, ae_title=ae_title)
    arrival = Arrival(ae_title=ae_title, quiet_seconds=QUIET_SECONDS)
    return start.model_copy(
        update={"arrival": arrival, "irb_number": EXEMPT, **({} if demonstrated.template else _open(demonstrated))}
    )


def _open(demonstrated: Demonstrated) -> dict[str, object]:
    """What makes of the template a study that takes every exam and hides nothing."""
    pipeline = demonstrated.comes_to.pipeline
    return {
        "question": demonstrated.question,
        "pipelines": (FrozenPipeline(name=pipeline),),
        "criteria": (),
        "arms": (Arm(key="ai", label="AI", findings=PipelineFindings(pipeline=pipeline)),),
        "design": Shadow(arms=("ai",)),
        "blinding": Blinding(readers="open", patient="shown"),
        "endpoints": (Endpoint(key="quality", label="Quality", is_primary=True, measure="score", arms=("ai",)),),
        "sample_size": SampleSize(cases=20),
    }


def _present() -> list[tuple[User, Role]]:
    return [(user, MEMBERS[user.username]) for user in User.objects.filter(username__in=MEMBERS)]


def _ae_title(destination: Destination) -> AETitle:
    ae_title, _ = AETitle.objects.get_or_create(
        title=destination.ae_title,
        defaults={
            "description": destination.description,
            "pipeline": destination.pipeline,
            "quiet_period_seconds": QUIET_SECONDS,
            "priority": destination.priority,
        },
    )
    return ae_title
