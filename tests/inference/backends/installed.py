"""Small models of every kind, installed as any other."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper

from inference import artifacts
from inference.artifacts import Manifest, VerifiedModel

CARD = {
    "intended_use": "tests",
    "training_data": "none",
    "licence": "MIT",
    "source": "this file",
    "limits": "doubles only",
    "contact": "nobody",
}


class Doubling(torch.nn.Module):
    """Doubles what it is given, with 1000 weights that it has no use for."""

    def __init__(self) -> None:
        super().__init__()
        self.ballast = torch.nn.Parameter(torch.zeros(1000))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch * 2 + self.ballast[0]


def manifest(files: Mapping[str, bytes], *, backend: str, name: str = "doubling", **more: object) -> Manifest:
    """The manifest of a model with these files."""
    pins = {file: {"path": file, "sha256": hashlib.sha256(content).hexdigest()} for file, content in files.items()}
    fields = {
        "name": name,
        "version": "1.0",
        "backend": backend,
        "files": pins,
        "source": {"kind": "imported"},
        "card": CARD,
    }
    return Manifest.model_validate(fields | more)


def install(models_dir: Path, files: Mapping[str, bytes], *, backend: str, **more: object) -> VerifiedModel:
    """A model with these files below `models_dir`, verified."""
    described = manifest(files, backend=backend, **more)  # type: ignore[arg-type]

    def fill(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    return artifacts.verify(artifacts.place(described, models_dir, fill=fill), described.digest)


def torchscript(folder: Path, module: torch.nn.Module | None = None) -> bytes:
    """The bytes of a TorchScript file, by default of `Doubling`."""
    file = folder / "traced.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(module or Doubling(), torch.zeros(1, 1, 4, 4, 4)).save(str(file))  # type: ignore[no-untyped-call]
    return file.read_bytes()


def onnx_doubling(*, axes: tuple[str | int, ...] = ("n", 1, "i", "j", "k"), number: int = TensorProto.FLOAT) -> bytes:
    """The bytes of an ONNX file that doubles an array of `axes`."""
    given = helper.make_tensor_value_info("image", number, axes)
    made = helper.make_tensor_value_info("doubled", number, axes)
    graph = helper.make_graph([helper.make_node("Add", ["image", "image"], ["doubled"])], "doubling", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
