"""The pages of a protocol: begun, written in sections, read, compared, amended."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from dicom_ingest.models import Exam, Route
from portal.access import Role
from portal.audit.models import Entry
from portal.models import User
from studies.models import Membership, ProtocolVersion, Study
from studies.protocols import protocol, stages
from studies.protocols.protocol_document import document_of, parse, to_yaml
from studies.protocols.protocol_sections import SECTIONS, section_of
from studies.protocols.section_editor import seen_of
from tests.conftest import Cast
from tests.dicom_ingest.scans import complete, mr_slice, receive
from tests.studies.conftest import SignIn
from tests.studies.protocols.written_protocols import READ, read_protocol

Posted = dict[str, Any]


@pytest.fixture
def author(cast: Cast, signed_in: SignIn) -> Client:
    """The coordinator of the cast, who begins studies too."""
    return signed_in(cast.coordinator)


@pytest.fixture
def draft(cast: Cast) -> Study:
    """A study in draft of the coordinator, with a reader."""
    study = protocol.begin(read_protocol(), slug="hip", by=cast.coordinator)
    Membership.objects.create(study=study, user=cast.reader, role=Role.READER, reader_role="expert")
    return study


def text_of(answer: HttpResponseBase) -> str:
    """What one reads on a page."""
    assert answer.status_code == 200
    assert isinstance(answer, HttpResponse)
    body = answer.content.decode().partition("<main")[2] or answer.content.decode()
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def page(client: Client, name: str, *args: object, query: str = "") -> str:
    return text_of(client.get(reverse(name, args=args) + query))


def said(study: Study) -> dict[str, Any]:
    version = study.protocols.first()
    assert version
    return dict(version.document)


def save(client: Client, study: Study, key: str, do: str = "", **fields: Any) -> str:
    """Post a section as its page would, with what `fields` say instead; what comes back."""
    posted = form_of(client, study, key) | fields
    if do:
        posted["do"] = do
    answer = client.post(reverse("study-protocol-section", args=[study.slug, key]), posted)
    assert answer.status_code == 200
    return answer.content.decode()


_CONTROL = re.compile(r"<input([^>]*)>|<select([^>]*)>(.*?)</select>|<textarea([^>]*)>(.*?)</textarea>", re.S)
_SECTIONS = [one.key for one in SECTIONS if one.asks]


def form_of(client: Client, study: Study, key: str) -> Posted:
    """What the browser would post of a section that nobody touched."""
    body = client.get(reverse("study-protocol", args=[study.slug])).content.decode()
    form = re.search(rf'<form class="section-form"\s+id="form-{key}".*?</form>', body, re.S)
    assert form, key
    posted: dict[str, list[str]] = {}
    for tag in re.finditer(
        r"<input([^>]*)>|<select([^>]*)>(.*?)</select>|<textarea([^>]*)>(.*?)</textarea>", form[0], re.S
    ):
        attributes = tag[1] or tag[2] or tag[4] or ""
        name = re.search(r'name="([^"]*)"', attributes)
        if name is None or ('type="checkbox"' in attributes and "checked" not in attributes):
            continue
        if tag[1] is not None:
            value = re.search(r'value="([^"]*)"', attributes)
            written = value[1] if value else "on"
        elif tag[2] is not None:
            chosen = re.search(r'<option value="([^"]*)" selected', tag[3])
            written = chosen[1] if chosen else ""
        else:
            written = tag[5]
        posted.setdefault(name[1], []).append(html.unescape(written))
    return {name: values[0] if len(values) == 1 else values for name, values in posted.items()}


# Beginning a study


def test_who_coordinates_a_study_may_begin_another_and_a_reader_may_not(cast: Cast, signed_in: SignIn) -> None:
    assert "New study" in page(signed_in(cast.coordinator), "studies")
    assert "New study" not in page(signed_in(cast.reader), "studies")
    assert signed_in(cast.reader).get(reverse("study-new")).status_code == 404


def test_djangos_permission_lets_begin_a_study_too(cast: Cast, signed_in: SignIn, db: None) -> None:
    from django.contrib.auth.models import Permission

    cast.reader.user_permissions.add(Permission.objects.get(codename="add_study"))
    assert "Start from" in page(signed_in(cast.reader), "study-new")


def test_a_study_begins_from_a_template(author: Client, cast: Cast) -> None:
    answer = author.post(
        reverse("study-new"),
        {"title": "Hüfte bei Nacht!", "ae_title": "NIGHT", "slug": "", "start": "hfd"},
        follow=True,
    )
    assert "What is still missing stands on the right" in text_of(answer)
    study = Study.objects.get(slug="hufte-bei-nacht")
    assert (study.title, study.stage, study.ae_title.title) == ("Hüfte bei Nacht!", "draft", "NIGHT")
    assert said(study)["design"]["order"] == "crossover"
    assert study.memberships.get().user == cast.coordinator


def test_a_second_study_of_one_title_gets_a_number(author: Client) -> None:
    for ae_title in ("ONE", "TWO"):
        author.post(reverse("study-new"), {"title": "Brain", "ae_title": ae_title, "slug": "", "start": ""})
    assert set(Study.objects.filter(title="Brain").values_list("slug", flat=True)) == {"brain-2", "brain-3"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"title": ""}, "This field is required"),
        ({"ae_title": "A B"}, "An AE title has 1 to 16 characters: no spaces, no backslash."),
        ({"slug": "brain"}, 'There is a study "brain" already'),
        ({"slug": "New Study"}, "cannot be a short name"),
        ({"title": "界"}, "cannot be a short name"),
    ],
)
def test_a_start_that_cannot_be_is_told_at_its_field(author: Client, given: Posted, sentence: str) -> None:
    posted = {"title": "Night", "ae_title": "NIGHT", "slug": "", "start": ""} | given
    assert sentence in text_of(author.post(reverse("study-new"), posted))
    assert not Study.objects.filter(title="Night").exists()


def test_a_study_begins_from_a_file_and_is_exported_again_byte_for_byte(author: Client) -> None:
    written = to_yaml(document_of(read_protocol())).encode()
    answer = author.post(
        reverse("study-new"),
        {"from_file": "yes", "file": SimpleUploadedFile("hip.yaml", written), "file_slug": ""},
        follow=True,
    )
    assert "The study is begun" in text_of(answer)
    exported = author.get(reverse("study-protocol-file", args=["hip-fracture"]))
    assert exported.content == written
    assert 'filename="hip-fracture-v1.yaml"' in exported["Content-Disposition"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"title: A\narrival: {ae_title: A}\nsponsors: B\n", "Line 3, sponsors: is not a field that exists here"),
        (b"\xff\xfe", "The file is not text"),
        (b"title: [", "Line 1, syntax: is not valid YAML"),
    ],
)
def test_a_file_that_is_no_protocol_is_refused_with_the_line(author: Client, content: bytes, sentence: str) -> None:
    posted = {"from_file": "yes", "file": SimpleUploadedFile("a.yaml", content), "file_slug": ""}
    assert sentence in text_of(author.post(reverse("study-new"), posted))


def test_what_one_installation_exports_another_imports_and_exports_the_same(
    db: None, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    study = protocol.begin(read_protocol(), slug="hip", by=None)
    protocol.freeze(study.protocols.get(), by=None)
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    call_command("studies", "export", "hip", "--to", str(first))
    call_command("studies", "import", str(first), "--study", "other")
    call_command("studies", "export", "other", "--to", str(second))
    assert second.read_bytes() == first.read_bytes()
    assert "digest: " + parse(first.read_text()).pipelines[0].digest in first.read_text()
    call_command("studies", "list")
    assert "hip (draft, protocol 1 frozen, exams to HIP): Hip fracture" in capsys.readouterr().out


def test_the_command_says_what_is_wrong(db: None, tmp_path: Any) -> None:
    for given, sentence in (
        (["export", "hip"], 'There is no study "hip"; there are: none'),
        (["import", str(tmp_path / "none.yaml")], "No such file"),
    ):
        with pytest.raises(CommandError, match=sentence):
            call_command("studies", *given)
    (tmp_path / "bad.yaml").write_text("title: A\n")
    with pytest.raises(CommandError, match="line 1: arrival: is required and missing"):
        call_command("studies", "import", str(tmp_path / "bad.yaml"))
    (tmp_path / "good.yaml").write_text("title: A study\narrival: {ae_title: A}\n")
    with pytest.raises(CommandError, match='There is no user "nobody"'):
        call_command("studies", "import", str(tmp_path / "good.yaml"), "--coordinator", "nobody")
    call_command("studies", "import", str(tmp_path / "good.yaml"))
    with pytest.raises(CommandError, match="has no version 7"):
        call_command("studies", "export", "a-study", "--version", "7")


# Writing


@pytest.mark.parametrize(
    "key",
    ["about", "arrival", "readers", "arms", "design", "blinding", "reference", "quality", "endpoints", "retention"],
)
def test_a_section_that_is_posted_as_it_was_drawn_changes_nothing(author: Client, draft: Study, key: str) -> None:
    before = said(draft)
    answer = save(author, draft, key)
    assert "Saved" in answer
    assert said(draft) == before


def test_what_is_typed_is_saved_and_shown_beside_the_study(author: Client, draft: Study) -> None:
    answer = save(author, draft, "about", title="Hips", question="Sooner?\r\nMore often?")
    assert '<span class="quiet">Saved</span>' in answer
    draft.refresh_from_db()
    assert (draft.title, draft.question) == ("Hips", "Sooner?\nMore often?")
    entry = Entry.objects.filter(action="draft of the protocol written").latest("number")
    assert (entry.study, entry.detail["fields"]) == ("hip", ["title", "question"])


def test_the_checklist_comes_with_every_answer(author: Client, draft: Study) -> None:
    assert "The IRB number is missing" in save(author, draft, "about", irb_number="")
    assert "The IRB number is missing" not in save(author, draft, "about", irb_number="21-1")


@pytest.mark.parametrize(
    ("key", "fields", "at", "sentence"),
    [
        ("about", {"title": " "}, "title", "Fill this in."),
        ("about", {"title": "A" * 201}, "title", "Too long: at most 200 characters fit."),
        ("arrival", {"arrival.ae_title": "A B"}, "arrival-ae_title", "An AE title has 1 to 16 characters"),
        ("arrival", {"arrival.quiet_seconds": "soon"}, "arrival-quiet_seconds", "Give a whole number."),
        ("arrival", {"arrival.quiet_seconds": "0"}, "arrival-quiet_seconds", "Give a number greater than or"),
        ("arrival", {"criteria.1.when": "exam.Modalty == 'MR'"}, "criteria-1-when", "did you mean Modality?"),
        ("arrival", {"criteria.1.when": ""}, "criteria-1-when", "Fill this in."),
        ("arms", {"arms.0.findings.pipeline": ""}, "arms-0-findings-pipeline", "Choose one."),
        ("design", {"design.washout_days": "-1"}, "design-washout_days", "Give a number greater than or equal to 0."),
        ("design", {"design.kind": "telepathy"}, "", ""),
        ("endpoints", {"endpoints.0.alpha": "1"}, "endpoints-0-alpha", "Give a number less than 1."),
        ("endpoints", {"endpoints.0.margin": "much"}, "endpoints-0-margin", "Give a number."),
        ("reference", {"reference.answers": "Fracture?"}, "reference-answers", "Small letters, digits and hyphens"),
    ],
)  # fmt: skip
def test_what_cannot_be_saved_is_told_at_its_field_and_nothing_is_kept(  # noqa: PLR0917
    author: Client, draft: Study, key: str, fields: Posted, at: str, sentence: str
) -> None:
    before = said(draft)
    if not at:
        posted = form_of(author, draft, key) | fields
        assert author.post(reverse("study-protocol-section", args=["hip", key]), posted).status_code == 404
    else:
        answer = save(author, draft, key, **fields)
        assert "Not saved" in answer
        [told] = re.findall(rf'id="f-{at}-errors"[^>]*>(.*?)</div>', answer)
        assert sentence in html.unescape(told)
    assert said(draft) == before


def test_what_concerns_a_whole_section_is_told_at_its_head(author: Client, draft: Study) -> None:
    answer = save(author, draft, "arms", do="remove:arms:0")
    assert "there is no arm" in html.unescape(answer).lower()
    assert said(draft)["arms"] == READ["arms"]


def test_a_criterion_is_added_filled_moved_and_removed(author: Client, draft: Study) -> None:
    answer = save(author, draft, "arrival", do="add:criteria")
    assert re.search(r'name="criteria\.2\.name"[^>]*autofocus', answer, re.S)
    assert len(said(draft)["criteria"]) == 2
    rows: Posted = {"criteria.rows": ["0", "1", "2"], "criteria.2.kind": "exclude"}
    save(author, draft, "arrival", **rows, **{"criteria.2.name": "Old", "criteria.2.when": 'exam.StudyDate < "2020"'})
    assert [one["name"] for one in said(draft)["criteria"]] == ["Radiographs", "Adults", "Old"]
    answer = save(author, draft, "arrival", do="up:criteria:2")
    assert re.search(r'id="up\.criteria\.1"[^>]*autofocus', answer, re.S)
    save(author, draft, "arrival", do="up:criteria:1")
    save(author, draft, "arrival", do="remove:criteria:1")
    assert [(one["name"], one["kind"]) for one in said(draft)["criteria"]] == [
        ("Old", "exclude"),
        ("Adults", "include"),
    ]


def test_a_new_arm_gets_its_key_from_its_name_and_keeps_it(author: Client, draft: Study) -> None:
    rows: Posted = {"arms.rows": ["0", "1"], "arms.1.findings.kind": "people", "arms.1.key": ""}
    answer = save(author, draft, "arms", **rows, **{"arms.1.label": "Éxpert reader"})
    assert [arm["key"] for arm in said(draft)["arms"]] == ["ai", "expert-reader"]
    assert 'id="design" ' in answer  # which names arms, and is drawn anew
    save(author, draft, "arms", **{"arms.1.label": "Somebody else"})
    assert said(draft)["arms"][1] == {
        "key": "expert-reader",
        "label": "Somebody else",
        "findings": {"kind": "people", "reader_role": ""},
    }


def test_an_arms_pipeline_becomes_one_of_the_protocols(author: Client, draft: Study) -> None:
    save(author, draft, "arms", **{"arms.0.findings.pipeline": "liver-transplant"})
    assert said(draft)["pipelines"] == [{"name": "liver-transplant", "digest": ""}]


def test_a_pipeline_in_another_version_is_let_go_of_by_a_button(author: Client, draft: Study) -> None:
    version = draft.protocols.get()
    pinned = read_protocol(pipelines=[{"name": "hip-fracture", "digest": "ab" * 32}])
    protocol.save(version, pinned, by=None)
    assert "Take the installed one" in page(author, "study-protocol", "hip")
    save(author, draft, "arms", do="installed:hip-fracture")
    assert said(draft)["pipelines"] == [{"name": "hip-fracture", "digest": ""}]


def test_another_design_asks_other_things_and_guesses_what_it_can(author: Client, draft: Study) -> None:
    answer = save(author, draft, "design", do="redraw:design.kind", **{"design.kind": "independent"})
    assert 'name="design.readers_per_case"' in answer
    assert 'name="design.aid"' not in answer
    kept = said(draft)["design"]
    assert (kept["kind"], kept["form"], kept["arms"], kept["reader_role"]) == (
        "independent",
        "reading",
        ["ai"],
        "expert",
    )


def test_adjudication_is_added_and_taken_away(author: Client, draft: Study) -> None:
    answer = save(author, draft, "design", do="with:disagreement")
    assert "Choose one." in answer
    save(author, draft, "design", **{"disagreement.present": "yes", "disagreement.question": "fracture",
         "disagreement.tolerance": "0", "disagreement.form": "reading"})  # fmt: skip
    assert said(draft)["disagreement"]["question"] == "fracture"
    save(author, draft, "design", do="without:disagreement")
    assert said(draft)["disagreement"] is None


def test_a_shipped_form_is_added_and_a_form_that_is_named_is_not_removed(author: Client, draft: Study) -> None:
    save(author, draft, "forms", do="form:segmentation-quality")
    assert [form["name"] for form in said(draft)["forms"]] == ["reading", "segmentation-quality"]
    assert "There is no form" in save(author, draft, "forms", do="remove:forms:0")
    save(author, draft, "forms", do="up:forms:1")
    save(author, draft, "forms", do="remove:forms:0")
    assert [form["name"] for form in said(draft)["forms"]] == ["reading"]


@pytest.mark.parametrize("do", ["explode:criteria:0", "add:title", "remove:criteria:9", "up:criteria:0", "form:none"])
def test_a_button_that_there_is_not_changes_nothing(author: Client, draft: Study, do: str) -> None:
    before = said(draft)
    key = "forms" if do.startswith("form:") else "arrival"
    posted = form_of(author, draft, key) | {"do": do}
    assert author.post(reverse("study-protocol-section", args=["hip", key]), posted).status_code == 404
    assert said(draft) == before


def test_what_somebody_else_changed_meanwhile_is_not_written_over(author: Client, draft: Study) -> None:
    posted = form_of(author, draft, "about") | {"title": "Mine"}
    save(author, draft, "about", title="Theirs")
    answer = author.post(reverse("study-protocol-section", args=["hip", "about"]), posted)
    assert "Somebody changed this section meanwhile" in answer.content.decode()
    assert said(draft)["title"] == "Theirs"
    assert seen_of(section_of("about"), said(draft)) in answer.content.decode()


# Criteria on past exams


def test_criteria_are_tried_on_past_exams(author: Client, cast: Cast, draft: Study, brain_ae: Any) -> None:
    [instance] = receive(mr_slice(1))
    complete(instance.series.exam)
    tried = _tried(author, draft)
    assert "Would have let in 0 of 1 past exam" in tried
    assert "Kept out" in tried
    assert "by “Radiographs”" in tried
    assert "series.Modality" in tried
    matching = {"criteria.rows": ["0"], "criteria.0.name": "MR", "criteria.0.when": 'series.Modality == "MR"'}
    assert "Would have let in 1 of 1 past exam" in _tried(author, draft, **matching)
    broken = {"criteria.rows": ["0"], "criteria.0.name": "MR", "criteria.0.when": "series.Modalty"}
    assert "Mend the criteria that are marked first" in _tried(author, draft, **broken)


def test_exams_of_others_count_and_stay_unnamed(author: Client, draft: Study) -> None:
    exam = Exam.objects.create(study_instance_uid="1.2.3", patient_name="Secret^Name")
    Route.objects.create(exam=exam, called_ae="ELSEWHERE", received_instances=1, completed_at=now())
    tried = _tried(author, draft)
    assert "Cannot be decided an exam that is not in your studies" in tried
    assert "0 of 1 past exam; 1 cannot be decided" in tried
    assert "Secret" not in tried


def _tried(client: Client, study: Study, **fields: Any) -> str:
    posted = form_of(client, study, "arrival")
    return text_of(client.post(reverse("study-criteria-preview", args=[study.slug]), posted | fields))


# Stages, reading, amending


def test_the_stage_is_taken_by_a_button_once_nothing_is_missing(author: Client, draft: Study, cast: Cast) -> None:
    assert "It freezes" not in page(author, "study-protocol", "hip")
    answer = author.post(reverse("study-stage", args=["hip"]), {"to": "pilot"}, follow=True)
    assert "The pilot has started." in text_of(answer)
    draft.refresh_from_db()
    assert draft.stage == "pilot"
    assert draft.stage_changes.get().made_by == cast.coordinator


def test_a_stage_is_not_taken_while_something_is_missing(author: Client, draft: Study) -> None:
    save(author, draft, "about", irb_number="")
    assert "1 missing" in page(author, "study-protocol", "hip")
    answer = author.post(reverse("study-stage", args=["hip"]), {"to": "active"}, follow=True)
    assert "The study stays draft. The IRB number is missing." in text_of(answer)
    answer = author.post(reverse("study-stage", args=["hip"]), {"to": "paradise"}, follow=True)
    assert 'There is no stage "paradise"' in text_of(answer)
    draft.refresh_from_db()
    assert draft.stage == "draft"


def test_a_frozen_protocol_reads_as_a_document_and_takes_no_posts(
    author: Client, draft: Study, cast: Cast, signed_in: SignIn
) -> None:
    posted = form_of(author, draft, "about")
    stages.activate(draft, by=cast.coordinator)
    shown = page(author, "study-protocol", "hip")
    for expected in (
        "Version 1, frozen",
        "Radiographs",
        "Unaided, then aided",
        "Is there a fracture?",
        "hip-fracture",
    ):
        assert expected in shown
    assert "section-form" not in author.get(reverse("study-protocol", args=["hip"])).content.decode()
    answer = author.post(reverse("study-protocol-section", args=["hip", "about"]), posted | {"title": "Other"})
    assert answer.status_code == 409
    assert said(draft)["title"] == "Hip fracture"
    Membership.objects.create(study=draft, user=cast.governance, role=Role.GOVERNANCE)
    assert "Radiographs" in page(signed_in(cast.governance), "study-protocol", "hip")
    assert signed_in(cast.reader).get(reverse("study-protocol", args=["hip"])).status_code == 404


def test_an_amendment_is_begun_with_a_reason_written_compared_and_put_in_force(
    author: Client, draft: Study, cast: Cast, signed_in: SignIn
) -> None:
    stages.activate(draft, by=cast.coordinator)
    answer = author.post(reverse("study-amend", args=["hip"]), {"reason": " "}, follow=True)
    assert "Say why the protocol changes" in text_of(answer)
    author.post(reverse("study-amend", args=["hip"]), {"reason": "A second site joins."})
    save(author, draft, "arrival", **{"arrival.quiet_seconds": "90"})
    Membership.objects.create(study=draft, user=cast.governance, role=Role.GOVERNANCE)
    board = signed_in(cast.governance)
    assert "30 s" in page(board, "study-protocol", "hip")
    shown = page(author, "study-protocol-versions", "hip")
    for expected in (
        "A second site joins.",
        "Arrival: quiet period 30 s 90 s",
        "coordinator",
        "draft",
        "Draft to active",
    ):
        assert expected in shown
    author.post(reverse("study-amendment-force", args=["hip"]))
    assert "90 s" in page(board, "study-protocol", "hip")
    assert "Both say the same" in page(author, "study-protocol-versions", "hip", query="?from=2&to=2")
    old = author.get(reverse("study-protocol-file", args=["hip"]) + "?version=1").content.decode()
    assert "quiet_seconds: 30" in old
    assert author.get(reverse("study-protocol-file", args=["hip"]) + "?version=9").status_code == 404


def test_an_amendment_can_be_discarded(author: Client, draft: Study) -> None:
    stages.activate(draft, by=None)
    author.post(reverse("study-amend", args=["hip"]), {"reason": "Perhaps."})
    answer = author.post(reverse("study-amendment-discard", args=["hip"]), follow=True)
    assert "The amendment is discarded." in text_of(answer)
    assert draft.protocols.count() == 1


def test_the_administration_only_shows_protocols(cast: Cast, signed_in: SignIn, draft: Study) -> None:
    admin = signed_in(cast.admin)
    version = ProtocolVersion.objects.get(study=draft)
    for path in (
        "study/add",
        "protocolversion/add",
        f"study/{draft.pk}/delete",
        f"protocolversion/{version.pk}/delete",
    ):
        assert admin.get(f"/admin/studies/{path}/").status_code == 403, path
    change = admin.post(f"/admin/studies/protocolversion/{version.pk}/change/", {"reason": "It was always so."})
    assert change.status_code == 403
    form = admin.get(f"/admin/studies/study/{draft.pk}/change/").content.decode()
    for name in ("title", "stage", "readers_are_blinded", "ae_title", "form"):
        assert f'name="{name}"' not in form


def test_pages_ask_as_many_questions_of_the_database_however_many_versions_there_are(
    author: Client, draft: Study, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    stages.activate(draft, by=None)
    for number in range(2, 6):
        version = protocol.amend(draft, reason="Again.", by=None, protocol=read_protocol(retention_years=number))
        protocol.freeze(version, by=None)
    for name in ("study-protocol", "study-protocol-versions"):
        with django_assert_max_num_queries(30):
            assert author.get(reverse(name, args=["hip"])).status_code == 200
    assert User.objects.exists()
