"""Fetches the front-end packages of `packages.toml` with npm, checks each archive, and keeps the files that are used.

    python -m viewer_static.fetch [--into DIR]

Quick when everything is there. Each failure is one line that says what to do, with exit status 1.
Standard library only, so that it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from viewer_static.build import DIST

PACKAGES = Path(__file__).resolve().parent / "packages.toml"
NPM_SECONDS = 600

Report = Callable[[str], None]


class FetchError(Exception):
    """A package could not be had. The message is one line that says what to do."""


@dataclass(frozen=True)
class Package:
    """One npm package: `integrity` is that of its archive; `keep` lists, for each folder of ours, its files."""

    name: str
    version: str
    integrity: str
    folder: str
    keep: Mapping[str, Sequence[str]]

    @property
    def spec(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def fingerprint(self) -> str:
        """Changes whenever what should lie in the folder changes."""
        return hashlib.sha256(repr((self.spec, self.integrity, self.keep)).encode()).hexdigest()

    def place(self, member: PurePosixPath) -> PurePosixPath | None:
        """Where the archive's file goes, relative to the package's folder; None when it is not kept."""
        for folder, patterns in self.keep.items():
            if any(("/" / member).match(f"/{pattern}") for pattern in patterns):
                return PurePosixPath(folder, member.name)
        return None


def packages(listed: Path = PACKAGES) -> list[Package]:
    """The packages of a list such as `packages.toml`."""
    entries = tomllib.loads(listed.read_text())["package"]
    return [Package(**{key: entry[key] for key in Package.__dataclass_fields__}) for entry in entries]


def fetch_all(wanted: Sequence[Package], into: Path, report: Report) -> None:
    """Make `into` hold every wanted package, fetching only those that are missing or changed.

    Raises FetchError when npm, the network, the disk or an archive's checksum says no.
    """
    for package in wanted:
        stamp = into / ".stamps" / package.folder.replace("/", "-")
        if stamp.is_file() and stamp.read_text() == package.fingerprint and (into / package.folder).is_dir():
            report(f"{package.spec}: there")
            continue
        report(f"{package.spec}: fetching")
        try:
            _fetch(package, into, stamp)
        except OSError as error:
            advice = "Free some disk, or make the folder writable, then try again."
            raise FetchError(f"{package.spec} could not be written to {into} ({error.strerror}). {advice}") from error


def _fetch(package: Package, into: Path, stamp: Path) -> None:
    stamp.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".fetching-") as scratch:
        archive = _npm_pack(package, Path(scratch))
        refuse_other_bytes(archive, package)
        extracted = Path(scratch, "extracted")
        extract(archive, package, extracted)
        stamp.unlink(missing_ok=True)
        _swap(extracted, into / package.folder, Path(scratch, "before"))
    stamp.write_text(package.fingerprint)


def _npm_pack(package: Package, scratch: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError("npm was not found. Install Node.js 20 or later, which brings npm, and try again.")
    options = ["--silent", "--ignore-scripts", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    command = [npm, "pack", *options, package.spec]
    advice = "Check that npm reaches its registry (`npm ping`), then try again."
    try:
        finished = subprocess.run(command, cwd=scratch, capture_output=True, timeout=NPM_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"npm took more than {NPM_SECONDS} s over {package.spec}. {advice}") from error
    archive = next(scratch.glob("*.tgz"), None)
    if finished.returncode != 0 or archive is None:
        raise FetchError(f"npm could not fetch {package.spec} (exit status {finished.returncode}). {advice}")
    return archive


def refuse_other_bytes(archive: Path, package: Package) -> None:
    """Raise FetchError unless the archive's SHA-512 is the pinned one."""
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha512").digest()
    found = f"sha512-{base64.b64encode(digest).decode()}"
    if found != package.integrity:
        raise FetchError(
            f"{package.spec} is not the archive this release was checked with: its checksum is {found}, not "
            f"{package.integrity}. Nothing was kept; check which registry npm uses (`npm config get registry`)."
        )


def extract(archive: Path, package: Package, into: Path) -> None:
    """Copy the files that `package` keeps out of an npm archive. Links, devices and paths out of it are never followed.

    Raises FetchError when a pattern of `keep` matches no file: the package is then laid out in another way.
    """
    with tarfile.open(archive, "r:gz") as tar:
        kept = {member for tarinfo in tar if (member := _extract_one(tar, tarinfo, package, into)) is not None}
    patterns = [pattern for patterns in package.keep.values() for pattern in patterns]
    missing = [pattern for pattern in patterns if not any(("/" / member).match(f"/{pattern}") for member in kept)]
    if missing:
        raise FetchError(f"{package.spec} holds no {', '.join(missing)}: mend `keep` in packages.toml.")


def _extract_one(tar: tarfile.TarFile, tarinfo: tarfile.TarInfo, package: Package, into: Path) -> PurePosixPath | None:
    member = PurePosixPath(*PurePosixPath(tarinfo.name).parts[1:])  # npm puts everything under one folder
    place = package.place(member)
    content = tar.extractfile(tarinfo) if place is not None and tarinfo.isreg() else None
    if place is None or content is None or ".." in place.parts:
        return None
    target = into / place
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as stream:
        shutil.copyfileobj(content, stream)
    return member


def _swap(new: Path, current: Path, before: Path) -> None:
    current.parent.mkdir(parents=True, exist_ok=True)
    if current.exists():
        current.rename(before)
    new.rename(current)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what `packages.toml` lists, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m viewer_static.fetch", description="Fetch the front-end packages.")
    parser.add_argument("--into", type=Path, default=DIST, help="the folder that holds them (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        fetch_all(packages(), chosen.into, print)
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
