"""Models are what their digest says, or they are not used."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from inference import artifacts, backends, pipeline
from inference.artifacts import Manifest, install, verify
from inference.backends.warm import WarmModels
from inference.errors import (
    DefinitionInvalid,
    ModelDigestMismatch,
    ModelFetchFailed,
    ModelNotInstalled,
    UnknownBackend,
)

CARD = {
    "intended_use": "tests",
    "training_data": "none",
    "licence": "MIT",
    "source": "this file",
    "limits": "doubles only",
    "contact": "nobody",
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="session")
def doubling_network(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A TorchScript network that doubles what it is given."""
    import torch

    class Doubling(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch * 2

    file = tmp_path_factory.mktemp("network") / "network.pt"
    torch.jit.trace(Doubling(), torch.zeros(1, 1)).save(str(file))  # type: ignore[no-untyped-call]
    return file.read_bytes()


def wheel_and_manifest(folder: Path, files: dict[str, bytes], *, backend: str = "torchscript") -> tuple[Path, Manifest]:
    """A wheel that carries `files` under data/, and the manifest that pins it."""
    wheel = folder / "doubling-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("doubling/__init__.py", "raise RuntimeError('never imported')")
        for name, content in files.items():
            archive.writestr(f"data/{name}", content)
    manifest = Manifest.model_validate(
        {
            "name": "doubling",
            "version": "1.0",
            "backend": backend,
            "files": {name: {"path": f"data/{name}", "sha256": sha256(content)} for name, content in files.items()},
            "source": {
                "kind": "package",
                "package": "doubling",
                "version": "1.0",
                "filename": wheel.name,
                "sha256": sha256(wheel.read_bytes()),
            },
            "card": CARD,
        }
    )
    return wheel, manifest


@pytest.fixture
def wheel(tmp_path: Path) -> tuple[Path, Manifest]:
    return wheel_and_manifest(tmp_path, {"b.pt": b"second", "a.pt": b"first"})


def test_the_digest_is_what_sha256sum_makes_of_the_files(wheel: tuple[Path, Manifest], tmp_path: Path) -> None:
    directory = install(wheel[1], wheel[0], tmp_path / "models")
    by_hand = subprocess.run(
        "sha256sum a.pt b.pt | sha256sum", shell=True, cwd=directory, capture_output=True, text=True, check=True
    )
    assert wheel[1].digest == by_hand.stdout.split()[0]


def test_an_installed_model_verifies_and_holds_only_what_the_manifest_names(
    wheel: tuple[Path, Manifest], tmp_path: Path
) -> None:
    directory = install(wheel[1], wheel[0], tmp_path / "models")
    assert directory == tmp_path / "models" / "doubling" / "1.0"
    assert sorted(file.name for file in directory.iterdir()) == ["a.pt", "b.pt", "model.yaml"]
    verified = verify(directory, wheel[1].digest)
    assert verified.label == "doubling 1.0"
    assert verified.files["a.pt"].read_bytes() == b"first"
    assert [entry.name for entry in directory.parent.iterdir()] == ["1.0"], "nothing is left over"


def test_a_changed_byte_is_refused_by_the_name_of_its_file(wheel: tuple[Path, Manifest], tmp_path: Path) -> None:
    directory = install(wheel[1], wheel[0], tmp_path / "models")
    (directory / "b.pt").write_bytes(b"secont")
    with pytest.raises(ModelDigestMismatch, match=r"b\.pt of model doubling 1\.0 has the SHA-256"):
        verify(directory, wheel[1].digest)


def test_another_model_under_the_same_name_is_refused(wheel: tuple[Path, Manifest], tmp_path: Path) -> None:
    directory = install(wheel[1], wheel[0], tmp_path / "models")
    with pytest.raises(ModelDigestMismatch, match="the pipeline asks for " + "0" * 64):
        verify(directory, "0" * 64)


def test_a_missing_model_or_file_is_told_with_what_to_do(wheel: tuple[Path, Manifest], tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalled, match=r"manage\.py pipelines fetch"):
        verify(tmp_path / "nowhere", wheel[1].digest)
    directory = install(wheel[1], wheel[0], tmp_path / "models")
    (directory / "a.pt").unlink()
    with pytest.raises(ModelNotInstalled, match=r"lacks its file .*a\.pt"):
        verify(directory, wheel[1].digest)


def test_a_package_with_other_bytes_installs_nothing(wheel: tuple[Path, Manifest], tmp_path: Path) -> None:
    wheel[0].write_bytes(wheel[0].read_bytes() + b" ")
    with pytest.raises(ModelDigestMismatch, match=r"doubling-1\.0-py3-none-any\.whl"):
        install(wheel[1], wheel[0], tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_file_with_other_bytes_inside_its_package_installs_nothing(tmp_path: Path) -> None:
    package, manifest = wheel_and_manifest(tmp_path, {"a.pt": b"first"})
    pins = {"a.pt": manifest.files["a.pt"].model_copy(update={"sha256": "0" * 64})}
    with pytest.raises(ModelDigestMismatch, match=r"a\.pt"):
        install(manifest.model_copy(update={"files": pins}), package, tmp_path / "models")
    assert not list((tmp_path / "models").rglob("*.pt"))


def test_a_manifest_that_misnames_a_file_of_its_package_installs_nothing(tmp_path: Path) -> None:
    package, manifest = wheel_and_manifest(tmp_path, {"a.pt": b"first"})
    pins = {"a.pt": manifest.files["a.pt"].model_copy(update={"path": "data/z.pt"})}
    with pytest.raises(ModelNotInstalled, match=r"holds no data/z\.pt"):
        install(manifest.model_copy(update={"files": pins}), package, tmp_path / "models")


def test_fetching_leaves_an_intact_model_alone_and_needs_no_network_for_it(
    wheel: tuple[Path, Manifest], tmp_path: Path
) -> None:
    directory = install(wheel[1], wheel[0], tmp_path / "models")
    before = (directory / "a.pt").stat().st_mtime_ns
    assert artifacts.fetch(wheel[1], tmp_path / "models") == directory
    assert (directory / "a.pt").stat().st_mtime_ns == before


def test_a_package_that_pip_cannot_get_is_one_sentence(
    wheel: tuple[Path, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    damaged = tmp_path / "models" / "doubling" / "1.0" / "model.yaml"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("name: [")
    with pytest.raises(ModelFetchFailed, match=r"pip could not fetch doubling==1\.0: .*Check the network") as fault:
        artifacts.fetch(wheel[1], tmp_path / "models")
    assert "\n" not in str(fault.value)
    assert not fault.value.is_permanent


def manifest_of(source: dict[str, str], content: bytes, **changes: object) -> Manifest:
    """A model of one file `a.pt`, from `source`."""
    fields = {
        "name": "doubling",
        "version": "1.0",
        "backend": "torchscript",
        "files": {"a.pt": {"path": "a.pt", "sha256": sha256(content)}},
        "source": source,
        "card": CARD,
    }
    return Manifest.model_validate(fields | changes)


def test_a_shipped_model_is_copied_from_the_tree_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "WEIGHTS", tmp_path / "weights")
    manifest = manifest_of({"kind": "shipped"}, b"first")
    with pytest.raises(ModelNotInstalled, match=r"should ship .*doubling-1\.0/a\.pt"):
        artifacts.fetch(manifest, tmp_path / "models")
    weights = tmp_path / "weights" / "doubling-1.0" / "a.pt"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"secont")
    with pytest.raises(ModelDigestMismatch, match=r"a\.pt of model doubling 1\.0"):
        artifacts.fetch(manifest, tmp_path / "models")
    assert not list((tmp_path / "models").rglob("*.pt"))
    weights.write_bytes(b"first")
    directory = artifacts.fetch(manifest, tmp_path / "models")
    weights.write_bytes(b"another")
    assert verify(directory, manifest.digest).files["a.pt"].read_bytes() == b"first"


def test_an_imported_model_must_be_there_already(tmp_path: Path) -> None:
    manifest = manifest_of({"kind": "imported"}, b"first")
    with pytest.raises(ModelNotInstalled, match=r"Import it with: manage\.py models import"):
        artifacts.fetch(manifest, tmp_path / "models")


def test_a_source_of_an_unknown_kind_and_a_card_without_its_fields_are_told_by_line(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    shipped = (artifacts.SHIPPED / "deepbet-1.0.2.yaml").read_text()
    file.write_text(shipped.replace("  kind: package\n", "  kind: pigeon\n"))
    with pytest.raises(DefinitionInvalid, match=r"line 1[0-9]: source: .*'package', 'shipped', 'imported', 'triton'"):
        artifacts.load_manifest(file)
    file.write_text(shipped.replace("  filename: deepbet", "  filename: ../deepbet"))
    with pytest.raises(DefinitionInvalid, match=r"line 1[0-9]: source\.filename: String should match"):
        artifacts.load_manifest(file)
    file.write_text(shipped[: shipped.index("  contact:")])
    with pytest.raises(DefinitionInvalid, match=r"model\.yaml, line \d+: card\.contact: is required and missing"):
        artifacts.load_manifest(file)


def test_every_shipped_manifest_is_named_for_its_model_and_true_of_the_weights_in_the_tree(tmp_path: Path) -> None:
    for file in artifacts.SHIPPED.glob("*.yaml"):
        manifest = artifacts.load_manifest(file)
        assert file.stem == f"{manifest.name}-{manifest.version}"
        if manifest.source.kind == "shipped":
            artifacts.verify(artifacts.fetch(manifest, tmp_path), manifest.digest)


def test_every_shipped_pipeline_pins_models_as_their_manifests_describe_them() -> None:
    for definition in pipeline.available():
        for pin in definition.models.values():
            assert artifacts.shipped_manifest(pin.name, pin.version).digest == pin.sha256, definition.name


def test_an_imported_models_manifest_lies_with_it(tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalled, match=r"Model doubling 1\.0 is not here"):
        artifacts.manifest_of("doubling", "1.0", tmp_path)
    imported = manifest_of({"kind": "imported"}, b"first")
    artifacts.place(imported, tmp_path, fill=lambda folder: (folder / "a.pt").write_bytes(b"first"))
    assert artifacts.manifest_of("doubling", "1.0", tmp_path) == imported
    assert artifacts.fetch(imported, tmp_path) == tmp_path / "doubling" / "1.0"
    assert artifacts.manifest_of("deepbet", "1.0.2", tmp_path).source.kind == "package"


def test_a_manifest_may_not_name_files_outside_its_directory(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    shipped = artifacts.SHIPPED / "deepbet-1.0.2.yaml"
    file.write_text(shipped.read_text().replace("  model.pt:", "  ../model.pt:"))
    with pytest.raises(DefinitionInvalid, match=r"model\.yaml, line 5: files\.\.\./model\.pt"):
        artifacts.load_manifest(file)


def test_only_shipped_manifests_can_be_fetched_by_name() -> None:
    assert artifacts.shipped_manifest("deepbet", "1.0.2").backend == "torchscript"
    with pytest.raises(ModelNotInstalled, match="ships no manifest for model deepbet 9"):
        artifacts.shipped_manifest("deepbet", "9")


def test_a_model_is_verified_once_and_stays_warm(tmp_path: Path, doubling_network: bytes) -> None:
    package, manifest = wheel_and_manifest(tmp_path, {"network.pt": doubling_network})
    directory = install(manifest, package, tmp_path / "models")
    models = WarmModels()
    first = models.get(directory, digest=manifest.digest)
    (directory / "network.pt").unlink()
    assert models.get(directory, digest=manifest.digest) is first
    with pytest.raises(ModelNotInstalled):
        WarmModels().get(directory, digest=manifest.digest)


def test_torchscript_answers_in_arrays_and_names_what_it_lacks(tmp_path: Path, doubling_network: bytes) -> None:
    package, manifest = wheel_and_manifest(tmp_path, {"network.pt": doubling_network})
    directory = install(manifest, package, tmp_path / "models")
    model = backends.load(verify(directory, manifest.digest))
    answer = model.predict("network.pt", np.full((1, 1, 2), 3, dtype=np.float32))
    assert answer.dtype == np.float32
    assert answer.tolist() == [[[6, 6]]]
    with pytest.raises(ModelNotInstalled, match=r'no file "other\.pt"; it has network\.pt'):
        model.predict("other.pt", answer)


def test_a_backend_that_is_not_here_is_named(tmp_path: Path) -> None:
    package, manifest = wheel_and_manifest(tmp_path, {"a.onnx": b"x"}, backend="abacus")
    directory = install(manifest, package, tmp_path / "models")
    with pytest.raises(UnknownBackend, match='needs the backend "abacus"; there are torchscript'):
        backends.load(verify(directory, manifest.digest))
