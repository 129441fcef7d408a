"""A protocol begun, written, frozen and amended; and what the database refuses, whoever asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from dicom_ingest.models import AETitle
from feedback.models import Form
from portal.access import Role
from portal.audit.models import Entry
from portal.models import User
from studies.models import ProtocolVersion, StageChange, Study
from studies.protocols import protocol, stages
from studies.protocols.protocol_document import digest_of
from studies.protocols.protocol_schema import Protocol
from studies.refusals import ProtocolRefused
from tests.studies.protocols.written_protocols import FORM, read_protocol

pytestmark = pytest.mark.django_db


@pytest.fixture
def author(db: None) -> User:
    return User.objects.create_user("author")


@pytest.fixture
def begun(author: User) -> Study:
    return protocol.begin(read_protocol(), slug="hip", by=author)


@pytest.fixture
def frozen(begun: Study, author: User) -> Study:
    protocol.freeze(begun.protocols.get(), by=author)
    begun.refresh_from_db()
    return begun


def test_who_begins_a_study_coordinates_it_and_its_ae_title_takes_nothing_yet(begun: Study, author: User) -> None:
    assert begun.stage == Study.Stage.DRAFT
    assert list(begun.memberships.values_list("user", "role")) == [(author.pk, Role.COORDINATOR)]
    assert (begun.ae_title.title, begun.ae_title.active) == ("HIP", False)
    assert protocol.current(begun) == protocol.draft(begun)
    assert protocol.in_force(begun) is None


@pytest.mark.parametrize("slug", ["new", "Hip", "hip_1", "-hip", "hip--1", "", "h" * 101])
def test_a_short_name_that_no_address_can_hold_is_refused(slug: str) -> None:
    with pytest.raises(ProtocolRefused, match="cannot be a short name"):
        protocol.begin(read_protocol(), slug=slug, by=None)


def test_two_studies_do_not_share_a_short_name(begun: Study) -> None:
    with pytest.raises(ProtocolRefused, match='There is a study "hip" already'):
        protocol.begin(read_protocol(), slug="hip", by=None)


def test_a_study_that_names_anothers_ae_title_begins_with_a_stand_in_and_does_not_freeze(begun: Study) -> None:
    second = protocol.begin(read_protocol(), slug="hip-2", by=None)
    third = protocol.begin(read_protocol(), slug="hip-3", by=None)
    assert [second.ae_title.title, third.ae_title.title] == ["STUDY-1", "STUDY-2"]
    with pytest.raises(ProtocolRefused, match="HIP is that of another study"):
        protocol.freeze(second.protocols.get(), by=None)
    free = read_protocol(arrival={"ae_title": "HIP2", "quiet_seconds": 30})
    protocol.freeze(protocol.save(second.protocols.get(), free, by=None), by=None)
    second.refresh_from_db()
    assert (second.ae_title.title, second.ae_title.active) == ("HIP2", True)
    assert not AETitle.objects.filter(title="STUDY-1").exists()


def test_a_draft_leaves_no_ae_titles_behind_but_those_that_were_there(begun: Study) -> None:
    kept = AETitle.objects.create(title="SITE", pipeline="hip-fracture")
    for title in ("A", "SITE", "B"):
        draft = protocol.draft(begun)
        assert draft
        protocol.save(draft, read_protocol(arrival={"ae_title": title, "quiet_seconds": 30}), by=None)
    assert set(AETitle.objects.values_list("title", flat=True)) == {"SITE", "B"}
    kept.refresh_from_db()
    assert kept.active


def test_saving_a_draft_keeps_what_lists_ask_of_it(begun: Study, author: User) -> None:
    other = read_protocol(title="Hips", question="Why?", blinding={"readers": "open", "patient": "shown"})
    saved = protocol.save(begun.protocols.get(), other, by=author)
    begun.refresh_from_db()
    assert (begun.title, begun.question, begun.readers_are_blinded) == ("Hips", "Why?", False)
    assert saved.content == other
    assert saved.digest == digest_of(saved.document)


def test_freezing_pins_the_installed_pipelines_makes_the_forms_and_opens_the_ae_title(frozen: Study) -> None:
    version = protocol.current(frozen)
    assert version.is_frozen
    [pipeline] = version.content.pipelines
    assert len(pipeline.digest) == 64
    [form] = version.forms.all()
    assert (form.slug, form.version, frozen.form) == ("reading", 1, form)
    assert version.digest == digest_of(ProtocolVersion.objects.get(pk=version.pk).document)
    frozen.ae_title.refresh_from_db()
    assert (frozen.ae_title.active, frozen.ae_title.quiet_period_seconds) == (True, 30)


def test_a_form_that_asks_the_same_stays_the_same_version_and_another_is_the_next(frozen: Study) -> None:
    same = protocol.begin(read_protocol(arrival={"ae_title": "B"}), slug="b", by=None)
    changed = FORM | {"title": "Reading, anew"}
    other = protocol.begin(read_protocol(arrival={"ae_title": "C"}, forms=[changed]), slug="c", by=None)
    for study in (same, other):
        protocol.freeze(study.protocols.get(), by=None)
    assert sorted(Form.objects.filter(slug="reading").values_list("version", "title")) == [
        (1, "Reading"),
        (2, "Reading, anew"),
    ]


@pytest.mark.parametrize("again", [protocol.freeze, lambda version, by: protocol.save(version, read_protocol(), by=by)])
def test_a_frozen_version_is_neither_saved_nor_frozen_again(frozen: Study, again: Callable[..., object]) -> None:
    with pytest.raises(ProtocolRefused, match="Version 1 of the protocol is frozen"):
        again(protocol.current(frozen), by=None)


def test_a_protocol_with_a_form_that_cannot_be_asked_does_not_freeze(begun: Study) -> None:
    broken = protocol.save(begun.protocols.get(), read_protocol(forms=[{"name": "reading"}], endpoints=[]), by=None)
    with pytest.raises(ProtocolRefused, match='The form "reading" cannot be asked'):
        protocol.freeze(broken, by=None)
    assert not Form.objects.filter(slug="reading").exists()


def test_who_changes_a_protocol_is_put_on_record(frozen: Study) -> None:
    protocol.save(begin_another().protocols.get(), read_protocol(title="Knees", arrival={"ae_title": "KNEE"}), by=None)
    told = Entry.objects.order_by("number").values_list("action", "study", "of")
    assert list(told) == [
        ("study begun", "hip", "hip"),
        ("protocol frozen", "hip", "hip:1"),
        ("study begun", "knee", "knee"),
        ("draft of the protocol written", "knee", "knee:1"),
    ]


def test_an_amendment_says_why_and_changes_nothing_before_it_is_in_force(frozen: Study, author: User) -> None:
    frozen.stage = Study.Stage.ACTIVE
    frozen.save()
    first = protocol.current(frozen)
    with pytest.raises(ProtocolRefused, match="Say why"):
        protocol.amend(frozen, reason="  ", by=author)
    second = protocol.amend(frozen, reason="More readers came.", by=author, protocol=read_protocol(title="Hips"))
    frozen.refresh_from_db()
    assert (second.number, second.reason, second.made_by) == (2, "More readers came.", author)
    assert protocol.current(frozen) == first
    assert frozen.title == "Hip fracture"
    with pytest.raises(ProtocolRefused, match="There is an amendment already"):
        protocol.amend(frozen, reason="Another.", by=author)
    protocol.freeze(second, by=author)
    frozen.refresh_from_db()
    assert protocol.current(frozen) == second
    assert frozen.title == "Hips"


def test_an_amendment_can_be_discarded_and_a_first_draft_cannot(frozen: Study, begun: Study) -> None:
    frozen.stage = Study.Stage.PILOT
    frozen.save()
    protocol.amend(frozen, reason="Perhaps.", by=None)
    protocol.discard_draft(frozen)
    assert protocol.draft(frozen) is None
    draft = protocol.begin(read_protocol(arrival={"ae_title": "B"}), slug="b", by=None)
    for study in (frozen, draft):
        with pytest.raises(ProtocolRefused, match="no amendment to discard"):
            protocol.discard_draft(study)


@pytest.mark.parametrize("stage", [Study.Stage.DRAFT, Study.Stage.LOCKED, Study.Stage.CLOSED])
def test_only_a_study_that_takes_cases_is_amended(frozen: Study, stage: Study.Stage) -> None:
    frozen.stage = stage
    frozen.save()
    with pytest.raises(ProtocolRefused, match="a protocol is not amended"):
        protocol.amend(frozen, reason="Because.", by=None)


Tamper = Callable[[Study], object]
TAMPERING: dict[str, Tamper] = {
    "its document is updated": lambda study: study.protocols.update(document={}),
    "its digest is saved": lambda study: _set(study.protocols.get(), digest="0" * 64),
    "it is thawed": lambda study: study.protocols.update(frozen_at=None),
    "its reason is written": lambda study: study.protocols.update(reason="It was always so."),
    "it is deleted": lambda study: study.protocols.all().delete(),
    "a form is added to it": lambda study: study.protocols.get().forms.add(_form()),
    "a form is taken from it": lambda study: study.protocols.get().forms.clear(),
    "one of its forms is worded anew": lambda study: Form.objects.filter(slug="reading").update(title="Other"),
    "one of its forms asks something else": lambda study: Form.objects.filter(slug="reading").update(questions=[]),
    "its readers are unblinded": lambda study: Study.objects.update(readers_are_blinded=False),
    "its study goes back to draft": lambda study: _stages(study, "active", "draft"),
    "its study goes back to pilot": lambda study: _stages(study, "active", "pilot"),
    "its study is opened from closed": lambda study: _stages(study, "closed", "locked"),
    "its study takes a stage that there is not": lambda study: _stages(study, "finished"),
    "its study gets another short name": lambda study: _set(_stages(study, "pilot"), slug="knee"),
    "its study is deleted": lambda study: study.delete(),
    "a study begins active": lambda study: Study.objects.create(slug="k", stage="active", ae_title=_ae_title()),
    "a study without a frozen protocol is activated": lambda study: _stages(begin_another(), "active"),
    "a step between stages is rewritten": lambda study: _step(study).update(reason=""),
    "a step between stages is deleted": lambda study: _step(study).delete(),
}


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING.keys())
def test_the_database_refuses_when(tamper: Tamper, frozen: Study) -> None:
    before = list(frozen.protocols.values())
    with pytest.raises(DatabaseError), transaction.atomic():
        tamper(frozen)
    assert list(frozen.protocols.values()) == before


def test_a_locked_study_may_be_opened_again_and_a_draft_be_renamed(frozen: Study) -> None:
    _stages(frozen, "active", "locked", "active", "locked", "closed")
    assert frozen.stage == "closed"
    unfrozen = begin_another()
    _set(unfrozen, slug="elbow")
    assert Study.objects.filter(slug="elbow").exists()


def test_steps_keep_who_made_them_and_when(frozen: Study, author: User) -> None:
    _step(frozen)
    change = StageChange.objects.get()
    assert (change.before, change.after) == ("active", "locked")
    assert stages.NEXT[Study.Stage.CLOSED] == ()


def test_a_document_whose_schema_moved_on_keeps_its_digest(frozen: Study) -> None:
    version = protocol.current(frozen)
    assert Protocol.model_validate(version.document).title == "Hip fracture"
    assert digest_of(version.document) == version.digest


def _set(row: Study | ProtocolVersion, **values: object) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


def _stages(study: Study, *names: str) -> Study:
    for name in names:
        _set(study, stage=name)
    return study


def _step(study: Study) -> QuerySet[StageChange]:
    stages.lock(_stages(study, "active"), by=None)
    return StageChange.objects.all()


def _form() -> Form:
    return Form.objects.create(slug="other", title="Other", questions=[])


def _ae_title() -> AETitle:
    return AETitle.objects.create(title="OTHER")


def begin_another() -> Study:
    return protocol.begin(read_protocol(arrival={"ae_title": "KNEE"}), slug="knee", by=None)
