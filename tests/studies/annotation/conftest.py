"""A study in which an expert gives masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feedback.models import Form
from tests.studies.annotation.makers import Bench, bench

MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(form: Form, tmp_path: Path) -> MakeBench:
    def make(**changes: Any) -> Bench:
        return bench(form, tmp_path / "run", **changes)

    return make


@pytest.fixture
def liver(make_bench: MakeBench) -> Bench:
    return make_bench()
