"""Who reads what in each design, without a database."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from studies import designs
from studies.designs.draws import lot, rank_in_group
from studies.designs.plan import Deal, PlannedRead, Reader
from studies.protocols.design_schema import Design
from studies.protocols.protocol_schema import Arm

ARMS = {
    arm.key: arm
    for arm in (
        Arm.model_validate({"key": "ai", "label": "AI", "findings": {"kind": "pipeline", "pipeline": "brain"}}),
        Arm.model_validate({"key": "vendor", "label": "Vendor", "findings": {"kind": "dicom", "when": "true"}}),
        Arm.model_validate({"key": "alone", "label": "Alone", "findings": {"kind": "people"}}),
        Arm.model_validate(
            {"key": "novice", "label": "Novice", "findings": {"kind": "people", "reader_role": "novice"}}
        ),
    )
}
READERS = tuple(Reader(key=n, seed=f"seed-{n}", block=n % 2) for n in range(1, 5))


def design(**about: Any) -> Design:
    parsed: Design = TypeAdapter(Design).validate_python({"form": "quality"} | about)
    return parsed


def dealt(of: Design, cases: int, readers: tuple[Reader, ...] = READERS) -> list[PlannedRead]:
    """Cases 1, 2, ... dealt one by one, each reader's load growing."""
    load: Counter[int] = Counter()
    planned: list[PlannedRead] = []
    for case in range(1, cases + 1):
        reads = designs.reads(of, Deal(case=case, readers=readers, arms=ARMS, seed="study", load=load))
        load.update(read.reader for read in reads)
        planned += reads
    return planned


@pytest.mark.parametrize("kind", ["standalone", "shadow"])
def test_nobody_reads_where_nobody_is_to(kind: str) -> None:
    assert dealt(TypeAdapter(Design).validate_python({"kind": kind, "arms": ["ai"]}), 3) == []


def test_independent_reads_are_everybodys_unless_some_are_chosen() -> None:
    everybody = dealt(design(kind="independent", arms=["alone"]), 3)
    assert {(read.case, read.reader) for read in everybody} == {(c, r.key) for c in (1, 2, 3) for r in READERS}
    assert all(read.arms == () for read in everybody)


@given(cases=st.integers(1, 40), some=st.integers(1, 4))
def test_chosen_readers_are_as_many_as_asked_for_and_share_the_work_evenly(cases: int, some: int) -> None:
    planned = dealt(design(kind="independent", arms=["ai"], readers_per_case=some), cases)
    by_case = Counter(read.case for read in planned)
    assert set(by_case.values()) == {some}
    assert len({(read.case, read.reader) for read in planned}) == len(planned)
    loads = Counter({reader.key: 0 for reader in READERS})
    loads.update(read.reader for read in planned)
    assert max(loads.values()) - min(loads.values()) <= 1


def test_a_reader_meets_a_case_in_a_second_arm_only_where_readers_are_too_few() -> None:
    two_arms = design(kind="independent", arms=["ai", "alone"], readers_per_case=2)
    assert set(Counter((read.case, read.reader) for read in dealt(two_arms, 10)).values()) == {1}
    few = dealt(two_arms, 10, READERS[:3])
    assert set(Counter(read.case for read in few).values()) == {4}


def test_a_case_that_lacks_readers_gets_just_those_and_never_who_had_it_withdrawn() -> None:
    deal = Deal(case=1, readers=READERS, arms=ARMS, seed="study", given={(1, ("ai", 1)): True, (2, ("ai", 1)): False})
    planned = designs.reads(design(kind="independent", arms=["ai"], readers_per_case=2), deal)
    assert len(planned) == 1
    assert planned[0].reader in {3, 4}


def test_people_of_a_role_read_in_the_arm_whose_findings_they_make() -> None:
    readers = (Reader(key=1, seed="a", role="novice"), Reader(key=2, seed="b", role="expert"))
    planned = dealt(design(kind="independent", arms=["novice", "ai"], reader_role="expert"), 1, readers)
    assert {(read.reader, read.condition, read.arms) for read in planned} == {(1, "novice", ()), (2, "ai", ("ai",))}


def test_in_one_sitting_the_aided_read_comes_right_after_the_unaided_one() -> None:
    planned = dealt(design(kind="unaided-aided", aid="ai"), 6, READERS[:1])
    ordered = designs.in_order("seed", planned)
    assert [read.condition for read in ordered] == ["unaided", "aided"] * 6
    for unaided, aided in zip(ordered[::2], ordered[1::2], strict=True):
        assert aided.case == unaided.case
        assert (aided.follows, aided.washout_days, aided.arms, unaided.arms) == (unaided.sitting, 0, ("ai",), ())


def test_in_a_crossover_half_of_the_readers_begin_aided_and_the_rest_comes_after_the_washout() -> None:
    of = design(kind="unaided-aided", aid="ai", order="crossover", washout_days=30)
    assert designs.blocks(of) == 2
    planned = dealt(of, 3)
    first = {read.reader: read.condition for read in planned if read.follows is None}
    assert first == {1: "aided", 2: "unaided", 3: "aided", 4: "unaided"}
    assert {read.washout_days for read in planned if read.follows} == {30}
    ordered = designs.in_order("seed", [read for read in planned if read.reader == 1])
    assert [read.condition for read in ordered] == ["aided"] * 3 + ["unaided"] * 3


