"""What is left of images' headers: dates moved together, texts without names, nothing that no list allows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from dicom_ingest.models import AETitle, Exam
from portal.models import User
from studies.blinding import identity, moments, salts
from studies.blinding.attributes import kept_of_images, tag_of
from studies.blinding.headers import Exposure, shown
from tests.inference.received import receive
from tests.protocols import case_of, open_study
from tests.studies.blinding.conftest import MakeScene
from tests.studies.blinding.makers import EARLIER, Scene, document, scan
from tests.studies.blinding.reached import Root

SignIn = Callable[[User], Client]
Header = dict[str, Any]


def first(header: Header, keyword: str) -> Any:
    return next(iter(header.get(tag_of(keyword), {}).get("Value", [])), None)


def images_of(root: Root, study: str | None = None) -> list[Header]:
    """The headers of the images of one exam of the read."""
    wanted = study or root.studies[0]
    return [one for one in root.json(f"/studies/{wanted}/metadata") if first(one, "Modality") == "MR"]


@pytest.fixture
def seen(make_scene: MakeScene, signed_in: SignIn) -> Callable[..., Header]:
    """The header of a read's first image under a protocol's word on patients."""

    def look(patient: str, **images: Any) -> Header:
        scene = make_scene(blinding={"readers": "blinded", "patient": patient}, images=images)
        return images_of(Root(signed_in(scene.reader), scene.read()))[0]

    return look


Seen = Callable[..., Header]


def test_a_shown_patient_is_shown_as_is_but_not_where_and_by_whom(seen: Seen) -> None:
    header = seen("shown")
    assert first(header, "PatientName") == {"Alphabetic": "Quixote^Dulcinea"}
    assert first(header, "PatientID") == "MRN-4711"
    assert first(header, "StudyDate") == "20250611"
    assert first(header, "PatientIdentityRemoved") == "NO"
    for keyword in ("InstitutionName", "StationName", "OperatorsName", "AccessionNumber", "DeviceSerialNumber"):
        assert first(header, keyword) is None


def test_a_pseudonymised_patient_keeps_sex_and_age_and_no_name(seen: Seen) -> None:
    header = seen("pseudonymised")
    assert first(header, "PatientName")["Alphabetic"].startswith("Subject^")
    assert first(header, "PatientSex") == "F"
    assert first(header, "PatientAge") == "090Y", "an age above 89 could be somebody's"
    assert first(header, "PatientBirthDate") is None
    assert first(header, "PatientIdentityRemoved") == "YES"
    codes = {item["00080100"]["Value"][0] for item in header[tag_of("DeidentificationMethodCodeSequence")]["Value"]}
    assert codes == {"113100", "113105", "113107", "113108"}


def test_a_hidden_patient_has_neither(seen: Seen) -> None:
    header = seen("hidden")
    assert first(header, "PatientName")["Alphabetic"].startswith("Hidden^")
    for keyword in ("PatientSex", "PatientAge", "PatientBirthDate", "PatientSize", "PatientWeight"):
        assert first(header, keyword) is None


@pytest.mark.parametrize("patient", ["pseudonymised", "hidden"])
def test_dates_are_moved_by_years_and_intervals_stay(seen: Seen, patient: str) -> None:
    header = seen(patient)
    day, clock = first(header, "StudyDate"), first(header, "StudyTime")
    assert day < "20240611"
    assert (day, clock) == (first(header, "AcquisitionDate"), first(header, "AcquisitionTime"))
    assert first(header, "AcquisitionDateTime") == day + clock, "and no offset from UTC"


def test_a_pseudonym_is_the_patients_own_within_a_study_and_another_elsewhere(
    scene: Scene, make_scene: MakeScene
) -> None:
    other = AETitle.objects.create(title="OTHER", quiet_period_seconds=1)
    elsewhere = open_study("other-masks", ae_title=other, **document())
    again, foreign = scene.read("vendor"), scene.read("novice")
    foreign.study, foreign.protocol = elsewhere, elsewhere.protocols.get()
    names = [identity.of(read).attributes["00100020"]["Value"][0] for read in (scene.read(), again, foreign)]
    assert names[0] == names[1] != names[2]


def test_hidden_cases_of_one_patient_cannot_be_told_to_be_that(make_scene: MakeScene, signed_in: SignIn) -> None:
    scene = make_scene(blinding={"readers": "blinded", "patient": "hidden"})
    receive(scan(EARLIER), called_ae="LIVERSTUDY")
    earlier = Exam.objects.get(study_instance_uid=EARLIER.study_instance_uid)
    second = scene.read(case=case_of(scene.study, earlier, number=2))
    client = signed_in(scene.reader)
    heads = [images_of(Root(client, read))[0] for read in (scene.read(), second)]
    for keyword in ("PatientID", "PatientName", "FrameOfReferenceUID"):
        assert first(heads[0], keyword) != first(heads[1], keyword)
    days = [date.fromisoformat(first(head, "StudyDate")) for head in heads]
    assert days[0] - days[1] != timedelta(days=190)


@pytest.mark.parametrize(("allowed", "expected"), [(0, 1), (1, 2), (5, 2)])
def test_priors_are_shown_as_far_as_the_protocol_lets(
    make_scene: MakeScene, signed_in: SignIn, allowed: int, expected: int
) -> None:
    receive(scan(EARLIER), called_ae="ELSEWHERE")
    scene = make_scene(blinding={"readers": "blinded", "patient": "pseudonymised", "priors": allowed})
    root = Root(signed_in(scene.reader), scene.read())
    assert len(root.studies) == expected
    if expected == 2:
        now, before = (images_of(root, study)[0] for study in root.studies)
        assert first(now, "StudyDescription") == "Exam"
        assert first(before, "StudyDescription") == "Earlier exam 1"
        interval = date.fromisoformat(first(now, "StudyDate")) - date.fromisoformat(first(before, "StudyDate"))
        assert interval == timedelta(days=190)
        assert first(now, "PatientID") == first(before, "PatientID")


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("AX T1 post", "AX T1 post"),
        ("AX T1 Quixote", "MR series 3"),
        ("ax t1 QUIXOTE", "MR series 3"),
        ("T1 MRN-4711", "MR series 3"),
        ("T1 Toboso protocol", "MR series 3"),
        ("T1 11.06.2025", "MR series 3"),
        ("T1 20250611", "MR series 3"),
    ],
)
def test_a_description_stays_unless_it_names_somebody(description: str, expected: str) -> None:
    header = {
        "00080060": {"vr": "CS", "Value": ["MR"]},
        "00080080": {"vr": "LO", "Value": ["Toboso"]},
        "0008103E": {"vr": "LO", "Value": [description]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Quixote^Dulcinea"}]},
        "00100020": {"vr": "LO", "Value": ["MRN-4711"]},
        "00200011": {"vr": "IS", "Value": [3]},
    }
    nobody = identity.Identity(attributes={}, shift=timedelta(), has_characteristics=False, is_hidden=True)
    told = shown(header, Exposure(salt=salts.Salt(b"k"), identity=nobody, exam="Exam"))
    assert first(told, "SeriesDescription") == expected


def test_what_is_not_what_it_says_goes() -> None:
    """A name in an allowed attribute of another kind, in a private one, or in a sequence of a vendor's."""
    header = {
        "00180024": {"vr": "PN", "Value": [{"Alphabetic": "Quixote"}]},
        "00291010": {"vr": "LO", "Value": ["Quixote"]},
        "00082218": {"vr": "SQ", "Value": [{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Quixote"}]}}]},
        "00283006": {"vr": "OW", "BulkDataURI": "/dicomweb/studies/1.2.3/bulkdata/00283006"},
        "00189074": {"vr": "DT", "Value": ["Quixote"]},
    }
    nobody = identity.Identity(attributes={}, shift=timedelta(), has_characteristics=False, is_hidden=True)
    told = json.dumps(shown(header, Exposure(salt=salts.Salt(b"k"), identity=nobody, exam="Exam")))
    assert "Quixote" not in told
    assert "1.2.3" not in told


def test_a_moment_across_midnight_keeps_date_and_time_together() -> None:
    late = {"00080022": {"vr": "DA", "Value": ["20250611"]}, "00080032": {"vr": "TM", "Value": ["233000"]}}
    told = moments.moved(late, by=timedelta(hours=1))
    assert told == {
        "00080022": {"vr": "DA", "Value": ["20250612"]},
        "00080032": {"vr": "TM", "Value": ["003000.000000"]},
    }


def test_the_list_names_nobody_and_what_it_dates_or_identifies_is_replaced() -> None:
    """By value representation: UIDs are remapped, dates and times moved, and the rest is of neither kind."""
    moved = {tag for tag, vr in kept_of_images().items() if vr in ("DA", "TM", "DT")}
    remapped = {tag for tag, vr in kept_of_images().items() if vr == "UI"}
    people = {tag for tag, vr in kept_of_images().items() if vr in ("PN", "AE", "UT", "LT", "ST", "UN")}
    assert len(moved) >= 10
    assert tag_of("FrameOfReferenceUID") in remapped
    assert people == set()
    assert all(int(tag[:4], 16) % 2 == 0 for tag in kept_of_images()), "no private attribute"


def test_without_its_key_nothing_is_blinded(settings: Settings) -> None:
    settings.OVERREAD_BLINDING_KEY = ""
    with pytest.raises(ImproperlyConfigured, match="OVERREAD_BLINDING_KEY"):
        salts.of_study("any")


def test_another_key_another_study_or_another_read_makes_another_uid(scene: Scene, settings: Settings) -> None:
    reads = scene.read(), scene.read("vendor")
    uids = {salts.of_read(slug, read.pk).remapped("1.2.3") for read in reads for slug in ("one", "other")}
    settings.OVERREAD_BLINDING_KEY = "changed"
    uids.add(salts.of_read("one", reads[0].pk).remapped("1.2.3"))
    assert len(uids) == 5
    assert {len(uid) for uid in uids} == {44}
    assert salts.of_study("one").remapped("1.2.840.10008.1.2.1") == "1.2.840.10008.1.2.1"
