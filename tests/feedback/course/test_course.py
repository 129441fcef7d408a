"""The course of a finding over a patient's exams, and its page."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dicom_ingest.models import AETitle
from feedback.course.choice import Choice
from feedback.course.course import Course, course_of
from feedback.longitudinal import Change
from inference.models import Job, Measurement, PipelineVersion, Result
from inference.pipeline import load_named
from portal.access import Role
from portal.audit.actions import Action
from portal.audit.models import Entry
from portal.models import User
from studies.models import Membership, Study
from tests.conftest import Cast
from tests.feedback.conftest import Answer, MakeExam, MakeResult
from tests.feedback.course.conftest import FIRST_VISIT, Correct
from tests.feedback.course.test_judging import plain
from tests.protocols import case_of, open_study

Queries = Callable[..., Any]
SignIn = Callable[[User], Client]


def followed(result: Result, user: User, **chosen: object) -> Course:
    course = course_of(result, user, Choice(**chosen))  # type: ignore[arg-type]
    assert course is not None
    return course


def categories(course: Course) -> list[str]:
    return [row.verdict.category.value if row.verdict else "" for row in course.rows]


def since(course: Course) -> list[float | None]:
    return [row.compared.since_baseline.absolute if row.compared.since_baseline else None for row in course.rows]


def page_of(client: Client, result: Result, query: str = "", name: str = "course") -> str:
    response = client.get(reverse(name, args=[result.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def test_changes_are_counted_from_the_first_exam(cast: Cast, visits: list[Result]) -> None:
    course = followed(visits[4], cast.reader)
    assert (course.quantity.name, course.rule and course.rule.name) == ("Lesion volume", "rano-2-volume")
    assert [round(one, 3) if one is not None else None for one in since(course)] == [None, -1.0, -2.0, -1.5, 3.2]
    assert categories(course) == ["baseline", "stable", "stable", "stable", "progression"]
    assert course.now.compared.since_previous == Change.between(10.5, 15.2)


def test_against_the_nadir_each_exam_is_compared_with_the_smallest_before_it(cast: Cast, visits: list[Result]) -> None:
    course = followed(visits[4], cast.reader, baseline="nadir")
    assert [round(one, 3) if one is not None else None for one in since(course)] == [None, -1.0, -1.0, 0.5, 5.2]
    assert course.now.against == visits[2].exam.study_date
    assert categories(course)[-1] == "progression"


def test_any_exam_can_be_the_baseline(cast: Cast, visits: list[Result]) -> None:
    course = followed(visits[4], cast.reader, baseline=visits[3].pk)
    assert [round(one, 3) if one is not None else None for one in since(course)] == [None, None, None, None, 4.7]
    assert categories(course) == ["not judged", "not judged", "not judged", "baseline", "progression"]


def test_a_baseline_of_another_patient_is_not_taken(
    cast: Cast, visits: list[Result], make_exam: MakeExam, make_result: MakeResult
) -> None:
    strange = make_result(make_exam(FIRST_VISIT, patient_id="DEMO-0002"))
    course = followed(visits[4], cast.reader, baseline=strange.pk)
    assert course.baseline == 0
    assert course.note.startswith("The exam chosen as baseline")


def test_a_chosen_baseline_outlives_its_result(cast: Cast, visits: list[Result], make_result: MakeResult) -> None:
    chosen = visits[1]
    Job.objects.filter(pk=chosen.job_id).update(state=Job.State.SUPERSEDED)
    newer = make_result(chosen.exam, pipeline=chosen.job.pipeline)
    newer.measurements.update(name="Lesion volume", value=11.5)
    course = followed(visits[4], cast.reader, baseline=chosen.pk)
    assert course.baseline == 1
    assert course.rows[1].result == newer


def test_a_corrected_value_stands_beside_the_ais_and_counts_where_it_is_asked_for(
    cast: Cast, visits: list[Result], correct: Correct
) -> None:
    correct(visits[2], cast.coordinator, 13.0)
    course = followed(visits[4], cast.coordinator)
    assert (course.rows[2].ai, course.rows[2].corrected, course.rows[2].value) == (10.0, 13.0, 10.0)
    corrected = followed(visits[4], cast.coordinator, values="corrected")
    assert (corrected.rows[2].value, corrected.rows[4].value) == (13.0, 15.2)
    assert corrected.now.verdict is not None
    assert corrected.now.verdict.reason.startswith("+44.8")  # the nadir is now the fourth exam's 10.5 ml
    diameter = followed(visits[4], cast.coordinator, finding="longest-diameter")
    assert not diameter.has_corrected


def test_no_lesion_is_a_corrected_value(cast: Cast, visits: list[Result], correct: Correct) -> None:
    correct(visits[4], cast.reader, 0.0, is_empty=True)
    course = followed(visits[4], cast.reader, values="corrected")
    assert course.now.value == 0.0
    assert categories(course)[-1] == "complete response"


def test_corrections_are_seen_as_responses_are(cast: Cast, visits: list[Result], correct: Correct) -> None:
    correct(visits[3], cast.reader, 9.0)
    correct(visits[4], cast.reader, 9.0, sitting="read/1")
    for user, values in ((cast.reader, [9.0, None]), (cast.other_reader, [None, None]), (cast.governance, [9.0, None])):
        course = followed(visits[4], user)
        assert [row.corrected for row in course.rows[3:]] == values, user


def test_who_is_still_to_answer_does_not_see_what_others_corrected(
    cast: Cast, visits: list[Result], correct: Correct, answer: Answer, study: Study
) -> None:
    Membership.objects.create(study=study, user=cast.reader, role=Role.COORDINATOR)
    correct(visits[4], cast.other_reader, 9.0)
    assert followed(visits[4], cast.reader).now.corrected is None
    answer(visits[4], cast.reader)
    assert followed(visits[4], cast.reader).now.corrected == 9.0


def test_without_a_rule_the_pipelines_threshold_flags(cast: Cast, make_exam: MakeExam, make_result: MakeResult) -> None:
    make_result(make_exam(FIRST_VISIT), 1400.0)
    course = followed(make_result(make_exam(FIRST_VISIT + timedelta(90)), 1320.0), cast.reader)
    assert (course.rule, course.now.is_flagged) == (None, True)
    assert course.now.limits is not None
    assert (course.now.limits.progression_from, course.now.limits.response_to) == (1470.0, 1330.0)


def test_several_lesions_are_one_sum_with_a_line_each(
    cast: Cast, visits: list[Result], glioma: PipelineVersion, signed_in: SignIn
) -> None:
    for result, size in zip(visits, (20.0, 20.0, 18.0, None, 15.0), strict=True):
        result.measurements.filter(name="Longest diameter").update(name="Longest diameter of A")
        if size:
            Measurement.objects.create(result=result, name="Longest diameter of B", value=size, unit="mm")
    course = followed(visits[4], cast.reader, finding="recist-1-1")
    assert (course.quantity.name, course.lesions[1]) == ("Sum of longest diameters", "Longest diameter of B")
    assert [row.value for row in course.rows] == [52.0, 51.0, 48.0, None, 50.2]
    assert categories(course) == ["baseline", "stable", "stable", "not judged", "stable"]
    page = page_of(signed_in(cast.reader), visits[4], "?finding=recist-1-1")
    assert "Longest diameter of B, mm" in page
    assert "−25.0" in page  # 15 mm against 20 mm


def test_exams_without_a_result_without_a_date_and_in_another_unit_are_listed(
    cast: Cast, visits: list[Result], make_exam: MakeExam, make_result: MakeResult, signed_in: SignIn
) -> None:
    make_exam(date(2026, 1, 1))
    undated = make_result(make_exam(None), pipeline=visits[0].job.pipeline)
    undated.measurements.update(name="Lesion volume")
    visits[1].measurements.filter(name="Lesion volume").update(value=0.011, unit="l")
    course = followed(visits[4], cast.reader)
    assert [row.value for row in course.rows] == [12.0, None, 10.0, 10.5, 15.2, None, 1400.0]
    page = page_of(signed_in(cast.reader), visits[4])
    for said in ("no result", "no date", "0.011 l", "not compared"):
        assert said in page


def test_a_result_without_measurements_says_so(cast: Cast, visits: list[Result], signed_in: SignIn) -> None:
    visits[0].measurements.all().delete()
    assert "measured nothing" in page_of(signed_in(cast.reader), visits[0])
    assert "nothing to print" in page_of(signed_in(cast.reader), visits[0], name="course-print")


def test_the_page_says_value_change_category_and_reason(cast: Cast, visits: list[Result], signed_in: SignIn) -> None:
    page = plain(page_of(signed_in(cast.reader), visits[4]))
    reason = "+52.0 % against the nadir of 2025-03-10: progression (≥ 40 %)"
    assert page.count(reason) == 2  # above the chart, and in the table
    assert "RANO 2.0-like, by volume" in page
    assert "no clinical assessment" in page
    assert "Demonstration model, not for clinical use" in page
    assert "Change since the first exam" not in page  # a change has no course
    assert f"{visits[0].exam.study_instance_uid}&amp;hangingProtocolId" in page  # side by side, the earlier one second


def test_the_addresses_name_no_patient(cast: Cast, visits: list[Result], signed_in: SignIn) -> None:
    page = page_of(signed_in(cast.reader), visits[4])
    addresses = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert not [one for one in addresses if "DEMO-0001" in one or "Alder" in one]
    assert "Alder" not in page.split("</title>")[0]


def test_the_last_chosen_kind_of_baseline_is_kept_for_the_study(
    cast: Cast, visits: list[Result], signed_in: SignIn
) -> None:
    client = signed_in(cast.reader)
    assert "Against the nadir" not in page_of(client, visits[4])
    assert "Against the nadir" in page_of(client, visits[4], "?baseline=nadir")
    assert "Against the nadir" in page_of(client, visits[3])
    assert "Since 2024-12-10" in page_of(client, visits[3], f"?baseline={visits[1].pk}")
    assert "Against the nadir" in page_of(client, visits[3])
    assert "Since 2024-09-11" in page_of(client, visits[3], "?baseline=first")
    assert "Since 2024-09-11" in page_of(client, visits[3])


@pytest.mark.parametrize("query", ["?finding=x&rule=y&baseline=z&values=w", "?baseline=%00", "?finding=' OR 1"])
def test_an_address_that_makes_no_sense_shows_the_usual(
    cast: Cast, visits: list[Result], signed_in: SignIn, query: str
) -> None:
    assert "Since 2024-09-11" in page_of(signed_in(cast.reader), visits[4], query)


def test_the_print_names_the_patient_only_where_that_is_asked_for(
    cast: Cast, visits: list[Result], signed_in: SignIn
) -> None:
    client = signed_in(cast.reader)
    named = page_of(client, visits[4], name="course-print")
    assert "Demo, Alder" in named
    hidden = page_of(client, visits[4], "?patient=hidden", name="course-print")
    for told in ("Alder", "DEMO-0001"):
        assert told not in hidden
    of_pipeline = f"glioma-followup {load_named('glioma-followup').version}"
    for said in ("Patient not named", "rano-2-volume 1.0.0", of_pipeline, "Demonstration model"):
        assert said in hidden


def test_views_and_prints_are_on_record(cast: Cast, visits: list[Result], signed_in: SignIn) -> None:
    client = signed_in(cast.reader)
    page_of(client, visits[4])
    page_of(client, visits[4], name="course-print")
    rows = Entry.objects.filter(of=str(visits[4].pk)).order_by("number")
    assert [row.action for row in rows] == [Action.COURSE_VIEWED, Action.COURSE_PRINTED]
    assert {row.study for row in rows} == {"brain"}
    assert rows[0].detail["exams"] == [result.exam.study_instance_uid for result in visits]


@pytest.mark.parametrize("name", ["course", "course-print"])
def test_a_blinded_reader_finds_no_course(cast: Cast, visits: list[Result], signed_in: SignIn, name: str) -> None:
    ae_title = AETitle.objects.create(title="BLINDED")
    blinded = open_study("blinded", ae_title=ae_title, blinding={"readers": "blinded"})
    case_of(blinded, visits[4].exam, number=1)
    Membership.objects.create(study=blinded, user=cast.reader, role=Role.READER)
    address = reverse(name, args=[visits[4].pk])
    assert signed_in(cast.reader).get(address).status_code == 404
    assert signed_in(cast.outsider).get(address).status_code == 404
    assert signed_in(cast.governance).get(address).status_code == 200


def test_exams_that_the_viewer_may_not_see_are_not_in_it(
    cast: Cast, visits: list[Result], make_exam: MakeExam, make_result: MakeResult
) -> None:
    hidden = make_result(make_exam(date(2024, 10, 1), enrolled_in=None), pipeline=visits[0].job.pipeline)
    hidden.measurements.update(name="Lesion volume", value=1.0)
    assert len(followed(visits[4], cast.reader).rows) == 5


def test_the_number_of_queries_does_not_grow_with_the_exams(
    *,
    cast: Cast,
    visits: list[Result],
    make_exam: MakeExam,
    make_result: MakeResult,
    correct: Correct,
    django_assert_num_queries: Queries,
) -> None:
    viewed = Result.objects.select_related("exam", "job__pipeline").get(pk=visits[4].pk)
    correct(visits[4], cast.reader, 14.0)
    with django_assert_num_queries(5):
        followed(viewed, cast.reader)
    for year in range(2000, 2010):
        result = make_result(make_exam(date(year, 1, 1)), pipeline=visits[0].job.pipeline)
        result.measurements.update(name="Lesion volume")
        correct(result, cast.reader, 12.0)
    with django_assert_num_queries(5):
        assert len(followed(viewed, cast.reader).rows) == 15


def test_the_pages_queries_do_not_grow_with_the_exams(
    cast: Cast, visits: list[Result], make_exam: MakeExam, make_result: MakeResult, signed_in: SignIn
) -> None:
    client = signed_in(cast.reader)
    page_of(client, visits[4])
    with CaptureQueriesContext(connection) as few:
        page_of(client, visits[4])
    for year in range(2000, 2010):
        result = make_result(make_exam(date(year, 1, 1)), pipeline=visits[0].job.pipeline)
        result.measurements.update(name="Lesion volume")
    with CaptureQueriesContext(connection) as many:
        page_of(client, visits[4])
    assert len(many) == len(few)
