"""`make bench-inference-sizes`: DICOM in to SEG stored, at the sizes of Clara Deploy's Table 4, on a GPU or the CPU.

    python -m benchmarks.inference_sizes [--size NAME ...]

The network is a SegResNet as MONAI's brain tumour bundle has it (4.7 million parameters) with random weights, one for
each organ. It runs in full over every window; then an ellipsoid of an organ's size takes its answer's place, because
what random weights say is no organ, and a SEG of noise would be larger than any real one. The radiograph goes through
the pipeline that ships. Loading the models counts, starting the processes does not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import zlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import torch
import yaml
from monai.networks.nets import SegResNet
from rich.console import Console
from rich.table import Table

from benchmarks import exams, inference_jobs
from inference import pipeline
from inference.operators.registry import operator
from inference.operators.values import Probability
from inference.timing import LOADING
from inference.training.train_glioma import freeze
from portal.demo.xray_exams import CAST, write_exam

RESULTS = Path(__file__).parent / "results" / "inference_sizes.json"
WINDOW = (96, 96, 96)
VERSION = "1.0.0"
NETWORK_STEPS = ("seen", "classes")
"""How the names of steps begin that run a network, here and in chest-xray-triage."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A row of the table: what goes in, and the seconds that Clara Deploy took on a T4.

    rows, slices: of the scan; spacing: mm of the network's voxels; organs: how many networks look at it at once.
    """

    name: str
    clara: float
    rows: int
    slices: int
    modality: str = "CT"
    pixel_spacing: float = 0.7
    spacing: float = 1.5
    organs: int = 1


SCANS = (
    Size(name="brain", clara=25, rows=240, slices=155, modality="MR", pixel_spacing=1.0, spacing=1.0),
    Size(name="liver", clara=78, rows=512, slices=588),
    Size(name="spleen", clara=88, rows=440, slices=515),
    Size(name="four organs", clara=108, rows=512, slices=947, organs=4),
)
CHEST, CHEST_CLARA = "chest X-ray", 9.0
NAMES = (CHEST, *(size.name for size in SCANS))


@dataclass(frozen=True)
class Measured:
    """One row: seconds from the first file received to the result stored, and their parts."""

    name: str
    seconds: float
    clara: float
    receiving: float
    models: float
    network: float
    storing: float

    @property
    def rest(self) -> float:
        """Reading, resampling, masks and writing, but for what ran beside a network."""
        return self.seconds - self.receiving - self.models - self.network - self.storing


@operator("bench-organ", version="1")
def organ(probability: Probability) -> Probability:
    """An ellipsoid of a liver's size in place of what random weights say."""
    return Probability(probability.with_array(inference_jobs.ellipsoid(probability.spatial_shape)))


