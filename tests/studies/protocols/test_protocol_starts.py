"""What a study can start from."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from studies.models import Study
from studies.protocols import design_preview, installed_pipelines, protocol, protocol_forms, protocol_starts
from studies.protocols.design_words import DESIGNS
from studies.protocols.stages import obstacles

NAMES = sorted(file.stem for file in protocol_starts.TEMPLATES.glob("*.yaml"))


def test_there_is_a_template_of_every_design_and_of_the_three_studies() -> None:
    kinds = {one.protocol.design.kind for one in protocol_starts.templates()}
    assert kinds == {kind.value for kind in DESIGNS.kinds}
    assert {one.name for one in protocol_starts.templates() if one.is_example} == {"bts", "lts", "hfd"}
    assert any(one.protocol.disagreement for one in protocol_starts.templates() if not one.is_example)


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_a_template_lacks_nothing_but_people_and_the_boards_number(name: str) -> None:
    document = protocol_starts.from_template(name, title="Mine", ae_title="MINE")
    study = protocol.begin(document, slug="mine", by=None)
    missing = [one for one in obstacles(study, Study.Stage.ACTIVE) if one.page == "study-protocol"]
    told = {one.sentence for one in missing}
    assert all("IRB number" in one or "How many cases" in one for one in told), told
    for pipeline in document.pipelines:
        assert pipeline.name in installed_pipelines.installed()
    for form in document.forms:
        assert protocol_forms.problem(form) == ""


@pytest.mark.parametrize("name", NAMES)
def test_the_design_of_a_template_is_drawn_for_readers_where_there_are_any(name: str) -> None:
    document = protocol_starts.template(name).protocol
    drawn = design_preview.lanes(document)
    assert bool(drawn) is document.is_read
    for lane in drawn:
        assert {read.case for read in lane.reads} <= {1, 2, 3, 4}
    if drawn:
        assert len(drawn) == 3
        assert {read.case for lane in drawn for read in lane.reads} == {1, 2, 3, 4}


def test_the_aided_answer_is_drawn_after_the_unaided_one_in_the_same_sitting() -> None:
    for lane in design_preview.lanes(protocol_starts.template("one-sitting").protocol):
        for before, after in zip(lane.reads[::2], lane.reads[1::2], strict=True):
            assert (before.case, before.shows, after.shows) == (after.case, "images alone", "AI")
            assert "same sitting" in after.waits


def test_a_start_has_the_title_and_ae_title_that_were_asked_for() -> None:
    begun = protocol_starts.from_template("standalone", title="Mine", ae_title="MINE")
    assert (begun.title, begun.arrival.ae_title) == ("Mine", "MINE")
    assert begun.arms == protocol_starts.template("standalone").protocol.arms
    with pytest.raises(ValidationError):
        protocol_starts.from_template("standalone", title="", ae_title="MINE")
    with pytest.raises(protocol_starts.UnknownTemplate, match='no template "none"; there are adjudicated'):
        protocol_starts.from_template("none", title="A", ae_title="A")


def test_an_empty_start_is_in_shadow_mode_until_it_says_otherwise() -> None:
    assert protocol_starts.empty(title="Mine", ae_title="MINE").design.kind == "shadow"
