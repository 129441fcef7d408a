"""The worker's side of its child, and the small things around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path

import pytest
from pytest_django import Settings

from inference import children, limits, protocol, scratch
from inference.children import Child, ChildDied, Keeper, LogTail
from inference.errors import RanTooLong
from inference.execution import WorkOrder
from inference.models import Job, PipelineLimits
from inference.protocol import Orders
from tests.acting import acting_pipeline
from tests.dicom_ingest.waiting import until
from tests.inference.conftest import MakeJob

MIB = 1024**2


@pytest.fixture(scope="module")
def kept() -> Iterator[Keeper]:
    keeper = Keeper()
    yield keeper
    keeper.stop()


def ready(child: Child) -> Child:
    assert until(lambda: bool(list(child.messages(seconds=0.1))) or child.is_ready, seconds=120)
    return child


def died(child: Child) -> ChildDied:
    with pytest.raises(ChildDied) as death:
        while True:
            list(child.messages(seconds=1.0))
    return death.value


def test_a_log_keeps_its_end_and_knows_where_a_job_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "LOG_BYTES", 10)
    log = LogTail()
    log.add(b"before ")
    begin = log.position
    assert log.since(begin) == ""
    log.add(b"this\0\xff")
    assert log.since(begin) == "this�"
    log.add(b"0123456789")
    assert log.since(begin) == "0123456789"


def test_a_child_that_is_killed_is_missed_and_replaced(kept: Keeper) -> None:
    first = ready(kept.child())
    assert first.memory()[0] > MIB
    os.kill(first.process.pid, signal.SIGKILL)
    death = died(first)
    assert "killed from outside" in death.how
    assert not death.is_permanent
    assert first.memory() == (0, 0)
    assert kept.child().process.pid != first.process.pid


def test_a_child_that_crashes_says_so(kept: Keeper) -> None:
    child = ready(kept.child())
    os.kill(child.process.pid, signal.SIGSEGV)
    death = died(child)
    assert "segmentation fault" in death.how
    assert death.is_permanent
    assert "Fatal Python error: Segmentation fault" in child.log.since(0)


def test_a_child_is_replaced_when_what_earlier_jobs_left_fills_half_of_the_limit(kept: Keeper) -> None:
    child = ready(kept.child())
    assert kept.child_below(1) is child  # nothing has run in it
    child.has_run = True
    assert kept.child_below(1000 * child.memory()[0]) is child
    assert kept.child_below(MIB) is not child


def test_a_child_leaves_in_peace_when_its_worker_hangs_up(kept: Keeper) -> None:
    process = ready(kept.replace()).process
    kept.stop()
    assert process.returncode == 0


def test_a_child_dies_with_its_worker(tmp_path: Path) -> None:
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import django, time; django.setup(); from inference.children import Child;"
            "print(Child.start(None, threads=1).process.pid, flush=True); time.sleep(600)",
        ],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "portal.settings"},
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    child = Path(f"/proc/{int(worker.stdout.readline())}")
    assert child.exists()
    worker.kill()
    worker.wait()
    assert until(lambda: not child.exists() or "Z (zombie)" in (child / "status").read_text(), seconds=10)


@pytest.mark.usefixtures("acting_operator")
def test_an_order_comes_out_as_it_went_in(tmp_path: Path) -> None:
    pipeline = acting_pipeline("answer", seconds=0.5)
    order = WorkOrder(
        pipeline=pipeline,
        digest=pipeline.digest,
        files=(tmp_path / "a.dcm",),
        models_dir=tmp_path,
        salt="salt",
        run="run",
        out=tmp_path,
    )
    ours, its = Pipe()
    protocol.send(ours, Orders(orders=(order,)))
    received = protocol.receive_in_child(its)
    assert isinstance(received, Orders)
    assert received.orders == (order,)
    assert received.orders[0].pipeline.digest == pipeline.digest


@pytest.mark.django_db
def test_a_pipelines_own_limits_go_before_the_installations(settings: Settings) -> None:
    settings.OVERREAD_JOB_SOFT_SECONDS = 30.0
    settings.OVERREAD_JOB_HARD_SECONDS = 40.0
    settings.OVERREAD_JOB_MEMORY_MB = 1000
    PipelineLimits.objects.create(name="own", soft_seconds=5, hard_seconds=6, memory_mb=700)
    PipelineLimits.objects.create(name="shorter", hard_seconds=20)
    assert limits.limits_of("none") == limits.Limits(30, 40, 1000 * MIB)
    assert limits.limits_of("own") == limits.Limits(5, 6, 700 * MIB)
    assert limits.limits_of("shorter") == limits.Limits(20, 20, 1000 * MIB)

    settings.OVERREAD_JOB_MEMORY_MB = 0
    assert limits.limits_of("none").memory_bytes > 256 * MIB


@pytest.mark.django_db
def test_scratch_of_dead_workers_is_swept_and_that_of_the_living_is_not(make_job: MakeJob, settings: Settings) -> None:
    assert scratch.sweep() == 0
    living = make_job(fingerprint="a", state=Job.State.RUNNING, worker="host/1/aaaaaaaa")
    dead = make_job(fingerprint="b", state=Job.State.RUNNING, worker="host/2/bbbbbbbb")
    with scratch.folder(living) as kept, scratch.folder(dead) as left:
        (left / "half.dcm").write_bytes(b"half")
        Job.objects.filter(pk=dead.pk).update(worker="host/3/cccccccc", state=Job.State.RUNNING)
        assert scratch.sweep() == 1
        assert kept.exists()
        assert not left.exists()
    assert not kept.exists()


def test_running_too_long_is_permanent() -> None:
    assert RanTooLong("It took too long.").is_permanent