def main() -> None:
    """Measure the chosen sizes one after the other, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", choices=NAMES, action="append", help="measure this one; may be given again")
    chosen = parser.parse_args().size or NAMES
    load = os.getloadavg()
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="bench-sizes-") as folder, inference_jobs.portal(Path(folder)):
        if CHEST in chosen:
            measured.append(_radiograph(Path(folder)))
        measured += [_scan(size, Path(folder)) for size in SCANS if size.name in chosen]
    _show(measured)
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"device": _device(), "cpus": os.cpu_count(), "load_before": load, "python": sys.version.split()[0]},
        "sizes": [asdict(one) | {"clara_to_overread": one.clara / one.seconds} for one in measured],
    }
    RESULTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU {platform.machine()}"


def _scan(size: Size, home: Path) -> Measured:
    source = exams.MR if size.modality == "MR" else exams.CT
    kind = exams.Kind(
        modality=size.modality,
        sop_class=source.sop_class,
        slices=size.slices,
        values=source.values,
        rows=size.rows,
        pixel_spacing=size.pixel_spacing,
    )
    name = size.name.replace(" ", "-")
    pins = [_network(f"{name}-{number}", home) for number in range(size.organs)]
    files = inference_jobs.scan(kind, home / f"{name}-scan")
    return _measured(size.name, size.clara, files, definition=yaml.safe_dump(_definition(size, pins)), home=home)


def _radiograph(home: Path) -> Measured:
    """A radiograph of a pelvis that says it is a chest: what the time depends on is its size."""
    from django.core.management import call_command  # noqa: PLC0415 - after django.setup()

    call_command("pipelines", "fetch", "chest-xray-triage", stdout=sys.stderr)
    exam = write_exam(CAST[0], None, home / "radiographs", lambda label, done, total: None)
    file = min(exam.folder.glob("*.dcm"))
    image = pydicom.dcmread(file)
    image.BodyPartExamined, image.SeriesDescription, image.ViewPosition = "CHEST", "Chest AP", "AP"
    image.save_as(file)
    definition = pipeline.source_of("chest-xray-triage")
    return _measured(CHEST, CHEST_CLARA, [file], definition=definition, home=home)


def _measured(name: str, clara: float, files: list[Path], *, definition: str, home: Path) -> Measured:
    route, receiving = inference_jobs.received(files, ae_title=name.upper().replace(" ", "-"))
    done = inference_jobs.run(definition, route, out=home / f"{name}-out")
    networks = {step for step in done.steps if step.startswith(NETWORK_STEPS)}
    return Measured(
        name=name,
        seconds=receiving + done.total,
        clara=clara,
        receiving=receiving,
        models=done.steps[LOADING],
        network=done.busy_with(networks),
        storing=done.storing,
    )


def _network(name: str, home: Path) -> dict[str, str]:
    """Register a SegResNet with random weights under `name`; returns what pins it in a pipeline."""
    from django.conf import settings  # noqa: PLC0415 - after django.setup()

    from inference import model_import  # noqa: PLC0415

    torch.manual_seed(zlib.crc32(name.encode()))  # a registered model is known by its bytes: no two may be the same
    network = SegResNet(
        spatial_dims=3, init_filters=16, in_channels=1, out_channels=1, blocks_down=(1, 2, 2, 4), blocks_up=(1, 1, 1)
    )
    file, card = home / name / "model.pt", home / name / "card.yaml"
    freeze(network, file)
    about = dict.fromkeys(("intended_use", "training_data", "licence", "source", "limits", "contact"), "Benchmark")
    card.write_text(yaml.safe_dump(about), encoding="utf-8")
    models_dir = Path(settings.OVERREAD_STORE) / "models"
    order = model_import.ImportOrder(brought=str(file), name=name, version=VERSION, card=card, by="benchmark")
    policy = model_import.SitePolicy(models_dir=models_dir, keys=home / "keys", must_be_signed=False)
    registered = model_import.carry_out(order, policy)
    return {"name": name, "version": VERSION, "sha256": registered.digest}


def _definition(size: Size, pins: list[dict[str, str]]) -> dict[str, Any]:
    steps = [
        _step("source", "load-volume", {"series": "input"}),
        _step("turned", "reorient", {"volume": "source"}, orientation="LPH"),
        _step("coarse", "resample", {"image": "turned"}, spacing=f"{size.spacing} mm"),
        _step("scaled", "normalise-z-score", {"image": "coarse"}),
    ]
    masks = []
    for number in range(len(pins)):
        seen, mask = f"seen-{number}", f"mask-{number}"
        look = {"model": f"network-{number}", "window": list(WINDOW), "overlap": 0.25}
        steps += [
            _step(seen, "sliding-window-probability", {"image": "scaled"}, **look),
            _step(f"organ-{number}", "bench-organ", {"probability": seen}),
            _step(f"back-{number}", "resample-back", {"volume": f"organ-{number}", "reference": "source"}),
            _step(f"all-{number}", "threshold", {"probability": f"back-{number}"}),
            _step(mask, "keep-largest-component", {"mask": f"all-{number}"}),
        ]
        masks.append(mask)
    return {
        "name": f"bench-{size.name.replace(' ', '-')}",
        "version": VERSION,
        "title": size.name,
        "description": "A SegResNet with random weights for each organ.",
        "input": {"conditions": [{"when": f'series.Modality == "{size.modality}"', "otherwise": "Another modality"}]},
        "models": {f"network-{number}": pin for number, pin in enumerate(pins)},
        "steps": steps,
        "outputs": {"segments": [_segment(mask, number) for number, mask in enumerate(masks, start=1)]},
    }


def _step(name: str, runs: str, inputs: dict[str, str], **parameters: object) -> dict[str, Any]:
    return {"id": name, "operator": runs, "inputs": inputs, "parameters": parameters}


def _segment(mask: str, number: int) -> dict[str, Any]:
    return {
        "step": mask,
        "number": number,
        "label": f"Organ {number}",
        "category": {"value": "91723000", "scheme": "SCT", "meaning": "Anatomical Structure"},
        "type": {"value": "10200004", "scheme": "SCT", "meaning": "Liver"},
        "colour": "#b45f06",
    }


def _show(measured: list[Measured]) -> None:
    parts = ("receive", "load models", "network", "the rest", "store")
    table = Table("seconds", *parts, "all", "Clara on a T4", "times its pace", title=f"To a stored result, {_device()}")
    for one in measured:
        took = (one.receiving, one.models, one.network, one.rest, one.storing, one.seconds)
        compared = (f"{one.clara:g}", f"{one.clara / one.seconds:.2f}")
        table.add_row(one.name, *(f"{seconds:.1f}" for seconds in took), *compared)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
