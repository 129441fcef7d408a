"""What a pipeline found, as the result page shows it."""

from collections.abc import Callable

import pytest
from django.test import Client

from dicom_ingest.models import Instance, Series
from feedback.findings import found_in
from feedback.responses import waiting_results
from inference.models import Agreement, Finding, Job, Measurement, PipelineVersion, Result, ResultObject
from portal.models import User
from tests.conftest import Cast
from tests.feedback.conftest import MakeExam, MakeResult

SignIn = Callable[[User], Client]
MakeFinding = Callable[..., Finding]


@pytest.fixture
def finding(result: Result) -> MakeFinding:
    """A box or class of the result, with the probability of each label; the first label is the one that is named."""

    def make(name: str, *, image: str = "", **probabilities: float) -> Finding:
        label = next(iter(probabilities))
        return Finding.objects.create(
            result=result,
            kind=Finding.Kind.BOX if image else Finding.Kind.CLASS,
            name=name,
            label=label,
            probability=probabilities[label],
            probabilities=probabilities,
            sop_instance_uid=image,
        )

    return make


@pytest.fixture
def triaged(result: Result) -> Result:
    """The result of a pipeline that calls a pneumothorax urgent."""
    triage = {"step": "classes", "urgent_when": ["pneumothorax"], "above": 0.5}
    PipelineVersion.objects.filter(jobs=result.job).update(definition={"outputs": {"triage": triage}})
    Result.objects.filter(pk=result.pk).update(is_urgent=True)
    return Result.objects.select_related("job__pipeline").get(pk=result.pk)


def page_of(result: Result, user: User, signed_in: SignIn) -> str:
    answer = signed_in(user).get(f"/results/{result.pk}/")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_boxes_stand_by_region_and_image_with_what_else_they_could_be(result: Result, finding: MakeFinding) -> None:
    series = Series.objects.create(exam=result.exam, series_instance_uid="1.2.77", modality="DX")
    for uid, number in (("1.2.77.1", 2), ("1.2.77.2", 1)):
        Instance.objects.create(
            series=series,
            sop_instance_uid=uid,
            sop_class_uid="1.2",
            transfer_syntax_uid="1.2",
            instance_number=number,
            sha256="",
            size=1,
        )
    finding("right hip", image="1.2.77.1", fracture=0.8, hardware=0.005, normal=0.195)
    finding("left hip", image="1.2.77.1", normal=0.9, fracture=0.1)
    finding("right hip", image="1.2.77.2", normal=0.7, fracture=0.3)
    right, left = found_in(result).regions
    assert (right.name, left.name) == ("right hip", "left hip")
    assert [(row.where, row.found.label) for row in right.rows] == [("image 1", "normal"), ("image 2", "fracture")]
    assert [(other.label, other.percent) for other in right.rows[1].others] == [("normal", 19.5)]


def test_images_that_each_have_a_series_are_told_apart_by_its_number(result: Result, finding: MakeFinding) -> None:
    for number in (2, 1):
        series = Series.objects.create(
            exam=result.exam, series_instance_uid=f"1.2.77.{number}", modality="DX", series_number=number
        )
        uid = f"1.2.77.{number}.1"
        Instance.objects.create(
            series=series,
            sop_instance_uid=uid,
            sop_class_uid="1.2",
            transfer_syntax_uid="1.2",
            instance_number=1,
            size=1,
        )
        finding("left hip", image=uid, normal=0.9)
    finding("left hip", image="1.2.99", normal=0.9)
    [left] = found_in(result).regions
    assert [row.where for row in left.rows] == ["series 1", "series 2", ""]


def test_classes_stand_by_probability_and_the_urgent_one_is_marked(triaged: Result, finding: MakeFinding) -> None:
    finding("chest finding", pneumothorax=0.93, normal=0.01, effusion=0.4)
    found = found_in(triaged)
    [card] = found.classes
    assert [(row.label, row.is_most, row.is_urgent) for row in card.rows] == [
        ("pneumothorax", True, True),
        ("effusion", False, False),
        ("normal", False, False),
    ]
    assert [(cause.label, cause.percent) for cause in found.causes] == [("pneumothorax", 93.0)]


