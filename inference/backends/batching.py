"""One forward pass for several runs at once.

On a GPU a batch of eight small images takes hardly longer than one image. Runs in threads of one process meet here:
what they ask a model at the same time is put together, predicted, and split again.

    gathering = Gathering(parties=len(orders))
    for order in orders:
        Thread(target=run, args=(order, gathering)).start()

    def run(order, gathering):
        with gathering.party():
            ...                  # the graph takes its models through `shared`, as it always does

A party that has ended, well or not, is no longer waited for. None waits for ever: after `patience` seconds a call goes
on with those that have come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Condition, Event, Lock

import numpy as np

from inference.backends import Floats, LoadedModel

PATIENCE_SECONDS = 2.0
LARGEST = 32
"""Samples in one forward pass."""


@dataclass(eq=False)
class _Call:
    network: str
    batch: Floats
    is_taken: bool = False
    ended: Event = field(default_factory=Event)
    answer: Floats | None = None
    fault: BaseException | None = None

    def end(self, answer: Floats | None = None, fault: BaseException | None = None) -> None:
        self.answer, self.fault = answer, fault
        self.ended.set()


class _Rendezvous:
    """The model as the parties see it: calls wait here for each other.

    The last to come, or the first to lose patience, carries out all that wait, calls of one network and one shape as
    one batch. A batch that fails is tried again one call at a time, so that one party's fault is its own.
    """

    def __init__(self, model: LoadedModel, parties: int, *, patience: float, largest: int) -> None:
        self._model = model
        self._parties = parties
        self._patience = patience
        self._largest = largest
        self._waiting: list[_Call] = []
        self._changed = Condition()

    def predict(self, network: str, batch: Floats) -> Floats:
        """As `inference.backends.LoadedModel.predict`, perhaps together with other parties' batches."""
        call = _Call(network, batch)
        with self._changed:
            self._waiting.append(call)
            self._changed.notify_all()
            self._changed.wait_for(lambda: call.is_taken or len(self._waiting) >= self._parties, self._patience)
            ours = [] if call.is_taken else self._take()
        self._carry_out(ours)
        call.ended.wait()
        if call.fault is not None:
            raise call.fault
        assert call.answer is not None
        return call.answer

    def leave(self) -> None:
        """Have the other parties no longer wait for one of them."""
        with self._changed:
            self._parties -= 1
            self._changed.notify_all()

    def _take(self) -> list[_Call]:
        taken, self._waiting = self._waiting, []
        for call in taken:
            call.is_taken = True
        self._changed.notify_all()
        return taken

    def _carry_out(self, calls: Sequence[_Call]) -> None:
        alike: defaultdict[tuple[object, ...], list[_Call]] = defaultdict(list)
        for call in calls:
            alike[call.network, call.batch.shape[1:]].append(call)
        try:
            for group in alike.values():
                for together in _in_parts(group, self._largest):
                    self._together(together)
        finally:
            # Whatever ended this thread must not leave the others waiting.
            for call in calls:
                if not call.ended.is_set():
                    call.end(fault=RuntimeError("The thread that carried out this batch was stopped. Try again."))

    def _together(self, calls: Sequence[_Call]) -> None:
        batches = [call.batch for call in calls]
        try:
            answers = self._model.predict(calls[0].network, np.concatenate(batches) if batches[1:] else batches[0])
        except Exception as fault:  # noqa: BLE001 - it is raised again in the thread whose call it was
            if len(calls) == 1:
                calls[0].end(fault=fault)
                return
            # Together they may be too large, or one may be at fault: each has its own chance.
            for call in calls:
                self._together([call])
            return
        ends = np.cumsum([len(call.batch) for call in calls])
        for call, answer in zip(calls, np.split(answers, ends[:-1]), strict=True):
            call.end(answer)


class Gathering:
    """Runs that begin together in one process, and the models that they share while they last.

    patience: seconds that a call waits for the others. largest: samples in one forward pass; a call that alone brings
    more is passed on as it is.
    """

    def __init__(self, parties: int, *, patience: float = PATIENCE_SECONDS, largest: int = LARGEST) -> None:
        self._parties = parties
        self._patience, self._largest = patience, largest
        self._meetings: dict[int, tuple[LoadedModel, _Rendezvous]] = {}
        self._lock = Lock()

    @contextmanager
    def party(self) -> Iterator[None]:
        """Be one of the parties: inside, `shared` gives a stand-in that waits for the others."""
        token = _gathering.set(self)
        try:
            yield
        finally:
            _gathering.reset(token)
            with self._lock:
                self._parties -= 1
                meetings = [rendezvous for _, rendezvous in self._meetings.values()]
            for rendezvous in meetings:
                rendezvous.leave()

    def front(self, model: LoadedModel) -> LoadedModel:
        """The stand-in of `model` for one of the parties; the model itself for the only one."""
        with self._lock:
            if self._parties == 1 and id(model) not in self._meetings:
                return model
            if id(model) not in self._meetings:
                rendezvous = _Rendezvous(model, self._parties, patience=self._patience, largest=self._largest)
                self._meetings[id(model)] = model, rendezvous  # the model is kept, so that its id stays its own
            return self._meetings[id(model)][1]


_gathering: ContextVar[Gathering | None] = ContextVar("gathering", default=None)


def shared(model: LoadedModel) -> LoadedModel:
    """`model` as the run of this thread is to use it: itself, or its stand-in where runs have gathered."""
    gathering = _gathering.get()
    return model if gathering is None else gathering.front(model)


def _in_parts(calls: Sequence[_Call], largest: int) -> Iterator[list[_Call]]:
    part: list[_Call] = []
    for call in calls:
        if part and sum(len(one.batch) for one in part) + len(call.batch) > largest:
            yield part
            part = []
        part.append(call)
    yield part
