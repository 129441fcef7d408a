"""Rules of response as documents: those that are shipped, a site's own, and what is wrong with one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from feedback.course import rules
from feedback.course.checks import check_rules
from feedback.course.rules import SHIPPED, read, rules_for
from inference import shipped
from inference.errors import DefinitionInvalid
from inference.pipeline import load

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, settings: Settings) -> Write:
    """A rule of the site's, the shipped one with other words."""
    settings.OVERREAD_RESPONSE_RULES = str(tmp_path)
    text = (SHIPPED / "rano-2-volume.yaml").read_text()

    def make(name: str, *changes: tuple[str, str]) -> Path:
        written = text.replace("name: rano-2-volume", f"name: {name}")
        for old, new in changes:
            assert old in written
            written = written.replace(old, new)
        file = tmp_path / f"{name}.yaml"
        file.write_text(written)
        return file

    return make


def test_the_shipped_rules_hold_and_are_for_measurements_that_exist() -> None:
    assert rules.problems() == []
    measured = {}
    for file in shipped.files():
        pipeline = load(file)
        measured[pipeline.name] = {one.name: one.unit for one in pipeline.outputs.measurements}
    for file in sorted(SHIPPED.glob("*.yaml")):
        rule = read(file)
        for target in rule.applies_to:
            named = {name: unit for name, unit in measured[target.pipeline].items() if target.names(name)}
            assert named, f"{file.name} names no measurement of {target.pipeline}"
            assert set(named.values()) == {rule.unit}


def test_a_pipelines_rules_are_those_that_name_it() -> None:
    assert [rule.name for rule in rules_for("glioma-followup")] == ["rano-2-volume", "recist-1-1"]
    assert rules_for("brain-extraction") == ()


def test_a_sites_rule_stands_first_and_takes_the_place_of_a_shipped_one(write: Write) -> None:
    write("rano-2-volume", ("40.0", "25.0"))
    write("at-our-house", ("- pipeline: glioma-followup", "- pipeline: brain-extraction"))
    assert [rule.name for rule in rules_for("brain-extraction")] == ["at-our-house"]
    first, second = rules_for("glioma-followup")
    assert (first.progression.percent, second.name) == (25.0, "recist-1-1")


def test_two_rules_of_one_digest_say_the_same(write: Write) -> None:
    shipped_one = read(SHIPPED / "rano-2-volume.yaml")
    assert read(write("rano-2-volume")).digest == shipped_one.digest
    assert read(write("rano-2-volume", ("65.0", "60.0"))).digest != shipped_one.digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("percent: 40.0", "percent: -40.0", "line 15: progression.percent"),
        ("percent: 65.0", "percent: 165.0", "partial_response.percent"),
        ("unit: ml", "unit: ml\nconfirmed: true", "confirmed: is not a field that exists here"),
        ("partial_response: {percent: 65.0}", "", "partial_response: is required and missing"),
        ("name: other", "name: another", "name: has to be other, as the file is called"),
        (
            "partial_response: {percent: 65.0}",
            "partial_response: {percent: 65.0}\nminor_response: {percent: 70.0}",
            "minor_response.percent: has to be less than a partial one",
        ),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_its_place(write: Write, old: str, new: str, said: str) -> None:
    file = write("other", (old, new))
    with pytest.raises(DefinitionInvalid, match=said.replace(".", r"\.")):
        read(file)
    (message,) = check_rules(None)
    assert (message.id, said in message.msg) == ("feedback.E002", True)


def test_a_folder_that_is_none_stops_the_portal_at_its_start(settings: Settings, tmp_path: Path) -> None:
    assert check_rules(None) == []
    settings.OVERREAD_RESPONSE_RULES = str(tmp_path / "away")
    assert [message.id for message in check_rules(None)] == ["feedback.E001"]
