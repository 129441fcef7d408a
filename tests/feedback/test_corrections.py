"""Corrected segmentations of a result's page: what is kept of them, what is measured, who may, and what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np
import pydicom
import pytest
from django.conf import settings
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils.timezone import now
from numpy.typing import NDArray
from pydicom import Dataset
from scipy import ndimage

from dicom_ingest import store
from dicom_ingest.models import Instance, Series
from feedback import correction_work, corrections
from feedback.correction_measures import compared, hausdorff95
from feedback.models import CorrectedStructure, Correction
from inference.models import Job, Result
from portal.audit.models import Entry
from portal.models import User
from studies.models import Study
from tests.conftest import Cast
from tests.feedback.corrected import (
    SPACING,
    as_bytes,
    as_viewer_saves,
    corrected_exam,
    disk,
    images,
    posted,
)

LARGER, AS_BEFORE = disk(radius=14, column=30), disk(radius=8, column=68)
DRAWN = {"Acme Liver": LARGER, "Acme Spleen": AS_BEFORE}
VOXEL_ML = float(np.prod(SPACING)) / 1000

pytestmark = pytest.mark.django_db


@pytest.fixture
def result(study: Study, cast: Cast, tmp_path: Path) -> Result:
    """Of a pipeline that drew a liver and a spleen."""
    return corrected_exam(study, tmp_path)


def save(
    client: Client,
    result: Result,
    drawn: Mapping[str, NDArray[np.uint8]] | None = None,
    *,
    changed: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Save what is drawn, with attributes of the object changed; status and sentence of the answer."""
    sent = as_viewer_saves(images(), drawn or DRAWN)
    for keyword, value in (changed or {}).items():
        setattr(sent, keyword, value)
    answer = posted(client, f"/results/{result.pk}/dicomweb", as_bytes(sent))
    return answer.status_code, answer.json().get("detail", "")


def stored(series: Series | None) -> Dataset:
    instance = Instance.objects.select_related("series__exam").get(series=series)
    return pydicom.dcmread(
        store.instance_path(
            instance.series.exam.study_instance_uid, instance.series.series_instance_uid, instance.sop_instance_uid
        )
    )


@pytest.fixture
def reader(client: Client, cast: Cast) -> Client:
    client.force_login(cast.reader)
    return client


def test_what_was_received_is_kept_and_a_copy_beside_it_in_the_sources_geometry(
    reader: Client, result: Result, cast: Cast
) -> None:
    sent = as_viewer_saves(images(), DRAWN)
    answer = posted(reader, f"/results/{result.pk}/dicomweb", as_bytes(sent))
    assert answer.status_code == 200
    assert answer.json()["00081199"]["Value"][0]["00081155"]["Value"] == [sent.SOPInstanceUID]

    made, ai = Correction.objects.get(), stored(result.segmentation)
    assert (settings.OVERREAD_STORE / made.original).read_bytes() == as_bytes(sent)
    copy = stored(made.series)
    assert made.predecessor == result.segmentation
    assert copy.SeriesInstanceUID not in (sent.SeriesInstanceUID, ai.SeriesInstanceUID)
    assert [one.SegmentedPropertyTypeCodeSequence[0].CodeValue for one in copy.SegmentSequence] == [
        "10200004",
        "78961009",
    ]
    for mine, theirs in zip(copy.SegmentSequence, ai.SegmentSequence, strict=True):
        assert mine.RecommendedDisplayCIELabValue == theirs.RecommendedDisplayCIELabValue
        assert (mine.SegmentLabel, mine.SegmentAlgorithmType) == (theirs.SegmentLabel, "SEMIAUTOMATIC")
    assert [one.PlanePositionSequence[0].ImagePositionPatient for one in copy.PerFrameFunctionalGroupsSequence] == [
        one.PlanePositionSequence[0].ImagePositionPatient for one in ai.PerFrameFunctionalGroupsSequence
    ]
    assert copy.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices == SPACING[0]
    before = copy.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert before.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == ai.SOPInstanceUID
    assert made.series is not None
    assert made.series.origin == Series.Origin.CORRECTED


