"""Rules of response against examples worked by hand from the published criteria.

RECIST 1.1: Eisenhauer et al., European Journal of Cancer 45, 2009, 4.3.1 (target lesions) and 4.3.5 (new lesions).
RANO 2.0: Wen et al., Journal of Clinical Oncology 41, 2023, limits for volumes.
"""

from datetime import date, timedelta

import pytest

from feedback.course.judging import Assessment, Category, Verdict, followed, judge, limits_of, total
from feedback.course.rules import SHIPPED, Rule, read

START = date(2024, 1, 1)


def rule_of(name: str, **changed: object) -> Rule:
    return read(SHIPPED / f"{name}.yaml").model_copy(update=changed)


RANO, RECIST = rule_of("rano-2-volume"), rule_of("recist-1-1")


def course(*totals: float | None, name: str = "Lesion") -> list[Assessment]:
    """One lesion at exams thirty days apart."""
    return [Assessment(on=START + timedelta(30 * n), lesions={name: value}) for n, value in enumerate(totals)]


def sums(*exams: dict[str, float | None]) -> list[Assessment]:
    return [Assessment(on=START + timedelta(30 * n), lesions=lesions) for n, lesions in enumerate(exams)]


def categories(verdicts: list[Verdict]) -> list[str]:
    return [verdict.category.value for verdict in verdicts]


def plain(text: str) -> str:
    """The text with ordinary spaces."""
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ")


def last(rule: Rule, *totals: float | None) -> Verdict:
    return judge(rule, course(*totals), baseline=0)[-1]


@pytest.mark.parametrize(
    ("totals", "category"),
    [
        ((10.0, 14.0), "progression"),  # just 40 % of the baseline, which is the nadir
        ((10.0, 13.99), "stable"),
        ((10.0, 5.0, 7.0), "progression"),  # 40 % of the nadir, though 30 % below the baseline
        ((10.0, 5.0, 6.9), "stable"),
        ((10.0, 3.5), "partial response"),  # just 65 % less
        ((10.0, 3.51), "stable"),
        ((10.0, 2.0, 2.9), "progression"),  # goes before the response that it also is
        ((10.0, 2.0, 2.5), "partial response"),
        ((10.0, 0.0), "complete response"),
        ((10.0, 0.0, 0.0), "complete response"),
        ((10.0, 0.0, 0.5), "progression"),  # there again after it had vanished
        ((0.0, 0.0), "stable"),
        ((0.0, 1.0), "progression"),  # none before
        ((1.4, 1.4 * 1.4), "progression"),  # a rounding error does not hide it
    ],
)
def test_volumes_by_rano_2(totals: tuple[float, ...], category: str) -> None:
    assert last(RANO, *totals).category == category


@pytest.mark.parametrize(
    ("totals", "category"),
    [
        ((50.0, 35.0), "partial response"),  # -30 %
        ((50.0, 36.0), "stable"),
        ((50.0, 60.0), "progression"),  # +20 % and +10 mm
        ((50.0, 59.0), "stable"),
        ((20.0, 24.5), "stable"),  # +22.5 %, but less than 5 mm
        ((20.0, 25.0), "progression"),  # +25 % and just 5 mm
        ((100.0, 50.0, 62.0), "progression"),  # +24 % and +12 mm of the nadir, 38 % below the baseline
        ((100.0, 50.0, 59.0), "partial response"),
        ((40.0, 0.0), "complete response"),
        ((40.0, 0.0, 4.0), "progression"),  # there again after it had vanished, whatever its size
    ],
)
def test_sums_of_diameters_by_recist_1_1(totals: tuple[float, ...], category: str) -> None:
    assert last(RECIST, *totals).category == category


def test_the_reason_names_change_reference_and_limit() -> None:
    verdicts = judge(RANO, course(12.0, 10.0, 15.2), baseline=0)
    assert verdicts[0].reason == "12.0 ml: the baseline"
    assert plain(verdicts[2].reason) == "+52.0 % against the nadir of 2024-01-31: progression (≥ 40 %)"
    grown = plain(last(RECIST, 20.0, 24.0).reason)
    assert grown == "+20.0 % and +4 mm against the nadir of 2024-01-01 (progression ≥ 20 % and ≥ 5 mm): stable"
    shrunk = plain(last(RANO, 10.0, 3.0).reason)
    assert shrunk == "−70.0 % against the baseline of 2024-01-01: partial response (≤ −65 %)"
    assert last(RANO, 10.0, 0.0).reason == "nothing is left of the 10.0 ml of 2024-01-01"
    assert last(RANO, 0.0, 2.0).reason == "2 ml where there was nothing on 2024-01-01: progression"


