"""Change of a patient's measurements from exam to exam."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from feedback.longitudinal import Change, MeasurementTrend, Point, trend
from inference.models import Job, Measurement, PipelineVersion, Result
from portal.models import User
from tests.conftest import Cast
from tests.feedback.conftest import MakeExam, MakeResult

Queries = Callable[..., Any]
FIRST, SECOND, THIRD = date(2022, 3, 1), date(2023, 3, 1), date(2024, 3, 1)


def only(result: Result, user: User) -> MeasurementTrend:
    (found,) = trend(result, user)
    return found


def percents(found: MeasurementTrend) -> list[float | None]:
    return [p.since_baseline.percent if p.since_baseline else None for p in found.points]


@pytest.fixture
def three(make_exam: MakeExam, make_result: MakeResult) -> list[Result]:
    """Three exams of a patient, received out of order: 1400, 1330 and 1386 ml."""
    last = make_result(make_exam(THIRD), 1386.0)
    first = make_result(make_exam(FIRST), 1400.0)
    return [first, make_result(make_exam(SECOND), 1330.0), last]


def test_exams_stand_in_order_of_time_with_change_since_baseline_and_previous(cast: Cast, three: list[Result]) -> None:
    found = only(three[2], cast.reader)
    assert [point.exam_date for point in found.points] == [FIRST, SECOND, THIRD]
    assert [point.value for point in found.points] == [1400.0, 1330.0, 1386.0]
    baseline, second, third = found.points
    assert (baseline.since_baseline, baseline.since_previous) == (None, None)
    assert second.since_baseline == second.since_previous == Change(absolute=-70.0, percent=-5.0)
    assert third.since_baseline == Change(absolute=-14.0, percent=-1.0)
    assert third.since_previous == Change(absolute=56.0, percent=100 * 56 / 1330)


def test_a_change_is_flagged_from_the_threshold_on(cast: Cast, three: list[Result]) -> None:
    found = only(three[2], cast.reader)
    assert found.threshold_percent == 5.0
    assert [point.flagged for point in found.points] == [False, True, False]


@pytest.mark.parametrize(("value", "flagged"), [(1.47, True), (1.4699, False), (1.33, True), (1.3301, False)])
def test_a_rounding_error_does_not_hide_a_change_of_just_the_threshold(
    cast: Cast, make_exam: MakeExam, make_result: MakeResult, value: float, flagged: bool
) -> None:
    make_result(make_exam(FIRST), 1.4)
    assert only(make_result(make_exam(SECOND), value), cast.reader).viewed.flagged is flagged


def test_the_baseline_and_the_viewed_exam_are_marked(cast: Cast, three: list[Result]) -> None:
    found = only(three[1], cast.reader)
    assert found.baseline is not None
    assert found.baseline.result == three[0]
    assert found.viewed.result == three[1]


def test_the_band_is_the_threshold_around_the_baseline(cast: Cast, three: list[Result]) -> None:
    assert only(three[2], cast.reader).band == (1330.0, 1470.0)
    Measurement.objects.update(alert_change_percent=None)
    found = only(three[2], cast.reader)
    assert found.band is None
    assert not any(point.flagged for point in found.points)


def test_a_single_exam_is_its_own_baseline(cast: Cast, result: Result) -> None:
    result.exam.study_date = FIRST
    result.exam.save()
    found = only(result, cast.reader)
    assert found.viewed == found.baseline
    assert found.viewed.since_baseline is None


def test_an_exam_without_a_date_comes_last_and_is_not_compared(
    cast: Cast, three: list[Result], make_exam: MakeExam, make_result: MakeResult
) -> None:
    undated = make_result(make_exam(None), 2000.0)
    for viewed in (undated, three[2]):
        found = only(viewed, cast.reader)
        last = found.points[-1]
        assert last.result == undated
        assert (last.since_baseline, last.since_previous, last.flagged) == (None, None, False)
        assert last not in found.comparable


def test_without_any_date_there_is_no_baseline(cast: Cast, result: Result) -> None:
    found = only(result, cast.reader)
    assert (found.baseline, found.band, found.comparable) == (None, None, ())
    assert found.viewed.value == 1400.0


def test_a_baseline_of_zero_gives_a_change_without_a_percentage(
    cast: Cast, make_exam: MakeExam, make_result: MakeResult
) -> None:
    make_result(make_exam(FIRST), 0.0)
    point = only(make_result(make_exam(SECOND), 12.0), cast.reader).viewed
    assert point.since_baseline == Change(absolute=12.0, percent=None)
    assert not point.flagged


def test_a_negative_baseline_keeps_the_direction_of_the_change(
    cast: Cast, make_exam: MakeExam, make_result: MakeResult
) -> None:
    make_result(make_exam(FIRST), -10.0)
    point = only(make_result(make_exam(SECOND), -9.0), cast.reader).viewed
    assert point.since_baseline == Change(absolute=1.0, percent=10.0)


@pytest.mark.parametrize(("value", "unit"), [(1.35, "l"), (float("nan"), "ml")])
def test_other_units_and_no_numbers_are_listed_and_not_compared(
    *, cast: Cast, three: list[Result], make_exam: MakeExam, make_result: MakeResult, value: float, unit: str
) -> None:
    make_result(make_exam(date(2021, 3, 1)), value, unit=unit)
    found = only(three[2], cast.reader)
    odd = found.points[0]
    assert (odd.unit, odd.since_baseline, odd.is_baseline) == (unit, None, False)
    assert percents(found) == [None, None, -5.0, -1.0]


def test_a_superseded_result_of_another_exam_gives_way_to_the_current_one(
    cast: Cast, three: list[Result], make_result: MakeResult
) -> None:
    Job.objects.filter(pk=three[0].job_id).update(state=Job.State.SUPERSEDED)
    newer = make_result(three[0].exam, 1500.0)
    found = only(three[2], cast.reader)
    assert found.points[0].result == newer
    assert len(found.points) == 3


def test_a_superseded_result_stands_for_its_own_exam_on_its_own_page(
    cast: Cast, three: list[Result], make_result: MakeResult
) -> None:
    Job.objects.filter(pk=three[2].job_id).update(state=Job.State.SUPERSEDED)
    make_result(three[2].exam, 1500.0)
    found = only(three[2], cast.reader)
    assert [point.result for point in found.points] == three
    assert found.viewed.value == 1386.0


def test_exams_of_other_patients_pipelines_and_studies_stay_out(
    cast: Cast, three: list[Result], make_exam: MakeExam, make_result: MakeResult
) -> None:
    other = PipelineVersion.objects.create(name="lesions", version="1", digest="e" * 64, title="L", definition={})
    make_result(make_exam(date(2020, 1, 1), patient_id="DEMO-0002"))
    make_result(make_exam(date(2020, 1, 1), issuer_of_patient_id="ELSEWHERE"))
    make_result(make_exam(date(2020, 1, 1), enrolled_in=None))
    make_result(make_exam(date(2020, 1, 1)), pipeline=other)
    assert [point.result for point in only(three[2], cast.reader).points] == three


def test_another_version_of_the_same_pipeline_is_compared(
    cast: Cast, three: list[Result], make_exam: MakeExam, make_result: MakeResult
) -> None:
    newer = PipelineVersion.objects.create(
        name="brain-extraction", version="2.0.0", digest="e" * 64, title="B", definition={}
    )
    fourth = make_result(make_exam(date(2025, 3, 1)), pipeline=newer)
    assert len(only(fourth, cast.reader).points) == 4


def test_exams_without_a_patient_id_are_never_taken_for_one_patient(
    cast: Cast, make_exam: MakeExam, make_result: MakeResult
) -> None:
    make_result(make_exam(FIRST, patient_id=""))
    found = only(make_result(make_exam(SECOND, patient_id="")), cast.reader)
    assert [point.exam_date for point in found.points] == [SECOND]


def test_whoever_may_not_see_the_exam_gets_no_trend(cast: Cast, three: list[Result]) -> None:
    assert trend(three[0], cast.outsider) == []


def test_each_measurement_has_its_own_trend(cast: Cast, three: list[Result]) -> None:
    Measurement.objects.create(result=three[0], name="Mean intensity", value=5.0, unit="1")
    Measurement.objects.create(result=three[2], name="Mean intensity", value=6.0, unit="1")
    volume, intensity = trend(three[2], cast.reader)
    assert (volume.name, intensity.name) == ("Brain volume", "Mean intensity")
    assert len(volume.points) == 3
    assert percents(intensity) == [None, 20.0]
    assert intensity.band is None


def test_two_exams_of_a_day_stand_in_order_of_their_times(
    cast: Cast, make_exam: MakeExam, make_result: MakeResult
) -> None:
    evening = make_result(make_exam(FIRST, study_time="201500"))
    morning = make_result(make_exam(FIRST, study_time="081500.25"))
    points: tuple[Point, ...] = only(evening, cast.reader).points
    assert [point.result for point in points] == [morning, evening]


def test_the_number_of_queries_does_not_grow_with_the_exams(
    cast: Cast,
    three: list[Result],
    make_exam: MakeExam,
    make_result: MakeResult,
    django_assert_num_queries: Queries,
) -> None:
    viewed = Result.objects.select_related("exam", "job__pipeline").get(pk=three[2].pk)
    with django_assert_num_queries(2):
        assert len(only(viewed, cast.reader).points) == 3
    for year in range(2000, 2010):
        make_result(make_exam(date(year, 1, 1)))
    with django_assert_num_queries(2):
        assert len(only(viewed, cast.reader).points) == 13
