"""One locked study of which every case was read and has its truth, written straight into the database."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from benchmarks import studies_scale

if TYPE_CHECKING:
    from feedback.models import Response
    from portal.models import User
    from studies.models import Case, Read, Study

SLUG = "answered"
CASES, READERS = 1_000, 2
ARMS = ("first", "second")
ANSWERED = {"verdict": "accept-with-edits", "failure-modes": ["over-segmentation"], "comment": "Dura at the vertex"}


def write() -> tuple[Study, User]:
    """The study and a member of its governance. Each reader answered each case in each arm. Seeded."""
    from portal.access import Role  # noqa: PLC0415 - after django.setup()
    from portal.models import User  # noqa: PLC0415
    from studies.models import Membership  # noqa: PLC0415

    draw = random.Random("answered")  # noqa: S311 - no secret
    study = _study()
    board, *readers = User.objects.bulk_create(User(username=f"answered{place}") for place in range(1 + READERS))
    roles = [(board, Role.GOVERNANCE), *((reader, Role.READER) for reader in readers)]
    Membership.objects.bulk_create(Membership(study=study, user=user, role=role) for user, role in roles)
    cases = studies_scale.enrolled(study, CASES)
    _answer(_opened(study, cases, readers), draw)
    _say_the_truth(study, cases, by=board, draw=draw)
    study.stage = study.Stage.LOCKED
    study.save(update_fields=["stage"])
    return study, board


def _study() -> Study:
    from studies.protocols import protocol_forms  # noqa: PLC0415 - after django.setup()
    from studies.protocols.design_schema import Independent  # noqa: PLC0415
    from studies.protocols.protocol_schema import (  # noqa: PLC0415
        Arm,
        Arrival,
        Endpoint,
        PeopleFindings,
        Protocol,
        Reference,
    )

    form = studies_scale.FORM
    document = Protocol(
        title="A study that was read",
        question="How long do its results take?",
        arrival=Arrival(ae_title="ANSWERED"),
        arms=tuple(Arm(key=arm, label=arm.title(), findings=PeopleFindings()) for arm in ARMS),
        forms=(protocol_forms.shipped()[form],),
        design=Independent(arms=ARMS, form=form, readers_per_case=READERS),
        reference=Reference(source="import", answers=("quality",)),
        endpoints=(
            Endpoint(key="score", label="Quality", measure="score", question="quality", arms=ARMS, is_primary=True),
            Endpoint(key="kappa", label="Agreement", measure="kappa", question="quality", arms=ARMS),
        ),
    )
    return studies_scale.begun(document, slug=SLUG)


def _opened(study: Study, cases: list[Case], readers: list[User]) -> list[Read]:
    from django.utils.timezone import now  # noqa: PLC0415 - after django.setup()

    from studies.models import Read  # noqa: PLC0415

    version = study.protocols.get()
    form, opened = version.forms.get(), now() - timedelta(hours=1)
    return Read.objects.bulk_create(
        Read(
            study=study,
            case=case,
            reader=reader,
            arms=[arm],
            condition=arm,
            form=form,
            protocol=version,
            position=len(ARMS) * case.number + ARMS.index(arm),
            state=Read.State.OPENED,
            opened_at=opened,
            active_seconds=40.0,
        )
        for case in cases
        for reader in readers
        for arm in ARMS
    )


def _answer(opened: list[Read], draw: random.Random) -> None:
    from django.utils.timezone import now  # noqa: PLC0415 - after django.setup()

    from feedback.models import Response  # noqa: PLC0415
    from studies.models import Read, ReadResponse  # noqa: PLC0415

    responses = Response.objects.bulk_create(_response(read, draw) for read in opened)
    ReadResponse.objects.bulk_create(
        ReadResponse(read=read, response=response, protocol=read.protocol)
        for read, response in zip(opened, responses, strict=True)
    )
    Read.objects.filter(study=opened[0].study).update(state=Read.State.SUBMITTED, submitted_at=now())


def _response(read: Read, draw: random.Random) -> Response:
    from feedback.models import Response  # noqa: PLC0415 - after django.setup()

    return Response(
        author=read.reader,
        form=read.form,
        answers=ANSWERED | {"quality": draw.randint(1, 5)},
        sitting=f"read/{read.pk}",
        seconds=60.0,
        active_seconds=read.active_seconds,
    )


def _say_the_truth(study: Study, cases: list[Case], *, by: User, draw: random.Random) -> None:
    from studies.cases import truth  # noqa: PLC0415 - after django.setup()
    from studies.models import CaseTruth, TruthVersion  # noqa: PLC0415

    version = TruthVersion.objects.create(study=study, number=1, source="import", made_by=by)
    CaseTruth.objects.bulk_create(
        CaseTruth(version=version, case=case, values={"quality": draw.randint(1, 5)}) for case in cases
    )
    truth.lock_newest(study, by=by)
