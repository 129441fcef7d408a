"""Paths, and the guard before them."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_ingest import store as places
from dicom_ingest.store import MalformedUID, checked_uid, instance_path

COMPONENT = st.integers(min_value=0, max_value=10**12).map(str)
UIDS = st.lists(COMPONENT, min_size=1, max_size=8).map(".".join).filter(lambda uid: len(uid) <= 64)


@given(UIDS)
def test_every_uid_that_follows_the_grammar_is_taken_as_it_is(uid: str) -> None:
    assert checked_uid(uid) == uid


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".1",
        "1..2",
        "1.02",
        "00",
        "1.2 ",
        "1.2\n",
        "1.2\0",
        "../1.2",
        "1.2/../3",
        "/etc/passwd",
        "1.2.a",
        "1.٣",
        "1" * 65,
        "-1.2",
        "1.2\\3",
    ],
)
def test_what_breaks_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(MalformedUID):
        checked_uid(text)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_no_text_whatever_makes_a_path_outside_the_exams(study: str, series: str, sop: str) -> None:
    try:
        path = instance_path(study, series, sop)
    except MalformedUID:
        return
    assert path.resolve().relative_to(places.exams_folder().resolve()).parts == (study, series, f"{sop}.dcm")


@given(UIDS, UIDS, UIDS)
def test_an_instance_lies_in_its_series_in_its_exam(study: str, series: str, sop: str) -> None:
    assert instance_path(study, series, sop) == places.exams_folder() / study / series / f"{sop}.dcm"
    assert places.header_path(study, series, sop).name == f"{sop}.json"
    assert places.metadata_path(study, series).parent == instance_path(study, series, sop).parent


def test_a_durable_write_replaces_the_whole_file(store: Path) -> None:
    places.durable_folder(store / "a" / "b")
    path = store / "a" / "b" / "file"
    places.write_durably(path, b"first")
    places.write_durably(path, b"second")
    assert path.read_bytes() == b"second"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_a_durable_write_that_fails_leaves_the_old_file_alone(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places.durable_folder(store)
    places.write_durably(store / "file", b"first")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        places.write_durably(store / "file", b"second")
    assert (store / "file").read_bytes() == b"first"
    assert [one.name for one in store.iterdir()] == ["file"]
