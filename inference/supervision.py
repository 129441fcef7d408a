"""A worker's jobs while its child runs them: leases renewed, steps recorded, limits kept, results stored."""

from __future__ import annotations

import logging
import time
import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from inference import engine, orders, results
from inference.children import Child, ChildDied, Keeper
from inference.engine import LeaseLost, Trace
from inference.errors import is_permanent, sentence_of
from inference.execution import WorkOrder
from inference.limits import BYTES_PER_MIB, Limits, limits_of
from inference.models import Job, OperatorRun
from inference.protocol import Failed, Finished, Orders, StepEnded, Stop
from inference.timing import OperatorTiming

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""Between two looks at the child's memory and clock."""

ASK_SECONDS = 0.5
"""Between two questions whether the jobs are still ours: a cancelled one is killed about so much later."""

START_SECONDS = 120.0
"""What a child may take until it is ready for orders."""

OUTAGE_SECONDS = 1.0
RENEWALS_PER_LEASE = 4
OUTAGES = (OperationalError, InterfaceError)
Message = StepEnded | Finished | Failed


@dataclass
class _Run:
    """One job at work."""

    job: Job
    out: Path
    limits: Limits
    steps: int = 0
    is_told: bool = False

    @property
    def id(self) -> str:
        return str(self.job.pk)