def test_a_worker_measures_each_structure_beside_what_it_was(reader: Client, result: Result) -> None:
    save(reader, result)
    assert correction_work.measure_waiting() == 1
    made = Correction.objects.get()
    liver, spleen = made.structures.all()
    was, is_now = int(disk(radius=12, column=30).sum()), int(LARGER.sum())
    assert made.state == Correction.State.MEASURED
    assert (liver.label, liver.number) == ("Acme Liver", 1)
    assert liver.before_ml == pytest.approx(was * VOXEL_ML)
    assert liver.ml == pytest.approx(is_now * VOXEL_ML)
    assert liver.added_ml == pytest.approx((is_now - was) * VOXEL_ML)
    assert liver.removed_ml == 0
    assert liver.dice == pytest.approx(2 * was / (was + is_now))
    assert liver.hausdorff95_mm == pytest.approx(2, abs=0.5)
    assert (spleen.dice, spleen.hausdorff95_mm, spleen.added_ml) == (1, 0, 0)


def test_the_page_shows_the_new_volumes_once_they_are_measured(reader: Client, result: Result) -> None:
    assert "none yet" in reader.get(f"/results/{result.pk}/").content.decode()
    save(reader, result)
    part = f"/results/{result.pk}/correction/"
    assert "Measuring" in (waiting := reader.get(part).content.decode())
    assert f'hx-get="{part}"' in waiting
    correction_work.measure_waiting()
    shown = reader.get(part).content.decode()
    assert f"{LARGER.sum() * VOXEL_ML:.1f} ml" in shown
    assert "hx-trigger" not in shown.partition("correction-buttons")[0]


def test_a_later_save_counts_instead_of_the_one_before_which_stays(reader: Client, result: Result, cast: Cast) -> None:
    save(reader, result)
    save(reader, result, {"Acme Liver": LARGER})
    first, second = Correction.objects.order_by("made_at")
    assert first.replaced_by == second
    assert result.segmentation is not None
    assert corrections.current(result.segmentation, cast.reader) == second
    correction_work.measure_waiting()
    assert second.structures.get(number=2).ml == 0, "the spleen was deleted"


def test_what_is_new_gets_a_number_of_its_own_and_what_is_left_keeps_its_own(reader: Client, result: Result) -> None:
    # OHIF counts from 1 again where the first segment is gone.
    save(reader, result, {"Acme Spleen": AS_BEFORE, "Stone": disk(radius=3, column=50)})
    correction_work.measure_waiting()
    measured = {one.label: (one.number, round(one.ml, 3)) for one in Correction.objects.get().structures.all()}
    assert measured["Acme Liver"] == (1, 0.0)
    assert measured["Acme Spleen"] == (2, round(AS_BEFORE.sum() * VOXEL_ML, 3))
    assert measured["Stone"][0] == 3


def test_no_lesion_is_an_answer(reader: Client, result: Result) -> None:
    page = reader.post(f"/results/{result.pk}/correction/none/", headers={"HX-Request": "true"})
    assert page.status_code == 200
    assert "No lesion: nothing should be drawn" in page.content.decode()
    correction_work.measure_waiting()
    made = Correction.objects.get()
    assert (made.is_empty, made.series) == (True, None)
    liver = made.structures.get(number=1)
    assert (liver.ml, liver.dice, liver.hausdorff95_mm) == (0, 0, None)
    assert liver.removed_ml == pytest.approx(liver.before_ml)


def test_the_time_is_counted_from_the_editors_opening(reader: Client, result: Result) -> None:
    begun = reader.post(f"/results/{result.pk}/correction/begin/").json()
    assert begun["viewer"].startswith("/segmentation?")
    assert f"/results/{result.pk}/dicomweb" in begun["viewer"]
    content = as_bytes(as_viewer_saves(images(), DRAWN))
    posted(reader, f"/results/{result.pk}/dicomweb", content, **{"X-Overread-Opened": begun["opened"]})
    posted(reader, f"/results/{result.pk}/dicomweb", content, **{"X-Overread-Opened": begun["opened"] + "x"})
    first, second = Correction.objects.order_by("made_at")
    assert first.seconds is not None
    assert 0 < first.seconds < 30
    assert second.seconds is None, "a token that is not ours tells no time"


