"""Models on a real Triton server: equal numbers, and jobs that outlive the server's absence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from inference import backends
from inference.artifacts import VerifiedModel
from inference.backends import Floats, served_model, triton
from inference.backends.warm import WarmModels
from inference.errors import (
    ModelDigestMismatch,
    ModelNotInstalled,
    ModelServerGone,
    ModelUnusable,
    OperatorContractBroken,
    OperatorFailed,
)
from inference.models import RegisteredModel
from tests.dicom_ingest.waiting import until
from tests.inference.backends import triton_server
from tests.inference.backends.installed import CARD, install
from tests.inference.backends.triton_server import Server
from tests.ports import free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with triton_server.running(tmp_path_factory.mktemp("triton")) as running:
        yield running


def on_triton(models_dir: Path, description: bytes, *, url: str | None = None) -> VerifiedModel:
    source = {"kind": "triton", "model": "two-classes", "version": "1"} | ({"url": url} if url else {})
    return install(models_dir, {served_model.FILE: description}, backend="triton", name="two-classes", source=source)


def volumes(count: int) -> Floats:
    return np.random.default_rng(1).random((count, 1, 5, 6, 7), dtype=np.float32)


def two_classes(batch: Floats) -> Floats:
    return np.concatenate([-2 * batch, 2 * batch + 1], axis=1)


@pytest.mark.faults
def test_the_server_gives_the_numbers_it_computes_in_as_many_requests_as_it_needs(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = triton.ask(server.url, "two-classes", "1")
    assert (served.given, served.made, served.max_batch_size) == ("image", "logits", 2)
    monkeypatch.setenv(triton.URL_VARIABLE, server.url)
    model = backends.load(on_triton(tmp_path, served.description))
    for count in (1, 2, 5):  # the server takes two at once
        np.testing.assert_array_equal(model.predict(served_model.FILE, volumes(count)), two_classes(volumes(count)))
    assert model.nbytes == 0
    with pytest.raises(OperatorContractBroken, match=r"Triton's two-classes version 1 at .* refuses the request"):
        model.predict(served_model.FILE, volumes(1)[..., 0])
    with pytest.raises(ModelNotInstalled, match=r"it has served-model\.json"):
        model.predict("model.pt", volumes(1))


@pytest.mark.faults
@pytest.mark.django_db
def test_a_model_is_imported_by_its_name_and_version_on_the_server(
    server: Server, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(triton.URL_VARIABLE, raising=False)
    card = tmp_path / "card.yaml"
    card.write_text("".join(f"{name}: {value}\n" for name, value in CARD.items()))
    named = ("--name", "two-classes", "--version", "7", "--card", str(card))
    call_command("models", "import", "triton:two-classes:1", *named, "--triton-url", server.url, stdout=StringIO())
    registered = RegisteredModel.objects.get()
    assert registered.source == {"kind": "triton", "url": server.url, "model": "two-classes", "version": "1"}
    model = WarmModels().get(store / "models" / "two-classes" / "7", digest=registered.digest)
    np.testing.assert_array_equal(model.predict(served_model.FILE, volumes(1)), two_classes(volumes(1)))
    said = StringIO()
    call_command("models", "verify", stdout=said)
    assert said.getvalue() == "two-classes 7: whole\n"
    with pytest.raises(CommandError, match="no-such-model version 1 at"):
        call_command("models", "import", "triton:no-such-model:1", *named, "--triton-url", server.url)


@pytest.mark.faults
def test_a_server_that_is_gone_is_waited_for_and_known_again(server: Server, tmp_path: Path) -> None:
    description = triton.ask(server.url, "two-classes", "1").description
    verified = on_triton(tmp_path, description, url=server.url)
    model = backends.load(verified)
    server.kill()
    for work in (lambda: model.predict(served_model.FILE, volumes(1)), lambda: backends.load(verified)):
        with pytest.raises(ModelServerGone, match=r"cannot be used at present \(UNAVAILABLE: .*Check that the") as gone:
            work()
        assert not OperatorFailed(step="a", operator="b", cause=gone.value).is_permanent, "the job may be tried again"

    server.start()
    assert until(lambda: answers(model), seconds=30), "the server came back, and is not found again"
    np.testing.assert_array_equal(model.predict(served_model.FILE, volumes(2)), two_classes(volumes(2)))

    server.kill()
    with pytest.raises(ModelServerGone):
        model.predict(served_model.FILE, volumes(1))
    server.start(output="probabilities")
    with pytest.raises(ModelDigestMismatch, match="serves another two-classes version 1"):
        until(lambda: answers(model), seconds=30)


def answers(model: backends.LoadedModel) -> bool:
    try:
        model.predict(served_model.FILE, volumes(1))
    except ModelServerGone:
        return False
    return True


@pytest.mark.faults
def test_a_model_that_the_server_does_not_have_is_named(server: Server) -> None:
    with pytest.raises(ModelServerGone, match=r"no-such-model version 1 at .*Check that the server runs and has it"):
        triton.ask(server.url, "no-such-model", "1")


def test_where_no_server_is_named_or_none_listens_it_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(triton.URL_VARIABLE, raising=False)
    with pytest.raises(ModelUnusable, match=r"No Triton server is named\. Set OVERREAD_TRITON_URL to host:port"):
        backends.load(on_triton(tmp_path, b"{}"))
    nowhere = f"127.0.0.1:{free_port()}"
    with pytest.raises(ModelServerGone, match=f"two-classes version 1 at {nowhere}"):
        backends.load(on_triton(tmp_path, b"{}", url=nowhere))
    files = {served_model.FILE: b"{}"}
    with pytest.raises(ModelUnusable, match="its source must be of kind triton too"):
        backends.load(install(tmp_path, files, backend="triton", name="other"))


def test_a_description_tells_what_the_model_is_and_not_where_it_runs() -> None:
    config = {
        "name": "liver",
        "backend": "onnxruntime",
        "max_batch_size": 4,
        "input": [{"name": "image", "data_type": "TYPE_FP32", "dims": ["1", "96"]}],
        "output": [{"name": "logits", "data_type": "TYPE_FP32", "dims": ["3", "96"]}],
        "instance_group": [{"kind": "KIND_GPU", "count": 2}],
        "parameters": {"workspace-path": {"string_value": "/tmp/1"}, "weights": {"string_value": "abc"}},
    }
    elsewhere = config | {"instance_group": [{"kind": "KIND_CPU", "count": 1}], "parameters": config["parameters"]}
    assert served_model.describe(config, "3") == served_model.describe(elsewhere, "3")
    assert json.loads(served_model.describe(config, "3"))["parameters"] == {"weights": {"string_value": "abc"}}
    changes: list[dict[str, object]] = [
        {"output": []},
        {"name": "lung"},
        {"parameters": {"weights": {"string_value": "abd"}}},
    ]
    for changed in changes:
        assert served_model.describe(config | changed, "3") != served_model.describe(config, "3")
    assert served_model.describe(config, "4") != served_model.describe(config, "3")
