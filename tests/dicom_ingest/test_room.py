"""Below the watermark of the disk: what the reception page says."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import Settings

from portal.models import User
from tests.conftest import Cast

pytestmark = pytest.mark.django_db


def test_the_reception_page_says_so(cast: Cast, signed_in: Callable[[User], Client], settings: Settings) -> None:
    client = signed_in(cast.coordinator)
    assert "Nothing is received until then" not in client.get("/reception/").text
    settings.OVERREAD_MIN_FREE_BYTES = 2**60
    assert "Nothing is received until then" in client.get("/reception/").text