def test_fully_crossed_means_everybody_in_every_arm_a_washout_apart() -> None:
    planned = dealt(design(kind="multi-reader", arms=["ai", "alone", "vendor"], washout_days=14), 12)
    assert len({(r.case, r.reader, r.condition) for r in planned}) == len(planned) == 12 * 4 * 3
    for case in range(1, 13):
        chain = [read for read in planned if read.case == case and read.reader == 1]
        assert chain[0].follows is None
        assert [(later.follows, later.washout_days) for later in chain[1:]] == [(e.sitting, 14) for e in chain[:-1]]
    assert len({read.condition for read in planned if read.follows is None}) == 3


@given(blocks=st.integers(1, 4), groups=st.integers(1, 8))
def test_split_plot_divides_cases_among_blocks_evenly(blocks: int, groups: int) -> None:
    readers = tuple(Reader(key=n, seed=f"s{n}", block=n) for n in range(blocks))
    of = design(kind="multi-reader", arms=["ai", "alone"], layout="split-plot", blocks=blocks)
    planned = dealt(of, blocks * groups, readers)
    cases_of = {reader.key: {read.case for read in planned if read.reader == reader.key} for reader in readers}
    assert {len(cases) for cases in cases_of.values()} == {groups}
    assert sorted(case for cases in cases_of.values() for case in cases) == list(range(1, blocks * groups + 1))


def test_sides_are_drawn_for_each_read() -> None:
    planned = dealt(design(kind="preference", arms=["ai", "vendor"]), 40)
    assert {read.condition for read in planned} == {"preference"}
    left = Counter(read.arms[0] for read in planned)
    assert set(left) == {"ai", "vendor"}
    assert all(sorted(read.arms) == ["ai", "vendor"] for read in planned)
    assert 50 <= left["ai"] <= 110  # of 160


@given(share=st.integers(1, 100))
def test_the_share_that_is_repeated_is_exact_over_a_hundred_cases(share: int) -> None:
    planned = dealt(design(kind="repeat", arms=["alone"], share_percent=share, washout_days=7), 100, READERS[:1])
    again = [read for read in planned if read.occasion == 2]
    assert len(again) == share
    assert {(read.follows, read.washout_days) for read in again} == {(("alone", 1), 7)}


@given(cases=st.integers(2, 30), seed=st.text("abc", min_size=1, max_size=8), last=st.integers(1, 30))
def test_masks_of_one_case_are_never_scored_one_after_the_other(cases: int, seed: str, last: int) -> None:
    planned = dealt(design(kind="blind-scoring", arms=["ai", "vendor", "novice"]), cases, READERS[:1])
    ordered = designs.in_order(seed, planned, last_case=last)
    assert sorted(ordered, key=repr) == sorted(planned, key=repr)
    assert all(one.case != other.case for one, other in pairwise(ordered))
    assert ordered[0].case != last


@given(cases=st.integers(1, 12), seed=st.text("abc", min_size=1, max_size=8))
def test_the_same_seed_gives_the_same_order_whatever_order_it_is_asked_in(cases: int, seed: str) -> None:
    planned = dealt(design(kind="blind-scoring", arms=["ai", "vendor"]), cases, READERS[:1])
    assert designs.in_order(seed, planned) == designs.in_order(seed, list(reversed(planned)))


def test_two_seeds_give_two_orders_and_no_case_has_a_favourite_place() -> None:
    planned = dealt(design(kind="independent", arms=["alone"]), 5, READERS[:1])
    first = Counter(designs.in_order(f"seed-{n}", planned)[0].case for n in range(500))
    assert set(first) == {1, 2, 3, 4, 5}
    assert min(first.values()) > 60 and max(first.values()) < 145


def test_a_lot_is_what_sha256sum_prints() -> None:
    assert lot("SEED", 7, "aided", 1) == "f6a4ed2828aae0d9000863dd970419544b8fe2a1a1fbfbe1f6f00697ba37fef1"


@given(seed=st.text("abc"), size=st.integers(1, 9), group=st.integers(0, 5))
def test_ranks_of_a_group_are_each_there_once(seed: str, size: int, group: int) -> None:
    numbers = range(group * size + 1, (group + 1) * size + 1)
    assert sorted(rank_in_group(seed, number, size) for number in numbers) == list(range(size))


def test_a_case_waits_for_the_arms_that_are_shown() -> None:
    assert designs.arms_shown(design(kind="multi-reader", arms=["ai", "alone"]), ARMS) == {"ai"}
    assert designs.arms_shown(design(kind="blind-scoring", arms=["ai", "novice"]), ARMS) == {"ai", "novice"}
    assert designs.arms_shown(design(kind="unaided-aided", aid="vendor"), ARMS) == {"vendor"}


def test_a_preview_shows_each_readers_order_and_what_has_to_come_before() -> None:
    lines = designs.preview(design(kind="unaided-aided", aid="ai"), ARMS, readers=2, cases=3)
    assert [(line.reader, line.position) for line in lines] == [(r, p) for r in (1, 2) for p in range(1, 7)]
    assert lines[1].shown == ("AI",)
    assert "locked" in lines[1].waits and lines[0].waits == ""
