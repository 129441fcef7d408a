"""Where definitions of pipelines lie: those of this installation, of other installed packages, and of the site."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib import util
from importlib.metadata import EntryPoint
from pathlib import Path

from inference import entry_points

log = logging.getLogger(__name__)

PIPELINES = Path(__file__).parent / "pipelines"
_site: list[Path] = []


def add_folder(folder: Path) -> None:
    """Look for the site's own definitions in `folder` too."""
    if folder not in _site:
        _site.append(folder)


def folders() -> list[Path]:
    """Every folder with definitions; those of this installation first."""
    return [PIPELINES, *_of_packages(), *_site]


def files() -> list[Path]:
    """Every definition, by name within its folder. Of two with one name the first counts."""
    found: dict[str, Path] = {}
    for file in _all_files():
        found.setdefault(file.stem, file)
    return list(found.values())


def names() -> list[str]:
    """The names of all pipelines, without reading them."""
    return sorted(file.stem for file in files())


def problems() -> list[str]:
    """What is wrong with the folders and names, a sentence each."""
    missing = [f"{folder} is named as a folder of pipelines, but is none." for folder in _site if not folder.is_dir()]
    used = files()
    hidden = [file for file in _all_files() if file not in used]
    return missing + [f"{file} is not used: there is another pipeline of that name. Rename it." for file in hidden]


def _all_files() -> Iterator[Path]:
    for folder in folders():
        yield from sorted(folder.glob("*.yaml"))


def _of_packages() -> Iterator[Path]:
    for entry in entry_points.installed(entry_points.PIPELINES):
        yield from _locations(entry)


def _locations(entry: EntryPoint) -> list[Path]:
    try:
        found = util.find_spec(entry.module)
    except Exception:
        # Looking for a module imports those above it, which may be a stranger's code.
        log.exception("The pipelines of %s cannot be found.", entry_points.package_of(entry))
        return []
    return [Path(place) for place in (found.submodule_search_locations or ())] if found else []
