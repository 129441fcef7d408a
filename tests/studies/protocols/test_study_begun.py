"""A study is begun: from a template, from a file, by the command."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from studies.models import Study
from studies.protocols import protocol
from studies.protocols.protocol_document import document_of, parse, to_yaml
from tests.conftest import Cast
from tests.studies.conftest import SignIn
from tests.studies.protocols.protocol_pages import Posted, page, said, text_of
from tests.studies.protocols.written_protocols import read_protocol


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
