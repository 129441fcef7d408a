"""Models stay warm within a budget of memory, and each is loaded once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from inference import backends
from inference.artifacts import VerifiedModel
from inference.backends import Floats
from inference.backends.warm import BYTES_PER_MB, WarmModels, budget_from_environment
from inference.errors import ModelNotInstalled
from tests.inference.backends.installed import install


@dataclass
class Sized:
    """A model that holds as many bytes as its file says."""

    nbytes: int

    def predict(self, _network: str, batch: Floats) -> Floats:
        return batch


@dataclass
class Loads:
    """Counts what was loaded, and can hold loads up."""

    labels: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def load(self, model: VerifiedModel) -> Sized:
        self.labels.append(model.manifest.name)
        assert self.gate.wait(10)
        return Sized(int(model.files["size"].read_bytes().split()[0]))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    counted = Loads()
    counted.gate.set()
    monkeypatch.setattr(backends, "load", counted.load)
    return counted


@dataclass
class Store:
    """Models of a given size by name."""

    folder: Path
    warm: WarmModels
    digests: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, nbytes: int) -> None:
        model = install(self.folder, {"size": f"{nbytes} {name}".encode()}, backend="sized", name=name)
        self.digests[name] = model.digest

    def get(self, name: str) -> backends.LoadedModel:
        return self.warm.get(self.folder / name / "1.0", digest=self.digests[name])

    @property
    def held(self) -> list[str]:
        names = {digest: name for name, digest in self.digests.items()}
        return [names[digest] for digest in self.warm.digests]


@pytest.fixture
def store(tmp_path: Path, loads: Loads) -> Store:
    made = Store(tmp_path, WarmModels(budget=100))
    for name, nbytes in {"a": 40, "b": 40, "c": 20, "d": 30, "large": 300}.items():
        made.add(name, nbytes)
    return made


def test_the_one_not_asked_for_the_longest_goes_first(store: Store, loads: Loads) -> None:
    for name in ("a", "b", "c"):
        store.get(name)
    assert store.held == ["a", "b", "c"], "all three fit"
    first = store.get("a")
    store.get("d")
    assert store.held == ["c", "a", "d"], "b had waited longest, and its room is enough"
    assert store.get("a") is first
    store.get("b")
    assert store.held == ["a", "b"], "c and then d had to go: 30 + 40 + 40 is more than 100"
    assert loads.labels == ["a", "b", "c", "d", "b"]


def test_one_larger_than_the_budget_is_kept_alone_until_the_next(store: Store) -> None:
    store.get("c")
    store.get("large")
    assert store.held == ["large"]
    store.get("c")
    assert store.held == ["c"]


def test_threads_that_ask_for_one_model_wait_for_one_load_while_another_is_given(store: Store, loads: Loads) -> None:
    store.get("c")
    loads.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(store.get, "a") for _ in range(8)]
        store.get("c")  # given although the pool waits for a
        loads.gate.set()
        given = {id(each.result(10)) for each in asked}
    assert len(given) == 1
    assert loads.labels == ["c", "a"]


def test_a_load_that_failed_is_tried_again(store: Store) -> None:
    (store.folder / "a" / "1.0" / "size").rename(store.folder / "elsewhere")
    with pytest.raises(ModelNotInstalled):
        store.get("a")
    (store.folder / "elsewhere").rename(store.folder / "a" / "1.0" / "size")
    assert store.get("a") is store.get("a")


def test_the_budget_is_the_installations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERREAD_WARM_MODELS_MB", "3")
    assert budget_from_environment() == 3 * BYTES_PER_MB
