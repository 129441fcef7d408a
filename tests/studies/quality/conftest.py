"""Studies whose cases are checked before they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studies.models import Case, Study
from tests.conftest import Cast
from tests.studies.quality.checking import MakeCase, case_in_qc, checked_study


@pytest.fixture
def livers(cast: Cast) -> Study:
    """A study in which one reviewer checks each case."""
    return checked_study(cast)


@pytest.fixture
def livers_twice(cast: Cast) -> Study:
    """The same with two reviewers, who have to agree."""
    return checked_study(cast, reviewers=2)


@pytest.fixture
def in_qc(tmp_path: Path) -> MakeCase:
    """The next case of a study, with its result, waiting for QC."""

    def make(study: Study, **about: Any) -> Case:
        return case_in_qc(study, tmp_path, **about)

    return make
