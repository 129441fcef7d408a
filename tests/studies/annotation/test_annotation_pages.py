"""An annotator's read as a page: what it says, what it takes, and that nobody else finds it."""

from __future__ import annotations

import html
import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pydicom import dcmread

from inference.models import Job
from portal.models import User
from studies.annotation import dealing, starting
from studies.models import ArmMask, Read
from studies.protocols import protocol
from studies.reading import reading_progress, reads
from tests.studies.annotation.conftest import MakeBench
from tests.studies.annotation.makers import Bench, affine_of, file_of, nifti
from tests.studies.blinding.makers import TRACES, box

pytestmark = pytest.mark.django_db


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def said(response: object) -> str:
    return html.unescape(" ".join(response.content.decode().split()))  # type: ignore[attr-defined]


def mask_file(bench: Bench, *, name: str = "mask.nii") -> SimpleUploadedFile:
    content = file_of(nifti(box(), affine_of(bench.instances))).getvalue()
    return SimpleUploadedFile(name, content)


@pytest.fixture
def read(liver: Bench) -> Read:
    return liver.given()


@pytest.fixture
def annotator(liver: Bench) -> Client:
    return client_of(liver.annotator)


def test_the_worklist_leads_to_the_page_which_says_what_to_draw(liver: Bench, annotator: Client) -> None:
    dealing.assign_in(liver.study)
    assert "Open the next read" in said(annotator.get("/"))
    shown = annotator.get("/reads/next/", follow=True)
    assert shown.redirect_chain[-1][0].endswith("/annotation/")
    page = said(shown)
    for words in ("Draw: Expert", "Acme Liver", "Acme Spleen", "No mask yet", "Download the images"):
        assert words in page


def test_a_file_is_taken_shown_and_submitted(liver: Bench, read: Read, annotator: Client) -> None:
    shown = said(
        annotator.post(f"/reads/{read.pk}/annotation/upload/", {"file": mask_file(liver), "claim": read.claim})
    )
    assert "Uploaded as NIfTI" in shown and "0.1 ml" in shown and "absent" in shown
    form = {"claim": read.claim, "answer-mask": "drawn", "answer-notes": "blurred", "active": "7"}
    assert annotator.post(f"/reads/{read.pk}/annotation/submit/", form).headers["Location"] == "/"
    assert liver.finding() is not None
    assert "Your mask is submitted" in said(annotator.get(f"/reads/{read.pk}/annotation/"))


def test_what_is_refused_is_said_and_what_was_entered_stays(liver: Bench, read: Read, annotator: Client) -> None:
    wrong = SimpleUploadedFile("mask.nii", b"no mask at all")
    shown = said(annotator.post(f"/reads/{read.pk}/annotation/upload/", {"file": wrong, "claim": read.claim}))
    assert "neither DICOM nor NIfTI" in shown
    form = {"claim": read.claim, "answer-mask": "drawn", "answer-notes": "half done"}
    refused = annotator.post(f"/reads/{read.pk}/annotation/submit/", form)
    assert refused.status_code == 409
    assert "There is no mask yet" in said(refused) and "half done" in said(refused)


def test_another_window_takes_the_claim(liver: Bench, read: Read, annotator: Client) -> None:
    reads.open_read(read.pk, by=liver.annotator)
    shown = said(
        annotator.post(f"/reads/{read.pk}/annotation/upload/", {"file": mask_file(liver), "claim": read.claim})
    )
    assert "opened in another window" in shown and not ArmMask.objects.exists()


def test_nobody_else_finds_it_and_no_other_read_is_found_there(liver: Bench, read: Read) -> None:
    for user in (liver.coordinator, liver.reader):
        assert client_of(user).get(f"/reads/{read.pk}/annotation/").status_code == 404
    assert client_of(liver.annotator).post(f"/reads/{read.pk}/submit/", {"answer-mask": "drawn"}).status_code == 404


def test_the_images_are_downloaded_blinded(liver: Bench, read: Read, annotator: Client) -> None:
    answer = annotator.get(f"/reads/{read.pk}/annotation/images/")
    packed = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = archive.namelist()
        assert len(names) == len(liver.instances)
        assert dcmread(io.BytesIO(archive.read(names[0]))).ImagePositionPatient is not None
    assert not [trace for trace in TRACES if trace.encode() in packed]


def test_a_starting_mask_is_asked_for_and_followed(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make_bench(start="acme-liver")
    Job.objects.update(state=Job.State.FAILED, reason="Out of memory.")
    read, annotator = bench.given(), client_of(bench.annotator)
    shown = said(annotator.get(f"/reads/{read.pk}/annotation/"))
    assert "could not be made" in shown and "Out of memory" not in shown
    shown = said(annotator.post(f"/reads/{read.pk}/annotation/start/"))
    assert "is being made: queued" in shown and "every 2s" in shown
    Job.objects.update(state=Job.State.SUCCEEDED)
    assert starting.of(read).result is not None  # type: ignore[union-attr]
    assert "The starting mask lies over the images" in said(annotator.get(f"/reads/{read.pk}/annotation/mask/"))


def test_who_runs_the_study_sees_what_waits_and_uploads_for_others(liver: Bench) -> None:
    coordinator = client_of(liver.coordinator)
    assert "Waits for an annotator" in said(coordinator.get("/studies/masks/cases/1/"))
    progress = reading_progress.progress_of(liver.study, protocol.current(liver.study))
    assert [(one.lacking, one.drawing) for one in progress.awaited] == [(1, 0)]
    assert "1 enrolled case waits for the mask of “Expert”" in said(coordinator.get("/studies/masks/reads/"))
    dealing.assign_in(liver.study)
    assert "With annotator, assigned" in said(coordinator.get("/studies/masks/cases/1/"))
    form = {"arm": "expert", "file": mask_file(liver, name="theirs.nii"), "made_by": "Dr Away"}
    shown = said(coordinator.post("/studies/masks/cases/1/mask/", form, follow=True))
    assert "The mask is the finding of Expert now" in shown and "for Dr Away" in shown


def test_what_is_no_mask_is_refused_on_the_cases_page(liver: Bench) -> None:
    form = {"arm": "expert", "file": SimpleUploadedFile("x.nii", b"x" * 400)}
    shown = said(client_of(liver.coordinator).post("/studies/masks/cases/1/mask/", form, follow=True))
    assert "Expert: The file is neither DICOM nor NIfTI" in shown
    assert client_of(liver.reader).post("/studies/masks/cases/1/mask/", form).status_code == 404
