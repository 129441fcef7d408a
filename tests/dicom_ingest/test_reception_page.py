"""The reception page: who sees it, what it says, and what administrators can do there."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from dicom_ingest import rejections, spool
from dicom_ingest.completion import complete_now
from dicom_ingest.indexer import index_waiting
from dicom_ingest.models import DiscardedInstance, Exam, QuarantinedInstance, RejectedAssociation, Route
from dicom_ingest.rejections import Rejection
from dicom_ingest.tasks import forget_old_rejections
from portal.models import User
from studies.cases.enrolment import enrol_complete_exams
from tests.conftest import Cast
from tests.dicom_ingest.scanner import encoded, mr_series
from tests.dicom_ingest.waiting import filed, quarantined, spooled

SignedIn = Callable[[User], Client]
PAGE = "/reception/"


def page(client: Client, query: str = "") -> str:
    response = client.get(PAGE + query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_only_those_who_may_see_the_reception_find_it(cast: Cast, signed_in: SignedIn) -> None:
    statuses = {
        name: signed_in(getattr(cast, name)).get(PAGE).status_code
        for name in ("admin", "coordinator", "reader", "qc", "governance", "scientist", "outsider")
    }
    found = {name for name, status in statuses.items() if status == 200}
    assert found == {"admin", "coordinator"}
    assert {status for name, status in statuses.items() if name not in found} == {404}


def test_a_visitor_is_asked_to_log_in(db: None, client: Client) -> None:
    assert client.get(PAGE).headers["Location"].startswith(reverse("login"))


def test_an_empty_reception_says_what_will_show_there(cast: Cast, signed_in: SignedIn) -> None:
    shown = page(signed_in(cast.coordinator))
    assert "Nothing has arrived yet." in shown
    assert "Nothing was quarantined." in shown
    assert "Nobody was refused." in shown


def test_an_exam_of_the_users_study_is_named_and_another_is_not(cast: Cast, signed_in: SignedIn) -> None:
    own, other = mr_series(slices=1)[0], mr_series(slices=1)[0]
    own.PatientName, other.PatientName = "Demo^Own", "Demo^Other"
    filed(own)
    filed(other, called_ae="LIVER")
    for route in Route.objects.all():
        complete_now(route)
    enrol_complete_exams()
    shown = page(signed_in(cast.coordinator))
    assert "Demo, Own" in shown
    assert "Demo, Other" not in shown
    assert other.StudyInstanceUID not in shown
    assert "not in your studies" in shown
    assert "Complete" in shown
    assert "Demo, Other" in page(signed_in(cast.admin))


def test_what_was_quarantined_and_refused_is_told_in_words(cast: Cast, signed_in: SignedIn) -> None:
    quarantined(b"not DICOM")
    refusal = Rejection(called_ae="HEART", calling_ae="MODALITY", address="10.0.0.7", explanation="Not one of ours.")
    for _ in range(3):
        rejections.record(refusal)
    shown = page(signed_in(cast.coordinator))
    assert "Not DICOM" in shown
    assert "Send DICOM instances only" in shown
    assert 'HEART</td> <td class="code nowrap">MODALITY</td> <td class="code nowrap">10.0.0.7' in shown
    assert "Not one of ours." in shown
    assert '<td class="number">3</td>' in shown


def test_the_page_costs_as_many_queries_for_many_rows_as_for_few(
    cast: Cast, signed_in: SignedIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(12):
        filed(mr_series(slices=1)[0])
        quarantined(b"not DICOM")
    client = signed_in(cast.admin)
    with django_assert_max_num_queries(19):
        page(client)


def test_a_coordinator_can_do_nothing_about_the_quarantine(cast: Cast, signed_in: SignedIn) -> None:
    row = quarantined(b"not DICOM")
    filed(mr_series(slices=1)[0])
    client = signed_in(cast.coordinator)
    assert "<form" not in page(client).partition("<main")[2].partition("</main>")[0]
    for name, pk in actions(row):
        assert client.post(reverse(name, args=[pk])).status_code == 404
    assert client.get(reverse("quarantine-download", args=[row.pk])).status_code == 404
    assert QuarantinedInstance.objects.filter(pk=row.pk).exists()
    assert not Route.objects.get().is_complete


def actions(row: QuarantinedInstance) -> list[tuple[str, int]]:
    return [
        ("quarantine-retry", row.pk),
        ("quarantine-discard", row.pk),
        ("reception-complete", Route.objects.get().pk),
    ]


def test_nothing_changes_by_following_a_link(cast: Cast, signed_in: SignedIn) -> None:
    row = quarantined(b"not DICOM")
    filed(mr_series(slices=1)[0])
    client = signed_in(cast.admin)
    assert {client.get(reverse(name, args=[pk])).status_code for name, pk in actions(row)} == {405}


def test_an_administrator_files_an_instance_again(cast: Cast, signed_in: SignedIn) -> None:
    row = quarantined(b"not DICOM")
    client = signed_in(cast.admin)
    answered = client.post(reverse("quarantine-retry", args=[row.pk]), follow=True)
    assert "The instance is filed again" in answered.content.decode()
    assert "being filed again" in answered.content.decode()
    assert [path.name for path in spool.waiting()] == [row.file_name]
    again = client.post(reverse("quarantine-retry", args=[row.pk]), follow=True)
    assert "is being filed already" in again.content.decode()


def test_an_administrator_discards_an_instance(cast: Cast, signed_in: SignedIn) -> None:
    row = quarantined(b"not DICOM")
    client = signed_in(cast.admin)
    answered = client.post(reverse("quarantine-discard", args=[row.pk]), {"why": "A phantom"}, follow=True)
    assert "was discarded" in answered.content.decode()
    assert "Nothing was quarantined." in answered.content.decode()
    assert "“A phantom”" in answered.content.decode()


def test_nothing_is_discarded_without_a_reason(cast: Cast, signed_in: SignedIn) -> None:
    row = quarantined(b"not DICOM")
    answered = signed_in(cast.admin).post(reverse("quarantine-discard", args=[row.pk]), {"why": " "}, follow=True)
    assert "say why" in answered.content.decode()
    assert QuarantinedInstance.objects.filter(pk=row.pk).exists()


def test_what_is_being_filed_again_cannot_be_discarded(cast: Cast, signed_in: SignedIn) -> None:
    row = quarantined(b"not DICOM")
    client = signed_in(cast.admin)
    client.post(reverse("quarantine-retry", args=[row.pk]))
    answered = client.post(reverse("quarantine-discard", args=[row.pk]), {"why": "?"}, follow=True)
    assert "is being filed again" in answered.content.decode()
    assert QuarantinedInstance.objects.filter(pk=row.pk).exists()
    assert not DiscardedInstance.objects.exists()


def test_the_quarantine_is_shown_by_reason(cast: Cast, signed_in: SignedIn) -> None:
    quarantined(b"not DICOM")
    quarantined(encoded(mr_series(slices=1)[0])[:-100])
    client = signed_in(cast.coordinator)
    assert "Truncated 1" in page(client)
    assert "Send DICOM instances only" in page(client, "?reason=not-dicom")
    assert "send the instance again" not in page(client, "?reason=not-dicom")
    assert "Nothing is quarantined for this reason" in page(client, "?reason=bad-uid")


def test_the_pages_of_a_filtered_quarantine_keep_the_filter(cast: Cast, signed_in: SignedIn) -> None:
    rows = (QuarantinedInstance(reason="bad-uid", explanation="?", file_name=f"{n}.dcm", size=1) for n in range(51))
    QuarantinedInstance.objects.bulk_create(rows)
    assert "?reason=bad-uid&amp;page=2" in page(signed_in(cast.coordinator), "?reason=bad-uid")


def test_the_figures_keep_themselves_current(cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.coordinator)
    address = re.search(r'hx-get="([^"]+)"', page(client))
    assert address is not None
    assert client.get(address[1]).status_code == 204
    spooled(mr_series(slices=1)[0])
    waiting = client.get(address[1]).content.decode()
    assert "1 file<" in waiting
    assert "oldest <time" in waiting
    index_waiting()
    assert "1 instance " in " ".join(client.get(address[1]).content.decode().split())


@pytest.mark.django_db
def test_old_refusals_are_forgotten() -> None:
    for days, title in ((91, "OLD"), (89, "RECENT")):
        RejectedAssociation.objects.create(
            called_ae=title, calling_ae="X", address="10.0.0.7", explanation="?", last_at=now() - timedelta(days=days)
        )
    forget_old_rejections()
    assert [one.called_ae for one in RejectedAssociation.objects.all()] == ["RECENT"]


def test_an_administrator_downloads_the_bytes_as_they_are(cast: Cast, signed_in: SignedIn) -> None:
    row = quarantined(b"not DICOM")
    response = signed_in(cast.admin).get(reverse("quarantine-download", args=[row.pk]))
    assert response["Content-Type"] == "application/octet-stream"
    assert "attachment" in response["Content-Disposition"]
    assert b"".join(response).endswith(b"not DICOM")


def test_a_download_of_what_is_being_filed_again_is_not_found(cast: Cast, signed_in: SignedIn) -> None:
    row = quarantined(b"not DICOM")
    client = signed_in(cast.admin)
    client.post(reverse("quarantine-retry", args=[row.pk]))
    assert client.get(reverse("quarantine-download", args=[row.pk])).status_code == 404


def test_an_administrator_completes_an_exam(cast: Cast, signed_in: SignedIn) -> None:
    filed(mr_series(slices=1)[0])
    client = signed_in(cast.admin)
    complete = reverse("reception-complete", args=[Route.objects.get().pk])
    assert "The exam is complete" in client.post(complete, follow=True).content.decode()
    assert Route.objects.get().is_complete
    assert "complete already" in client.post(complete, follow=True).content.decode()


@pytest.mark.parametrize(
    "model", ["aetitle", "exam", "route", "series", "instance", "quarantinedinstance", "rejectedassociation"]
)
def test_the_administration_lists_everything_and_edits_ae_titles_only(
    model: str, cast: Cast, signed_in: SignedIn
) -> None:
    filed(mr_series(slices=1)[0])
    quarantined(b"not DICOM")
    client = signed_in(cast.admin)
    assert client.get(reverse(f"admin:dicom_ingest_{model}_changelist")).status_code == 200
    editable = client.get(reverse(f"admin:dicom_ingest_{model}_add")).status_code == 200
    assert editable == (model == "aetitle")


def test_an_exam_is_looked_at_but_not_changed_in_the_administration(cast: Cast, signed_in: SignedIn) -> None:
    filed(mr_series(slices=1)[0])
    exam = Exam.objects.get()
    client = signed_in(cast.admin)
    change = reverse("admin:dicom_ingest_exam_change", args=[exam.pk])
    assert client.get(change).status_code == 200
    assert client.post(change, {"patient_name": "Else"}).status_code == 403
    assert client.post(reverse("admin:dicom_ingest_exam_delete", args=[exam.pk])).status_code == 403
