"""Studies at the size of a large hospital, written straight into the database: their rows, without any image."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicom_ingest.models import Exam
    from portal.models import User
    from studies.models import Case, Study
    from studies.protocols.protocol_schema import Protocol as ProtocolDocument

STUDIES, CASES, MEMBERS = 100, 10_000, 200
LARGEST = 5_000
"""Cases of the first study; the other studies share the rest."""
READERS_A_STUDY = 20
PIPELINE = "bench"
FORM = "segmentation-quality"


def write() -> tuple[list[Study], list[User]]:
    """All of it, with every case read by some and to be read by others. Seeded: the same rows each time."""
    from portal.models import User  # noqa: PLC0415 - after django.setup()

    draw = random.Random("studies at scale")  # noqa: S311 - no secret
    users = User.objects.bulk_create(User(username=f"member{number}") for number in range(MEMBERS))
    studies = [_study(number) for number in range(STUDIES)]
    rest = (CASES - LARGEST) // (STUDIES - 1)
    for number, study in enumerate(studies):
        readers = _members(study, users, draw)
        _reads(study, enrolled(study, LARGEST if number == 0 else rest), readers, draw)
    return studies, users


def begun(document: ProtocolDocument, *, slug: str) -> Study:
    """An active study of that protocol."""
    from dicom_ingest.models import AETitle  # noqa: PLC0415 - after django.setup()
    from studies.protocols import protocol  # noqa: PLC0415

    study = protocol.begin(document, slug=slug, by=None)
    protocol.freeze(study.protocols.get(), by=None)
    study.stage = study.Stage.ACTIVE
    study.save(update_fields=["stage"])
    AETitle.objects.filter(pk=study.ae_title_id).update(pipeline=PIPELINE)
    return study


def _study(number: int) -> Study:
    from studies.protocols import protocol_forms  # noqa: PLC0415 - after django.setup()
    from studies.protocols.design_schema import Independent  # noqa: PLC0415
    from studies.protocols.protocol_schema import Arm, Arrival, PeopleFindings, Protocol  # noqa: PLC0415

    document = Protocol(
        title=f"Study number {number}",
        question="How long do its pages take?",
        arrival=Arrival(ae_title=f"BENCH{number}"),
        arms=(Arm(key="people", label="People", findings=PeopleFindings()),),
        forms=(protocol_forms.shipped()[FORM],),
        design=Independent(arms=("people",), form=FORM, readers_per_case=2),
    )
    return begun(document, slug=f"study-{number}")


def _members(study: Study, users: list[User], draw: random.Random) -> list[User]:
    """A coordinator, who is the same for all studies, and readers; the first study's readers include everybody."""
    from portal.access import Role  # noqa: PLC0415
    from studies.models import Membership  # noqa: PLC0415

    coordinator, *others = users
    readers = others if study.slug == "study-0" else draw.sample(others, READERS_A_STUDY)
    roles = [(coordinator, Role.COORDINATOR), *((reader, Role.READER) for reader in readers)]
    Membership.objects.bulk_create(Membership(study=study, user=user, role=role) for user, role in roles)
    return readers


def enrolled(study: Study, number: int) -> list[Case]:
    """So many cases of the study, each with an exam and a result."""
    from django.utils.timezone import now  # noqa: PLC0415

    from dicom_ingest.models import Exam, Route  # noqa: PLC0415
    from studies.models import Case, Screening  # noqa: PLC0415

    version = study.protocols.get()
    exams = Exam.objects.bulk_create(
        Exam(study_instance_uid=f"2.25.{study.pk}.{place}", patient_id=f"P{place}", accession_number=f"A{place}")
        for place in range(1, number + 1)
    )
    called = study.ae_title.title
    Route.objects.bulk_create(
        Route(exam=exam, called_ae=called, received_instances=1, completed_at=now(), dispatched_at=now())
        for exam in exams
    )
    _results(exams)
    screenings = Screening.objects.bulk_create(
        Screening(study=study, exam=exam, protocol=version, outcome=Screening.Outcome.MATCHED) for exam in exams
    )
    common: dict[str, Any] = {"study": study, "protocol": version, "state": Case.State.ENROLLED}
    return Case.objects.bulk_create(
        Case(exam=one.exam, screening=one, number=place, **common) for place, one in enumerate(screenings, start=1)
    )


def _results(exams: list[Exam]) -> None:
    """A job that succeeded and its result for each exam."""
    from inference.models import Job, PipelineVersion, Result  # noqa: PLC0415

    pipeline, _ = PipelineVersion.objects.get_or_create(
        name=PIPELINE, digest="d" * 64, defaults={"version": "1.0.0", "title": "Benchmark", "definition": {}}
    )
    jobs = Job.objects.bulk_create(
        Job(pipeline=pipeline, exam=exam, fingerprint=exam.study_instance_uid, state=Job.State.SUCCEEDED)
        for exam in exams
    )
    Result.objects.bulk_create(Result(job=job, exam=job.exam) for job in jobs)


def _reads(study: Study, cases: list[Case], readers: list[User], draw: random.Random) -> None:
    """Two readers a case, each in their own order; half of the reads are done."""
    from django.utils.timezone import now  # noqa: PLC0415

    from feedback.forms import quality_form  # noqa: PLC0415
    from studies.models import Read  # noqa: PLC0415

    form, version = quality_form(), study.protocols.get()
    positions = dict.fromkeys((reader.pk for reader in readers), 0)
    reads = []
    for case in draw.sample(cases, len(cases)):
        for reader in draw.sample(readers, 2):
            positions[reader.pk] += 1
            is_done = draw.random() < 0.5
            reads.append(
                Read(
                    study=study,
                    case=case,
                    reader=reader,
                    arms=["people"],
                    condition="people",
                    form=form,
                    protocol=version,
                    position=positions[reader.pk],
                    state=Read.State.SUBMITTED if is_done else Read.State.ASSIGNED,
                    submitted_at=now() - timedelta(days=1) if is_done else None,
                )
            )
    Read.objects.bulk_create(reads, batch_size=2000)
