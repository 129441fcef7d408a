"""The rule pages: who finds them, and what one can read, try and change there."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from dicom_ingest import rule_trial, rules
from dicom_ingest.models import Exam, Route, Rule, RuleVerdict
from portal.models import User
from studies.cases.enrolment import enrol_complete_exams
from tests.conftest import Cast
from tests.dicom_ingest.test_rules import MR, arrived, saved

SignedIn = Callable[[User], Client]
FORM = {"name": "A rule", "description": "", "expression": MR, "pipelines": "", "called_ae_titles": ""}


def page(client: Client, name: str, *args: object, query: str = "") -> str:
    response = client.get(reverse(name, args=args) + query)
    assert response.status_code == 200
    return text_of(response.content)


def text_of(content: bytes) -> str:
    """What one reads on a page."""
    body = content.decode().partition("<main")[2] or content.decode()
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


@pytest.fixture
def coordinator(cast: Cast, signed_in: SignedIn) -> Client:
    return signed_in(cast.coordinator)


def test_without_a_rule_the_list_says_what_happens_and_offers_the_examples(coordinator: Client) -> None:
    shown = page(coordinator, "rules")
    assert "There is no rule yet" in shown
    assert "Liver CT with contrast agent" in shown


def test_an_example_fills_the_form(coordinator: Client) -> None:
    shown = page(coordinator, "rule-new", query="?example=pelvis-xray")
    assert 'series.StationName in ["ED-XR1", "ED-XR2"]' in shown


def test_a_rule_is_written_activated_and_changed(coordinator: Client, cast: Cast) -> None:
    answered = coordinator.post(
        reverse("rule-new"), FORM | {"pipelines": "brain-extraction", "called_ae_titles": "BRAIN, LIVER"}, follow=True
    )
    assert "The rule is saved" in text_of(answered.content)
    rule = Rule.objects.get()
    assert (rule.active, rule.pipelines, rule.called_ae_titles) == (False, ["brain-extraction"], ["BRAIN", "LIVER"])
    assert rule.current_version.created_by == cast.coordinator
    coordinator.post(reverse("rule-activation", args=[rule.pk]), {"active": "yes"})
    rule.refresh_from_db()
    assert rule.active
    answered = coordinator.post(reverse("rule", args=[rule.pk]), FORM | {"expression": "true"}, follow=True)
    assert "saved as version 2" in text_of(answered.content)
    assert "Version 1" in text_of(answered.content)
    rule.refresh_from_db()
    assert rule.active
    coordinator.post(reverse("rule-activation", args=[rule.pk]), {"active": "no"})
    rule.refresh_from_db()
    assert (rule.active, rule.activated_at) == (False, None)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (
            {"expression": 'series.Modalty == "MR"'},
            'The expression cannot be used: "Modalty" is not a DICOM keyword; did',
        ),
        ({"expression": "series.Modality =="}, "The expression cannot be used: line 1, character"),
        ({"pipelines": "brain-extractoin"}, 'There is no pipeline "brain-extractoin"'),
        ({"called_ae_titles": "A\\B"}, "An AE title has 1 to 16 printable"),
    ],
)
def test_what_is_wrong_in_the_form_is_said_beside_it(wrong: dict[str, str], reason: str, coordinator: Client) -> None:
    rule = saved()
    assert reason in text_of(coordinator.post(reverse("rule-new"), FORM | {"name": "New"} | wrong).content)
    assert reason in text_of(coordinator.post(reverse("rule", args=[rule.pk]), FORM | wrong).content)
    rule.refresh_from_db()
    assert (rule.version, Rule.objects.count()) == (1, 1)


def test_a_rule_that_can_work_no_more_is_not_activated_and_can_be_switched_off(coordinator: Client) -> None:
    rule = saved()
    Rule.objects.update(pipelines=["gone"])
    answered = coordinator.post(reverse("rule-activation", args=[rule.pk]), {"active": "no"}, follow=True)
    assert "The rule is asked no more." in text_of(answered.content)
    answered = coordinator.post(reverse("rule-activation", args=[rule.pk]), {"active": "yes"}, follow=True)
    assert 'The rule is not activated. There is no pipeline "gone".' in text_of(answered.content)
    assert not Rule.objects.filter(active=True).exists()


def test_the_administration_checks_and_keeps_versions_too(cast: Cast, signed_in: SignedIn) -> None:
    client, add = signed_in(cast.admin), reverse("admin:dicom_ingest_rule_add")
    refused = client.post(add, FORM | {"expression": 'series.Modalty == "MR"', "active": "on"})
    assert "did you mean Modality?" in refused.content.decode()
    assert client.post(add, FORM | {"active": "on"}).status_code == 302
    rule = Rule.objects.get()
    assert (rule.version, rule.active, rule.current_version.created_by) == (1, True, cast.admin)
    for model in ("rule", "ruleversion", "ruleverdict"):
        assert client.get(reverse(f"admin:dicom_ingest_{model}_changelist")).status_code == 200
    assert client.post(reverse("admin:dicom_ingest_rule_delete", args=[rule.pk])).status_code == 403


def tried(client: Client, **given: object) -> str:
    response = client.post(reverse("rule-trial"), {"expression": MR, "called_ae_titles": ""} | given)
    assert response.status_code == 200
    return response.content.decode()


def test_a_trial_shows_each_exam_with_a_link_and_the_reason_and_saves_nothing(coordinator: Client) -> None:
    arrived(1, Modality="CT")
    route = arrived(2)
    enrol_complete_exams()
    shown = tried(coordinator)
    assert "Would match 1 of 2 exams." in text_of(shown.encode())
    assert f'href="/exams/{route.exam.study_instance_uid}/"' in shown
    assert 'series.Modality == "MR" is false (series.Modality is "CT")' in text_of(shown.encode())
    assert "hx-trigger" not in shown
    assert not RuleVerdict.objects.exists()


def test_a_trial_names_no_exam_of_other_peoples_studies_and_yet_counts_it(
    coordinator: Client, cast: Cast, signed_in: SignedIn
) -> None:
    route = arrived(1, called_ae="LIVER", SeriesDescription="Of others")
    enrol_complete_exams()
    shown = tried(coordinator)
    assert "Would match 1 of 1 exam." in text_of(shown.encode())
    assert "an exam that is not in your studies" in shown
    assert route.exam.study_instance_uid not in shown
    assert "Of others" not in shown
    assert route.exam.study_instance_uid in tried(signed_in(cast.admin))


def test_a_trial_that_takes_long_goes_on_by_itself(coordinator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_trial, "BATCH", 2)
    monkeypatch.setattr(rule_trial, "SECONDS", -1)
    for number in range(1, 4):
        arrived(number)
    first = tried(coordinator)
    assert "Matches so far 2 of 2 exams." in text_of(first.encode())
    assert 'hx-trigger="load"' in first
    values = re.search(r'"start": (\d+), "until": "([^"]+)", "matched": (\d+), "undecided": (\d+)', first)
    assert values is not None
    names = ("start", "until", "matched", "undecided")
    second = tried(coordinator, **dict(zip(names, values.groups(), strict=True)))
    assert "Would match 3 of 3 exams." in text_of(second.encode())
    assert "hx-trigger" not in second


def test_a_trial_of_what_is_no_rule_says_why(coordinator: Client) -> None:
    assert "did you mean Modality?" in text_of(tried(coordinator, expression='series.Modalty == "MR"').encode())


def test_a_trial_without_an_exam_says_so(coordinator: Client) -> None:
    assert "there is nothing to try the rule on" in tried(coordinator)


def test_a_rules_page_counts_what_it_said_and_lists_what_it_could_not_decide(coordinator: Client) -> None:
    rule = saved('series.StationName == "MR1"', name="Needs a station")
    for number, station in enumerate(("MR1", "MR2", None), start=1):
        rules.judge_route(arrived(number, **({"StationName": station} if station else {})))
    enrol_complete_exams()
    shown = page(coordinator, "rule", rule.pk)
    assert "Matched 1 Not matched 1 Undecided 1" in shown
    assert "Exams that need attention Ask again about these" in shown
    assert 'Series 1 "T1 3D": the series lacks StationName' in shown
    assert re.search(r"Needs a station version 1 Active just now none all 1 1 1", page(coordinator, "rules"))

    Route.objects.update(dispatched_at="2026-01-01T00:00Z")
    answered = coordinator.post(reverse("rule-again", args=[rule.pk]), follow=True)
    assert "asked again about 1 exam within seconds" in text_of(answered.content)
    assert Route.objects.filter(dispatched_at=None).count() == 1


def test_an_exams_page_lists_each_rules_verdict(coordinator: Client) -> None:
    saved('series.Modality == "CT"', name="CT only")
    saved("series.EchoTime < 5", name="Short echo")
    saved(name="Any MR")
    route = arrived()
    rules.judge_route(route)
    enrol_complete_exams()
    shown = page(coordinator, "exam", route.exam.study_instance_uid)
    assert "Matched Any MR version 1" in shown
    assert "Not matched CT only version 1" in shown
    assert 'series.Modality == "CT" is false (series.Modality is "MR")' in shown
    assert "Cannot be decided Short echo version 1, as sent to BRAIN" in shown
    assert "the series lacks EchoTime" in shown
    assert "Cannot be decided Demo, Älder rule “Short echo”" in page(coordinator, "home")


def test_the_list_and_a_rule_cost_a_bounded_number_of_queries(
    coordinator: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rule = saved("series.EchoTime < 5")
    for number in range(1, 9):
        rules.judge_route(arrived(number))
    with django_assert_max_num_queries(20):
        page(coordinator, "rule", rule.pk)


def test_the_api_gives_rules_to_those_who_write_them_and_verdicts_of_visible_exams(
    cast: Cast, signed_in: SignedIn
) -> None:
    saved()
    route, elsewhere = arrived(), arrived(2, called_ae="LIVER")
    for one in (route, elsewhere):
        rules.judge_route(one)
    enrol_complete_exams()
    rules_of = signed_in(cast.coordinator).get("/api/rules/").json()
    assert [one["expression"] for one in rules_of["results"]] == [MR]
    assert signed_in(cast.reader).get("/api/rules/").status_code == 403
    [verdict] = signed_in(cast.reader).get("/api/rule-verdicts/").json()["results"]
    assert (verdict["outcome"], verdict["rule"], verdict["version"]) == ("matched", "A rule", 1)
    assert verdict["exam"] == route.exam.study_instance_uid
    asked = f"/api/rule-verdicts/?exam={elsewhere.exam.study_instance_uid}"
    assert signed_in(cast.reader).get(asked).json()["results"] == []
    assert len(signed_in(cast.outsider).get(asked).json()["results"]) == 1
    assert Exam.objects.count() == 2
