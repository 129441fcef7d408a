"""Operators and pipelines that come with installed packages and from the site's own folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import CTImageStorage

from inference import pipeline, scaffold, shipped
from inference.errors import InstallationFault, PipelineNotFound
from inference.execution import WorkOrder, check_code
from inference.operators import registry
from inference.operators.registry import operator
from inference.operators.values import Image
from inference.schema import Pipeline
from tests.inference.series import mr_series, write

ROOT = scaffold.INSTALLATION
EXAMPLE = ROOT / "docs/examples/operator-package"


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example is installed with pip, beside a package that breaks when it is imported."""
    folder = tmp_path_factory.mktemp("packages")
    source = shutil.copytree(EXAMPLE, folder / "source")
    target = folder / "site"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, capture_output=True)
    (target / "overread_broken.py").write_text("raise RuntimeError('no licence file')\n")
    about = target / "overread_broken-0.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: overread-broken\nVersion: 0.2\n")
    (about / "entry_points.txt").write_text("[overread.operators]\nbroken = overread_broken\n")
    return target


@pytest.fixture(scope="module")
def site_pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site's own folder: one good definition, one broken, one whose name is taken."""
    folder = tmp_path_factory.mktemp("pipelines")
    text = pipeline.source_of("brain-extraction")
    (folder / "site-brain.yaml").write_text(text.replace("name: brain-extraction", "name: site-brain", 1))
    (folder / "spoiled.yaml").write_text(text.replace("operator: reorient", "operator: reorientate"))
    (folder / "brain-extraction.yaml").write_text(text)
    return folder


def manage(*arguments: object, packages: Path, pipelines: Path, store: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(packages),
        "OVERREAD_PIPELINES": str(pipelines),
        "OVERREAD_STORE": str(store),
    }
    command = [sys.executable, "manage.py", "pipelines", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_list_has_the_packages_and_the_sites_pipelines_and_names_what_is_broken(
    site_packages: Path, site_pipelines: Path, store: Path
) -> None:
    ran = manage("list", packages=site_packages, pipelines=site_pipelines, store=store)
    assert ran.returncode == 0, ran.stderr
    names = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("│")]
    assert {"brain-extraction", "bone-volume", "site-brain"} <= set(names)
    assert "spoiled" not in names
    assert (
        "Package overread-broken 0.2: its operators (overread_broken) cannot be loaded: RuntimeError: no licence file. "
        "Mend or uninstall the package." in ran.stdout
    )
    assert 'spoiled.yaml is left out. spoiled.yaml, line 41: steps[1].operator: there is no operator "reorientate"' in (
        ran.stdout
    )
    assert "brain-extraction.yaml is not used: there is another pipeline of that name. Rename it." in ran.stdout


def test_the_installed_example_is_validated_and_run_and_its_version_is_that_of_its_package(
    site_packages: Path, site_pipelines: Path, store: Path, tmp_path: Path
) -> None:
    places = {"packages": site_packages, "pipelines": site_pipelines, "store": store}
    definition = site_packages / "bone_volume" / "bone-volume.yaml"
    valid = manage("validate", definition, **places)
    assert "is valid: bone-volume 0.1.0" in valid.stdout, valid.stderr
    shown = manage("show", "bone-volume", **places)
    assert "# bright: bone-volume-mask, code version 1 (bone-volume 0.1.0)." in shown.stdout, shown.stderr
    pixels = np.full((4, 8, 8), 1000, dtype=np.uint16)
    pixels[1:3, 2:5, 2:6] = 1500
    instances = mr_series(pixels, description="CT", spacing=(2.0, 1.0, 1.0))
    for one in instances:
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = CTImageStorage
        one.Modality, one.RescaleSlope, one.RescaleIntercept = "CT", "1", "-1024"
    ran = manage("run", "bone-volume", write(instances, tmp_path / "exam"), "--out", tmp_path / "out", **places)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (measurement,) = json.loads((tmp_path / "out" / "results.json").read_text())["measurements"]
    assert measurement["value"] == pytest.approx(2 * 3 * 4 * 2 / 1000)
    assert (tmp_path / "out" / "segmentation.dcm").is_file()


def test_a_sites_folder_is_searched_by_name_and_a_missing_one_is_told(
    site_pipelines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "_site", [])
    shipped.add_folder(site_pipelines)
    shipped.add_folder(tmp_path / "gone")
    assert pipeline.load_named("site-brain").name == "site-brain"
    assert "site-brain" in [one.name for one in pipeline.available()]
    assert {"site-brain", "spoiled"} <= set(shipped.names())
    assert f"{tmp_path / 'gone'} is named as a folder of pipelines, but is none." in pipeline.problems()
    with pytest.raises(PipelineNotFound, match='Did you mean "site-brain"'):
        pipeline.load_named("site-brian")


def test_a_job_whose_operator_is_gone_ends_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = pipeline.load_named("brain-extraction")
    order = WorkOrder(
        pipeline=definition.model_copy(),
        digest=definition.digest,
        files=(),
        models_dir=tmp_path,
        salt="salt",
        run="run",
        out=tmp_path,
    )
    check_code(order)
    monkeypatch.delitem(registry.OPERATORS, "match-grid")
    gone = order.model_copy(update={"pipeline": Pipeline.model_construct(**dict(definition))})
    with pytest.raises(
        InstallationFault, match='An operator of brain-extraction is not here: there is no operator "match-g'
    ):
        check_code(gone)


def test_an_operator_without_types_is_told_by_name() -> None:
    def untyped(image, *, level: float) -> Image:  # type: ignore[no-untyped-def]
        return Image(image)

    with pytest.raises(TypeError, match='operator "test-untyped": give a type to image'):
        operator("test-untyped", version="1")(untyped)
