"""Which column is which quantity, and what is said when one is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.comparison.tables.columns import parse_columns, plan_columns
from capgap.errors import InputError

OWN = ["N", "D", "loss"]
TAUGHT = ["N_S", "D_S", "L_T", "L_S"]
NAMES = st.text(
    st.characters(blacklist_characters=',="\\', blacklist_categories=("C", "Z")), min_size=1
)


def test_defaults_are_the_names_of_the_paper() -> None:
    own = plan_columns(OWN)
    assert (own.taught, own.columns) == (False, {"N": "N", "D": "D", "loss": "loss"})
    taught = plan_columns(TAUGHT)
    assert taught.taught
    assert taught.columns == {"N": "N_S", "D": "D_S", "loss": "L_S", "L_T": "L_T"}


def test_one_mapped_student_column_makes_it_a_table_of_students() -> None:
    plan = plan_columns(["N_S", "D_S", "L_S", "teacher"], {"L_T": "teacher"})
    assert plan.taught
    assert plan.columns["L_T"] == "teacher"


def test_students_can_be_read_as_runs_of_their_own() -> None:
    plan = plan_columns(TAUGHT, {"N": "N_S", "D": "D_S", "loss": "L_S"}, taught=False)
    assert plan.columns == {"N": "N_S", "D": "D_S", "loss": "L_S"}


def test_optional_columns_are_found_by_name_or_mapped() -> None:
    assert plan_columns([*OWN, "cell", "standard_error"]).columns["cell"] == "cell"
    plan = plan_columns([*OWN, "cell", "lo", "hi"], {"lower_95": "lo", "upper_95": "hi"})
    assert plan.columns["lower_95"] == "lo"
    assert plan.columns["cell"] == "cell"
    assert "standard_error" not in plan.columns


def test_bounds_take_the_place_of_a_standard_error_column() -> None:
    names = [*OWN, "standard_error", "lo", "hi"]
    plan = plan_columns(names, {"lower_95": "lo", "upper_95": "hi"})
    assert "standard_error" not in plan.columns


@pytest.mark.parametrize(
    ("names", "columns", "taught", "message"),
    [
        (["N", "D"], None, None, r"no column 'loss' for loss \(columns: N, D\)"),
        (["N", "D", "val_loss"], None, None, "perhaps loss=val_loss"),
        (["params", "D", "loss"], None, None, "perhaps N=params"),
        (["n", "D", "loss"], None, None, "perhaps N=n"),
        (["N", "D", "losses"], None, None, "perhaps loss=losses"),
        (OWN, None, True, "no column 'N_S' for N_S .*perhaps N_S=N"),
        (TAUGHT, None, False, "no column 'N' for N .*perhaps N=N_S"),
        (["1e9", "2e10", "2.5"], None, None, "first row must name the columns"),
        (["N", "D", "loss", "loss"], None, None, "2 columns are called 'loss'"),
        (OWN, {"D": "D", "C": "loss"}, None, "D and C were both given"),
        (OWN, {"L_T": "loss"}, False, "L_T belongs to runs with teachers"),
        (OWN, {"lower_95": "N"}, None, "must be given together"),
        (OWN, {"lower_95": "N", "upper_95": "D", "standard_error": "D"}, None, "both given"),
        (OWN, {"size": "N"}, None, "'size' must be one of N, D, C, loss"),
        (OWN, {"N": "N", "N_S": "N"}, None, "N_S is given twice"),
        ([*OWN, *TAUGHT], None, None, "must be told which to read"),
        ([f"column{i}" for i in range(30)], None, None, "and 10 more"),
        (["x" * 100, "a\nb"], None, None, r"xxx\.\.\., 'a\\nb'"),
    ],
)
def test_what_is_wrong_is_said(
    names: list[str], columns: dict[str, str] | None, taught: bool | None, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        plan_columns(names, columns, taught)
    assert "\n" not in str(caught.value)


def test_a_filter_names_a_column_or_else_a_quantity() -> None:
    plan = plan_columns(["params", "D", "loss"], {"N": "params"})
    names = ["params", "D", "loss", "set"]
    assert [plan.column(name, names) for name in ("params", "N", "N_S", "set")] == [
        "params", "params", "params", "set",
    ]  # fmt: skip
    with pytest.raises(InputError, match="no column 'L_T' to filter by"):
        plan.column("L_T", names)
    with pytest.raises(InputError, match="2 columns are called 'set'"):
        plan.column("set", [*names, "set"])


@given(N=NAMES, loss=NAMES)
def test_text_of_columns_is_read_back(N: str, loss: str) -> None:
    assert parse_columns(f"N={N},loss={loss}") == {"N": N, "loss": loss}


def test_text_of_columns_may_be_quoted_and_spaced() -> None:
    found = parse_columns('N = params , "loss=val, mean"')
    assert found == {"N": "params", "loss": "val, mean"}
    assert parse_columns("N=a=b") == {"N": "a=b"}
    assert parse_columns("") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("params", "'params' must be QUANTITY=COLUMN"),
        ("N=", "must be QUANTITY=COLUMN"),
        ("=a", "must be QUANTITY=COLUMN"),
        ("N=a,,D=b", "'' must be QUANTITY=COLUMN"),
        ("N=a,N=b", "N is named twice"),
        ("M=a", "'M' must be one of"),
    ],
)
def test_text_of_columns_that_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_columns(text)
