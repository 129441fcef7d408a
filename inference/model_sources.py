"""What somebody brings to be imported: a TorchScript or ONNX file, a MONAI bundle, weights, or a name on Triton."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from inference.backends import bundle_definition, served_model
from inference.errors import ModelRefused

BACKENDS_BY_SUFFIX = {".pt": "torchscript", ".ts": "torchscript", ".onnx": "onnx", ".safetensors": "safetensors"}
TRITON = re.compile(r"^triton:(?P<model>[^:]+):(?P<version>\d+)$")
NAMES = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
METADATA = "configs/metadata.json"
LARGEST_FILE = 16 * 1024**3
"""Bytes; a zip whose member says that it holds more is not unpacked."""


@dataclass(frozen=True)
class Material:
    """The files of a model that is to be imported, by the names they will have.

    paths: where each was in what was brought; folder: where they lie now.
    """

    backend: str
    folder: Path
    paths: Mapping[str, str]
    source: Mapping[str, Any]

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 by name."""
        return {name: _sha256(self.folder / name) for name in self.paths}


@contextmanager
def gathered(brought: str, scratch: Path, *, triton_url: str | None = None) -> Iterator[Material]:
    """The material that `brought` names, copied into the empty folder `scratch`.

    brought: a path, or triton:MODEL:VERSION. Raises ModelRefused with what was expected, or ModelServerGone.
    """
    if served := TRITON.match(brought):
        yield _from_triton(served["model"], served["version"], triton_url, scratch)
        return
    path = Path(brought)
    if path.is_dir():
        yield _from_bundle(_Folder(path), path, scratch)
    elif path.suffix == ".zip" and path.is_file():
        with _opened(path) as archive:
            yield _from_bundle(_Zip(archive), path, scratch)
    elif path.is_file():
        yield _from_file(path, scratch)
    else:
        raise ModelRefused(
            f"{brought} is not there. Give a file, a MONAI bundle as a folder or zip, or triton:MODEL:VERSION."
        )


def _from_file(file: Path, scratch: Path) -> Material:
    backend = BACKENDS_BY_SUFFIX.get(file.suffix)
    if backend is None:
        expected = ", ".join(f"{suffix} ({kind})" for suffix, kind in BACKENDS_BY_SUFFIX.items())
        raise ModelRefused(f"{file.name}: expected a file that ends in {expected}, or a MONAI bundle as .zip.")
    if not NAMES.match(file.name):
        raise ModelRefused(f"{file.name}: expected a name of letters, digits, dots, dashes and underscores. Rename it.")
    shutil.copyfile(file, scratch / file.name)
    return Material(backend, scratch, {file.name: file.name}, {"kind": "imported"})


def _from_triton(model: str, version: str, url: str | None, scratch: Path) -> Material:
    try:
        from inference.backends import triton  # noqa: PLC0415 - gRPC is loaded where Triton is used
    except ModuleNotFoundError as lack:
        raise ModelRefused("Triton's client is not installed. Add it with: pip install 'overread[triton]'.") from lack
    described = triton.ask(triton.address(url), model, version).description
    (scratch / served_model.FILE).write_bytes(described)
    source = {"kind": "triton", "model": model, "version": version} | ({"url": url} if url else {})
    return Material("triton", scratch, {served_model.FILE: served_model.FILE}, source)


@dataclass(frozen=True)
class _Folder:
    root: Path

    def names(self) -> list[str]:
        return [file.relative_to(self.root).as_posix() for file in self.root.rglob("*") if file.is_file()]

    def take(self, name: str, target: Path) -> None:
        shutil.copyfile(self.root / name, target)


@dataclass(frozen=True)
class _Zip:
    archive: zipfile.ZipFile

    def names(self) -> list[str]:
        return [entry.filename for entry in self.archive.infolist() if not entry.is_dir()]

    def take(self, name: str, target: Path) -> None:
        if self.archive.getinfo(name).file_size > LARGEST_FILE:
            raise ModelRefused(f"{name} would unpack to more than {LARGEST_FILE // 1024**3} GiB. Check the zip.")
        # Only its bytes are taken; the name inside the zip decides nothing about where they go.
        with self.archive.open(name) as packed, target.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)


def _from_bundle(content: _Folder | _Zip, brought: Path, scratch: Path) -> Material:
    names = content.names()
    root = _root(names, brought)
    configurations = (METADATA, *(f"configs/{name}" for name in bundle_definition.CONFIGURATIONS))
    wanted = [path for path in configurations if root + path in names]
    weights = next((path for path in ("models/model.ts", "models/model.pt") if root + path in names), None)
    if weights is None:
        raise ModelRefused(f"{brought.name}: expected models/model.ts, or models/model.pt with a network_def.")
    paths = {PurePosixPath(path).name: path for path in (*wanted, weights)}
    for name, path in paths.items():
        content.take(root + path, scratch / name)
    return Material("monai-bundle", scratch, paths, {"kind": "imported"})


def _root(names: list[str], brought: Path) -> str:
    """Where the bundle begins: at the top, or in the one folder that holds it."""
    roots = [name.removesuffix(METADATA) for name in names if name == METADATA or name.endswith(f"/{METADATA}")]
    if len(roots) != 1:
        found = f"{len(roots)} files {METADATA}" if roots else f"no {METADATA}"
        raise ModelRefused(f"{brought.name}: expected one MONAI bundle, but it holds {found}.")
    return roots[0]


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as fault:
        raise ModelRefused(f"{file.name} cannot be read as a zip: {fault}. Make it again.") from fault
    with archive:
        yield archive


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
