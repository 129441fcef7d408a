"""The definitions that come with this installation."""

from pathlib import Path

PIPELINES = Path(__file__).parent / "pipelines"


def names() -> list[str]:
    """The names of its pipelines, without reading them."""
    return sorted(file.stem for file in PIPELINES.glob("*.yaml"))
