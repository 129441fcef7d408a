"""Models are brought in whole, described and signed for, or not at all; and what a job used stays as it was."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from pytest_django import Settings

from dicom_ingest.models import Exam
from inference import artifacts, dispatch, model_registry, pipeline, registration
from inference.errors import InferenceError, ModelRefused
from inference.models import Job, PipelineVersion, RegisteredModel
from inference.stage_models import Stage, StageChange
from tests.inference.backends.installed import CARD, onnx_doubling, torchscript

pytestmark = pytest.mark.django_db


def models(*arguments: object) -> str:
    output = StringIO()
    call_command("models", *map(str, arguments), stdout=output)
    return output.getvalue()


def refused(*arguments: object) -> str:
    with pytest.raises(CommandError) as refusal:
        models(*arguments)
    assert refusal.value.returncode == 1
    return str(refusal.value)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    file = tmp_path / "card.yaml"
    file.write_text("".join(f"{name}: {value}\n" for name, value in CARD.items()))
    return file


@pytest.fixture
def keys(tmp_path: Path, settings: Settings) -> Path:
    """The folder of the keys that the site trusts."""
    settings.OVERREAD_MODEL_KEYS = tmp_path / "keys"
    settings.OVERREAD_MODEL_KEYS.mkdir()
    return tmp_path / "keys"


@pytest.fixture
def network(tmp_path: Path) -> Path:
    file = tmp_path / "network.pt"
    file.write_bytes(torchscript(tmp_path))
    return file


Bring = Callable[..., tuple[object, ...]]


@pytest.fixture
def bring(card: Path) -> Bring:
    """The arguments of an import."""

    def arguments(brought: object, *more: object, version: str = "1.0") -> tuple[object, ...]:
        return ("import", brought, "--name", "doubling", "--version", version, "--card", card, *more)

    return arguments


def test_a_torchscript_file_becomes_a_model_of_this_installation(network: Path, bring: Bring, store: Path) -> None:
    said = models(*bring(network))
    model = RegisteredModel.objects.get()
    assert f'Pin it in a pipeline with:\n    {{name: doubling, version: "1.0", sha256: {model.digest}}}' in said
    assert (model.backend, model.stage, model.signed_by, model.card["contact"]) == (
        "torchscript",
        Stage.DEVELOPMENT,
        "",
        "nobody",
    )
    verified = artifacts.verify(store / "models" / "doubling" / "1.0", model.digest)
    assert verified.files["network.pt"].read_bytes() == network.read_bytes()
    change = model.stage_changes.get()
    assert (change.before, change.after, change.reason) == ("", "development", f"Imported from {network}")
    assert change.by.endswith("(command line)")
    assert not list((store / "models").glob(".importing-*"))

    models(*bring(network))
    assert RegisteredModel.objects.count() == StageChange.objects.count() == 1, "the same again changes nothing"
    assert "doubling │ 1.0" in models("list")
    shown = models("show", "doubling", "1.0")
    assert f"{model.files['network.pt']}  network.pt" in shown
    assert "limits: doubles only" in shown


def test_other_bytes_need_another_version_and_the_old_one_is_kept(
    network: Path, bring: Bring, store: Path, tmp_path: Path
) -> None:
    models(*bring(network))
    other = tmp_path / "other" / "network.pt"
    other.parent.mkdir()
    with zipfile.ZipFile(network) as old, zipfile.ZipFile(other, "w") as new:
        for entry in old.infolist():
            new.writestr(entry, old.read(entry))
        new.comment = b"other bytes"
    assert "A model never changes under its version" in refused(*bring(other))
    models(*bring(other, version="1.1"))
    assert models("verify").splitlines() == ["doubling 1.0: whole", "doubling 1.1: whole"]
    assert "registered already, as doubling 1.0" in refused(*bring(network, version="1.2"))


def test_damaged_files_are_found_by_verify_and_mended_by_importing_again(
    network: Path, bring: Bring, store: Path
) -> None:
    models(*bring(network))
    kept = store / "models" / "doubling" / "1.0" / "network.pt"
    kept.write_bytes(b"damaged")
    with pytest.raises(CommandError, match=r"1 of 1 models cannot be used\."):
        models("verify", "doubling")
    models(*bring(network))
    assert models("verify", "doubling") == "doubling 1.0: whole\n"


def test_an_onnx_file_is_imported_by_what_its_name_ends_in(tmp_path: Path, bring: Bring) -> None:
    (tmp_path / "network.onnx").write_bytes(onnx_doubling())
    models(*bring(tmp_path / "network.onnx"))
    assert RegisteredModel.objects.get().backend == "onnx"


def test_what_its_backend_cannot_load_is_not_kept(tmp_path: Path, bring: Bring, store: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"no network")
    assert "broken.pt of model doubling 1.0 cannot be read as TorchScript" in refused(*bring(tmp_path / "broken.pt"))
    assert not RegisteredModel.objects.exists()
    assert not list((store / "models").iterdir())


def test_a_card_that_lacks_something_is_told_by_file_line_and_field(network: Path, bring: Bring, card: Path) -> None:
    text = card.read_text()
    card.write_text(text.replace("limits: doubles only\n", "").replace("licence: MIT", "licence: 5"))
    told = refused(*bring(network))
    assert "card.yaml, line 1: limits: is required and missing" in told
    assert "card.yaml, line 3: licence: Input should be a valid string (got 5)" in told
    card.unlink()
    assert "card.yaml, line 1: file: cannot be read" in refused(*bring(network))


def test_what_cannot_be_imported_is_told_with_what_could(network: Path, bring: Bring, tmp_path: Path) -> None:
    (tmp_path / "model.h5").touch()
    assert "expected a file that ends in .pt (torchscript)" in refused(*bring(tmp_path / "model.h5"))
    assert "is not there. Give a file, a MONAI bundle" in refused(*bring(tmp_path / "nothing.pt"))
    (tmp_path / "my model.pt").touch()
    assert "expected a name of letters" in refused(*bring(tmp_path / "my model.pt"))
    assert "version: String should match" in refused(*bring(network, version="1/0"))
    assert "No Triton server is named" in refused(*bring("triton:liver:1"))
    assert "there are: none" in refused("show", "doubling", "1.0")


def bundle(folder: Path, scratch: Path) -> Path:
    """A MONAI bundle with a TorchScript network."""
    files = {"configs/metadata.json": b"{}", "models/model.ts": torchscript(scratch), "docs/README.md": b"hello"}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_a_monai_bundle_comes_as_a_folder_or_a_zip(tmp_path: Path, bring: Bring, store: Path) -> None:
    folder = bundle(tmp_path / "bundle", tmp_path)
    models(*bring(folder))
    model = RegisteredModel.objects.get()
    assert (model.backend, sorted(model.files)) == ("monai-bundle", ["metadata.json", "model.ts"])
    manifest = artifacts.load_manifest(store / "models" / "doubling" / "1.0" / "model.yaml")
    assert manifest.files["model.ts"].path == "models/model.ts"

    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "bundle"))
    assert "registered already, as doubling 1.0" in refused(*bring(packed, version="2")), "the very same files"
    (folder / "configs" / "metadata.json").write_text('{"version": "2"}')
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "bundle"))
    models(*bring(packed, version="2"))
    assert RegisteredModel.objects.get(version="2").files["model.ts"] == model.files["model.ts"]


def test_a_bundle_whose_network_would_have_to_be_evaluated_is_refused(tmp_path: Path, bring: Bring) -> None:
    folder = bundle(tmp_path / "bundle", tmp_path)
    (folder / "models" / "model.ts").rename(folder / "models" / "model.pt")
    definition = {"network_def": {"_target_": "scripts.network.Mine"}}
    (folder / "configs" / "inference.json").write_text(json.dumps(definition))
    assert "only networks of monai.networks.nets are built, not scripts.network.Mine" in refused(*bring(folder))
    (folder / "models" / "model.pt").unlink()
    assert "expected models/model.ts, or models/model.pt" in refused(*bring(folder))
    (folder / "configs" / "metadata.json").unlink()
    assert "but it holds no configs/metadata.json" in refused(*bring(folder))
    (tmp_path / "broken.zip").write_bytes(b"PK")
    assert "broken.zip cannot be read as a zip" in refused(*bring(tmp_path / "broken.zip"))


def test_a_zip_writes_nowhere_but_where_models_lie(tmp_path: Path, bring: Bring, store: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("../../escaped/configs/metadata.json", "{}")
        archive.writestr("../../escaped/models/model.ts", torchscript(tmp_path))
        archive.writestr("../../escaped/other.txt", "x")
    (tmp_path / "bundle.zip").write_bytes(content.getvalue())
    models(*bring(tmp_path / "bundle.zip"))
    assert sorted(file.name for file in (store / "models" / "doubling" / "1.0").iterdir()) == [
        "metadata.json",
        "model.ts",
        "model.yaml",
    ]
    assert not list(tmp_path.rglob("escaped"))


def trust(keys: Path, name: str) -> Ed25519PrivateKey:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (keys / f"{name}.pem").write_bytes(pem)
    return private


def test_a_signature_by_a_trusted_key_is_kept_and_any_other_refused(
    network: Path, bring: Bring, keys: Path, tmp_path: Path
) -> None:
    trust(keys, "radiology")
    vendor, stranger = trust(keys, "vendor"), Ed25519PrivateKey.generate()
    signed = models("sums", network).encode()
    signature = tmp_path / "network.sig"
    for wrong in (stranger.sign(signed), vendor.sign(signed + b" "), b"short"):
        signature.write_bytes(wrong)
        told = refused(*bring(network, "--signature", signature))
        assert "not made over these files by a key that is trusted here" in told
        assert "radiology, vendor" in told
    assert not RegisteredModel.objects.exists()
    signature.write_bytes(vendor.sign(signed))
    assert "signed by vendor" in models(*bring(network, "--signature", signature))
    assert RegisteredModel.objects.get().signed_by == "vendor"
    assert "cannot be read: No such file" in refused(*bring(network, "--signature", tmp_path / "gone.sig"))


def test_the_signature_that_openssl_makes_is_one(network: Path, bring: Bring, keys: Path, tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").write_text(models("sums", network))
    commands = (
        "openssl genpkey -algorithm ed25519 -out private.pem",
        "openssl pkey -in private.pem -pubout -out keys/lab.pem",
        "openssl pkeyutl -sign -rawin -inkey private.pem -in SHA256SUMS -out network.sig",
        "sha256sum --check SHA256SUMS",
    )
    for command in commands:
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    assert "signed by lab" in models(*bring(network, "--signature", tmp_path / "network.sig"))


def test_a_site_may_require_signatures_and_keys_must_be_keys(
    network: Path, bring: Bring, keys: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.OVERREAD_MODELS_MUST_BE_SIGNED = True
    assert "this site imports signed models only" in refused(*bring(network))
    (tmp_path / "network.sig").write_bytes(b"x" * 64)
    (keys / "broken.pem").write_text("no key")
    assert "broken.pem is no public key" in refused(*bring(network, "--signature", tmp_path / "network.sig"))


def move(model: RegisteredModel, to: Stage, reason: str = "It was decided.") -> StageChange:
    return model_registry.move(model.pk, to=to, by="admin", reason=reason)


def test_stages_follow_each_other_and_every_step_is_kept(network: Path, bring: Bring) -> None:
    models(*bring(network))
    assert "went from development to pilot" in models("stage", "doubling", "1.0", "pilot", "--reason", "Phantoms done.")
    assert "from there it goes to development or active or retired, not to pilot" in refused(
        "stage", "doubling", "1.0", "pilot", "--reason", "again"
    )
    model = RegisteredModel.objects.get()
    with pytest.raises(ModelRefused, match="Say why"):
        move(model, Stage.ACTIVE, reason=" ")
    move(model, Stage.ACTIVE)
    models("retire", "doubling", "1.0", "--reason", "Replaced by 1.1.")
    steps = [str(change) for change in model.stage_changes.all()]
    assert steps == ["active to retired", "pilot to active", "development to pilot", "new to development"]
    change = model.stage_changes.all()[0]
    for attempt in (change.delete, lambda: StageChange.objects.update(reason="nicer")):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            attempt()


def test_a_demonstration_model_never_becomes_active(network: Path, bring: Bring, card: Path) -> None:
    card.write_text(card.read_text() + "demonstration: true\n")
    models(*bring(network))
    model = RegisteredModel.objects.get()
    assert model.is_demonstration
    move(model, Stage.PILOT)
    with pytest.raises(ModelRefused, match="not for clinical use"):
        move(model, Stage.ACTIVE)


def used_by_a_job(exam: Exam) -> tuple[PipelineVersion, RegisteredModel]:
    version = registration.register(pipeline.load_named("brain-extraction"))
    Job.objects.create(pipeline=version, exam=exam, fingerprint="a")
    return version, version.registered_models.get()


def test_what_a_job_used_cannot_be_changed_or_removed(exam: Exam) -> None:
    _, model = used_by_a_job(exam)
    rows = RegisteredModel.objects.filter(pk=model.pk)
    attempts: list[dict[str, Any]] = [{"digest": "0" * 64}, {"name": "other"}, {"card": {}}, {"files": {}}]
    for changes in attempts:
        with pytest.raises(IntegrityError, match=r"deepbet 1\.0\.2"), transaction.atomic():
            rows.update(**changes)
    with pytest.raises(IntegrityError, match="was used by a job"), transaction.atomic():
        rows._raw_delete("default")
    move(model, Stage.PILOT)


def test_before_a_job_uses_it_only_the_card_may_be_corrected(network: Path, bring: Bring) -> None:
    models(*bring(network))
    rows = RegisteredModel.objects.all()
    rows.update(card={"limits": "more of them"})
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        rows.update(digest="0" * 64)


def test_a_retired_model_takes_no_new_exams_and_says_so(exam: Exam) -> None:
    version, model = used_by_a_job(exam)
    move(model, Stage.RETIRED)
    with pytest.raises(InferenceError, match=r"brain-extraction uses model deepbet 1\.0\.2, which is retired"):
        dispatch.submit(pipeline.load_named("brain-extraction"), exam.routes.get())
    assert version.jobs.count() == 1


def test_a_pipeline_may_pin_an_imported_model(network: Path, bring: Bring, store: Path) -> None:
    models(*bring(network))
    model = RegisteredModel.objects.get()
    text = pipeline.source_of("brain-extraction")
    shipped = pipeline.load_named("brain-extraction").models["deepbet"]
    text = text.replace("name: deepbet", "name: doubling").replace('version: "1.0.2"', 'version: "1.0"')
    definition = pipeline.parse(text.replace(shipped.sha256, model.digest))
    assert registration.register(definition).registered_models.get() == model
