"""The flow's counts add up and are their lists, whatever happens at the same time."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils.timezone import now

from inference.models import Job
from studies.cases import case_flow, enrolment, flow, qc, rescreening
from studies.cases.flow import PARTS, FlowBox, FlowCounts
from studies.models import Case, ProtocolVersion, QCReview, Read, Screening, Study
from studies.protocols import protocol
from studies.refusals import Refused
from tests.conftest import Cast
from tests.studies.cases.flowing import case_for, exam_for, job_of, study_with_ai, succeed

Box = FlowBox
CHECKED: dict[str, Any] = {"quality_control": {"required": True, "reasons": ["Motion"]}}
THIN = {"name": "Thin slices", "when": "series.SliceThickness <= 2.0"}
ROUNDS = 40


def test_counts_add_up_while_exams_come_fail_are_checked_screened_again_and_read(
    transactional_db: None, cast: Cast
) -> None:
    study = study_with_ai(**CHECKED)
    pilot = study_with_ai("pilot-study", stage=Study.Stage.PILOT, **CHECKED)
    done = threading.Event()
    seen: list[FlowCounts] = []
    faults: list[BaseException] = []

    def watch() -> None:
        while not done.is_set():
            for line in flow.lines([study, pilot]).values():
                seen.extend((line.real, line.pilot))

    workers = [_worker(seed, [study, pilot], cast, faults) for seed in range(3)]
    watcher = threading.Thread(target=_closing(watch, faults))
    watcher.start()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    done.set()
    watcher.join(timeout=30)
    assert not faults, faults
    assert not any(worker.is_alive() for worker in workers)
    _expect_consistent(seen, [study, pilot])


def _expect_consistent(seen: list[FlowCounts], studies: list[Study]) -> None:
    wrong = [counts.by_name for counts in seen if not counts.adds_up]
    assert len(seen) > 20 and not wrong, wrong[:3]
    reached = {box for counts in seen for box in Box if counts[box]}
    assert reached >= {Box.PROCESSING, Box.UNDECIDED}
    assert len(reached) >= 7, "chance took the exams to many places"
    for study in studies:
        line = flow.line_of(study)
        for box in Box:
            listed = box.cases(study)
            assert listed.filter(is_pilot=False).count() == line.real[box], box
            assert listed.filter(is_pilot=True).count() == line.pilot[box], box
    assert sum(flow.line_of(study).received for study in studies) == Screening.objects.filter(study__in=studies).count()
    numbers = list(Case.objects.filter(study=studies[0]).order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1)), "numbers have neither gaps nor repeats"


def _worker(seed: int, studies: list[Study], cast: Cast, faults: list[BaseException]) -> threading.Thread:
    """Somebody who does forty things at random, over and over, among others like them."""
    chance = random.Random(f"flow {seed}")

    def work() -> None:
        for _ in range(ROUNDS):
            chance.choice(ACTS)(chance.choice(studies), chance, cast)
            case_flow.advance()

    return threading.Thread(target=_closing(work, faults))


def _closing(act: Callable[[], None], faults: list[BaseException]) -> Callable[[], None]:
    def run() -> None:
        try:
            act()
        except BaseException as fault:  # noqa: BLE001 - shown by the test, which runs in another thread
            faults.append(fault)
        finally:
            connections.close_all()

    return run


def _comes(study: Study, chance: random.Random, cast: Cast) -> None:
    exam_for(study, study_instance_uid=f"1.2.9.{chance.getrandbits(60)}")
    enrolment.enrol_complete_exams()
    Case.objects.filter(requested_at=None).update(requested_at=now())


def _job_ends(study: Study, chance: random.Random, cast: Cast) -> None:
    case = _any(study.cases.filter(state__in=case_flow.UNSETTLED), chance)
    if case is not None:
        state = chance.choice([Job.State.SUCCEEDED, Job.State.FAILED, Job.State.RUNNING])
        job_of(case, state, fingerprint=str(chance.getrandbits(60)), reason="For the test")


def _retried(study: Study, chance: random.Random, cast: Cast) -> None:
    job = Job.objects.filter(exam__cases__study=study, state=Job.State.FAILED).order_by("?").first()
    if job is not None and not hasattr(job, "result"):
        succeed(job)


def _superseded(study: Study, chance: random.Random, cast: Cast) -> None:
    case = _any(study.cases.filter(state=Case.State.ENROLLED), chance)
    if case is not None:
        job_of(case, Job.State.SUCCEEDED, fingerprint=str(chance.getrandbits(60)))


def _checked(study: Study, chance: random.Random, cast: Cast) -> None:
    case = _any(study.cases.filter(state=Case.State.AWAITING_QC), chance)
    if case is None:
        return
    verdict = chance.choice([QCReview.Verdict.ACCEPT, QCReview.Verdict.ACCEPT, QCReview.Verdict.REJECT])
    _unless_refused(lambda: qc.review(case, verdict, by=cast.qc, reason="Motion"))


def _amended(study: Study, chance: random.Random, cast: Cast) -> None:
    """A criterion that cannot be told of exams without files is added, or taken away; some are screened again."""
    with transaction.atomic():
        enrolment.locked(study.pk)
        last = protocol.current(study)
        document = {**last.document, "criteria": [] if last.document["criteria"] else [THIN]}
        ProtocolVersion.objects.create(
            study=study, number=last.number + 1, document=document, digest=f"{last.number}", frozen_at=now()
        )
    some = chance.sample(list(study.screenings.all()), k=min(3, study.screenings.count()))
    _unless_refused(lambda: rescreening.screen_again(some, by=cast.coordinator, why="For the test"))


def _by_hand(study: Study, chance: random.Random, cast: Cast) -> None:
    left = _any(study.screenings.filter(outcome=Screening.Outcome.UNDECIDED), chance)
    if left is not None:
        outcome = chance.choice([Screening.Outcome.MATCHED, Screening.Outcome.EXCLUDED])
        _unless_refused(lambda: rescreening.decide(left, outcome, by=cast.coordinator, why="For the test"))


def _read(study: Study, chance: random.Random, cast: Cast) -> None:
    case = _any(study.cases.filter(state=Case.State.ENROLLED), chance)
    if case is None:
        return
    reader = chance.choice([cast.reader, cast.other_reader])
    form = cast.reader.memberships.get().study.form
    state = chance.choice([Read.State.ASSIGNED, Read.State.SUBMITTED])
    assert form is not None
    if not Read.objects.filter(case=case, reader=reader).exists():
        Read.objects.bulk_create(
            [
                Read(
                    study=study,
                    case=case,
                    reader=reader,
                    arms=[],
                    condition="images",
                    form=form,
                    protocol=case.protocol,
                    position=case.pk,
                    state=state,
                )
            ],
            ignore_conflicts=True,
        )


ACTS: list[Callable[[Study, random.Random, Cast], None]] = [
    *(_comes, _comes, _job_ends, _job_ends, _job_ends, _retried, _superseded),
    *(_checked, _checked, _amended, _by_hand, _read),
]


def _unless_refused(act: Callable[[], object]) -> None:
    try:
        act()
    except Refused:
        return


def _any(found: Any, chance: random.Random) -> Any:
    rows = list(found)
    return chance.choice(rows) if rows else None


@pytest.mark.django_db
def test_each_box_is_divided_into_its_parts_without_overlap(cast: Cast) -> None:
    study = study_with_ai()
    for state in (Job.State.SUCCEEDED, Job.State.FAILED, Job.State.RUNNING):
        job_of(case_for(study), state)
    case_flow.advance()
    for whole, parts in PARTS.items():
        listed = [pk for part in parts for pk in part.cases(study).values_list("pk", flat=True)]
        assert sorted(listed) == sorted(whole.cases(study).values_list("pk", flat=True)), whole


@pytest.mark.django_db
def test_the_flow_of_many_studies_takes_three_queries(cast: Cast, django_assert_num_queries: Any) -> None:
    studies = [study_with_ai(f"study-{number}") for number in range(4)]
    for study in studies:
        case_for(study)
    with django_assert_num_queries(3):
        assert [line.received for line in flow.lines(studies).values()] == [1, 1, 1, 1]
