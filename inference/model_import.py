"""A model brought from elsewhere becomes one of this installation's: checked, described, signed for, and registered."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from inference import artifacts, backends, definition_file, model_registry, signatures
from inference.artifacts import Manifest, ModelCard, VerifiedModel
from inference.errors import ModelRefused
from inference.model_sources import Material, gathered
from inference.models import RegisteredModel


@dataclass(frozen=True, kw_only=True)
class ImportOrder:
    """What is to be imported, and as what.

    brought: a path, or triton:MODEL:VERSION; signature: the file with a detached Ed25519 signature, where there is one;
    by: who imports it.
    """

    brought: str
    name: str
    version: str
    card: Path
    by: str
    signature: Path | None = None
    architecture: str | None = None
    half_precision: str | None = None
    triton_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class SitePolicy:
    """Where models lie, whose signatures count, and whether an import needs one."""

    models_dir: Path
    keys: Path
    must_be_signed: bool


def carry_out(order: ImportOrder, policy: SitePolicy) -> RegisteredModel:
    """Import a model and register it in the stage of development.

    It is loaded once with its backend before anything is kept. The same model again changes nothing. Raises
    DefinitionInvalid for the card, ModelRefused with what was expected, ModelUnusable when its backend cannot run it,
    ModelServerGone when it is on a Triton server that does not answer.
    """
    card = definition_file.read(order.card).parse(ModelCard)
    policy.models_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=policy.models_dir, prefix=".importing-") as scratch:
        with gathered(order.brought, Path(scratch), triton_url=order.triton_url) as material:
            manifest = _manifest(order, material, card)
        model_registry.refuse_other_bytes(manifest)
        signed_by = _signer(order, policy, material)
        _install(manifest, material, policy.models_dir)
    return model_registry.record(manifest, signed_by=signed_by, by=order.by, reason=f"Imported from {order.brought}")


def sums_of(brought: str, *, triton_url: str | None = None) -> bytes:
    """What a signer of the model in `brought` has to sign. Raises ModelRefused and ModelServerGone."""
    with tempfile.TemporaryDirectory() as scratch, gathered(brought, Path(scratch), triton_url=triton_url) as material:
        return signatures.sums(material.hashes)


def _manifest(order: ImportOrder, material: Material, card: ModelCard) -> Manifest:
    hashes = material.hashes
    fields = {
        "name": order.name,
        "version": order.version,
        "backend": material.backend,
        "architecture": order.architecture,
        "half_precision": order.half_precision,
        "files": {name: {"path": path, "sha256": hashes[name]} for name, path in material.paths.items()},
        "source": dict(material.source),
        "card": card,
    }
    try:
        return Manifest.model_validate(fields)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelRefused(f"{where}: {first['msg']} (got {first['input']!r}).") from fault


def _signer(order: ImportOrder, policy: SitePolicy, material: Material) -> str:
    if order.signature is None:
        if policy.must_be_signed:
            raise ModelRefused(
                f"{order.brought} comes without a signature, and this site imports signed models only "
                "(OVERREAD_MODELS_MUST_BE_SIGNED). Have it signed, and name the signature's file."
            )
        return ""
    try:
        signature = order.signature.read_bytes()
    except OSError as fault:
        raise ModelRefused(f"The signature {order.signature} cannot be read: {fault.strerror}.") from fault
    return signatures.signer_of(signatures.sums(material.hashes), signature, keys=policy.keys)


def _install(manifest: Manifest, material: Material, models_dir: Path) -> None:
    """Put a new model in place once its backend could load it; leave one alone that is there, with its manifest."""
    target = artifacts.model_directory(models_dir, name=manifest.name, version=manifest.version)
    if artifacts.is_intact(target, manifest.digest):
        return
    files = {name: material.folder / name for name in manifest.files}
    backends.load(VerifiedModel(manifest, manifest.digest, files))
    artifacts.place(manifest, models_dir, fill=lambda folder: _copy(material, folder))


def _copy(material: Material, folder: Path) -> None:
    for name in material.paths:
        shutil.copyfile(material.folder / name, folder / name)
