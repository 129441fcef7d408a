"""Which GPU a worker's jobs run on. No GPU is needed: what is visible is said by the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference import devices
from inference.children import Keeper
from inference.devices import VISIBLE, NoDeviceLeft
from tests.demonstration import wait_for
from tests.faults.processes import portal_environment


@pytest.mark.parametrize(
    ("named", "visible"),
    [
        ("0", ("0",)),
        ("1, 0", ("1", "0")),
        ("", ()),
        ("-1", ()),
        ("2,-1,3", ("2",)),
        ("1,1,0", ("1", "0")),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,MIG-1", ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "MIG-1")),
    ],
)
def test_the_environment_says_what_is_visible(
    monkeypatch: pytest.MonkeyPatch, named: str, visible: tuple[str, ...]
) -> None:
    monkeypatch.setenv(VISIBLE, named)
    assert devices.visible() == visible


def test_each_device_is_taken_once_and_free_again_when_it_is_let_go() -> None:
    first, second = devices.take(["0", "1"]), devices.take(["0", "1"])
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("0", "1")
    with pytest.raises(NoDeviceLeft, match=r"Every GPU that this worker may use \(0, 1\)"):
        devices.take(["0", "1"])

    first.lock.close()
    again = devices.take(["0", "1"])
    assert again is not None
    assert again.name == "0"


def test_a_machine_without_a_gpu_has_none_to_take() -> None:
    assert devices.take([]) is None


@pytest.fixture
def other_worker() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of this machine that holds the device 0."""
    holds = (
        "import django, time; django.setup(); from inference import devices; held = devices.take(['0']);"
        "print('held', flush=True); time.sleep(600)"
    )
    environment = {**portal_environment(), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    process = subprocess.Popen([sys.executable, "-c", holds], env=os.environ | environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


def test_a_device_of_another_process_is_left_alone_until_that_process_is_dead(
    other_worker: subprocess.Popen[bytes],
) -> None:
    with pytest.raises(NoDeviceLeft):
        devices.take(["0"])
    other_worker.kill()
    other_worker.wait()
    assert devices.take(["0"]) is not None


@pytest.fixture
def keepers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Keeper, Keeper, Keeper]]:
    """Three workers of a machine with two GPUs."""
    monkeypatch.setenv(VISIBLE, "3,5")
    kept = Keeper(), Keeper(), Keeper()
    yield kept
    for keeper in kept:
        keeper.drop()


def test_each_worker_sets_a_device_of_its_own_for_its_child(keepers: tuple[Keeper, Keeper, Keeper]) -> None:
    first, second, third = keepers
    assert {_sees(first), _sees(second)} == {"3", "5"}
    with pytest.raises(NoDeviceLeft):
        third.child()
    before = _sees(first)
    first.replace()
    assert _sees(first) == before


def _sees(keeper: Keeper) -> str:
    """The devices in the environment of a keeper's child."""
    environ = Path(f"/proc/{keeper.child().process.pid}/environ")

    def seen() -> list[str]:
        entries = (entry.partition("=") for entry in environ.read_text().split("\0"))
        return [value for name, _, value in entries if name == VISIBLE]

    (devices,) = wait_for(seen, seconds=30, every=0.05)  # the process may not have begun its program yet
    return devices
