"""A receiver and a scanner for the tests of reception; exams that came the real way, and clients, for DICOMweb's."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from dicomweb_client.web import DICOMwebClient
from django.test import Client
from pytest_django.live_server_helper import LiveServer
from rest_framework.authtoken.models import Token

from dicom_ingest.models import Exam
from portal.models import User
from studies.models import Study
from tests.dicom_ingest.scanner import Scanner, receiving
from tests.dicom_ingest.scans import FLAIR, complete, mr_slice, receive


@pytest.fixture
def scanner(store: Path) -> Iterator[Scanner]:
    """A scanner next to a receiver that answers to BRAIN and LIVER."""
    with receiving("BRAIN", "LIVER") as scanner:
        yield scanner


@pytest.fixture
def scanned(study: Study) -> Exam:
    """A complete exam of the study with files: three T1 slices and one FLAIR slice."""
    flair = mr_slice(1, series=FLAIR, SeriesNumber=2, SeriesDescription="FLAIR")
    first, *_ = receive(mr_slice(1), mr_slice(2), mr_slice(3), flair)
    return complete(first.series.exam)


@pytest.fixture
def with_token() -> Callable[[User], Client]:
    """A client that sends the given user's API token."""

    def client(user: User) -> Client:
        token, _ = Token.objects.get_or_create(user=user)
        return Client(headers={"Authorization": f"Token {token.key}"})

    return client


@pytest.fixture
def connect(live_server: LiveServer) -> Iterator[Callable[[User], DICOMwebClient]]:
    """A DICOMweb client of others' making, over real HTTP, with the given user's token."""
    with ExitStack() as sessions:

        def client(user: User) -> DICOMwebClient:
            session = sessions.enter_context(requests.Session())
            session.headers["Authorization"] = f"Token {Token.objects.get_or_create(user=user)[0].key}"
            return DICOMwebClient(f"{live_server.url}/dicomweb", session=session)

        yield client
