"""A new pipeline passes its own tests as it stands, and nothing is written over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inference import pipeline, scaffold
from inference.errors import ScaffoldRefused
from tests.inference.test_pipelines_command import pipelines, refused

EXAMPLE = scaffold.INSTALLATION / "docs/examples/operator-package"


def test_a_new_pipelines_own_tests_pass_as_they_stand(tmp_path: Path) -> None:
    written = pipelines("new", "spine-length-2", "--out", tmp_path / "spine")
    assert f"Try it: pytest {tmp_path / 'spine'}" in written
    # Its operator is known to that process only, as it would be once installed.
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path / "spine",
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept.txt").write_text("kept")
    assert "exists already, and nothing is written over" in str(refused("new", "mine", "--out", tmp_path / "mine"))
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["kept.txt"]


@pytest.mark.parametrize("name", ["Bone", "bone volume", "bone--volume", "../bone", "", "b" * 65])
def test_a_name_that_no_pipeline_may_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldRefused, match="cannot name a pipeline"):
        scaffold.create(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_name_of_a_pipeline_that_is_here_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldRefused, match='There is a pipeline "brain-extraction" already'):
        scaffold.create("brain-extraction", tmp_path / "new")


def test_the_documented_example_is_what_a_new_pipeline_is(tmp_path: Path) -> None:
    for file in scaffold.create("bone-volume", tmp_path / "new"):
        text = file.read_text().replace(str(scaffold.INSTALLATION), "../../..")
        assert (EXAMPLE / file.relative_to(tmp_path / "new")).read_text() == text


def test_the_new_definition_lacks_nothing_but_its_operator(tmp_path: Path) -> None:
    scaffold.create("liver-mean", tmp_path / "new")
    with pytest.raises(Exception, match='there is no operator "liver-mean-mask"') as refusal:
        pipeline.load(tmp_path / "new" / "liver_mean" / "liver-mean.yaml")
    assert len(str(refusal.value).splitlines()) == 1
