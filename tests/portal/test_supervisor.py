"""The supervisor with real processes: started, restarted when they die, stopped together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from portal.demo import supervisor
from portal.demo.preflight import ROOT, Refused, command_of, hold, stop_leftover_supervisor
from portal.demo.supervisor import Program, State, Supervisor, running, socket_path
from portal.demo.watch import Watch

SLEEPER = Program(name="sleeper", arguments=("-c", "import time; print('up', flush=True); time.sleep(600)"))
QUITTER = Program(name="quitter", arguments=("-c", "raise SystemExit('no thanks')"))
# A parent whose child ignores every polite signal, as a hung worker would.
PARENT = Program(
    name="parent",
    arguments=(
        "-c",
        "import subprocess, sys, time; "
        "c = subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, 1); time.sleep(600)']); "
        "print(c.pid, flush=True); time.sleep(600)",
    ),
    stop_seconds=1,
)


def wait_for(condition: Callable[[], object], *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def state_of(watched: Supervisor, name: str) -> State:
    return next(state for state in watched.states() if state.name == name)


def is_alive(pid: int) -> bool:
    return "python" in command_of(pid)


def test_the_portals_processes_are_those_of_the_design() -> None:
    assert [program.name for program in supervisor.PROGRAMS] == [
        "receiver",
        "worker-gpu",
        "worker-ingest",
        "worker-transfers",
        "scheduler",
        "web",
    ]


def test_a_process_that_is_killed_runs_again_and_that_is_told_once(tmp_path: Path) -> None:
    with running(tmp_path, (SLEEPER,)) as watched:
        watch = Watch(watched)
        wait_for(lambda: state_of(watched, "sleeper").status == "RUNNING")
        assert list(watch.news()) == []
        first = state_of(watched, "sleeper").pid
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: state_of(watched, "sleeper").pid not in {0, first})
        assert list(watch.news()) == [
            f"sleeper stopped and was started again. Its log: {tmp_path / 'logs' / 'sleeper.log'}"
        ]
        assert list(watch.news()) == []


def test_a_process_that_ends_as_soon_as_it_starts_is_told_with_its_log(tmp_path: Path) -> None:
    with running(tmp_path, (QUITTER, SLEEPER)) as watched:
        watch = Watch(watched)
        wait_for(watch.failing)
        assert str(watch.failing()).startswith("quitter stops as soon as it starts")
        assert (tmp_path / "logs" / "quitter.log").read_text().startswith("no thanks")


def test_stopping_leaves_no_process_behind_not_even_a_child_that_will_not_listen(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "parent.log"
    with running(tmp_path, (PARENT, SLEEPER)) as watched:
        wait_for(lambda: log.exists() and log.read_text().strip())
        wait_for(lambda: all(is_alive(state.pid) for state in watched.states()))
        pids = [int(log.read_text()), *(state.pid for state in watched.states())]
        assert all(is_alive(pid) for pid in pids)
    wait_for(lambda: not any(is_alive(pid) for pid in pids))
    with pytest.raises(Refused, match="The supervisor is gone"):
        watched.states()


def test_one_process_can_be_restarted_from_another_process(tmp_path: Path) -> None:
    with running(tmp_path, (SLEEPER,)) as watched:
        before = state_of(watched, "sleeper").pid
        Supervisor(tmp_path).restart("sleeper")
        after = state_of(watched, "sleeper")
        assert after.status == "RUNNING"
        assert after.pid != before


def test_what_processes_write_is_for_their_owner_alone(tmp_path: Path) -> None:
    made = tmp_path / "made"
    writer = Program(name="writer", arguments=("-c", f"import time; open({str(made)!r}, 'w'); time.sleep(600)"))
    with running(tmp_path, (writer,)):
        wait_for(made.exists)
        assert socket_path(tmp_path).stat().st_mode & 0o077 == 0
    assert made.stat().st_mode & 0o077 == 0


def test_a_home_with_a_long_name_still_gets_a_socket(tmp_path: Path) -> None:
    home = tmp_path / ("a-folder-name-of-some-length/" * 4)
    assert len(str(home)) > 107
    with running(home, (SLEEPER,)) as watched:
        assert [state.name for state in watched.states()] == ["sleeper"]
        assert socket_path(home).parent.stat().st_mode & 0o077 == 0
    assert not socket_path(home).parent.exists()


def test_a_supervisor_that_cannot_start_is_one_line_with_its_log(tmp_path: Path) -> None:
    broken = Program(name="bro:ken", arguments=("-c", "pass"))
    with (
        pytest.raises(Refused, match="The supervisor did not start; its last words are in"),
        running(tmp_path, (broken,)),
    ):
        pass


def test_what_a_killed_demonstration_left_running_is_stopped_by_the_next(tmp_path: Path) -> None:
    orphaning = (
        "import os, pathlib; from portal.demo.supervisor import Program, running\n"
        f"sleeper = Program(name='sleeper', arguments={SLEEPER.arguments!r})\n"
        f"with running(pathlib.Path({str(tmp_path)!r}), (sleeper,)): os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", orphaning], check=False, cwd=ROOT)
    wait_for(lambda: all(is_alive(state.pid) for state in Supervisor(tmp_path).states()))
    left = [state.pid for state in Supervisor(tmp_path).states()]
    with hold(tmp_path):
        stop_leftover_supervisor(tmp_path)
    wait_for(lambda: not any(is_alive(pid) for pid in left))


def test_another_process_with_the_number_of_a_supervisor_that_is_gone_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "supervisord.pid").write_text(str(os.getpid()))
    stop_leftover_supervisor(tmp_path)  # this test is still here
    (tmp_path / "supervisord.pid").write_text("not a number")
    stop_leftover_supervisor(tmp_path)
