"""PET as standardised uptake values by body weight.

The factor follows QIBA's vendor-neutral pseudo-code for the SUV by body weight: activity x weight / dose left at the
time to which the activity was decay-corrected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydicom import Dataset
from pydicom.valuerep import DA, DT, TM

from inference.errors import UnreadableImage
from inference.operators.loading import volume_of
from inference.operators.registry import operator
from inference.operators.stacking import stack
from inference.operators.values import Image, SourceSeries

GRAMS_PER_KG = 1000.0
_GE_SCAN_TIME = (0x0009, "GEMS_PETD_01", 0x0D)
_PHILIPS_SUV_FACTOR = (0x7053, "Philips PET Private Group", 0x00)
_PHILIPS_ACTIVITY_FACTOR = (0x7053, "Philips PET Private Group", 0x09)


@operator("load-pet-suv", version="1")
def load_pet_suv(series: SourceSeries) -> Image:
    """A PET series as one volume of standardised uptake values by body weight, in g/ml.

    As `load-volume`, the slope of each slice applied. Raises NotAVolume's subclasses as it does, and UnreadableImage
    when the header lacks what the value is computed from, or counts or decay were not corrected.
    """
    ordered = stack(series)
    factor = suv_factor(ordered.slices, series.label)
    image = volume_of(ordered, series.label)
    image.array *= factor
    return image


def suv_factor(slices: tuple[Dataset, ...], label: str) -> float:
    """What turns the values after rescaling into g/ml. Raises UnreadableImage, naming the series by `label`."""
    header = _Header(slices, label)
    units = header.required("Units")
    if units == "GML":
        return 1.0
    header.check_corrections()
    if units == "BQML":
        return header.from_activity()
    if units == "CNTS":
        return header.from_counts()
    raise UnreadableImage(
        f'{label}: its unit is "{units}", from which no SUV can be computed. Send PET in BQML, GML or Philips counts.'
    )


@dataclass(frozen=True)
class _Header:
    slices: tuple[Dataset, ...]
    label: str

    @property
    def first(self) -> Dataset:
        return self.slices[0]

    def required(self, keyword: str) -> str:
        """The first slice's value; in an item of the tracer's sequence where it stands there."""
        for place in (self.first, self._tracer):
            if place.get(keyword) not in (None, ""):
                return str(place[keyword].value)
        raise UnreadableImage(
            f"{self.label}: {keyword} is missing, without which no SUV can be computed. "
            "Send the series again with its full header."
        )

    def positive(self, keyword: str) -> float:
        value = float(self.required(keyword))
        if value <= 0:
            raise UnreadableImage(f"{self.label}: {keyword} is {value:g}, which cannot be. Correct it at the scanner.")
        return value

    def check_corrections(self) -> None:
        corrected = self.first.get("CorrectedImage") or ()
        lacking = {"ATTN", "DECY"} - ({corrected} if isinstance(corrected, str) else set(corrected))
        if lacking:
            raise UnreadableImage(
                f"{self.label}: it is not corrected for {' and '.join(sorted(lacking))} (CorrectedImage), so its "
                "values are no activities. Send the corrected series."
            )

    def from_activity(self) -> float:
        """For values in Bq/ml."""
        dose, half_life = self.positive("RadionuclideTotalDose"), self.positive("RadionuclideHalfLife")
        correction = self.required("DecayCorrection")
        if correction == "ADMIN":
            left = dose
        elif correction == "START":
            waited = self._scan_start() - self._injection()
            left = dose * 2 ** (-waited.total_seconds() / half_life)
        else:
            raise UnreadableImage(
                f'{self.label}: DecayCorrection is "{correction}"; an SUV needs START or ADMIN. '
                "Send the corrected series."
            )
        return self.positive("PatientWeight") * GRAMS_PER_KG / left

    def from_counts(self) -> float:
        """For Philips' counts, which come with a factor of their own."""
        if factor := _private(self.first, *_PHILIPS_SUV_FACTOR):
            return float(str(factor))
        if factor := _private(self.first, *_PHILIPS_ACTIVITY_FACTOR):
            return float(str(factor)) * self.from_activity()
        raise UnreadableImage(
            f"{self.label}: it is in counts, and Philips' private factors are missing. Send PET in BQML, or keep "
            "the private attributes when the series is sent."
        )

    @property
    def _tracer(self) -> Dataset:
        return next(iter(self.first.get("RadiopharmaceuticalInformationSequence") or ()), Dataset())

    def _scan_start(self) -> datetime:
        """To when decay was corrected: the series' time, unless it was changed by a later reconstruction."""
        acquired = min(self._moment("Acquisition", one) for one in self.slices)
        begun = self._moment("Series", self.first)
        if begun <= acquired:
            return begun
        if scanned := _private(self.first, *_GE_SCAN_TIME):
            return _naive(DT(str(scanned)))
        return acquired

    def _injection(self) -> datetime:
        if moment := self._tracer.get("RadiopharmaceuticalStartDateTime"):
            return _naive(DT(str(moment)))
        scan = self._scan_start()
        given = datetime.combine(scan.date(), TM(self.required("RadiopharmaceuticalStartTime")))
        # Only the hour is told: injected later than scanned means on the evening before.
        return given if given <= scan else given - timedelta(days=1)

    def _moment(self, event: str, instance: Dataset) -> datetime:
        found = {kind: instance.get(f"{event}{kind}") for kind in ("Date", "Time")}
        for kind, value in found.items():
            if value in (None, ""):
                raise UnreadableImage(
                    f"{self.label}: {event}{kind} is missing, without which no SUV can be computed. "
                    "Send the series again with its full header."
                )
        return datetime.combine(DA(str(found["Date"])), TM(str(found["Time"])))


def _private(instance: Dataset, group: int, creator: str, element: int) -> object:
    try:
        return instance.private_block(group, creator)[element].value
    except KeyError:
        return None


def _naive(moment: datetime) -> datetime:
    """Without its time zone, which the other times of a series do not have."""
    return moment.replace(tzinfo=None)
