"""kill -9 at random of every process of the portal while several senders deliver 50 exams."""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicom_ingest import spool, store
from dicom_ingest.models import AETitle, Exam, Instance, QuarantinedInstance, Route
from inference import dispatch, pipeline
from inference.models import Job
from tests.dicom_ingest.scanner import Scanner, mr_series
from tests.dicom_ingest.waiting import until
from tests.faults.outbox import Outbox, kept, quarantined
from tests.faults.processes import Portal, portal

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

EXAMS, SENDERS, KILLS = 50, 5, 18
SEED = 20261122
SCAN_SECONDS = 1.0
PATIENCE_SECONDS = 120  # a receiver that is killed while it starts keeps its senders waiting
VICTIMS = ("receiver", "receiver", "worker-ingest", "worker-gpu", "scheduler")
ENOUGH_SLICES = 20  # for brain-extraction to take the series; it refuses them later, for they lack their geometry


def exam(number: int) -> list[Dataset]:
    """A small exam. Some have enough slices for a job that runs, and some send other bytes under a UID they used."""
    images = mr_series(slices=ENOUGH_SLICES if number % 6 == 0 else 3)
    if number % 5 == 0:
        again = mr_series(slices=1, study=images[0].StudyInstanceUID, series=images[0].SeriesInstanceUID)[0]
        again.PixelData = bytes(len(again.PixelData))
        images.append(again)
    return images


def deliver(outbox: Outbox, exams: Sequence[Sequence[Dataset]]) -> bool:
    """Send one exam after the other, with the pauses of a scanner, so that kills fall into and between transfers."""
    for images in exams:
        if not outbox.deliver(images, within=PATIENCE_SECONDS):
            return False
        time.sleep(SCAN_SECONDS)
    return True


def kill_at_random(victims: Portal, *, chance: random.Random) -> list[str]:
    killed: list[str] = []
    while len(killed) < KILLS:
        time.sleep(chance.uniform(0.2, 1.5))
        killed.append(chance.choice(VICTIMS))
        victims.kill(killed[-1], chance=chance)
    return killed


def is_calm() -> bool:
    """Whether nothing is left to do: no file waits, every route was dispatched, every job has ended."""
    routes = Route.objects.filter(completed_at__isnull=False, dispatched_at__isnull=False)
    return spool.waiting() == [] and routes.count() == EXAMS and not Job.objects.exclude(state__in=Job.FINAL).exists()


def test_fifty_exams_survive_random_kills_of_every_process(tmp_path: Path) -> None:
    AETitle.objects.create(title="BRAIN", pipeline="brain-extraction", quiet_period_seconds=4)
    exams = [exam(number) for number in range(EXAMS)]
    with portal(tmp_path, *set(VICTIMS), OVERREAD_JOB_LEASE_SECONDS="3") as running:
        outboxes = [Outbox(scanner=Scanner(port=running.dimse_port, calling_ae=f"CT{n}")) for n in range(SENDERS)]
        with ThreadPoolExecutor(SENDERS) as pool:
            deliveries = [pool.submit(deliver, outbox, exams[n::SENDERS]) for n, outbox in enumerate(outboxes)]
            killed = kill_at_random(running, chance=random.Random(SEED))
        assert all(delivery.result() for delivery in deliveries), "An outbox could not be emptied."
        assert set(killed) == set(VICTIMS)
        assert sum(outbox.lost_associations for outbox in outboxes), "No kill hurt a sender."
        assert until(is_calm, seconds=90), (spool.waiting(), list(Job.objects.values_list("state", "reason")))
    assert_nothing_was_lost(set().union(*(outbox.acknowledged for outbox in outboxes)))
    assert_every_exam_has_its_one_job(exams)


def assert_nothing_was_lost(acknowledged: set[str]) -> None:
    stored = set(Instance.objects.values_list("sha256", flat=True))
    assert kept() == acknowledged
    assert stored & quarantined() == set()
    assert QuarantinedInstance.objects.count() == len(list(store.quarantine_folder().iterdir()))
    assert set(QuarantinedInstance.objects.values_list("reason", flat=True)) == {QuarantinedInstance.Reason.CONFLICT}
    assert len(list(store.exams_folder().rglob("*.dcm"))) == len(stored) == Instance.objects.count()
    assert [route.received_instances for route in Route.objects.all()] == [
        Instance.objects.filter(series__exam=route.exam).count() for route in Route.objects.all()
    ]


def assert_every_exam_has_its_one_job(exams: Sequence[Sequence[Dataset]]) -> None:
    """One job in force an exam, made of everything the exam holds: asked again, the dispatcher finds that very job."""
    definition = pipeline.load_named("brain-extraction")
    assert Exam.objects.count() == len(exams)
    for images in exams:
        found = Exam.objects.get(study_instance_uid=images[0].StudyInstanceUID)
        (job,) = Job.objects.filter(exam=found).exclude(state=Job.State.SUPERSEDED)
        assert job.state == (Job.State.FAILED if len(images) >= ENOUGH_SLICES else Job.State.SKIPPED)
        assert dispatch.submit(definition, Route.objects.get(exam=found)) == job
