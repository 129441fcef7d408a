"""A pytest plugin that runs PostgreSQL and Valkey for the whole test run, before Django reads its settings."""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from portal.demo import engines

_stack = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Start the engines in the controlling process; xdist's workers inherit its environment."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    home = Path(_stack.enter_context(tempfile.TemporaryDirectory(prefix="overread-tests-")))
    started = _stack.enter_context(engines.running(home))
    os.environ.update(
        started.environment
        | {
            "OVERREAD_HOME": str(home),
            "OVERREAD_STORE": str(home / "store"),
            "OVERREAD_SECRET_KEY": "for-tests-only",
            "OVERREAD_BLINDING_KEY": "for-tests-only-too",
        }
    )


def pytest_unconfigure() -> None:
    """Stop them."""
    _stack.close()
