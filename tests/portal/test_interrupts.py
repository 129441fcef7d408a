"""What Ctrl-C means to the demonstration, in a process of its own, for it sets the signals of the whole process."""

import subprocess
import sys

import pytest

from portal.demo.preflight import ROOT

_START = """
import os, signal, sys, time
from portal.demo.interrupts import Interrupts
interrupts = Interrupts()
"""
_IN_A_FINALISER = """
class Finalised:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

try:
    with interrupts.ignored_afterwards():
        Finalised()
        print("it was dropped")
        time.sleep(30)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGINT)  # nothing interrupts what stops things
    time.sleep(2.5)
    print("interrupted")
"""
_TWICE = """
try:
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        print("in order")
except KeyboardInterrupt:
    print("interrupted")
"""
_DEFERRED = """
try:
    with interrupts.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        print("done first")
    print("never said")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (_IN_A_FINALISER, ["it was dropped", "interrupted"]),
        (_TWICE, ["in order", "interrupted"]),
        (_DEFERRED, ["done first", "interrupted"]),
    ],
    ids=["in a finaliser", "twice", "deferred"],
)
def test_an_interrupt_that_comes_at_a_bad_moment_is_not_lost(program: str, said: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _START + program], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True
    )
    assert ended.stdout.splitlines() == said
