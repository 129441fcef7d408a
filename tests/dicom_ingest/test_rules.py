"""Rules: how they are saved, what they say of exams that complete, and how they are mended."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from dicom_ingest import rule_files, rule_trial, rules, store
from dicom_ingest.completion import complete_now
from dicom_ingest.judging import Outcome
from dicom_ingest.models import Exam, Route, Rule, RuleVerdict
from dicom_ingest.rule_files import RuleFileInvalid
from dicom_ingest.rule_models import verdicts_since
from tests.dicom_ingest.scans import FLAIR, ROOT, mr_slice, receive

pytestmark = pytest.mark.django_db

MR = 'series.Modality == "MR"'


def saved(expression: str = MR, *, name: str = "A rule", active: bool = True, **content: Any) -> Rule:
    return rules.save(Rule(name=name, expression=expression, active=active, **content), by=None)


def arrived(number: int = 1, *, called_ae: str = "BRAIN", **attributes: Any) -> Route:
    """An exam of one image that is complete on `called_ae`."""
    study = f"{ROOT}.{number}"
    [instance] = receive(mr_slice(1, study=study, series=f"{study}.1", **attributes), called_ae=called_ae)
    route = Route.objects.get(exam=instance.series.exam, called_ae=called_ae)
    complete_now(route)
    route.refresh_from_db()
    return route


def outcomes(route: Route) -> list[str]:
    return [verdict.outcome for verdict in rules.judge_route(route)]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"expression": 'series.Modalty == "MR"'}, "did you mean Modality?"),
        ({"expression": 'series.Modality == "MR'}, "line 1, character 20"),
        ({"pipelines": ["brain-extractoin"]}, 'Did you mean "brain-extraction"?'),
        ({"called_ae_titles": ["A\\B"]}, "1 to 16 printable"),
    ],
)
def test_a_rule_that_could_not_work_is_not_saved(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as refused:
        rules.save(Rule(**({"name": "A rule", "expression": MR} | wrong)), by=None)
    assert reason in " ".join(refused.value.messages)
    assert not Rule.objects.exists()


def test_a_change_of_what_it_says_is_a_new_version_and_of_its_name_none() -> None:
    rule = saved()
    rule.name = "Another name"
    rules.save(rule, by=None)
    assert rule.version == 1
    rule.expression = 'series.Modality == "CT"'
    rules.save(rule, by=None)
    assert rule.version == 2
    assert [version.expression for version in rule.versions.order_by("number")] == [MR, rule.expression]


def test_activation_starts_the_counts_anew() -> None:
    rule = saved()
    rules.judge_route(arrived())
    since = rule.activated_at
    assert since is not None
    assert verdicts_since(rule, since).count() == 1
    for active in (False, True):
        rule.active = active
        rules.save(rule, by=None)
    assert rule.activated_at is not None
    assert rule.activated_at > since
    assert verdicts_since(rule, rule.activated_at).count() == 0


def test_an_exam_is_asked_about_by_the_active_rules_of_its_ae_title() -> None:
    saved(name="inactive", active=False)
    saved(name="elsewhere", called_ae_titles=["LIVER"])
    saved(name="here", called_ae_titles=["BRAIN", "LIVER"])
    saved(name="everywhere")
    rules.judge_route(arrived())
    assert {str(verdict.version.rule) for verdict in RuleVerdict.objects.all()} == {"here", "everywhere"}


def test_a_rule_knows_where_the_exam_came_from() -> None:
    saved(
        'called_ae == "BRAIN" && calling_ae == "SCANNER" && instance.Rows == 12 && exam.StudyDescription == "MR Brain"'
    )
    assert outcomes(arrived()) == [Outcome.MATCHED]


def test_a_missing_attribute_is_an_error_that_stays_until_the_rule_is_mended() -> None:
    rule = saved('series.StationName == "MR1"')
    route = arrived()
    assert outcomes(route) == [Outcome.ERROR]
    [verdict] = RuleVerdict.objects.needing_attention()
    assert verdict.explanation == 'Series 1 "T1 3D": the series lacks StationName'

    rule.expression = 'has(series.StationName) && series.StationName == "MR1"'
    rules.save(rule, by=None)
    Route.objects.update(dispatched_at=now())
    assert rules.judge_again(rule) == 1
    assert not Route.objects.filter(dispatched_at__isnull=False).exists()
    assert outcomes(route) == [Outcome.NOT_MATCHED]
    assert not RuleVerdict.objects.needing_attention().exists()
    assert [one.version.number for one in RuleVerdict.objects.of_exam(route.exam)] == [2]
    assert RuleVerdict.objects.count() == 2


def test_what_an_inactive_rule_could_not_decide_needs_nobody() -> None:
    rule = saved('series.StationName == "MR1"')
    rules.judge_route(arrived())
    rule.active = False
    rules.save(rule, by=None)
    assert not RuleVerdict.objects.needing_attention().exists()


def test_a_lost_header_is_an_error_of_every_rule() -> None:
    saved()
    route = arrived()
    instance = route.instances.get()
    store.header_path(
        route.exam.study_instance_uid, instance.series.series_instance_uid, instance.sop_instance_uid
    ).unlink()
    [verdict] = rules.judge_route(route)
    assert verdict.outcome == Outcome.ERROR
    assert "cannot be read (FileNotFoundError)" in verdict.explanation


def test_judging_the_same_completion_twice_leaves_one_verdict() -> None:
    saved()
    route = arrived()
    rules.judge_route(route)
    rules.judge_route(route)
    assert RuleVerdict.objects.count() == 1


def test_a_late_series_makes_a_new_verdict() -> None:
    saved('series.SeriesDescription == "FLAIR"')
    route = arrived()
    assert outcomes(route) == [Outcome.NOT_MATCHED]
    receive(mr_slice(1, study=route.exam.study_instance_uid, series=FLAIR, SeriesNumber=2, SeriesDescription="FLAIR"))
    complete_now(route)
    route.refresh_from_db()
    assert outcomes(route) == [Outcome.MATCHED]
    [last] = RuleVerdict.objects.of_exam(route.exam)
    assert RuleVerdict.objects.count() == 2
    assert last.explanation == 'Series 2 "FLAIR": series.SeriesDescription is "FLAIR"'


# Trials


def test_a_trial_says_of_the_last_exams_which_would_match_and_why_not_the_others() -> None:
    for number in range(1, 6):
        arrived(number, SeriesDescription="T1" if number % 2 else "T2")
    trial = rule_trial.try_rule(Rule(expression='series.SeriesDescription == "T1"'), until=now(), seconds=9, exams=4)
    assert (trial.total, trial.end, trial.is_over) == (4, 4, True)
    assert [line.exam.study_instance_uid for line in trial.lines] == [f"{ROOT}.{number}" for number in (5, 4, 3, 2)]
    assert (trial.count(Outcome.MATCHED), trial.count(Outcome.NOT_MATCHED)) == (2, 2)
    assert '(series.SeriesDescription is "T2")' in trial.lines[1].judgement.explanation
    assert not RuleVerdict.objects.exists()


def test_a_trial_asks_of_each_exam_by_every_way_it_came_that_the_rule_applies_to() -> None:
    arrived(1)
    arrived(1, called_ae="LIVER")
    arrived(2)
    everywhere, liver = Rule(expression='called_ae == "LIVER"'), Rule(expression=MR, called_ae_titles=["LIVER"])
    assert rule_trial.try_rule(everywhere, until=now(), seconds=9).count(Outcome.MATCHED) == 1
    assert rule_trial.try_rule(liver, until=now(), seconds=9).total == 1


def test_a_long_trial_comes_in_portions_that_make_up_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_trial, "BATCH", 2)
    for number in range(1, 6):
        arrived(number)
    until, seen, start = now(), [], 0
    arrived(9)
    while True:
        portion = rule_trial.try_rule(Rule(expression=MR), until=until, start=start, seconds=0)
        seen += [line.exam.study_instance_uid for line in portion.lines]
        start = portion.end
        if portion.is_over:
            break
    assert seen == [f"{ROOT}.{number}" for number in (5, 4, 3, 2, 1)]


def test_a_trial_costs_as_many_queries_for_many_exams_as_for_few(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(1, 13):
        arrived(number)
    with django_assert_max_num_queries(6):
        assert rule_trial.try_rule(Rule(expression=MR), until=now(), seconds=9).total == 12


# The worked examples, on headers such as scanners write

BRAIN_TUMOUR = {"Modality": "MR", "StationName": "MR1", "ProtocolName": "BRAIN TUMOR W/WO"}
LIVER = {"Modality": "CT", "ContrastBolusAgent": "Iohexol", "BodyPartExamined": "ABDOMEN"}
PELVIS = {"Modality": "DX", "StationName": "ED-XR2", "BodyPartExamined": "PELVIS"}
CASES = [
    ("brain-tumour-mr", BRAIN_TUMOUR, Outcome.MATCHED),
    ("brain-tumour-mr", BRAIN_TUMOUR | {"StationName": "MR3"}, Outcome.NOT_MATCHED),
    ("brain-tumour-mr", BRAIN_TUMOUR | {"ProtocolName": "KNEE"}, Outcome.NOT_MATCHED),
    ("brain-tumour-mr", BRAIN_TUMOUR | {"ProtocolName": None}, Outcome.ERROR),
    ("brain-tumour-mr", LIVER, Outcome.NOT_MATCHED),
    ("liver-ct", LIVER, Outcome.MATCHED),
    ("liver-ct", LIVER | {"BodyPartExamined": None, "ProtocolName": "Liver 3 phase"}, Outcome.MATCHED),
    ("liver-ct", LIVER | {"ContrastBolusAgent": None}, Outcome.NOT_MATCHED),
    ("liver-ct", LIVER | {"BodyPartExamined": "CHEST"}, Outcome.NOT_MATCHED),
    ("liver-ct", PELVIS, Outcome.NOT_MATCHED),
    ("pelvis-xray", PELVIS, Outcome.MATCHED),
    ("pelvis-xray", PELVIS | {"Modality": "CR", "StationName": "ED-XR1", "BodyPartExamined": "HIP"}, Outcome.MATCHED),
    ("pelvis-xray", PELVIS | {"StationName": "WARD-XR"}, Outcome.NOT_MATCHED),
    ("pelvis-xray", PELVIS | {"BodyPartExamined": "CHEST"}, Outcome.NOT_MATCHED),
    ("pelvis-xray", PELVIS | {"StationName": None}, Outcome.ERROR),
]


@pytest.mark.parametrize(("example", "attributes", "outcome"), CASES)
def test_the_worked_examples_do_what_they_say(example: str, attributes: dict[str, Any], outcome: Outcome) -> None:
    rule = rule_files.examples()[example]
    rule.active = True
    rules.save(rule, by=None)
    given = {keyword: value for keyword, value in attributes.items() if value is not None}
    assert outcomes(arrived(**given)) == [outcome]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("rules", *arguments, stdout=out, verbosity=0)
    return out.getvalue()


def test_a_rule_is_imported_inactive_and_again_as_a_new_version(tmp_path: Path) -> None:
    file = tmp_path / "rule.yaml"
    file.write_text(f"name: From a file\nexpression: '{MR}'\npipelines: [brain-extraction]\n")
    assert run("check", str(file)).endswith("is valid.\n")
    assert run("import", str(file)) == 'Rule "From a file" is stored as version 1.\n'
    rule = Rule.objects.get()
    assert not rule.active
    rule.active = True
    rules.save(rule, by=None)
    file.write_text("name: From a file\nexpression: 'true'\n")
    assert run("import", str(file)) == 'Rule "From a file" is stored as version 2.\n'
    assert run("list") == "From a file (version 2, active): no pipeline\n"


def test_a_rule_is_tried_on_the_command_line(tmp_path: Path) -> None:
    arrived(1)
    arrived(2, Modality="CT")
    file = tmp_path / "rule.yaml"
    file.write_text(f"name: Tried\nexpression: '{MR}'\n")
    assert "It would match 1 of 2 exams." in run("try", str(file))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: [", "is not YAML"),
        ("just text", "expected the fields name"),
        ("name: a\nexpresion: b", 'there is no field "expresion"'),
        ("name: a", "expression must be a text"),
        ("name: a\nexpression: 'true'\npipelines: one", "pipelines must be a list of texts"),
        ("name: a\nexpression: series.Modalty == 'x'", "did you mean Modality?"),
    ],
)
def test_a_file_that_holds_no_rule_is_refused_with_the_reason(text: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "rule.yaml"
    file.write_text(text)
    with pytest.raises(CommandError) as refused:
        run("import", str(file))
    assert reason in str(refused.value)
    assert not Rule.objects.exists()


def test_a_file_that_is_not_there_is_said_so() -> None:
    with pytest.raises(CommandError, match="No such file"):
        run("check", "/nowhere.yaml")


def test_every_example_is_read_and_none_names_a_pipeline_that_is_not_here() -> None:
    assert sorted(rule_files.examples()) == ["brain-tumour-mr", "liver-ct", "pelvis-xray"]
    for rule in rule_files.examples().values():
        rule.full_clean()


def test_a_broken_file_names_itself(tmp_path: Path) -> None:
    file = tmp_path / "rule.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RuleFileInvalid, match=r"rule\.yaml"):
        rule_files.read(file)


def test_exams_stay_when_nobody_asks(db: None) -> None:
    route = arrived()
    assert outcomes(route) == []
    assert Exam.objects.count() == 1
