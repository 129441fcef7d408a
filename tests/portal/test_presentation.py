"""How pages write times and keep parts of themselves up to date."""

from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils.timezone import now

from portal import live
from portal.templatetags.presentation import ago, duration, megabytes


@pytest.mark.parametrize(
    ("since", "words"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=42), "42 s ago"),
        (timedelta(minutes=5, seconds=50), "5 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=2), "2 d ago"),
    ],
)
def test_a_recent_time_is_relative_with_the_exact_one_on_hover(since: timedelta, words: str) -> None:
    moment = now() - since
    element = ago(moment)
    assert f">{words}</time>" in element
    assert f'title="{moment:%Y-%m-%d %H:%M:%S} UTC"' in element


def test_an_old_time_is_a_date_and_a_missing_one_nothing() -> None:
    moment = now() - timedelta(days=40)
    assert f">{moment:%Y-%m-%d}</time>" in ago(moment)
    assert ago(None) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.031, "0.03 s"),
        (19.44, "19.4 s"),
        (125.0, "2 min 05 s"),
        (119.9, "2 min 00 s"),
        (7500.0, "2 h 05 min"),
    ],
)
def test_durations_carry_units_of_their_size(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_memory_is_in_mib_up_to_a_gib() -> None:
    assert megabytes(411.4) == "411 MiB"
    assert megabytes(1904) == "1.9 GiB"


def test_a_live_part_asks_again_until_it_is_final(rf: RequestFactory) -> None:
    asking = live.part(rf.get("/"), "partials/messages.html", {}, name="x", url="/x/", is_final=False)
    final = live.part(rf.get("/"), "partials/messages.html", {}, name="x", url="/x/", is_final=True)
    assert 'hx-get="/x/?seen=' in asking
    assert "hx-get" not in final


def test_a_live_part_is_not_sent_again_while_it_is_unchanged(rf: RequestFactory) -> None:
    shown = _version_of(live.part(rf.get("/"), "partials/messages.html", {}, name="x", url="/x/", is_final=False))
    same = live.part(rf.get("/"), "partials/messages.html", {}, name="x", url="/x/", is_final=False)
    other = live.part(rf.get("/"), "partials/messages.html", {"messages": ["New"]}, name="x", url="/x/", is_final=False)
    request = rf.get("/x/", {"seen": shown})
    assert live.answer(request, same).status_code == 204
    assert live.answer(request, other).status_code == 200


def test_the_passing_of_time_alone_changes_nothing(rf: RequestFactory) -> None:
    versions = {
        _version_of(
            live.part(
                rf.get("/"), "partials/messages.html", {"messages": [ago_then]}, name="x", url="/x/", is_final=False
            )
        )
        for ago_then in _same_moment_seen_twice()
    }
    assert len(versions) == 1


def _same_moment_seen_twice() -> list[str]:
    element = ago(now() - timedelta(seconds=42))
    return [element, type(element)(element.replace("42 s ago", "43 s ago"))]


def _version_of(part: str) -> str:
    return part.partition('data-version="')[2].partition('"')[0]
