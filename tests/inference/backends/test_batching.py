"""Calls of several runs become one forward pass, and no run waits for ever for another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from inference import graph, pipeline
from inference.backends import Floats, LoadedModel
from inference.backends.batching import Gathering, shared
from inference.backends.torch_networks import TorchNetworks
from inference.graph import Sources
from tests.inference.backends.installed import install, torchscript
from tests.inference.series import mr_series, source

LONG = 30.0
"""Patience that a test which passes never needs."""


class Recording:
    """Adds one to what it is given, remembers the shapes, and refuses what a test tells it to refuse."""

    def __init__(self, refuses: Callable[[Floats], bool] = lambda _batch: False) -> None:
        self.shapes: list[tuple[str, tuple[int, ...]]] = []
        self._refuses = refuses

    def predict(self, network: str, batch: Floats) -> Floats:
        self.shapes.append((network, batch.shape))
        if self._refuses(batch):
            raise MemoryError("too large")
        return batch + 1


def samples(value: float, *, count: int = 1, size: int = 3) -> Floats:
    return np.full((count, 1, size), value, dtype=np.float32)


def side_by_side(*work: Callable[[], object]) -> list[object]:
    with ThreadPoolExecutor(len(work)) as pool:
        return [each.result(LONG) for each in [pool.submit(one) for one in work]]


def asked(gathering: Gathering, model: LoadedModel, *asks: Callable[[LoadedModel], Floats]) -> list[object]:
    """What each party is answered, or the fault that it met."""

    def party(ask: Callable[[LoadedModel], Floats]) -> object:
        with gathering.party():
            try:
                return ask(shared(model))
            except BaseException as fault:  # noqa: BLE001 - what it is, is what is looked at
                return fault

    return side_by_side(*(lambda ask=ask: party(ask) for ask in asks))


def once(batch: Floats, network: str = "net") -> Callable[[LoadedModel], Floats]:
    return lambda model: model.predict(network, batch)


def test_calls_of_one_shape_run_as_one_batch_and_each_gets_its_own_answer() -> None:
    model = Recording()
    answers = asked(Gathering(3, patience=LONG), model, *(once(samples(n, count=n)) for n in (1, 2, 3)))
    assert [shape for _, shape in model.shapes] == [(6, 1, 3)]
    for n, answer in enumerate(answers, 1):
        np.testing.assert_array_equal(answer, samples(n + 1, count=n))


def test_other_shapes_and_other_networks_run_by_themselves() -> None:
    model = Recording()
    alike, larger, other = samples(1), samples(1, size=5), once(samples(1), "other")
    asked(Gathering(4, patience=LONG), model, once(alike), once(alike), once(larger), other)
    assert sorted(model.shapes) == [("net", (1, 1, 5)), ("net", (2, 1, 3)), ("other", (1, 1, 3))]


def test_a_batch_is_no_larger_than_the_largest_unless_one_call_alone_is() -> None:
    model = Recording()
    calls = [once(samples(1)) for _ in range(5)]
    asked(Gathering(6, patience=LONG, largest=2), model, *calls, once(samples(1, count=7)))
    assert sorted(shape[0] for _, shape in model.shapes) == [1, 2, 2, 7]


def test_a_party_that_never_calls_costs_the_others_their_patience_and_no_more() -> None:
    (answer,) = asked(Gathering(2, patience=0.05), Recording(), once(samples(1)))
    np.testing.assert_array_equal(answer, samples(2))


def test_runs_of_different_length_all_come_to_their_end() -> None:
    model = Recording()

    def often(calls: int) -> Callable[[LoadedModel], Floats]:
        return lambda shared_model: [shared_model.predict("net", samples(1)) for _ in range(calls)][-1]

    asked(Gathering(4, patience=LONG), model, *map(often, (1, 5, 20, 50)))
    assert sum(shape[0] for _, shape in model.shapes) == 76
    assert len(model.shapes) == 50, "as many passes as the longest run has calls"


def test_a_batch_that_fails_is_tried_one_by_one_so_that_a_fault_is_its_own_partys() -> None:
    spoiled = Recording(refuses=lambda batch: bool(np.isnan(batch).any()))
    first, fault, third = asked(
        Gathering(3, patience=LONG), spoiled, once(samples(1)), once(samples(np.nan)), once(samples(3))
    )
    np.testing.assert_array_equal(first, samples(2))
    np.testing.assert_array_equal(third, samples(4))
    assert isinstance(fault, MemoryError)


def test_a_thread_that_is_stopped_as_it_works_for_others_does_not_leave_them_waiting() -> None:
    class Stopping(Recording):
        def predict(self, network: str, batch: Floats) -> Floats:
            raise KeyboardInterrupt

    ended = asked(Gathering(2, patience=LONG), Stopping(), once(samples(1)), once(samples(1)))
    assert sorted(type(fault).__name__ for fault in ended) == ["KeyboardInterrupt", "RuntimeError"]


def test_runs_that_gather_share_each_model_until_they_end() -> None:
    first, second = Recording(), Recording()
    gathering = Gathering(3, patience=LONG)
    assert shared(first) is first, "nobody has gathered in this thread"

    def run(calls: int, *, uses_second: bool) -> None:
        with gathering.party():
            one, other = shared(first), shared(second)
            for _ in range(calls):
                one.predict("net", samples(1))
            if uses_second:
                other.predict("net", samples(2))

    side_by_side(*(lambda c=c, s=s: run(c, uses_second=s) for c, s in ((1, False), (2, True), (2, True))))
    assert sorted(shape[0] for _, shape in first.shapes) == [2, 3]
    assert [shape[0] for _, shape in second.shapes] == [2], "the run that has no use for it is not waited for"
    assert shared(first) is first


def test_a_run_that_fails_leaves_the_gathering() -> None:
    gathering = Gathering(2, patience=LONG)

    def fail() -> None:
        with gathering.party():
            raise ValueError("a damaged exam")

    def work() -> Floats:
        with gathering.party():
            return shared(model).predict("net", samples(1))

    model = Recording()
    with ThreadPoolExecutor(2) as pool:
        working, failing = pool.submit(work), pool.submit(fail)
        np.testing.assert_array_equal(working.result(LONG / 2), samples(2))
        with pytest.raises(ValueError, match="a damaged exam"):
            failing.result(LONG)


DEFINITION = """
name: doubled
version: "1.0.0"
title: Doubled
description: A network over one window, and the volume of what it makes bright.
input: {conditions: [{when: "true", otherwise: never}]}
models: {doubling: {name: doubling, version: "1.0", sha256: DIGEST}}
steps:
  - {id: volume, operator: load-volume, inputs: {series: input}}
  - id: bright
    operator: sliding-window-probability
    inputs: {image: volume}
    parameters: {model: doubling, network: network.pt, window: [8, 8, 8]}
  - {id: mask, operator: threshold, inputs: {probability: bright}}
  - {id: ml, operator: volume-ml, inputs: {mask: mask}}
outputs:
  measurements:
    - {step: ml, name: Volume, unit: ml, concept: {value: "118565006", scheme: SCT, meaning: Volume}}
"""


def test_graphs_that_gather_ask_their_model_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verified = install(tmp_path, {"network.pt": torchscript(tmp_path)}, backend="torchscript")
    definition = pipeline.parse(DEFINITION.replace("DIGEST", verified.digest))
    sources = Sources(source(mr_series(np.ones((8, 8, 8), dtype=np.uint16))))
    sizes: list[int] = []
    predict = TorchNetworks.predict

    def counted(self: TorchNetworks, network: str, batch: Floats) -> Floats:
        sizes.append(len(batch))
        return predict(self, network, batch)

    monkeypatch.setattr(TorchNetworks, "predict", counted)
    gathering = Gathering(3, patience=LONG)

    def run() -> float:
        with gathering.party():
            return graph.execute(definition, sources, models_dir=tmp_path).measurements[0].value

    together = side_by_side(run, run, run)
    assert together == [graph.execute(definition, sources, models_dir=tmp_path).measurements[0].value] * 3
    assert sizes == [3, 1], "three runs at once, then one alone"