def test_correcting_again_goes_on_from_ones_own_copy_which_nobody_else_gets(
    reader: Client, result: Result, cast: Cast
) -> None:
    save(reader, result)
    own = Correction.objects.get().series
    assert own is not None
    begun = reader.post(f"/results/{result.pk}/correction/begin/").json()
    assert f"initialSeriesInstanceUID={own.series_instance_uid}" in begun["viewer"]
    exam = result.exam.study_instance_uid
    mine = f"/results/{result.pk}/dicomweb/studies/{exam}/series/{own.series_instance_uid}/metadata"
    assert reader.get(mine).status_code == 200
    everybodys = f"/dicomweb/studies/{exam}/series"
    assert own.series_instance_uid not in reader.get(everybodys).content.decode()
    assert reader.get(f"{everybodys}/{own.series_instance_uid}/metadata").status_code == 404
    for other in (cast.other_reader, cast.scientist):
        client = Client()
        client.force_login(other)
        assert client.get(mine).status_code == 404
        for address in (f"/dicomweb/studies/{exam}/series", f"/api/exams/{exam}/", f"/exams/{exam}/"):
            assert own.series_instance_uid not in client.get(address).content.decode()
            assert "corrected" not in client.get(address).content.decode().lower()


@pytest.mark.parametrize(
    ("changed", "status", "says"),
    [
        ({"FrameOfReferenceUID": "1.2.3"}, 409, "another frame of reference"),
        ({"StudyInstanceUID": "1.2.3"}, 409, "belongs to another exam"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.34"}, 409, "no DICOM Segmentation"),
        ({"ReferencedSeriesSequence": []}, 409, "not drawn on a series of this exam"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(
    reader: Client, result: Result, changed: Mapping[str, str], status: int, says: str
) -> None:
    answered, sentence = save(reader, result, changed=changed)
    assert answered == status
    assert says in sentence
    assert "Nothing was saved" in sentence
    assert not Correction.objects.exists()
    assert not Series.objects.filter(origin=Series.Origin.CORRECTED).exists()
    assert not list((settings.OVERREAD_STORE / "deposits").glob("*"))


def test_an_empty_mask_is_led_to_no_lesion(reader: Client, result: Result) -> None:
    sent = as_viewer_saves(images(), DRAWN)
    sent.PixelData = bytes(len(sent.PixelData))
    answer = posted(reader, f"/results/{result.pk}/dicomweb", as_bytes(sent))
    assert answer.status_code == 409
    assert "No lesion" in answer.json()["detail"]


def test_what_cannot_be_read_or_was_cut_off_or_is_too_large_is_refused(
    reader: Client, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"/results/{result.pk}/dicomweb"
    assert posted(reader, root, b"no DICOM at all").status_code == 409
    kind = 'multipart/related; type="application/dicom"; boundary="b"'
    cut = reader.generic("POST", f"{root}/studies", b"--b\r\n\r\nhalf of", content_type=kind)
    assert cut.status_code == 400
    assert "did not arrive whole" in cut.json()["detail"]
    monkeypatch.setattr("dicom_ingest.dicomweb.deposits.LARGEST", 1000)
    large = posted(reader, root, as_bytes(as_viewer_saves(images(), DRAWN)))
    assert large.status_code == 413
    assert not Correction.objects.exists()


def test_only_who_may_give_feedback_may_correct(client: Client, result: Result, cast: Cast) -> None:
    expected: dict[User, int] = {
        cast.other_reader: 200,
        cast.coordinator: 403,
        cast.governance: 403,
        cast.qc: 403,
        cast.outsider: 404,
    }
    for user, status in expected.items():
        client.force_login(user)
        assert save(client, result)[0] == status, user
        assert client.post(f"/results/{result.pk}/correction/begin/").status_code == status
    client.logout()
    assert save(client, result)[0] == 401
    assert Correction.objects.get().author == cast.other_reader


def test_a_session_needs_its_token_to_save(cast: Cast, result: Result) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.reader)
    assert save(client, result)[0] == 403
    assert not Correction.objects.exists()


def test_a_superseded_result_takes_no_correction(reader: Client, result: Result) -> None:
    Job.objects.filter(pk=result.job_id).update(state=Job.State.SUPERSEDED)
    status, sentence = save(reader, result)
    assert status == 409
    assert "A newer run has replaced this result" in sentence


def test_a_full_disk_keeps_nothing_and_says_so(reader: Client, result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dicom_ingest.store.write_durably", full)
    status, sentence = save(reader, result)
    assert status == 503
    assert "save it again later" in sentence
    assert not Correction.objects.exists()


def test_a_copy_that_cannot_be_filed_leaves_nothing_behind(
    reader: Client, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("feedback.corrections._note", broken)
    assert save(reader, result)[0] == 503
    assert not Correction.objects.exists()
    assert not Series.objects.filter(origin=Series.Origin.CORRECTED).exists()
    assert not list((settings.OVERREAD_STORE / "deposits").glob("*"))


def test_a_worker_that_died_while_measuring_is_relieved(reader: Client, result: Result) -> None:
    save(reader, result)
    dead = correction_work.claim()
    assert dead is not None
    assert correction_work.claim() is None, "somebody holds it"
    Correction.objects.update(leased_until=now() - timedelta(seconds=1))
    assert correction_work.measure_waiting() == 1
    made = Correction.objects.get()
    assert (made.state, made.attempts, made.structures.count()) == (Correction.State.MEASURED, 2, 2)
    correction_work.measure(dead)  # it was not dead after all, and comes late
    assert CorrectedStructure.objects.count() == 2


def test_what_fails_each_time_ends_with_a_reason(
    reader: Client, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(reader, result)

    def fail(_: object) -> None:
        raise RuntimeError("by the test")

    monkeypatch.setattr(correction_work, "read_segmentation", fail)
    for _ in range(correction_work.MOST_ATTEMPTS):
        Correction.objects.update(leased_until=None)
        correction_work.measure_waiting()
    made = Correction.objects.get()
    assert made.state == Correction.State.FAILED
    assert "RuntimeError" in made.problem
    assert "could not be measured" in reader.get(f"/results/{result.pk}/correction/").content.decode()


def test_a_measured_correction_is_never_changed_nor_deleted(reader: Client, result: Result) -> None:
    save(reader, result)
    for fields in ({"seconds": 1.0}, {"is_empty": True}, {"original": ""}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Correction.objects.update(**fields)
    correction_work.measure_waiting()
    with pytest.raises(DatabaseError, match="measured"), transaction.atomic():
        Correction.objects.update(state=Correction.State.MEASURING)
    with pytest.raises(DatabaseError, match="kept"), transaction.atomic():
        CorrectedStructure.objects.update(ml=0)
    with pytest.raises(DatabaseError), transaction.atomic():
        Correction.objects.all().delete()
    made = Correction.objects.get()
    with pytest.raises(DatabaseError, match="nothing is added"), transaction.atomic():
        CorrectedStructure.objects.create(
            correction=made, number=9, label="late", ml=1, before_ml=1, added_ml=0, removed_ml=0
        )


def test_a_save_is_on_record(reader: Client, result: Result, cast: Cast) -> None:
    save(reader, result)
    row = Entry.objects.get(action="corrected segmentation saved")
    assert (row.actor, row.study) == (cast.reader.username, "brain")
    assert row.detail["result"] == str(result.pk)


def test_others_corrections_are_seen_as_others_feedback_is(reader: Client, result: Result, cast: Cast) -> None:
    save(reader, result)
    correction_work.measure_waiting()
    assert corrections.newest_outside_reads(result, cast.reader) is not None
    assert corrections.newest_outside_reads(result, cast.coordinator) is not None
    assert corrections.newest_outside_reads(result, cast.other_reader) is None


def test_distances_of_surfaces_are_those_of_monai() -> None:
    noise, spacing = np.random.default_rng(0), (3.0, 0.8, 0.9)
    # compute_hausdorff_distance(..., include_background=True, percentile=95, spacing=spacing) of MONAI 1.5 on the same.
    for expected in (4.386342525482178, 6.352952003479004, 5.028112411499023, 5.599999904632568):
        first, second = (ndimage.gaussian_filter(noise.normal(size=(24, 30, 28)), 2) > 0.03 for _ in range(2))
        assert hausdorff95(first, second, spacing=spacing) == pytest.approx(expected, rel=1e-5)


def test_two_empty_masks_have_no_dice_and_no_distance() -> None:
    nothing = np.zeros((2, 3, 4), dtype=np.bool_)
    found = compared(nothing, nothing, spacing=SPACING)
    assert (found.ml, found.dice, found.hausdorff95_mm) == (0, None, None)
