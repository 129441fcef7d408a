"""The pages of a protocol once it is written: stages, reading, amendments, versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.urls import reverse

from portal.access import Role
from portal.models import User
from studies.models import Membership, ProtocolVersion, Study
from studies.protocols import protocol, stages
from tests.conftest import Cast
from tests.studies.conftest import SignIn
from tests.studies.protocols.protocol_pages import form_of, page, said, save, text_of
from tests.studies.protocols.written_protocols import read_protocol


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
