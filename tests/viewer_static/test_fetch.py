"""Front-end packages: what is fetched is what was pinned, and each failure is one line."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from viewer_static import fetch
from viewer_static.fetch import FetchError, Package


def quiet(line: str) -> None:
    """A report that nobody reads."""


@pytest.fixture
def htmx() -> Package:
    return next(package for package in fetch.packages() if package.name == "htmx.org")


def archive_of(members: dict[str, bytes], path: Path, *, link: str | None = None) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            tarinfo = tarfile.TarInfo(name)
            tarinfo.size = len(content)
            tar.addfile(tarinfo, io.BytesIO(content))
        if link is not None:
            tarinfo = tarfile.TarInfo(link)
            tarinfo.type, tarinfo.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(tarinfo)
    return path


def package_keeping(*patterns: str) -> Package:
    return Package(name="example", version="1.0.0", integrity="sha512-", folder="example", keep={".": patterns})


def test_every_package_is_pinned_to_one_version_and_one_archive() -> None:
    for package in fetch.packages():
        assert re.fullmatch(r"\d+\.\d+\.\d+", package.version), package.spec
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package.integrity), package.spec


def test_a_real_package_is_fetched_once_and_again_when_the_list_changes(htmx: Package, tmp_path: Path) -> None:
    said: list[str] = []
    fetch.fetch_all([htmx], tmp_path, said.append)
    fetch.fetch_all([htmx], tmp_path, said.append)
    fetch.fetch_all([replace(htmx, keep={"js": ["dist/htmx.min.js"]})], tmp_path, said.append)
    assert said == [f"{htmx.spec}: fetching", f"{htmx.spec}: there", f"{htmx.spec}: fetching"]
    assert [path.relative_to(tmp_path / htmx.folder).as_posix() for path in (tmp_path / htmx.folder).rglob("*.*")] == [
        "js/htmx.min.js"
    ]
    assert not list(tmp_path.glob(".fetching-*"))


def test_an_archive_with_another_checksum_is_refused_and_what_was_there_stays(htmx: Package, tmp_path: Path) -> None:
    (tmp_path / htmx.folder).mkdir(parents=True)
    (tmp_path / htmx.folder / "htmx.min.js").write_text("before")
    with pytest.raises(FetchError, match=r"htmx\.org@[\d.]+ is not the archive this release was checked with"):
        fetch.fetch_all([replace(htmx, integrity="sha512-other")], tmp_path, quiet)
    assert (tmp_path / htmx.folder / "htmx.min.js").read_text() == "before"
    assert not list(tmp_path.glob(".fetching-*"))


def test_without_npm_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fetch.main(["--into", str(tmp_path / "dist")]) == 1
    said = capsys.readouterr().err
    assert said == "npm was not found. Install Node.js 20 or later, which brings npm, and try again.\n"


def test_without_a_network_one_line_says_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "empty-cache"))
    assert fetch.main(["--into", str(tmp_path / "dist")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("npm could not fetch @ohif/app@")
    assert "npm ping" in said
    assert said.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_named(htmx: Package, tmp_path: Path) -> None:
    (tmp_path / "dist").write_text("a file, not a folder")
    with pytest.raises(FetchError, match=r"could not be written to .*dist .*Free some disk"):
        fetch.fetch_all([htmx], tmp_path / "dist", quiet)


def test_only_listed_files_leave_an_archive(tmp_path: Path) -> None:
    members = {"package/dist/a.js": b"a", "package/dist/a.js.map": b"m", "package/dist/deep/a.js": b"d"}
    fetch.extract(archive_of(members, tmp_path / "x.tgz"), package_keeping("dist/*.js"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["a.js"]


@pytest.mark.parametrize("name", ["package/../../escaped.js", "package/dist/../../../escaped.js"])
def test_nothing_leaves_an_archive_by_a_path_out_of_it(name: str, tmp_path: Path) -> None:
    archive = archive_of({"package/a.js": b"a", name: b"bad"}, tmp_path / "x.tgz")
    fetch.extract(archive, package_keeping("*.js"), tmp_path / "in" / "out")
    assert [path.name for path in tmp_path.rglob("*.js")] == ["a.js"]


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    archive = archive_of({"package/a.js": b"a"}, tmp_path / "x.tgz", link="package/b.js")
    fetch.extract(archive, package_keeping("*.js"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.js"]


def test_a_package_laid_out_in_another_way_is_refused(tmp_path: Path) -> None:
    archive = archive_of({"package/a.js": b"a"}, tmp_path / "x.tgz")
    with pytest.raises(FetchError, match=r"example@1\.0\.0 holds no dist/b\.css"):
        fetch.extract(archive, package_keeping("a.js", "dist/b.css"), tmp_path / "out")
