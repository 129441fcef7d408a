"""What a reader measured in the viewer, saved to the read as a report."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError, transaction
from django.test import Client
from pydicom import dcmread

from dicom_ingest.models import Series
from inference import orders
from portal.audit.models import Entry
from portal.models import User
from studies.models import Read, ReadReport, Study
from studies.reading import measurements
from studies.reading.measurements import ReportRefused, keep_report
from studies.reading.reads import ReadRefused
from tests.studies.blinding.conftest import MakeScene
from tests.studies.blinding.makers import EARLIER, NAME, TRACES, Scene, scan
from tests.studies.blinding.saved_reports import report_on

pytestmark = pytest.mark.django_db
DRAWN = [
    {"values": [{"name": "Length", "value": 48.3043651441932, "unit": "mm"}]},
    {
        "values": [
            {"name": "Long Axis", "value": 37.7814470471708, "unit": "mm"},
            {"name": "Short Axis", "value": 25.1876313647805, "unit": "mm"},
        ]
    },
]


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene()


def saved(scene: Scene, read: Read) -> ReadReport:
    report, original = report_on(scene.instances[0])
    return keep_report(read, report, by=scene.reader, original=original)


def test_a_report_is_kept_with_the_read_as_it_came_and_under_the_exams_own_uids(scene: Scene) -> None:
    kept = saved(scene, scene.read())
    _, original = report_on(scene.instances[0])
    path = Path(settings.OVERREAD_STORE) / kept.original
    assert (path.read_bytes(), kept.sha256) == (original, hashlib.sha256(original).hexdigest())
    assert kept.measurements == DRAWN
    [file] = orders.files_of([kept.series])
    filed = dcmread(file)
    assert (filed.StudyInstanceUID, filed.PatientName, filed.PatientID) == (
        scene.exam.study_instance_uid,
        NAME,
        "MRN-4711",
    )
    referenced = {str(one.value) for one in filed.iterall() if one.keyword == "ReferencedSOPInstanceUID"}
    assert referenced == {scene.instances[0].SOPInstanceUID}
    assert filed.SOPInstanceUID != kept.sent_uid
    [entry] = Entry.objects.filter(action="measurements saved")
    assert entry.detail["count"] == 2


def test_a_report_reaches_no_list_of_the_exams_images_and_no_other_read(scene: Scene, client: Client) -> None:
    kept = saved(scene, scene.read())
    assert kept.series.origin == Series.Origin.MEASURED
    assert kept.series not in Series.objects.for_everybody()
    other = User.objects.create_user("another")
    scene.study.memberships.create(user=other, role="reader")
    theirs = scene.read(reader=other)
    client.force_login(other)
    answer = client.get(f"/reads/{theirs.pk}/dicomweb/series")
    assert len(answer.json()) == 1
    assert client.get(f"/reads/{kept.read_id}/measurements/").status_code == 404
    assert "saved" not in client.get(f"/reads/{theirs.pk}/measurements/").content.decode()


def test_the_readers_page_says_what_is_saved(scene: Scene, client: Client) -> None:
    read = scene.read()
    client.force_login(scene.reader)
    assert "measurements saved" not in client.get(f"/reads/{read.pk}/").content.decode()
    kept = saved(scene, read)
    for address in (f"/reads/{read.pk}/", f"/reads/{read.pk}/measurements/"):
        page = client.get(address).content.decode()
        assert "2 measurements saved" in page
        assert f"{kept.made_at:%H:%M}</time>" in page
        assert not [word for word in TRACES if word not in ("Overread", "vendor") and word in page]


def test_the_cases_page_shows_them_to_who_is_unblinded_alone(scene: Scene, client: Client) -> None:
    saved(scene, scene.read())
    names = {"governance": "board", "scientist": "science", "qc": "check"}
    people = {role: User.objects.create_user(name) for role, name in names.items()}
    for role, user in people.items():
        scene.study.memberships.create(user=user, role=role)
    shown = {}
    for role, user in people.items():
        client.force_login(user)
        shown[role] = (
            "Long Axis 37.8 mm, Short Axis 25.2 mm" in client.get("/studies/liver-masks/cases/1/").content.decode()
        )
    assert shown == {"governance": True, "scientist": False, "qc": False}


def test_what_is_sent_twice_is_kept_once_and_each_further_report_replaces(scene: Scene) -> None:
    read = scene.read()
    assert saved(scene, read) == saved(scene, read)
    assert ReadReport.objects.count() == 1
    again, original = report_on(scene.instances[1])
    again.SOPInstanceUID = "1.2.3.4.5"
    newest = keep_report(read, again, by=scene.reader, original=original)
    assert measurements.reports_of(read).first() == newest
    assert ReadReport.objects.count() == 2
    with pytest.raises(DatabaseError), transaction.atomic():
        ReadReport.objects.update(measurements=[])


def test_what_cannot_be_kept_is_refused_in_words_and_leaves_nothing(scene: Scene) -> None:
    read = scene.read()
    elsewhere, bytes_of = report_on(scan(EARLIER)[0])
    with pytest.raises(ReportRefused, match="of other images than this read shows"):
        keep_report(read, elsewhere, by=scene.reader, original=bytes_of)
    prior, _ = report_on(scene.instances[0])
    for element in prior.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            element.value = "1.2.3"
    with pytest.raises(ReportRefused, match="not of this case, such as an earlier exam's"):
        keep_report(read, prior, by=scene.reader, original=b"")
    empty, _ = report_on(scene.instances[0])
    del empty.ContentSequence[-1]
    with pytest.raises(ReportRefused, match="0 measurements are in it"):
        keep_report(read, empty, by=scene.reader, original=b"")
    with pytest.raises(ReportRefused, match="is no measurement report"):
        keep_report(read, scene.instances[0], by=scene.reader, original=b"")
    assert not ReadReport.objects.exists()


def test_a_report_is_of_its_reader_while_the_read_is_open(scene: Scene) -> None:
    read = scene.read()
    with pytest.raises(Read.DoesNotExist):
        report, original = report_on(scene.instances[0])
        keep_report(read, report, by=User.objects.create_user("somebody"), original=original)
    Study.objects.filter(pk=scene.study.pk).update(stage=Study.Stage.LOCKED)
    with pytest.raises(ReadRefused, match="takes no answers now"):
        saved(scene, read)
    Study.objects.filter(pk=scene.study.pk).update(stage=Study.Stage.ACTIVE)
    with pytest.raises(ReportRefused, match="not open"):
        saved(scene, scene.read("machine", state=Read.State.ASSIGNED))
    folder = Path(settings.OVERREAD_STORE) / "deposits"
    assert not [*folder.iterdir()]
    assert not Series.objects.filter(origin=Series.Origin.MEASURED).exists()
