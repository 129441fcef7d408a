"""Reading attributes that may be absent, odd or too long, for the columns they are searched by.

The file and its header keep what was sent; a column keeps what fits.
"""

from datetime import date, datetime

from django.db.models import CharField, Model
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**31), 2**31 - 1


def texts(dataset: Dataset, model: type[Model], keywords: dict[str, str]) -> dict[str, str]:
    """The attribute of each keyword as text that fits the column it is meant for; `keywords` maps column to keyword."""
    return {column: text(dataset, keyword, longest=_width(model, column)) for column, keyword in keywords.items()}


def text(dataset: Dataset, keyword: str, *, longest: int) -> str:
    """The attribute clipped to `longest` characters, without NULs, which PostgreSQL refuses; "" when unreadable."""
    value = _value(dataset, keyword)
    values = value if isinstance(value, MultiValue) else [value]
    joined = "\\".join("" if each is None else str(each) for each in values)
    return joined.replace("\0", "").strip()[:longest]


def day(dataset: Dataset, keyword: str) -> date | None:
    """The attribute as a date, None when it is not one."""
    value = str(_value(dataset, keyword) or "").replace(".", "").strip()
    try:
        return datetime.strptime(value, "%Y%m%d").date()
    except ValueError:
        return None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """The attribute as an integer that fits its column, None otherwise."""
    try:
        number = int(str(_value(dataset, keyword)))
    except ValueError:
        return None
    return number if _SMALLEST_INTEGER <= number <= _LARGEST_INTEGER else None


def size(dataset: Dataset, keyword: str) -> int | None:
    """The attribute as a count of at least 0, None otherwise."""
    number = integer(dataset, keyword)
    return number if number is not None and number >= 0 else None


def _width(model: type[Model], column: str) -> int:
    field = model._meta.get_field(column)
    if not isinstance(field, CharField) or field.max_length is None:
        raise TypeError(f"{model.__name__}.{column} is no column of bounded text.")
    return field.max_length


def _value(dataset: Dataset, keyword: str) -> object:
    try:
        return dataset.get(keyword)
    except Exception:  # noqa: BLE001 - pydicom raises whatever a bad value provokes; a column may stay empty for it
        return None
