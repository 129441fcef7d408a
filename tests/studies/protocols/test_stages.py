"""The steps between stages, and everything that may stand in their way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from dicom_ingest.models import AETitle
from inference import pipeline
from inference.models import RegisteredModel
from inference.stage_models import Stage as ModelStage
from portal.access import Role
from portal.models import User
from studies.models import Membership, StageChange, Study, TruthVersion
from studies.protocols import protocol, stages
from studies.protocols.stages import StageRefused, obstacles
from studies.refusals import ProtocolRefused
from tests.studies.protocols.written_protocols import FORM, READ, read_protocol

pytestmark = pytest.mark.django_db
Stage = Study.Stage


@pytest.fixture
def coordinator(db: None) -> User:
    return User.objects.create_user("coordinator")


@pytest.fixture
def ready(coordinator: User) -> Study:
    """A study in draft that lacks nothing."""
    study = protocol.begin(read_protocol(), slug="hip", by=coordinator)
    _member(study, "expert", Role.READER, reader_role="expert")
    return study


def _member(study: Study, name: str, role: Role, **more: str) -> Membership:
    return Membership.objects.create(study=study, user=User.objects.create_user(name), role=role, **more)


def _say(study: Study, **other: Any) -> None:
    version = protocol.draft(study)
    assert version
    protocol.save(version, read_protocol(**other), by=None)


def test_a_study_goes_all_its_stages_and_keeps_who_took_each_step(ready: Study, coordinator: User) -> None:
    assert obstacles(ready, Stage.PILOT) == obstacles(ready, Stage.ACTIVE) == []
    stages.start_pilot(ready, by=coordinator)
    pilot = protocol.current(ready)
    assert pilot.is_frozen
    stages.activate(ready, by=coordinator)
    assert protocol.current(ready) == pilot
    stages.lock(ready, by=coordinator)
    stages.reopen(ready, reason="Three cases came late.", by=coordinator)
    stages.lock(ready, by=coordinator)
    TruthVersion.objects.create(
        study=ready, number=1, source="import", made_by=coordinator, locked_by=coordinator, locked_at=ready.created_at
    )
    stages.close(ready, by=coordinator)
    assert ready.stage == Stage.CLOSED
    told = [(one.before, one.after, one.reason, one.made_by) for one in reversed(StageChange.objects.all())]
    assert told == [
        ("draft", "pilot", "", coordinator),
        ("pilot", "active", "", coordinator),
        ("active", "locked", "", coordinator),
        ("locked", "active", "Three cases came late.", coordinator),
        ("active", "locked", "", coordinator),
        ("locked", "closed", "", coordinator),
    ]


def test_an_amendment_written_in_the_pilot_is_what_activation_freezes(ready: Study) -> None:
    stages.start_pilot(ready, by=None)
    amended = protocol.amend(ready, reason="The pilot showed it.", by=None, protocol=read_protocol(title="Hips"))
    stages.activate(ready, by=None)
    assert protocol.current(ready) == amended
    assert ready.title == "Hips"


def test_an_amendment_is_put_in_force_when_nothing_stands_in_its_way(ready: Study) -> None:
    stages.activate(ready, by=None)
    protocol.amend(ready, reason="Why not.", by=None, protocol=read_protocol(irb_number=""))
    with pytest.raises(StageRefused, match="IRB number"):
        stages.put_in_force(ready, by=None)
    _say(ready, title="Hips")
    assert stages.put_in_force(ready, by=None).number == 2
    with pytest.raises(ProtocolRefused, match="no amendment"):
        stages.put_in_force(ready, by=None)


STEPS: dict[str, Callable[[Study], object]] = {
    "start_pilot": lambda study: stages.start_pilot(study, by=None),
    "activate": lambda study: stages.activate(study, by=None),
    "lock": lambda study: stages.lock(study, by=None),
    "reopen": lambda study: stages.reopen(study, reason="Because.", by=None),
    "close": lambda study: stages.close(study, by=None),
}
ALLOWED = {
    Stage.DRAFT: {"start_pilot", "activate"},
    Stage.PILOT: {"activate"},
    Stage.ACTIVE: {"lock"},
    Stage.LOCKED: {"reopen", "close"},
    Stage.CLOSED: set[str](),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("stage", Stage)
def test_only_the_next_steps_of_a_stage_are_taken(stage: Stage, step: str, ready: Study) -> None:
    _say(ready, reference={"source": "none"}, endpoints=[])
    if stage != Stage.DRAFT:
        protocol.freeze(ready.protocols.get(), by=None)
        ready.stage = stage
        ready.save()
    if step in ALLOWED[stage]:
        if step == "activate":
            return  # what it asks beyond this is tried below
        STEPS[step](ready)
        assert ready.stage != stage
        return
    with pytest.raises(StageRefused, match=f"The study is {stage.label.lower()}"):
        STEPS[step](ready)
    assert Study.objects.get(pk=ready.pk).stage == stage


def test_opening_again_needs_a_reason(ready: Study) -> None:
    stages.activate(ready, by=None)
    stages.lock(ready, by=None)
    with pytest.raises(StageRefused, match="Say why"):
        stages.reopen(ready, reason=" ", by=None)


@pytest.mark.parametrize(
    ("other", "to", "sentence", "place"),
    [
        ({"pipelines": [{"name": "hip-fracture", "digest": "ab" * 32}]}, Stage.PILOT, "in another version",
         "#arms"),
        ({"pipelines": [{"name": "nowhere"}], "arms": [{"key": "ai", "label": "AI", "findings": {"kind": "pipeline",
         "pipeline": "nowhere"}}]}, Stage.PILOT, 'The pipeline "nowhere" is not installed', "#arms"),
        ({"pipelines": [*READ["pipelines"], {"name": "liver-transplant"}]}, Stage.PILOT,
         'No arm has its findings from the pipeline "liver-transplant"', "#arms"),
        ({"arms": [{"key": "ai", "label": "Vendor", "findings": {"kind": "table"}}], "pipelines": []}, Stage.PILOT,
         'The arm "Vendor" has no findings', "#arms"),
        ({"design": {"kind": "standalone"}, "arms": [], "pipelines": [], "endpoints": []}, Stage.PILOT,
         "No arm is judged yet", "#arms"),
        ({"forms": [FORM | {"sections": []}], "endpoints": []}, Stage.PILOT, 'The form "reading" cannot be asked',
         "#forms"),
        ({"endpoints": [READ["endpoints"][0] | {"question": "luck"}]}, Stage.PILOT, 'the question "luck"',
         "#endpoints"),
        ({"disagreement": {"question": "luck", "form": "reading"}}, Stage.PILOT, "What counts as disagreement",
         "#design"),
        ({"disagreement": {"question": "fracture", "form": "reading"}}, Stage.PILOT, "there is no adjudicator",
         "study-members"),
        ({"quality_control": {"required": True}}, Stage.PILOT, "there is no QC reviewer", "study-members"),
        ({"reader_roles": [*READ["reader_roles"], {"key": "novice", "label": "Novice"}], "arms": [*READ["arms"],
         {"key": "hand", "label": "By hand", "findings": {"kind": "people", "reader_role": "novice"}}]}, Stage.PILOT,
         'No reader has the role "Novice"', "study-members"),
        ({"reference": {"source": "none"}}, Stage.PILOT, 'The endpoint "Sensitivity" needs a reference standard',
         "#reference"),
        ({"reference": {"source": "none"}, "design": {"kind": "standalone"}, "endpoints": []}, Stage.PILOT,
         "judged against a reference standard", "#reference"),
        ({"reference": {"source": "import"}}, Stage.PILOT, "Name what the truth of a case says", "#reference"),
        ({"reference": {"source": "panel", "answers": ["fracture"]}}, Stage.PILOT, "The panel has no form",
         "#reference"),
        ({"question": ""}, Stage.ACTIVE, "The question that the study answers", "#about"),
        ({"irb_number": ""}, Stage.ACTIVE, "The IRB number is missing", "#about"),
        ({"endpoints": []}, Stage.ACTIVE, "No endpoint is the primary one", "#endpoints"),
        ({"sample_size": {"cases": 0}}, Stage.ACTIVE, "How many cases", "#endpoints"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_with_the_place_where_it_is_mended(
    ready: Study, other: dict[str, Any], to: Stage, sentence: str, place: str
) -> None:
    _say(ready, **other)
    [found] = [one for one in obstacles(ready, to) if sentence in one.sentence]
    assert place == (f"#{found.section}" if found.section else found.page)
    with pytest.raises(StageRefused) as refused:
        (stages.start_pilot if to == Stage.PILOT else stages.activate)(ready, by=None)
    assert found in refused.value.obstacles
    assert protocol.in_force(ready) is None


def test_what_activation_asks_does_not_hold_up_a_pilot(ready: Study) -> None:
    _say(ready, irb_number="", question="", endpoints=[], sample_size={"cases": 0})
    stages.start_pilot(ready, by=None)
    assert ready.stage == Stage.PILOT
    assert len(obstacles(ready, Stage.ACTIVE)) == 4


def test_nobody_reads_yet(coordinator: User) -> None:
    study = protocol.begin(read_protocol(), slug="hip", by=coordinator)
    told = [one.sentence for one in obstacles(study, Stage.PILOT)]
    assert told == [
        "Nobody reads yet: invite readers.",
        'No reader has the role "Expert". Invite one, or give it to one.',
    ]


def test_a_withdrawn_reader_reads_no_more(ready: Study) -> None:
    ready.memberships.filter(role=Role.READER).update(withdrawn_at=ready.created_at)
    assert "Nobody reads yet: invite readers." in [one.sentence for one in obstacles(ready, Stage.PILOT)]


def test_an_ae_title_that_is_taken_switched_off_or_for_priors_stands_in_the_way(ready: Study) -> None:
    other = protocol.begin(read_protocol(), slug="other", by=None)
    assert "already that of another study" in obstacles(other, Stage.PILOT)[0].sentence
    AETitle.objects.create(title="OFF", active=False)
    third = protocol.begin(read_protocol(arrival={"ae_title": "OFF"}), slug="third", by=None)
    assert "OFF is switched off" in obstacles(third, Stage.PILOT)[0].sentence
    priors = AETitle.objects.create(title="PRIORS")
    Study.objects.filter(pk=ready.pk).update(priors_ae_title=priors)
    fourth = protocol.begin(read_protocol(arrival={"ae_title": "PRIORS"}), slug="fourth", by=None)
    assert "Fetched priors come to" in obstacles(fourth, Stage.PILOT)[0].sentence


def test_a_retired_model_stands_in_the_way(ready: Study) -> None:
    pin = next(iter(pipeline.load_named("hip-fracture").models.values()))
    RegisteredModel.objects.create(
        name=pin.name, version=pin.version, digest=pin.sha256, backend="torchscript", stage=ModelStage.RETIRED
    )
    [found] = obstacles(ready, Stage.PILOT)
    assert found.sentence.startswith(
        f'The pipeline "hip-fracture" uses model {pin.name} {pin.version}, which is retired.'
    )


def test_a_criterion_that_today_can_no_longer_be_read_is_told(ready: Study) -> None:
    """As after a release that knows fewer functions."""
    version = ready.protocols.get()
    version.document["criteria"][1]["when"] = "exam.PatientAge >"
    version.save()
    [found] = obstacles(ready, Stage.PILOT)
    assert found.section == "arrival"
    assert found.sentence.startswith("criteria 2 when: line 1, character")


def test_locking_waits_for_an_amendment_and_closing_for_the_truth(ready: Study) -> None:
    stages.activate(ready, by=None)
    protocol.amend(ready, reason="Perhaps.", by=None)
    with pytest.raises(StageRefused, match="An amendment is being written"):
        stages.lock(ready, by=None)
    protocol.discard_draft(ready)
    stages.lock(ready, by=None)
    with pytest.raises(StageRefused, match="The reference standard is not locked yet"):
        stages.close(ready, by=None)


def test_a_blinded_study_does_not_begin_where_reads_cannot_be_blinded(ready: Study, settings: Settings) -> None:
    settings.OVERREAD_BLINDING_KEY = ""
    assert ["OVERREAD_BLINDING_KEY" in one.sentence for one in obstacles(ready, Stage.PILOT)] == [True]


def test_urgent_reads_come_first_only_where_readers_are_open(ready: Study) -> None:
    version = ready.protocols.get()
    version.document |= {"worklist": {"order": "urgent-first"}, "blinding": {"readers": "blinded"}}
    version.save()
    assert ["tells blinded readers what the AI found" in one.sentence for one in obstacles(ready, Stage.PILOT)] == [
        True
    ]
    version.document |= {"blinding": {"readers": "open"}}
    version.save()
    assert obstacles(ready, Stage.PILOT) == []
