"""ONNX models in ONNX Runtime, on the GPU where its build has one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from inference.artifacts import VerifiedModel
from inference.backends import Floats
from inference.errors import ModelNotInstalled, ModelUnusable, OperatorContractBroken

PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")
NUMBERS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
UNREADABLE = (faults.Fail, faults.InvalidArgument, faults.InvalidGraph, faults.InvalidProtobuf, faults.NoSuchFile)


class OnnxModel:
    """The networks of one model by file name, each a session with one input and one output."""

    def __init__(self, sessions: Mapping[str, onnxruntime.InferenceSession], nbytes: int) -> None:
        self._sessions = dict(sessions)
        self._nbytes = nbytes

    def predict(self, network: str, batch: Floats) -> Floats:
        """Run `network` on `batch`, (N, channels, ...) float32; see `inference.backends.LoadedModel`.

        Raises OperatorContractBroken when the network was made for another shape.
        """
        if network not in self._sessions:
            raise ModelNotInstalled(f'The model has no file "{network}"; it has {", ".join(self._sessions)}.')
        session = self._sessions[network]
        (given,) = session.get_inputs()
        try:
            answer = session.run(None, {given.name: batch.astype(NUMBERS[given.type], copy=False)})[0]
        except faults.InvalidArgument as fault:
            taken, came = (" x ".join(map(str, shape)) for shape in (given.shape, batch.shape))
            raise OperatorContractBroken(
                f"{network} takes {taken}, but was given {came}. Correct the window's size."
            ) from fault
        return np.asarray(answer, dtype=np.float32)

    @property
    def nbytes(self) -> int:
        """Bytes of the files, which hold the weights."""
        return self._nbytes


def load(model: VerifiedModel) -> OnnxModel:
    """Load every file of `model` as an ONNX network. Raises ModelUnusable when one is none, or takes other inputs."""
    sessions = {name: _session(file, model.label) for name, file in model.files.items()}
    return OnnxModel(sessions, sum(file.stat().st_size for file in model.files.values()))


def _session(file: Path, label: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    there = onnxruntime.get_available_providers()
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=[provider for provider in PREFERRED if provider in there]
        )
    except UNREADABLE as fault:
        raise ModelUnusable(f"{file.name} of model {label} cannot be read as ONNX: {fault}") from fault
    kinds = [given.type for given in session.get_inputs()]
    if len(kinds) != 1 or kinds[0] not in NUMBERS or len(session.get_outputs()) != 1:
        raise ModelUnusable(
            f"{file.name} of model {label} takes {', '.join(kinds)} and gives {len(session.get_outputs())} arrays; "
            "expected one array of floating-point numbers each way. Export it so."
        )
    return session
