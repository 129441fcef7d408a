"""Models that a Triton server runs, asked over gRPC with binary tensors.

One channel is shared by all models of a server, and a model by all pipelines that pin its name and version. The server
is asked what it serves before the first prediction, and again after each time it was gone.
"""

from __future__ import annotations

import atexit
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from inference.artifacts import TritonSource, VerifiedModel
from inference.backends import Floats, served_model
from inference.errors import (
    ModelDigestMismatch,
    ModelNotInstalled,
    ModelServerGone,
    ModelUnusable,
    OperatorContractBroken,
)

URL_VARIABLE, SECONDS_VARIABLE = "OVERREAD_TRITON_URL", "OVERREAD_TRITON_SECONDS"
DEFAULT_SECONDS = 120.0
NUMBERS = {"TYPE_FP32": ("FP32", np.float32), "TYPE_FP16": ("FP16", np.float16), "TYPE_FP64": ("FP64", np.float64)}
MESSAGE_BYTES = 2**31 - 1
CHANNEL = [
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # A server that was gone for a minute would otherwise not be looked for again for up to two.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
]


@dataclass(frozen=True)
class Served:
    """One model of one server: its address, its name and version there, and what goes in and out."""

    url: str
    model: str
    version: str
    given: str
    made: str
    data_type: str
    rank: int
    """Axes of what goes in, without the batch's where the server makes batches itself."""
    max_batch_size: int
    description: bytes

    @property
    def label(self) -> str:
        return f"{self.model} version {self.version} at {self.url}"


class TritonModel:
    """A model on a server; it has one network, named for the file that describes it."""

    nbytes = 0
    """Its weights lie with the server."""

    def __init__(self, served: Served, seconds: float) -> None:
        self._served = served
        self._seconds = seconds
        self._is_known = True

    def predict(self, network: str, batch: Floats) -> Floats:
        """Ask the server for `batch`, (N, channels, ...) float32; see `inference.backends.LoadedModel`.

        Raises ModelServerGone, after which another attempt may succeed, OperatorContractBroken when the server's model
        is made for another shape, and ModelDigestMismatch when the server came back with another model.
        """
        if network != served_model.FILE:
            raise ModelNotInstalled(f'A model on Triton has no file "{network}"; it has {served_model.FILE}.')
        self._recognise()
        takes_batches = self._served.max_batch_size > 0 or self._served.rank == batch.ndim
        if not takes_batches:
            return np.stack([self._ask(sample) for sample in batch])
        size = self._served.max_batch_size or len(batch)
        parts = [batch[start : start + size] for start in range(0, len(batch), size)]
        return np.concatenate([self._ask(part) for part in parts])

    def _ask(self, array: Floats) -> Floats:
        served = self._served
        data_type, numbers = NUMBERS[served.data_type]
        given = grpc.InferInput(served.given, list(array.shape), data_type)
        given.set_data_from_numpy(np.ascontiguousarray(array, dtype=numbers))
        try:
            with _told(served.label):
                response = _client(served.url).infer(
                    served.model,
                    [given],
                    model_version=served.version,
                    outputs=[grpc.InferRequestedOutput(served.made)],
                    client_timeout=self._seconds,
                )
        except ModelServerGone:
            self._is_known = False
            raise
        return np.asarray(response.as_numpy(served.made), dtype=np.float32)

    def _recognise(self) -> None:
        if self._is_known:
            return
        _check(ask(self._served.url, self._served.model, self._served.version), self._served.description)
        self._is_known = True


def load(model: VerifiedModel) -> TritonModel:
    """Find the model on its server. Raises ModelServerGone, ModelUnusable, or ModelDigestMismatch."""
    source = model.manifest.source
    if not isinstance(source, TritonSource):
        raise ModelUnusable(f'Model {model.label} has the backend "triton", so its source must be of kind triton too.')
    served = ask(address(source.url), source.model, source.version)
    _check(served, model.files[served_model.FILE].read_bytes())
    return TritonModel(served, float(os.environ.get(SECONDS_VARIABLE, DEFAULT_SECONDS)))


def address(url: str | None) -> str:
    """Host and port of the server: those given, or the installation's. Raises ModelUnusable when there are none."""
    found = url or os.environ.get(URL_VARIABLE, "")
    if not found:
        raise ModelUnusable(f"No Triton server is named. Set {URL_VARIABLE} to host:port of its gRPC service.")
    return found


def ask(url: str, model: str, version: str) -> Served:
    """What the server at `url` says of one of its models.

    Raises ModelServerGone when it does not answer or does not have it, ModelUnusable when the model does not take one
    array of floating-point numbers and give one.
    """
    label = f"{model} version {version} at {url}"
    with _told(label):
        config = _client(url).get_model_config(model, version, as_json=True, client_timeout=10.0)["config"]
    given, made = config.get("input", []), config.get("output", [])
    if len(given) != 1 or len(made) != 1 or given[0]["data_type"] not in NUMBERS:
        raise ModelUnusable(
            f"Triton's {label} takes {len(given)} arrays and gives {len(made)}; expected one array of floating-point "
            "numbers each way."
        )
    return Served(
        url=url,
        model=model,
        version=version,
        given=given[0]["name"],
        made=made[0]["name"],
        data_type=given[0]["data_type"],
        rank=len(given[0]["dims"]),
        max_batch_size=int(config.get("max_batch_size", 0)),
        description=served_model.describe(config, version),
    )


def _check(served: Served, expected: bytes) -> None:
    if served.description == expected:
        return
    found, wanted = (hashlib.sha256(content).hexdigest()[:12] for content in (served.description, expected))
    raise ModelDigestMismatch(
        f"Triton serves another {served.label} than the one that was imported: its description has the SHA-256 "
        f"{found}..., expected {wanted}... Serve the model that was validated, or import this one as a new version."
    )


@cache
def _client(url: str) -> grpc.InferenceServerClient:
    return grpc.InferenceServerClient(url, channel_args=CHANNEL)


# A client that is left to the end of the interpreter finds gRPC already taken apart.
atexit.register(_client.cache_clear)


@contextmanager
def _told(label: str) -> Iterator[None]:
    try:
        yield
    except InferenceServerException as fault:
        status, said = str(fault.status()).removeprefix("StatusCode."), fault.message()
        if status == "INVALID_ARGUMENT":
            raise OperatorContractBroken(f"Triton's {label} refuses the request: {said}") from fault
        raise ModelServerGone(
            f"Triton's {label} cannot be used at present ({status}: {said}). Check that the server runs and has it."
        ) from fault