def test_the_page_shows_findings_urgency_and_notes(
    cast: Cast, triaged: Result, finding: MakeFinding, signed_in: SignIn
) -> None:
    finding("chest finding", pneumothorax=0.934, normal=0.066)
    Result.objects.filter(pk=triaged.pk).update(notes="No earlier exam to compare with.")
    page = page_of(triaged, cast.reader, signed_in)
    assert "Urgent: pneumothorax 93 %" in page
    assert 'width="93.4%"' in page
    assert "93.4 %" in page
    assert "No earlier exam to compare with." in page
    assert "Demonstration model" not in page


def test_a_demonstration_is_named_on_the_page(cast: Cast, result: Result, signed_in: SignIn) -> None:
    PipelineVersion.objects.filter(jobs=result.job).update(definition={"demonstration": True})
    assert "Demonstration model, not for clinical use" in page_of(result, cast.reader, signed_in)


def test_agreement_is_told_from_both_sides_while_both_are_current(
    cast: Cast, result: Result, make_result: MakeResult, signed_in: SignIn
) -> None:
    mindgrab = PipelineVersion.objects.create(
        name="mindgrab", version="1", digest="e" * 64, title="Brain extraction (MindGrab)", definition={}
    )
    other = make_result(result.exam, 1390.0, pipeline=mindgrab)
    Agreement.objects.create(first=result, second=other, structure="Brain", dice=0.9573, first_ml=1400, second_ml=1390)
    here = page_of(result, cast.reader, signed_in)
    assert "Brain: Dice <strong>0.957</strong> with" in here
    assert f'<a href="/results/{other.pk}/">Brain extraction (MindGrab)</a>' in here
    assert "1 400.0 ml here" in here
    assert "1 390.0 ml here" in page_of(other, cast.reader, signed_in)
    Job.objects.filter(pk=other.job_id).update(state=Job.State.SUPERSEDED)
    assert "Agreement" not in page_of(result, cast.reader, signed_in)


def test_many_measurements_are_a_line_each(cast: Cast, result: Result, signed_in: SignIn) -> None:
    assert "card-line" not in page_of(result, cast.reader, signed_in)
    for name in ("Left lobe volume", "Right lobe volume"):
        Measurement.objects.create(result=result, name=name, value=500.0, unit="ml")
    page = page_of(result, cast.reader, signed_in)
    assert page.count('<details class="card-line"') == 3
    assert "Left lobe volume" in page


def test_files_are_offered_to_those_who_may_download(cast: Cast, result: Result, signed_in: SignIn) -> None:
    ResultObject.objects.create(
        result=result, kind="seg", series=result.segmentation, sha256="", bytes=2048, description="Segmentation"
    )
    assert f'href="/jobs/{result.job_id}/outputs/"' in page_of(result, cast.scientist, signed_in)
    assert "/outputs/" not in page_of(result, cast.reader, signed_in)


@pytest.mark.parametrize(
    ("kinds", "opened"), [(["sr", "capture"], "capture"), (["pdf", "rtstruct"], "rtstruct"), (["pdf", "sr"], None)]
)
def test_without_a_segmentation_the_viewer_opens_with_what_shows_the_most(
    cast: Cast, result: Result, signed_in: SignIn, kinds: list[str], opened: str | None
) -> None:
    Result.objects.filter(pk=result.pk).update(segmentation=None)
    uids = {kind: f"1.2.88.{place}" for place, kind in enumerate(kinds)}
    for kind, uid in uids.items():
        series = Series.objects.create(exam=result.exam, series_instance_uid=uid, modality="OT", origin="derived")
        ResultObject.objects.create(result=result, kind=kind, series=series, sha256="", bytes=1, description=kind)
    named = page_of(result, cast.reader, signed_in).partition("initialSeriesInstanceUID=")[2].partition('"')[0]
    assert named == (uids[opened] if opened else "")


def test_an_urgent_result_is_the_next_to_judge(cast: Cast, make_exam: MakeExam, make_result: MakeResult) -> None:
    make_result(make_exam(None))
    urgent = make_result(make_exam(None))
    Result.objects.filter(pk=urgent.pk).update(is_urgent=True)
    assert waiting_results(cast.reader).first() == urgent
