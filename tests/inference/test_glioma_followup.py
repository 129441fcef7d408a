"""The pipeline glioma-followup, with its own weights, on demonstration exams whose truth is known."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from dicom_ingest.headers import exam_header, series_header_of_dataset
from inference import artifacts, graph, pipeline
from inference.graph import Outputs, Sources
from inference.operators.loading import load_volume
from inference.operators.registration import align_prior, register_to_prior, volume_outside_prior
from inference.operators.values import (
    EarlierResult,
    History,
    Image,
    Mask,
    Measurement,
    PriorSeries,
    SourceSeries,
)
from inference.overlap import dice
from inference.selection import select_series
from inference.training.mr_contrasts import FLAIR
from portal.demo import glioma_exams
from portal.demo.assets import TissueMaps, fetch_tissue_maps
from portal.demo.glioma_exams import VISITS, Visit
from tests.inference.real_brain import CACHE
from tests.inference.series import mr_series

SMALLEST, GROWN = VISITS[2], VISITS[4]


def quiet(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def maps() -> TissueMaps:
    return fetch_tissue_maps(CACHE / "volumes", quiet)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for pin in pipeline.load_named("glioma-followup").models.values():
        artifacts.fetch(artifacts.shipped_manifest(pin.name, pin.version), folder)
    return folder


def flair_of(visit: Visit, maps: TissueMaps, folder: Path) -> SourceSeries:
    exam = glioma_exams.write_visit(visit, maps, folder, quiet)
    return SourceSeries.from_files(sorted(exam.folder.glob("02-*.dcm")))


def measured(outputs: Outputs) -> dict[str, float]:
    return {one.name: one.value for one in outputs.measurements}


@pytest.mark.model
def test_two_visits_are_measured_as_they_were_drawn_and_the_second_progresses(
    maps: TissueMaps, models_dir: Path, tmp_path: Path
) -> None:
    chosen = pipeline.load_named("glioma-followup")
    first_series = flair_of(SMALLEST, maps, tmp_path)
    first = graph.execute(chosen, Sources(first_series), models_dir=models_dir)
    assert first.classifications[0].label == "baseline"
    assert not first.is_urgent
    assert any("first exam" in note for note in first.notes)

    found = {name: Measurement(value, "ml") for name, value in measured(first).items() if name == "Lesion volume"}
    history = History((EarlierResult(date(2025, 3, 5), found),))
    last_series = flair_of(GROWN, maps, tmp_path)
    sources = Sources(last_series, PriorSeries(first_series), history)
    last = graph.execute(chosen, sources, models_dir=models_dir)
    assert last.classifications[0].label == "progression"
    assert last.is_urgent
    course = next(step for step in chosen.steps if step.operator == "course-of-volume")
    assert course.parameters["growth"] == "40 %"

    truths = [
        Mask(load_volume(series).with_array(glioma_exams.drawn(visit, maps, FLAIR).lesion))
        for visit, series in ((SMALLEST, first_series), (GROWN, last_series))
    ]
    for visit, outputs, truth in zip((SMALLEST, GROWN), (first, last), truths, strict=True):
        assert (dice(np.asarray(outputs.segments[0].array), np.asarray(truth.array)) or 0.0) >= 0.90
        assert measured(outputs)["Lesion volume"] == pytest.approx(visit.lesion_ml, rel=0.1)
    assert measured(last)["Change since the first exam"] == pytest.approx(50, abs=10)
    drawn_new = new_since_the_prior(load_volume(last_series), load_volume(first_series), *truths[::-1])
    assert measured(last)["New since the prior"] == pytest.approx(drawn_new, abs=0.5)


def new_since_the_prior(current: Image, earlier: Image, grown: Mask, smaller: Mask) -> float:
    """Ml of the true lesion that lie beyond the margin of the true earlier one, by the pipeline's own alignment."""
    here = align_prior(smaller, register_to_prior(current, earlier), current)
    return volume_outside_prior(grown, here).value


def test_flair_is_taken_and_t1_is_left_with_the_reason() -> None:
    pixels = np.zeros((24, 4, 4), dtype=np.uint16)
    descriptions = ("AX T1 SE", "AX FLAIR", "AX FLAIR ADC map")
    headers = [
        series_header_of_dataset(mr_series(pixels, description=one, series_number=number)[0], number_of_instances=24)
        for number, one in enumerate(descriptions, start=1)
    ]
    selection = select_series(exam_header(headers), headers, pipeline.load_named("glioma-followup").input)
    taken = [one.label for one in selection.verdicts if one.is_eligible]
    assert taken == ['Series 2 "AX FLAIR"']
    assert "FLAIR" in str(selection.verdicts[0].reason)
