"""What each of the CT networks has to tell apart, where it looks, and how long it learns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.training.ct.case import Case, Structure
from inference.training.ct.patches import View

LIVER = (Structure.RIGHT_LOBE, Structure.LEFT_LOBE)
SOFT_TISSUE_HU = (-160.0, 240.0)
WIDE_HU = (-1000.0, 400.0)


@dataclass(frozen=True, eq=False)
class Task:
    """One network: its classes after background, each of one or more structures, and its view.

    weights: how much background and each class count while it learns: about the inverse of their share, less steep.
    """

    name: str
    version: str
    classes: dict[str, tuple[Structure, ...]]
    view: View
    weights: tuple[float, ...]
    filters: int = 8

    @property
    def structures(self) -> tuple[Structure, ...]:
        return tuple(structure for wanted in self.classes.values() for structure in wanted)

    @property
    def lookup(self) -> NDArray[np.int64]:
        """The class of every value of `Structure`, 0 for those that this network does not name."""
        table = np.zeros(len(Structure), np.int64)
        for number, wanted in enumerate(self.classes.values(), start=1):
            table[list(wanted)] = number
        return table

    @cache  # noqa: B019  tasks live as long as the module
    def box_mm(self, case: Case) -> NDArray[np.float64]:
        """The box in whose middle this network looks: around its organ, or for the locator the whole case."""
        if len(self.classes) > 3:
            return np.array([[0, 0, 0], case.hu.shape]) * case.spacing_mm
        return case.box_mm(*(LIVER if Structure.LEFT_LOBE in self.structures else self.structures))


LOCATOR = Task(
    name="organ-locator",
    version="1.0.0",
    classes={
        "liver": LIVER,
        "spleen": (Structure.SPLEEN,),
        "kidneys": (Structure.KIDNEYS,),
        "lungs": (Structure.LUNGS,),
    },
    view=View((56, 48, 56), 6.5, (-500.0, 300.0)),
    weights=(0.3, 1.0, 6.0, 6.0, 1.0),
)
LOBES = Task(
    name="liver-lobes",
    version="1.1.0",
    classes={
        "right lobe": (Structure.RIGHT_LOBE,),
        "left lobe": (Structure.LEFT_LOBE,),
        "vessels": (Structure.VESSELS,),
    },
    view=View((72, 56, 56), 3.0, SOFT_TISSUE_HU),
    weights=(1.0, 1.0, 1.0, 1.0),
)
VESSELS = Task(
    "liver-vessels", "1.0.0", {"vessels": (Structure.VESSELS,)}, View((48, 48, 56), 2.0, SOFT_TISSUE_HU), (1.0, 1.0)
)
LIVER_ALONE = Task("liver", "1.0.0", {"liver": LIVER}, View((56, 48, 48), 4.0, SOFT_TISSUE_HU), (1.0, 1.0))
SPLEEN = Task("spleen", "1.0.0", {"spleen": (Structure.SPLEEN,)}, View((48, 48, 48), 3.0, SOFT_TISSUE_HU), (1.0, 1.0))
KIDNEYS = Task(
    "kidneys", "1.0.0", {"kidneys": (Structure.KIDNEYS,)}, View((72, 40, 48), 3.0, SOFT_TISSUE_HU), (1.0, 1.0)
)
LUNGS = Task("lungs", "1.0.0", {"lungs": (Structure.LUNGS,)}, View((56, 48, 56), 5.0, WIDE_HU), (1.0, 1.0))
TASKS = {task.name: task for task in (LOCATOR, LOBES, VESSELS, LIVER_ALONE, SPLEEN, KIDNEYS, LUNGS)}
