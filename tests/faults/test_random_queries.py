"""QIDO-RS takes whatever is asked of it: an answer or a refusal in words, never a defect."""

import json
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_ingest.dicomweb.matching import KEYS
from tests.dicom_ingest.scans import FLAIR, STUDY, T1, complete, mr_slice, receive

pytestmark = [pytest.mark.faults, pytest.mark.django_db]

TAGS = st.sampled_from(["00100010", "0020000D", "00080060", "7FE00010", "00091001", "0010001", "0040A730.00080100"])
NAMES = st.one_of(
    st.sampled_from([*KEYS, "ModalitiesInStudy", "NumberOfFrames", "PixelData", "SpecificCharacterSet"]),
    TAGS,
    st.sampled_from(["limit", "offset", "fuzzymatching", "includefield", "accept", "charset"]),
    st.text(max_size=20),
)
LIKELY = st.sampled_from(
    [
        "",
        "*",
        "?",
        "-",
        "\\",
        ",",
        "^",
        "=",
        "all",
        "true",
        STUDY,
        f"{T1},{FLAIR}",
        f"{STUDY}\\1",
        "MR",
        "mr*",
        "20240315",
        "20240101-20241231",
        "-20240101",
        "20240230",
        "10",
        "101530.5-",
        "1015-1016",
        "Demo^*",
        "(",
        "[a",
        "a{99999}",
        "1e9",
        "-1",
        "9" * 30,
        "1.",
        "0" * 65,
        "%",
        "$$",
        "'; --",
        "\x00",
        "é山",
        "*" * 300,
    ]
)
VALUES = st.one_of(
    LIKELY, st.text(max_size=30), st.integers().map(str), st.from_regex(r"[0-9]{8}-[0-9]{8}", fullmatch=True)
)
QUERIES = st.lists(st.tuples(NAMES, VALUES), max_size=4)
PATHS = st.sampled_from(
    [
        "studies",
        "series",
        "instances",
        f"studies/{STUDY}/series",
        f"studies/{STUDY}/instances",
        f"studies/{STUDY}/series/{T1}/instances",
        "studies/1.2.3/series",
    ]
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=PATHS, query=QUERIES)
def test_no_query_is_a_defect(path: str, query: list[tuple[str, str]], questioner: Client) -> None:
    response = questioner.get(f"/dicomweb/{path}?{urlencode(query, errors='surrogatepass')}")
    assert response.status_code in {200, 204, 400, 404, 406}, (path, query, response.content[:300])
    if response.status_code == 200:
        assert isinstance(json.loads(response.content), list)
    elif response.status_code != 204:
        assert json.loads(response.content)["detail"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(1, 3), limit=st.integers(0, 5), offset=st.integers(0, 5))
def test_pages_cut_the_whole_list_where_they_say(number: int, limit: int, offset: int, questioner: Client) -> None:
    """Whatever the page, it is that part of what the same search gives without paging."""
    path = ["studies", f"studies/{STUDY}/series", "instances"][number - 1]
    whole = questioner.get(f"/dicomweb/{path}").json()
    page = questioner.get(f"/dicomweb/{path}?limit={limit}&offset={offset}")
    expected = whole[offset : offset + limit]
    assert (page.json() if page.status_code == 200 else []) == expected


@pytest.fixture
def questioner(sender: Client) -> Client:
    """A client who may see one exam of two series."""
    flair = mr_slice(1, series=FLAIR, SeriesNumber=2, SeriesDescription="FLAIR")
    first, *_ = receive(mr_slice(1), mr_slice(2), mr_slice(3), flair)
    complete(first.series.exam)
    return sender
