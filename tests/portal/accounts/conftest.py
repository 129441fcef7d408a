"""One OpenLDAP server for the whole run, empty for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.feedback.conftest import make_exam, make_result, pipeline, result
from tests.portal.accounts.slapd import Directory, running_directory

__all__ = ["make_exam", "make_result", "pipeline", "result"]


@pytest.fixture(scope="session")
def slapd() -> Iterator[Directory]:
    with running_directory() as directory:
        yield directory


@pytest.fixture
def directory(slapd: Directory, settings: Settings) -> Iterator[Directory]:
    """The hospital's directory, without anybody in it, to which the portal turns."""
    settings.OVERREAD_LDAP = slapd.settings
    settings.AUTHENTICATION_BACKENDS = [
        *settings.AUTHENTICATION_BACKENDS,
        "portal.accounts.ldap_backend.DirectoryBackend",
    ]
    yield slapd
    slapd.clear()
