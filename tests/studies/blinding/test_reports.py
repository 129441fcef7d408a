"""Reports made anew: findings and boxes where they were, alike for all arms, and no word of who made them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from django.test import Client
from highdicom import sr
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from inference.writers.sr import make_report
from portal.models import User
from studies.blinding import findings, preparation
from studies.blinding.errors import Unshowable
from tests.inference.writers.runs import hips_and_chest, verdict
from tests.inference.writers.sources import radiographs
from tests.studies.blinding.conftest import MakeScene
from tests.studies.blinding.makers import PATIENT, Scene, sent
from tests.studies.blinding.reached import Root
from tests.studies.blinding.test_every_byte import salted, traces_in

SignIn = Callable[[User], Client]
BOXES = [(10.0, 20.0, 40.0, 50.0), (60.0, 20.0, 90.0, 50.5)]
FRACTURE = Code("72704001", "SCT", "Broken, says DeepHepar")


def images() -> list[Dataset]:
    return radiographs(2, patient=PATIENT)


def vendors_report(made_of: Sequence[Dataset], boxes: Sequence[tuple[float, ...]] = BOXES) -> Dataset:
    """Boxes from another corner, in another order, by another maker."""
    groups = [
        sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(hd.UID(), f"Vendorsoft {number}"),
            referenced_region=sr.ImageRegion(
                "POLYLINE",
                np.array([(right, bottom), (left, bottom), (left, top), (right, top), (right, bottom)]),
                sr.SourceImageForRegion(made_of[0].SOPClassUID, made_of[0].SOPInstanceUID),
            ),
            finding_type=FRACTURE,
            algorithm_id=sr.AlgorithmIdentification(name="DeepHepar", version="VS-9"),
        )
        for number, (left, top, right, bottom) in enumerate(boxes)
    ]
    device = sr.DeviceObserverIdentifyingAttributes(uid=hd.UID(), name="DeepHepar", manufacturer_name="Vendorsoft")
    observer = sr.ObserverContext(codes.DCM.Device, device)
    return sr.ComprehensiveSR(
        evidence=made_of,
        content=sr.MeasurementReport(
            observation_context=sr.ObservationContext(observer_device_context=observer),
            procedure_reported=Code("168537006", "SCT", "Plain radiography"),
            imaging_measurements=groups,
        ),
        series_instance_uid=hd.UID(),
        series_number=55,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Vendorsoft",
        manufacturer_model_name="DeepHepar",
    )


def served(root: Root) -> list[Dataset]:
    found = []
    for row in root.series("SR"):
        at = f"/studies/{root.studies[0]}/series/{row['0020000E']['Value'][0]}"
        sop = root.json(f"{at}/instances")[0]["00080018"]["Value"][0]
        answer = root.get(f"{at}/instances/{sop}", "application/dicom; transfer-syntax=*")
        found.append(pydicom.dcmread(BytesIO(answer.body)))
    return sorted(found, key=lambda one: int(one.SeriesNumber))


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene(instances=images())


def told(report: Dataset, tmp_path: Path) -> findings.Report:
    file = tmp_path / f"{report.SOPInstanceUID}.dcm"
    report.save_as(file)
    return findings.of_reports([file])


def test_the_boxes_of_our_own_report_are_shown_on_the_reads_images(
    scene: Scene, signed_in: SignIn, tmp_path: Path
) -> None:
    scene.finding("machine", sent(make_report(hips_and_chest(scene.instances))))
    root = Root(signed_in(scene.reader), scene.read("machine"))
    (report,) = served(root)
    found = told(report, tmp_path)
    boxes = sorted(region.points[0] + region.points[2] for one in found.findings for region in one.regions)
    assert boxes == [(10.0, 20.0, 40.0, 50.0), (30.0, 30.0, 70.0, 60.0), (60.0, 20.0, 90.0, 50.5)]
    shown = {row["00080018"]["Value"][0] for row in root.json("/instances") if row["00080060"]["Value"] == ["DX"]}
    assert {region.sop for one in found.findings for region in one.regions} <= shown
    assert "Fracture" in found.words.values(), "one arm alone keeps its words for a code"


def test_a_report_is_valid_and_names_nobody(scene: Scene, signed_in: SignIn, tmp_path: Path) -> None:
    scene.finding("vendor", sent(vendors_report(scene.instances)))
    scene.finding("novice", sent(vendors_report(scene.instances)))
    root = Root(signed_in(scene.reader), scene.read("vendor"))
    (report,) = served(root)
    file = tmp_path / "report.dcm"
    report.save_as(file)
    said = verdict(file)
    assert [line for line in said.splitlines() if line.startswith("Error")] == []
    for answer in root.everything():
        assert traces_in(answer.all, scene) == [], answer.asked


def test_the_same_findings_of_two_makers_are_byte_for_byte_the_same_but_for_salted_ids(
    scene: Scene, signed_in: SignIn
) -> None:
    scene.finding("vendor", sent(vendors_report(scene.instances)))
    scene.finding("novice", sent(vendors_report(scene.instances, BOXES[::-1])))
    client = signed_in(scene.reader)
    heard = []
    for arm in ("vendor", "novice"):
        root = Root(client, scene.read(arm))
        (series,) = root.series("SR")
        at = f"/studies/{root.studies[0]}/series/{series['0020000E']['Value'][0]}"
        heard.append([salted(root.get(at + below).all) for below in ("/metadata", "/instances")])
    assert heard[0] == heard[1]


def test_a_report_on_an_image_that_is_not_shown_makes_the_case_unshowable(scene: Scene) -> None:
    foreign: Any = images()
    for image in foreign:
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = hd.UID()
    scene.finding("vendor", sent(vendors_report(foreign)))
    with pytest.raises(Unshowable, match=r'report of arm "vendor" draws on image'):
        preparation.prepare(scene.read("vendor"))
