"""What people find on `My work`."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from dicom_ingest.models import AETitle, Exam, Route
from inference.models import Job
from portal.access import Role
from portal.models import User
from studies.cases import case_flow
from studies.models import Case, Membership, Study
from studies.reading.worklist import CASES_PER_STUDY, Standing, StudyLine, worklist
from tests.conftest import Cast
from tests.studies.conftest import MakeCase, SignIn

State = Job.State
Judge = Callable[[Case, User], None]
Urgent = Callable[..., None]


def test_the_next_case_is_the_one_that_has_waited_longest_and_is_not_judged(
    cast: Cast, make_case: MakeCase, judge: Judge
) -> None:
    first, second, _third = make_case(), make_case(), make_case()
    judge(first, cast.reader)
    next_case = worklist(cast.reader).next_case
    assert next_case is not None
    assert next_case.case == second
    assert next_case.result_id == second.exam.results.get().pk


def test_another_readers_judgement_leaves_the_case_waiting(cast: Cast, make_case: MakeCase, judge: Judge) -> None:
    case = make_case()
    judge(case, cast.other_reader)
    next_case = worklist(cast.reader).next_case
    assert next_case is not None
    assert next_case.case == case


def test_cases_come_in_the_order_in_which_they_need_the_reader(cast: Cast, make_case: MakeCase, judge: Judge) -> None:
    judged = make_case()
    make_case(State.FAILED)
    make_case(None)
    make_case(State.RUNNING)
    make_case()
    judge(judged, cast.reader)
    [line] = worklist(cast.reader).reads
    assert [(case.case.number, case.standing) for case in line.cases] == [
        (5, Standing.TO_JUDGE),
        (3, Standing.COMING),
        (4, Standing.COMING),
        (2, Standing.WITHOUT_RESULT),
        (1, Standing.JUDGED),
    ]


def test_an_exam_that_no_pipeline_could_be_given_is_a_trouble(cast: Cast, make_case: MakeCase) -> None:
    make_case()
    case = make_case(None)
    Route.objects.filter(exam=case.exam).update(dispatch_problem='There is no pipeline "brian".', dispatched_at=now())
    (route,) = worklist(cast.coordinator).undispatched
    assert route.exam == case.exam
    assert worklist(cast.reader).undispatched == ()


def test_a_superseded_result_has_to_be_judged_anew(cast: Cast, make_case: MakeCase, judge: Judge) -> None:
    case = make_case()
    judge(case, cast.reader)
    old = case.exam.jobs.get()
    Job.objects.filter(pk=old.pk).update(state=State.SUPERSEDED)
    [line] = worklist(cast.reader).reads
    assert line.reading is not None
    assert line.reading.judged == 0
    assert line.cases[0].standing == Standing.COMING


def test_the_bar_counts_what_is_judged_and_what_waits(cast: Cast, make_case: MakeCase, judge: Judge) -> None:
    for case in (make_case(), make_case()):
        judge(case, cast.reader)
    make_case()
    make_case(State.SKIPPED)
    reading = worklist(cast.reader).reads[0].reading
    assert reading is not None
    assert (reading.judged, reading.waiting, reading.enrolled) == (2, 1, 4)


def test_a_coordinator_sees_how_many_exams_reached_each_stage(cast: Cast, make_case: MakeCase, judge: Judge) -> None:
    judged = make_case()
    judge(judged, cast.reader)
    judge(judged, cast.other_reader)
    make_case()
    make_case(State.FAILED)
    Exam.objects.create(study_instance_uid="1.9").routes.create(called_ae="BRAIN")
    case_flow.advance()
    work = worklist(cast.coordinator)
    [counts] = [line.flow.counts for line in work.studies]
    assert (counts["received"], counts["enrolled"], counts["failed"]) == (3, 2, 1), "what still arrives is not received"
    assert work.next_case is None
    assert not work.reads


def test_a_result_of_another_pipeline_is_none_of_the_study(cast: Cast, make_case: MakeCase) -> None:
    case = make_case()
    AETitle.objects.filter(title="BRAIN").update(pipeline="another")
    case_flow.advance()
    assert worklist(cast.coordinator).studies[0].flow.counts["enrolled"] == 0
    assert worklist(cast.reader).reads[0].cases[0].case == case
    assert worklist(cast.reader).next_case is None


@pytest.mark.parametrize("who", ["coordinator", "qc", "scientist", "governance", "admin"])
def test_those_who_oversee_see_what_failed_and_why(
    cast: Cast, make_case: MakeCase, who: str, signed_in: SignIn
) -> None:
    make_case(State.FAILED)
    make_case(State.SKIPPED)
    make_case()
    user = getattr(cast, who)
    work = worklist(user)
    assert {job.state for job in work.troubles} == {State.FAILED, State.SKIPPED}
    assert len(work.recent_results) == 1
    assert "Slices 41 and 42 lie at the same position." in signed_in(user).get("/").content.decode()


def test_an_urgent_case_comes_before_those_that_wait_longer(cast: Cast, make_case: MakeCase, urgent: Urgent) -> None:
    make_case()
    make_case(None)
    urgent(make_case(), pneumothorax=0.93, effusion=0.7)
    work = worklist(cast.reader)
    assert [line.case.number for line in work.reads[0].cases] == [3, 1, 2]
    assert work.next_case is not None
    assert work.next_case.case.number == 3
    assert [(cause.label, cause.probability) for cause in work.next_case.causes] == [("pneumothorax", 0.93)]


def test_an_urgent_case_that_is_judged_keeps_its_place_and_its_badge(
    cast: Cast, make_case: MakeCase, judge: Judge, urgent: Urgent
) -> None:
    first, second = make_case(), make_case()
    urgent(second, pneumothorax=0.93)
    judge(first, cast.reader)
    judge(second, cast.reader)
    [line] = worklist(cast.reader).reads
    assert [(case.case.number, case.is_urgent) for case in line.cases] == [(1, False), (2, True)]


def test_urgency_and_its_cause_are_shown_where_cases_are(
    cast: Cast, make_case: MakeCase, urgent: Urgent, signed_in: SignIn
) -> None:
    make_case()
    urgent(make_case(), pneumothorax=0.93)
    for user, address in ((cast.reader, "/"), (cast.reader, "/studies/brain/"), (cast.coordinator, "/studies/brain/")):
        assert "Urgent: pneumothorax 93 %" in signed_in(user).get(address).content.decode()


def test_the_number_of_queries_does_not_grow_with_urgent_cases(
    cast: Cast, make_case: MakeCase, urgent: Urgent, signed_in: SignIn
) -> None:
    browser = signed_in(cast.reader)
    urgent(make_case(), pneumothorax=0.93)
    few = _queries(lambda: browser.get("/"))
    for _ in range(5):
        urgent(make_case(), pneumothorax=0.8)
    assert _queries(lambda: browser.get("/")) == few


def test_cases_that_fell_out_are_counted_and_lead_to_their_list(
    cast: Cast, make_case: MakeCase, signed_in: SignIn
) -> None:
    make_case()
    make_case(State.FAILED)
    skipped = make_case(State.SKIPPED)
    case_flow.advance()
    assert worklist(cast.coordinator).studies[0].flow.counts["failed"] == 2
    browser = signed_in(cast.coordinator)
    link = "/studies/brain/cases/?box=failed&amp;cases=real"
    for address in ("/", "/studies/brain/"):
        assert f'href="{link}"' in browser.get(address).content.decode()
    page = browser.get(link.replace("&amp;", "&")).content.decode()
    assert "Failed, 2" in page
    assert f"/studies/brain/cases/{skipped.number}/" in page
    assert link not in signed_in(cast.reader).get("/studies/brain/").content.decode()


def test_a_rerun_changes_nothing_of_a_case(cast: Cast, make_case: MakeCase) -> None:
    case = make_case()
    first = case.exam.jobs.get()
    Job.objects.create(
        pipeline=first.pipeline, exam=case.exam, fingerprint="a", state=State.FAILED, rerun_of=first, reason="?"
    )
    case_flow.advance()
    work = worklist(cast.coordinator)
    assert [work.studies[0].flow.counts[box] for box in ("enrolled", "failed")] == [1, 0]
    assert not work.troubles
    assert worklist(cast.reader).reads[0].cases[0].job == first


def test_nobody_sees_anything_of_a_study_that_is_not_theirs(cast: Cast, make_case: MakeCase) -> None:
    make_case()
    make_case(State.FAILED)
    work = worklist(cast.outsider)
    assert [line.study.slug for line in work.studies] == ["liver"]
    assert work.next_case is None
    assert not work.troubles
    assert not work.recent_results


def test_a_superuser_sees_every_study(cast: Cast) -> None:
    assert {line.study.slug for line in worklist(cast.admin).studies} == {"brain", "liver"}


def test_the_number_of_queries_does_not_grow_with_cases_or_studies(
    cast: Cast, make_case: MakeCase, judge: Judge, signed_in: SignIn
) -> None:
    Membership.objects.create(study=Study.objects.get(slug="brain"), user=cast.reader, role=Role.COORDINATOR)
    browser = signed_in(cast.reader)
    make_case()
    make_case(State.FAILED)
    few = _queries(lambda: browser.get("/"))
    other = Study.objects.get(slug="liver")
    Membership.objects.create(study=other, user=cast.reader, role=Role.READER)
    for n in range(CASES_PER_STUDY):
        judge(make_case(), cast.reader)
        make_case(State.FAILED, of=other if n % 2 else None)
    assert _queries(lambda: browser.get("/")) == few
    assert few <= 26


def test_a_long_list_is_cut_and_leads_to_the_whole(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    for _ in range(CASES_PER_STUDY + 2):
        make_case()
    line: StudyLine = worklist(cast.reader).reads[0]
    assert len(line.cases) == CASES_PER_STUDY
    assert f"All {CASES_PER_STUDY + 2} cases" in signed_in(cast.reader).get("/").content.decode()


def test_a_reader_with_nothing_to_do_is_told_what_brings_work(cast: Cast, signed_in: SignIn) -> None:
    page = signed_in(cast.reader).get("/").content.decode()
    assert "Nothing waits for you" in page
    assert "storescu -aec BRAIN 127.0.0.1 11112" in page


def test_somebody_without_a_role_is_told_how_to_get_one(db: None, signed_in: SignIn) -> None:
    page = signed_in(User.objects.create_user("newcomer")).get("/").content.decode()
    assert "You have no role in a study yet" in page
    assert "newcomer" in page


def test_the_next_case_is_one_key_away(cast: Cast, make_case: MakeCase, signed_in: SignIn) -> None:
    case = make_case()
    page = signed_in(cast.reader).get("/").content.decode()
    assert f'href="/results/{case.exam.results.get().pk}/" data-key="n Enter"' in page


def _queries(ask: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        ask()
    return len(captured)
