"""Parameters with units: the number reaches the operator, anything else is refused with what was expected."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from inference.operators.units import Hounsfield, Millilitres, Millimetres, Percent

LENGTH: TypeAdapter[float] = TypeAdapter(Millimetres)


@pytest.mark.parametrize(
    ("kind", "written", "number"),
    [
        (Millimetres, "1.5 mm", 1.5),
        (Millimetres, "2mm", 2.0),
        (Millilitres, "0.5 ml", 0.5),
        (Percent, "25 %", 25.0),
        (Percent, "-5%", -5.0),
        (Hounsfield, "-160 HU", -160.0),
        (Millimetres, "1e1 mm", 10.0),
    ],
)
def test_a_number_with_its_unit_is_read(kind: Any, written: str, number: float) -> None:
    assert TypeAdapter(kind).validate_python(written) == number


@pytest.mark.parametrize("written", [1.5, "1.5", "1.5 cm", "mm", "1,5 mm", "1.5 mm 2", "", None, "nan mm", "inf mm"])
def test_a_bare_number_or_another_unit_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValidationError, match=r'expected a number with its unit, such as "1\.5 mm"'):
        LENGTH.validate_python(written)


def test_a_length_below_zero_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        LENGTH.validate_python("-1 mm")


@given(st.floats(min_value=0, max_value=1e6, allow_nan=False))
def test_every_length_survives_being_written(number: float) -> None:
    assert LENGTH.validate_python(f"{number} mm") == number


@given(st.text())
def test_no_text_is_taken_for_a_length_that_is_none(text: str) -> None:
    try:
        assert LENGTH.validate_python(text) >= 0
    except ValidationError:
        return
    assert text.strip().endswith("mm")