def test_a_stable_exam_is_held_against_nadir_and_baseline() -> None:
    reason = plain(last(RANO, 10.0, 8.0, 9.0).reason)
    assert "+12.5 % against the nadir of 2024-01-31 (progression ≥ 40 %)" in reason
    assert "−10.0 % against the baseline of 2024-01-01" in reason


def test_a_minor_response_is_one_where_the_rule_knows_it() -> None:
    assert last(RANO, 10.0, 5.5).category == Category.STABLE
    knows = Rule.model_validate(RANO.model_dump() | {"minor_response": {"percent": 40.0}})
    assert last(knows, 10.0, 5.5).category == Category.MINOR
    assert last(knows, 10.0, 3.5).category == Category.PARTIAL


def test_the_sum_is_of_the_lesions_that_the_baseline_chose() -> None:
    exams = sums({"a": 30.0, "b": 12.0, "small": 8.0}, {"a": 20.0, "b": 8.0, "small": 30.0})
    verdicts = judge(RECIST, exams, baseline=0)
    assert categories(verdicts) == ["baseline", "partial response"]  # 42 to 28 mm; the small one was not measurable


def test_the_largest_five_lesions_are_followed() -> None:
    lesions: dict[str, float | None] = {f"L{n}": 10.0 + n for n in range(7)}
    assert followed(RECIST, lesions) == ("L2", "L3", "L4", "L5", "L6")
    assert followed(RANO, lesions) == tuple(lesions)
    assert followed(None, {"a": 1.0, "b": None}) == ("a",)


def test_a_new_lesion_is_progression_however_the_others_shrink() -> None:
    exams = sums({"a": 40.0, "b": None}, {"a": 10.0, "b": 11.0}, {"a": 10.0, "b": 11.0})
    verdicts = judge(RECIST, exams, baseline=0)
    assert categories(verdicts) == ["baseline", "progression", "progression"]
    assert verdicts[1].reason == '"b" was not there at the baseline of 2024-01-01: progression (new lesion)'
    blind = rule_of("recist-1-1", new_lesion="not looked at")
    assert categories(judge(blind, exams, baseline=0)) == ["baseline", "partial response", "partial response"]


def test_a_sum_that_lacks_a_lesion_is_not_judged_and_no_nadir() -> None:
    exams = sums({"a": 40.0, "b": 20.0}, {"a": 40.0, "b": None}, {"a": 40.0, "b": 20.0})
    verdicts = judge(RECIST, exams, baseline=0)
    assert categories(verdicts) == ["baseline", "not judged", "stable"]
    assert verdicts[1].reason == 'not judged: it has no "b" in mm'


def test_nothing_measurable_at_the_baseline_judges_nothing() -> None:
    verdicts = judge(RECIST, course(9.0, 40.0), baseline=0)
    assert categories(verdicts) == ["not judged", "not judged"]
    assert verdicts[0].reason == "not judged: the baseline of 2024-01-01 has no lesion of at least 10 mm"


def test_exams_before_the_baseline_and_without_a_date_are_not_judged() -> None:
    exams = [*course(12.0, 10.0, 15.0), Assessment(on=None, lesions={"Lesion": 30.0})]
    verdicts = judge(RANO, exams, baseline=1)
    assert categories(verdicts) == ["not judged", "baseline", "progression", "not judged"]
    assert verdicts[0].reason == "not judged: it lies before the baseline of 2024-01-31"
    assert verdicts[3].reason == "not judged: the exam has no date"


def test_without_a_baseline_nothing_is_judged() -> None:
    assert categories(judge(RANO, course(None, None), baseline=None)) == ["not judged", "not judged"]


def test_the_limits_are_where_the_categories_change() -> None:
    limits = limits_of(RECIST, baseline=50.0, nadir=20.0)
    assert (limits.progression_from, limits.response_to) == (25.0, 35.0)  # 5 mm are more than 20 % of 20 mm
    assert limits_of(RANO, baseline=10.0, nadir=0.0).progression_from is None


def test_a_total_needs_every_lesion() -> None:
    assert total({"a": 1.0, "b": 2.0}, ["a", "b"]) == 3.0
    assert total({"a": 1.0, "b": None}, ["a", "b"]) is None
    assert total({}, []) is None
