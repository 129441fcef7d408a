"""A new pipeline to start from: an installable package with a definition, an operator, and tests that pass."""

from __future__ import annotations

import os
import re
from pathlib import Path
from string import Template

from pydantic import TypeAdapter, ValidationError

from inference import shipped
from inference.errors import ScaffoldRefused
from inference.schema import Slug

INSTALLATION = Path(__file__).resolve().parents[1]
_TEMPLATES = Path(__file__).parent / "scaffold_templates"
_FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "$module/__init__.py": "__init__.py.txt",
    "$module/operators.py": "operators.py.txt",
    "$module/$name.yaml": "pipeline.yaml.txt",
    "tests/test_$module.py": "test.py.txt",
}


def create(name: str, folder: Path) -> list[Path]:
    """Write the package of a new pipeline `name` into `folder`, which must not exist yet; returns the files written.

    Raises ScaffoldRefused when the name is no name for a pipeline or is taken, or when the folder is there.
    """
    _check(name, folder)
    words = {
        "name": name,
        "module": re.sub(r"\W", "_", name),
        "title": name.replace("-", " ").capitalize(),
        "overread": _overread_from(folder),
    }
    made = {folder / Template(path).substitute(words): _filled(template, words) for path, template in _FILES.items()}
    for file, text in made.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return list(made)


def _check(name: str, folder: Path) -> None:
    try:
        TypeAdapter(Slug).validate_python(name)
    except ValidationError as fault:
        raise ScaffoldRefused(
            f'"{name}" cannot name a pipeline: use up to 64 small letters, digits and single hyphens, such as '
            '"bone-volume".'
        ) from fault
    if name in shipped.names():
        raise ScaffoldRefused(f'There is a pipeline "{name}" already. Choose another name.')
    if folder.exists():
        raise ScaffoldRefused(f"{folder} exists already, and nothing is written over. Choose another folder or name.")


def _filled(template: str, words: dict[str, str]) -> str:
    return Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)


def _overread_from(folder: Path) -> str:
    """Where this installation lies, for the tests of a package in `folder`: relative to it when it lies within."""
    place = folder.resolve()
    return os.path.relpath(INSTALLATION, place) if place.is_relative_to(INSTALLATION) else str(INSTALLATION)
