"""What a job read and made, as zip files."""

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast as typed

import pytest
from django.test import Client

from dicom_ingest import store
from inference import downloads
from inference.downloads import Entry, NothingThere, zipped
from inference.models import Job, Measurement, PipelineVersion, Result, ResultObject
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import complete, mr_slice, receive

SignIn = Callable[[User], Client]


@pytest.fixture
def job(version: PipelineVersion, study: object) -> Job:
    """A job that read two of an exam's images and made one of them, a number, and a file that is not DICOM."""
    first, second = receive(mr_slice(1), mr_slice(2, series="1.2.826.0.1.3680043.8.498.77"))
    exam = complete(first.series.exam)
    job = Job.objects.create(
        pipeline=version, exam=exam, fingerprint="a", state=Job.State.SUCCEEDED, input_series=first.series
    )
    result = Result.objects.create(job=job, exam=job.exam)
    Measurement.objects.create(result=result, name="Brain volume", value=1500.0, unit="ml")
    ResultObject.objects.create(result=result, kind="seg", series=second.series, sha256="", bytes=1, description="SEG")
    return job


def read(pieces: Iterable[bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(pieces)))


def test_the_inputs_are_the_files_as_they_were_received(job: Job) -> None:
    assert job.input_series is not None
    instance = job.input_series.instances.get()
    path = store.instance_path(
        job.exam.study_instance_uid, job.input_series.series_instance_uid, instance.sop_instance_uid
    )
    archive = read(zipped(downloads.entries(job, "inputs")))
    [name] = archive.namelist()
    assert name == f"inputs/MR-{job.input_series.series_instance_uid}/{instance.sop_instance_uid}.dcm"
    assert archive.read(name) == path.read_bytes()
    assert archive.testzip() is None


def test_the_outputs_are_every_object_and_file_and_the_numbers(job: Job, store: Path) -> None:
    nifti = store / "results" / str(job.result.pk) / "brain.nii.gz"
    nifti.parent.mkdir(parents=True)
    nifti.write_bytes(b"nifti")
    ResultObject.objects.create(
        result=job.result, kind="nifti", path=str(nifti.relative_to(store)), sha256="", bytes=5, description="NIfTI"
    )
    archive = read(zipped(downloads.entries(job, "outputs")))
    names = archive.namelist()
    assert names[0] == "results.json"
    assert names[1].startswith("outputs/MR-")
    assert archive.read("outputs/brain.nii.gz") == b"nifti"
    told = json.loads(archive.read("results.json"))
    assert told["measurements"] == [{"name": "Brain volume", "value": 1500.0, "unit": "ml", "structure": ""}]
    assert [file["kind"] for file in told["files"]] == ["seg", "nifti"]


def test_a_large_file_passes_through_in_pieces(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * (5 * downloads.PIECE + 7))
    sizes = [len(piece) for piece in zipped([Entry("large", large), Entry("small", b"y")])]
    assert max(sizes) < 2 * downloads.PIECE
    assert len(sizes) >= 6


def test_a_file_that_is_gone_is_said_before_anything_is_sent(job: Job) -> None:
    assert job.input_series is not None
    folder = store.series_folder(job.exam.study_instance_uid, job.input_series.series_instance_uid)
    next(folder.glob("*.dcm")).unlink()
    with pytest.raises(NothingThere, match="no longer in the store"):
        downloads.entries(job, "inputs")


def test_the_page_offers_and_sends_them_to_those_who_may(cast: Cast, job: Job, signed_in: SignIn) -> None:
    browser = signed_in(cast.scientist)
    page = browser.get(f"/jobs/{job.pk}/").content.decode()
    assert f'href="/jobs/{job.pk}/inputs/"' in page
    answer = browser.get(f"/jobs/{job.pk}/outputs/")
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Cache-Control"] == "no-store"
    assert f"brain-extraction-{str(job.pk)[:8]}-outputs.zip" in answer.headers["Content-Disposition"]
    assert "results.json" in read(typed(Iterable[bytes], answer)).namelist()
    reviewer = signed_in(cast.qc)
    assert "/inputs/" not in reviewer.get(f"/jobs/{job.pk}/").content.decode()
    for part in ("inputs", "outputs"):
        assert reviewer.get(f"/jobs/{job.pk}/{part}/").status_code == 404


def test_a_job_without_a_result_says_that_there_is_nothing(cast: Cast, job: Job, signed_in: SignIn) -> None:
    job.result.delete()
    Job.objects.filter(pk=job.pk).update(state=Job.State.FAILED)
    answer = signed_in(cast.scientist).get(f"/jobs/{job.pk}/outputs/", follow=True)
    assert "There is nothing to download. It has no result: it is failed." in answer.content.decode()
