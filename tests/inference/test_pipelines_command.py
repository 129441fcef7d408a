"""`manage.py pipelines` as a person at a shell meets it: no database, no broker, no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pydicom
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from inference import pipeline
from inference.management.commands.pipelines import Command
from tests.inference.real_brain import axial_series, mni152, models_dir
from tests.inference.series import Patient, mr_series, numbered_voxels, write

ROOT = Path(__file__).parents[2]


def pipelines(*arguments: object) -> str:
    output = StringIO()
    call_command(Command(), *map(str, arguments), verbosity=0, stdout=output)
    return output.getvalue()


def refused(*arguments: object) -> CommandError:
    with pytest.raises(CommandError) as refusal:
        pipelines(*arguments)
    return refusal.value


@pytest.fixture
def with_models(settings: Settings, store: Path) -> None:
    store.mkdir(parents=True, exist_ok=True)
    (store / "models").symlink_to(models_dir())


def test_list_names_every_pipeline_and_whether_its_models_are_here(store: Path) -> None:
    listed = pipelines("list")
    assert "brain-extraction" in listed
    assert pipeline.load_named("brain-extraction").digest[:12] in listed
    assert "deepbet 1.0.2 (not installed)" in listed


@pytest.mark.model
def test_list_tells_an_intact_model_from_a_changed_one(with_models: None, store: Path, tmp_path: Path) -> None:
    assert "deepbet 1.0.2 (installed)" in pipelines("list")
    changed = tmp_path / "changed" / "deepbet" / "1.0.2"
    changed.mkdir(parents=True)
    (changed / "model.yaml").write_bytes((models_dir() / "deepbet" / "1.0.2" / "model.yaml").read_bytes())
    for name in ("model.pt", "bbox_model.pt"):
        (changed / name).write_bytes(b"not a model")
    (store / "models").unlink()
    (store / "models").symlink_to(tmp_path / "changed")
    assert "deepbet 1.0.2 (DIFFERS from the pinned digest)" in pipelines("list")


def test_show_prints_digest_operators_and_definition() -> None:
    shown = pipelines("show", "brain-extraction")
    assert f"# digest {pipeline.load_named('brain-extraction').digest}" in shown
    assert "# probability: brain-mask-deepbet, code version 1. Probability of brain" in shown
    assert pipeline.source_of("brain-extraction") in shown


def test_an_unknown_pipeline_is_one_line_and_exit_code_1() -> None:
    refusal = refused("show", "brain-extracton")
    assert str(refusal) == 'There is no pipeline "brain-extracton". Did you mean "brain-extraction"?'
    assert refusal.returncode == 1


def test_validate_tells_good_from_bad_by_line(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    text = pipeline.source_of("brain-extraction")
    good.write_text(text)
    bad.write_text(text.replace("operator: threshold", "operator: treshold"))
    assert "is valid: brain-extraction 1.0.0, digest" in pipelines("validate", good)
    refusal = refused("validate", bad)
    line = text[: text.index("operator: threshold")].count("\n") + 1
    assert f'bad.yaml, line {line}: steps[3].operator: there is no operator "treshold"' in str(refusal)
    assert refusal.returncode == 1


@pytest.mark.model
def test_fetch_leaves_an_installed_model_as_it_is(with_models: None) -> None:
    assert "deepbet 1.0.2 is installed and intact" in pipelines("fetch", "brain-extraction")


@pytest.mark.model
def test_run_writes_segmentation_and_results(with_models: None, tmp_path: Path) -> None:
    exam = write(axial_series(mni152(), voxel=2.0), tmp_path / "exam")
    write(mr_series(numbered_voxels(), description="Localizer", series_number=1), exam / "localizer")
    (exam / "README.txt").write_text("not DICOM")
    (exam / "copy.dcm").write_bytes(next(exam.glob("*.dcm")).read_bytes())
    printed = pipelines("run", "brain-extraction", exam, "--out", tmp_path / "out")
    assert "Left out: README.txt (not a DICOM instance)." in printed
    assert "(a second copy of an instance)" in printed
    assert 'Series 3 "AX T1" alone meets every condition.' in printed

    segmentation = pydicom.dcmread(tmp_path / "out" / "segmentation.dcm")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    voxels = int(segmentation.pixel_array.sum())
    (measured,) = results["measurements"]
    assert (measured["name"], measured["unit"]) == ("Brain volume", "ml")
    assert measured["value"] == pytest.approx(voxels * 8 / 1000), "the number is that of the mask that was written"
    assert f"Brain volume: {measured['value']:.1f} ml" in printed
    definition = pipeline.load_named("brain-extraction")
    assert results["pipeline"] == {"name": "brain-extraction", "version": "1.0.0", "digest": definition.digest}
    assert results["models"][0]["digest"] == definition.models["deepbet"].sha256
    assert results["segmentation_series_instance_uid"] == segmentation.SeriesInstanceUID
    referenced = segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID
    assert results["input_series_instance_uids"] == [referenced]
    assert segmentation.SeriesNumber == 1003
    assert results["timings"][0].keys() == {
        "step",
        "operator",
        "operator_version",
        "started",
        "seconds",
        "peak_bytes",
    }


def test_run_without_an_eligible_series_says_why_and_exits_with_2(tmp_path: Path) -> None:
    exam = write(mr_series(numbered_voxels(), description="AX T2"), tmp_path / "exam")
    refusal = refused("run", "brain-extraction", exam, "--out", tmp_path / "out")
    assert refusal.returncode == 2
    assert str(refusal) == (
        'Skipped: No series fits. Series 3 "AX T2": The series has fewer than 20 slices, too few for a brain volume '
        "(series.NumberOfInstances is 5)."
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.model
def test_run_on_a_series_with_a_missing_slice_says_which_and_exits_with_1(with_models: None, tmp_path: Path) -> None:
    instances = mr_series(numbered_voxels((30, 6, 7)))
    exam = write(instances[:10] + instances[11:], tmp_path / "exam")
    refusal = refused("run", "brain-extraction", exam, "--out", tmp_path / "out")
    assert refusal.returncode == 1
    assert "between slices 10 and 12 one slice is missing" in str(refusal)


def test_run_wants_one_exam_and_a_folder_it_can_write(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert "is not a folder" in str(refused("run", "brain-extraction", tmp_path / "gone", *out))
    (tmp_path / "exams").mkdir()
    assert "holds no exams" in str(refused("run", "brain-extraction", tmp_path / "exams", *out))
    write(mr_series(numbered_voxels()), tmp_path / "exams" / "a")
    write(mr_series(numbered_voxels(), patient=Patient(study_instance_uid="1.2.3")), tmp_path / "exams" / "b")
    assert "holds 2 exams" in str(refused("run", "brain-extraction", tmp_path / "exams", *out))


@pytest.mark.model
def test_an_output_folder_that_cannot_be_made_is_one_line(with_models: None, tmp_path: Path) -> None:
    exam = write(axial_series(mni152(), voxel=2.0), tmp_path / "exam")
    (tmp_path / "file").write_text("in the way")
    refusal = refused("run", "brain-extraction", exam, "--out", tmp_path / "file" / "out")
    assert "cannot be used: Not a directory" in str(refusal)


def at_a_shell(tmp_path: Path, slices: int) -> subprocess.CompletedProcess[str]:
    """`pipelines run` on a small T1 series in a process of its own, where no database, broker or model is in reach."""
    exam = write(mr_series(numbered_voxels((slices, 6, 7))), tmp_path / "exam")
    nowhere = {
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "OVERREAD_HOME": str(tmp_path / "home"),
        "OVERREAD_STORE": str(tmp_path / "store"),
    }
    command = [sys.executable, "manage.py", "pipelines", "run", "brain-extraction", str(exam), "--out", str(tmp_path)]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True, check=False, timeout=60
    )


def test_it_works_where_no_database_and_no_broker_answer(tmp_path: Path) -> None:
    done = at_a_shell(tmp_path, slices=5)
    assert done.returncode == 2
    assert done.stderr.startswith("CommandError: Skipped: No series fits.")
    assert done.stderr.count("\n") == 1, "one clear line"


def test_run_without_its_model_says_how_to_get_it(tmp_path: Path) -> None:
    done = at_a_shell(tmp_path, slices=30)
    assert done.returncode == 1
    assert "Fetch it with: manage.py pipelines fetch" in done.stderr
    assert done.stderr.count("\n") == 1, "one clear line"
