"""A study in draft, and who writes its protocol."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.access import Role
from studies.models import Membership, Study
from studies.protocols import protocol
from tests.conftest import Cast
from tests.studies.conftest import SignIn
from tests.studies.protocols.written_protocols import read_protocol


@pytest.fixture
def author(cast: Cast, signed_in: SignIn) -> Client:
    """The coordinator of the cast, who begins studies too."""
    return signed_in(cast.coordinator)


@pytest.fixture
def draft(cast: Cast) -> Study:
    """A study in draft of the coordinator, with a reader."""
    study = protocol.begin(read_protocol(), slug="hip", by=cast.coordinator)
    Membership.objects.create(study=study, user=cast.reader, role=Role.READER, reader_role="expert")
    return study
