"""Standardised uptake values, against factors worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import PositronEmissionTomographyImageStorage

from inference.errors import UnreadableImage
from inference.operators.suv import load_pet_suv
from tests.inference.series import mr_series, source

HALF_LIFE = 6586.2
"""Of fluorine 18, in s."""
HOUR_LATER = 370e6 * 2 ** (-3600 / HALF_LIFE)
"""What an hour leaves of 370 MBq."""


def pet(change: Callable[[Dataset], None] = lambda _one: None) -> list[Dataset]:
    """Scanned at 11:00, injected at 10:00 with 370 MBq; 70 kg."""
    instances = mr_series(np.full((3, 4, 5), 1000, dtype=np.uint16), description="PET WB")
    for number, one in enumerate(instances):
        one.SOPClassUID, one.Modality = PositronEmissionTomographyImageStorage, "PT"
        one.Units, one.DecayCorrection, one.CorrectedImage = "BQML", "START", ["NORM", "DTIM", "ATTN", "DECY"]
        one.SeriesDate = one.AcquisitionDate = "20250611"
        one.SeriesTime, one.AcquisitionTime = "110000", f"1100{number:02}.000000"
        one.PatientWeight = "70"
        one.RescaleSlope, one.RescaleIntercept = str(number + 1), "0"
        tracer = Dataset()
        tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = "370000000", str(HALF_LIFE)
        tracer.RadiopharmaceuticalStartTime = "100000.00"
        one.RadiopharmaceuticalInformationSequence = Sequence([tracer])
        change(one)
    return instances


def tracer(one: Dataset) -> Dataset:
    item: Dataset = one.RadiopharmaceuticalInformationSequence[0]
    return item


def from_administration(one: Dataset) -> None:
    one.DecayCorrection = "ADMIN"


def on_the_evening_before(one: Dataset) -> None:
    one.SeriesTime, one.AcquisitionTime = "003000", "003001"
    tracer(one).RadiopharmaceuticalStartTime = "233000"


def with_date_and_time(one: Dataset) -> None:
    tracer(one).RadiopharmaceuticalStartTime = "010000"
    tracer(one).RadiopharmaceuticalStartDateTime = "20250611100000.0+0200"


def reconstructed_later(one: Dataset) -> None:
    one.SeriesDate, one.SeriesTime = "20250612", "080000"


def reconstructed_later_by_ge(one: Dataset) -> None:
    one.SeriesDate, one.SeriesTime, one.AcquisitionTime = "20250612", "080000", "113000"
    one.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20250611110000.00")


def already_suv(one: Dataset) -> None:
    one.Units = "GML"


def philips(one: Dataset) -> None:
    one.Units = "CNTS"
    one.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "DS", "0.002")


def philips_activity(one: Dataset) -> None:
    one.Units = "CNTS"
    one.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x09, "DS", "1.5")


@pytest.mark.parametrize(
    ("change", "factor"),
    [
        (lambda _one: None, 70000 / HOUR_LATER),
        (from_administration, 70000 / 370e6),
        (on_the_evening_before, 70000 / HOUR_LATER),
        (with_date_and_time, 70000 / HOUR_LATER),
        (reconstructed_later, 70000 / HOUR_LATER),
        (reconstructed_later_by_ge, 70000 / HOUR_LATER),
        (already_suv, 1.0),
        (philips, 0.002),
        (philips_activity, 1.5 * 70000 / HOUR_LATER),
    ],
)
def test_the_factor_is_weight_by_the_dose_that_is_left_and_each_slice_keeps_its_slope(
    change: Callable[[Dataset], None], factor: float
) -> None:
    volume = load_pet_suv(source(pet(change)))
    np.testing.assert_allclose(volume.array[:, 0, 0], 1000 * factor * np.array([1, 2, 3]), rtol=1e-6)
    assert volume.array.dtype == np.float32


def without(keyword: str) -> Callable[[Dataset], None]:
    def change(one: Dataset) -> None:
        for place in (one, tracer(one)):
            if keyword in place:
                delattr(place, keyword)

    return change


def weightless(one: Dataset) -> None:
    one.PatientWeight = "0"


def uncorrected(one: Dataset) -> None:
    one.CorrectedImage = ["NORM", "DTIM"]


def undecayed(one: Dataset) -> None:
    one.DecayCorrection = "NONE"


def in_percent(one: Dataset) -> None:
    one.Units = "PCNT"


def bare_counts(one: Dataset) -> None:
    one.Units = "CNTS"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *(
            (without(keyword), f"{keyword} is missing")
            for keyword in (
                "Units",
                "DecayCorrection",
                "PatientWeight",
                "RadionuclideTotalDose",
                "RadionuclideHalfLife",
                "RadiopharmaceuticalStartTime",
                "SeriesTime",
                "AcquisitionDate",
            )
        ),
        (weightless, "PatientWeight is 0"),
        (uncorrected, "not corrected for ATTN and DECY"),
        (undecayed, 'DecayCorrection is "NONE"'),
        (in_percent, 'its unit is "PCNT"'),
        (bare_counts, "private factors are missing"),
    ],
)
def test_what_a_value_cannot_be_computed_from_is_refused_in_words(
    change: Callable[[Dataset], None], reason: str
) -> None:
    with pytest.raises(UnreadableImage, match=reason) as refusal:
        load_pet_suv(source(pet(change)))
    assert str(refusal.value).startswith('Series 3 "PET WB"')
