"""RequestAttributesSequence, of which a search may ask for two attributes (PS3.18 Table 10.6.1-5).

Each is kept in a column of its series: the values of the items, in their order, with backslashes between.
"""

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_ingest import attributes
from dicom_ingest.models import Series

SEQUENCE = "RequestAttributesSequence"
COLUMNS = {
    "ScheduledProcedureStepID": "scheduled_procedure_step_ids",
    "RequestedProcedureID": "requested_procedure_ids",
}
_LONGEST_VALUE = 16  # SH
_MOST_ITEMS = 256 // (_LONGEST_VALUE + 1)


def columns(dataset: Dataset) -> dict[str, str]:
    """The columns of the series of `dataset`; of more items than they hold, the first."""
    items = _items(dataset)
    return {
        column: "\\".join(attributes.text(item, keyword, longest=_LONGEST_VALUE).replace("\\", "") for item in items)
        for keyword, column in COLUMNS.items()
    }


def items(series: Series) -> list[dict[str, str]]:
    """The items as values by keyword; those that have none are left out."""
    by_keyword = [getattr(series, column).split("\\") for column in COLUMNS.values()]
    rows = (dict(zip(COLUMNS, values, strict=True)) for values in zip(*by_keyword, strict=False))
    return [row for row in rows if any(row.values())]


def _items(dataset: Dataset) -> list[Dataset]:
    try:
        sequence = dataset.get(SEQUENCE)
    except Exception:  # noqa: BLE001 - pydicom raises whatever a bad value provokes; a column may stay empty for it
        return []
    return list(sequence[:_MOST_ITEMS]) if isinstance(sequence, Sequence) else []
