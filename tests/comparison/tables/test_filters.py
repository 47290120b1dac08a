"""Conditions on rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.comparison.tables.filters import NotANumber, parse_filter
from capgap.errors import InputError

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(values=st.lists(NUMBERS, max_size=20), bound=NUMBERS)
def test_comparisons_are_those_of_numbers_whatever_the_format(
    values: list[float], bound: float
) -> None:
    """Python's own comparisons are the oracle; text, numbers and arrays agree."""
    wanted = {
        "<": [v < bound for v in values],
        "<=": [v <= bound for v in values],
        ">": [v > bound for v in values],
        ">=": [v >= bound for v in values],
        "=": [v == bound for v in values],
        "!=": [v != bound for v in values],
    }
    for sign, keep in wanted.items():
        condition = parse_filter(f"x{sign}{bound!r}")
        assert condition.keep(values).tolist() == keep
        assert condition.keep(list(map(repr, values))).tolist() == keep
        assert condition.keep(np.array(values, dtype=np.float64)).tolist() == keep


@pytest.mark.parametrize("blank", ["", " ", "nan", "NaN", None, math.nan])
@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
def test_a_blank_fulfils_no_comparison(blank: object, sign: str) -> None:
    assert not parse_filter(f"x{sign}1").keep([blank])[0]


def test_values_are_compared_as_text_too() -> None:
    assert parse_filter("set = c4").keep(["c4", " c4 ", "C4", "c", ""]).tolist() == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert parse_filter("done=true").keep([True, False, "true", 1]).tolist() == [
        True, False, True, False,
    ]  # fmt: skip
    assert parse_filter("note=").keep(["", None, "x"]).tolist() == [True, True, False]
    assert parse_filter("set==c4").keep(["c4"])[0]


def test_units_and_other_columns() -> None:
    assert parse_filter("N<=300M").keep(["300M", "3e8", "0.31B"]).tolist() == [True, True, False]
    condition = parse_filter("tokens<=unique")
    assert condition.other == "unique"
    assert condition.keep(["1", "3"], ["2", "2"]).tolist() == [True, False]
    assert parse_filter("set=c4").other is None
    assert str(parse_filter(" a  <= 3 ")) == "a<=3"


def test_a_column_may_hold_signs_after_its_name() -> None:
    condition = parse_filter("val={0..1}=x")
    assert (condition.column, condition.value) == ("val", "{0..1}=x")


def test_text_under_a_comparison_says_where() -> None:
    with pytest.raises(NotANumber, match="'diverged' is not a number") as caught:
        parse_filter("loss<3").keep(["2", "", "diverged"])
    assert caught.value.place == 2


@pytest.mark.parametrize("text", ["", "loss", "<3", "=c4", "loss<", "loss < "])
def test_a_condition_that_is_none(text: str) -> None:
    with pytest.raises(InputError, match="must"):
        parse_filter(text)