@dataclass
class Supervision:
    """Some jobs in one child, until the last has ended.

    Each turn may be cut short by an outage of the database and is then simply done again, so none of what it does may
    depend on being done once.
    """

    keeper: Keeper
    child: Child
    runs: dict[str, _Run]
    is_alone: bool
    _log_from: int
    _since: float = field(default_factory=time.monotonic)
    _is_begun: bool = False
    _asked_at: float = 0.0
    _renewed_at: float = field(default_factory=time.monotonic)
    _peak: int = 0
    _unheard: deque[Message] = field(default_factory=deque)
    _strays: set[str] = field(default_factory=set)
    _death: ChildDied | None = None

    @classmethod
    def of(cls, jobs: Sequence[tuple[Job, Path]], keeper: Keeper) -> Supervision:
        """Those jobs, each with the folder for its files, in the keeper's child. Raises devices.NoDeviceLeft."""
        runs = {str(job.pk): _Run(job, out, limits_of(job.pipeline.name)) for job, out in jobs}
        child = keeper.child_below(min(run.limits.memory_bytes for run in runs.values()))
        return cls(keeper, child, runs, is_alone=len(runs) == 1, _log_from=child.log.position)

    def until_ended(self) -> None:
        """Whatever happens, each job ends, goes back to the queue, or was taken from us.

        While the database is away the child works on, and what it says is kept.
        """
        try:
            while self.runs:
                self._turn()
        finally:
            if self.runs or self._strays or self._death:
                self.keeper.replace()

    def _turn(self) -> None:
        if self._death is None:
            self._watch()
        try:
            self._hear()
            if self._death is None:
                self._ask()
                self._begin()
            else:
                self._bury(self._death)
        except ChildDied as death:
            self._death = death
        except OUTAGES as fault:
            logger.warning("Jobs wait for the database (%s); nothing is lost.", type(fault).__name__)
            connection.close()
            time.sleep(OUTAGE_SECONDS)

    def _watch(self) -> None:
        """Take in what the child says, and end it when it takes too much."""
        try:
            self._unheard.extend(self.child.messages(seconds=LOOK_SECONDS))
            resident, peak = self.child.memory()
            self._peak = max(self._peak, resident, peak)
            self._limit_memory(resident)
            self._limit_time(time.monotonic() - self._since)
        except ChildDied as death:
            self._death = death

    def _limit_memory(self, resident: int) -> None:
        allowed = min(run.limits.memory_bytes for run in self.runs.values())
        if resident > allowed:
            took, may = resident // BYTES_PER_MIB, allowed // BYTES_PER_MIB
            self._kill(f"Out of memory: its process took {took:,} MiB of the {may:,} MiB that it may take.")

    def _limit_time(self, seconds: float) -> None:
        if not self._is_begun:
            if seconds > START_SECONDS:
                raise self._killed("Its process was not ready after two minutes.", is_permanent=False)
            return
        for run in self.runs.values():
            if seconds > run.limits.hard_seconds:
                self._kill(f"It hung: it had not ended after {run.limits.hard_seconds:,.0f} s, so it was killed.")
            if seconds > run.limits.soft_seconds and not run.is_told:
                run.is_told = True
                reason = f"It took longer than the {run.limits.soft_seconds:,.0f} s that it may take, and was stopped."
                self.child.send(Stop(run=run.id, reason=reason))

    def _kill(self, why: str) -> None:
        raise self._killed(f"{why} Raise the pipeline's limits, or look at its log.", is_permanent=True)

    def _killed(self, why: str, *, is_permanent: bool) -> ChildDied:
        self.child.kill()
        return ChildDied(why, is_permanent=is_permanent)

    def _hear(self) -> None:
        while self._unheard:
            self._take(self._unheard[0])
            self._unheard.popleft()

    def _take(self, message: Message) -> None:
        if not isinstance(message, StepEnded):
            self._strays.discard(message.run)
        run = self.runs.get(message.run)
        if run is None:
            return  # its job was taken from us
        try:
            self._act(run, message)
        except LeaseLost:
            self._lose(run)
        except OUTAGES:
            raise
        except Exception as fault:  # noqa: BLE001 - a full disk or a defect: neither may leave the job running
            _log(f"What job {run.id} made could not be stored", fault)
            self._leave(run, sentence_of(fault), is_final=False)

    def _act(self, run: _Run, message: Message) -> None:
        match message:
            case StepEnded():
                self._record(run, message.timing)
            case Failed():
                self._leave(run, message.reason, is_final=message.is_permanent)
            case Finished():
                engine.succeed(run.job, lambda: results.store(run.job, message.report), trace=self._trace)
                del self.runs[run.id]

    def _record(self, run: _Run, timing: OperatorTiming) -> None:
        self._peak = max(self._peak, timing.peak_bytes)
        engine.renew(run.job, log=self._trace.log)
        entry = OperatorRun(
            job=run.job,
            position=run.steps + 1,
            step=timing.step,
            operator=timing.operator,
            started=timing.started,
            seconds=timing.seconds,
            peak_memory_mb=timing.peak_bytes / BYTES_PER_MIB,
        )
        OperatorRun.objects.bulk_create([entry], ignore_conflicts=True)
        run.steps += 1

    def _ask(self) -> None:
        moment = time.monotonic()
        if moment - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = moment
        for run in [run for run in self.runs.values() if engine.is_lost(run.job)]:
            self._lose(run)
        if moment - self._renewed_at > settings.JOB_LEASE_SECONDS / RENEWALS_PER_LEASE:
            for run in list(self.runs.values()):
                self._renew(run)
            self._renewed_at = moment

    def _renew(self, run: _Run) -> None:
        try:
            engine.renew(run.job, log=self._trace.log)
        except LeaseLost:
            self._lose(run)

    def _begin(self) -> None:
        if self._is_begun or not self.child.is_ready:
            return
        written = [order for run in list(self.runs.values()) if (order := self._order(run))]
        if written:
            self.child.send(Orders(orders=tuple(written)))
            self._is_begun, self._since = True, time.monotonic()

    def _order(self, run: _Run) -> WorkOrder | None:
        try:
            return orders.work_order(run.job, out=run.out)
        except OUTAGES:
            raise
        except Exception as fault:  # noqa: BLE001 - a definition that this release cannot read, for one
            _log(f"Job {run.id} could not begin", fault)
            self._leave(run, sentence_of(fault), is_final=is_permanent(fault))
            return None

    def _leave(self, run: _Run, reason: str, *, is_final: bool) -> None:
        try:
            if is_final:
                engine.fail(run.job, reason, trace=self._trace)
            else:
                engine.give_back(run.job, reason, trace=self._trace)
        except LeaseLost as lost:
            logger.warning("%s Its failure is dropped.", lost)
        self.runs.pop(run.id)

    def _lose(self, run: _Run) -> None:
        """The job was cancelled, superseded or retaken: end its work, and with it the child unless others need it."""
        logger.warning("Job %s was taken from this worker; its work is dropped.", run.id)
        engine.note(run.job, self._trace)
        self.runs.pop(run.id)
        if not self._is_begun or self._death:
            return
        if self.runs:
            self._strays.add(run.id)
            self.child.send(Stop(run=run.id, reason="The job was taken back."))
        else:
            self.child.kill()
            self._death = ChildDied("It was cancelled.", is_permanent=True)

    def _bury(self, death: ChildDied) -> None:
        reason, is_final = death.how, death.is_permanent
        if not self.is_alone:
            reason, is_final = f"It ran together with other jobs when this happened: {reason} It is tried alone.", False
        for run in list(self.runs.values()):
            self._leave(run, reason, is_final=is_final)

    @property
    def _trace(self) -> Trace:
        return Trace(log=self.child.log.since(self._log_from), peak_memory_mb=self._peak / BYTES_PER_MIB or None)


def _log(what: str, fault: Exception) -> None:
    """Log where it happened, but not the fault's own words: they may quote a patient. The job keeps them."""
    where = "".join(traceback.format_tb(fault.__traceback__))
    logger.error("%s: %s at\n%s", what, type(fault).__name__, where)
