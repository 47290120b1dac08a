"""Cutoffs: what they leave, by plain comparisons of arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.comparison.fitting.fit import fit_supervised
from capgap.comparison.held_out import compute_of, cutoff_mask
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.coefficients import supervised_law

N = np.repeat([1e8, 3e8, 1e9], 3)
D = np.tile([2e9, 1e10, 5e10], 3)
LOSS = supervised_law().loss(N, D)
OWN = RunTable(N, D, LOSS)
TAUGHT = RunTable(N, D, LOSS, L_T=np.linspace(2.0, 3.0, 9))


@pytest.mark.parametrize(
    ("cutoff", "expected"),
    [
        ("loss>=2.8", LOSS >= 2.8),
        ("L >= 2.8", LOSS >= 2.8),
        (" L_S<2.8 ", LOSS < 2.8),
        ("C<1e19", 6 * N * D < 1e19),
        ("N<=3e8", N <= 3e8),
        ("D>2e9", D > 2e9),
    ],
)
def test_a_cutoff_is_a_comparison(cutoff: str, expected: np.ndarray) -> None:
    assert 0 < expected.sum() < 9  # else the line would not test anything
    for runs in (OWN, TAUGHT, fit_supervised(N, D, LOSS)):
        np.testing.assert_array_equal(cutoff_mask(runs, cutoff), expected)


def test_names_of_taught_runs() -> None:
    np.testing.assert_array_equal(cutoff_mask(TAUGHT, "N_S<3e8"), N < 3e8)
    np.testing.assert_array_equal(cutoff_mask(TAUGHT, "D_S>=1e10"), D >= 1e10)
    np.testing.assert_array_equal(cutoff_mask(TAUGHT, "L_T>2.5"), TAUGHT.L_T > 2.5)


@given(
    value=st.floats(1e-3, 1e22),
    name=st.sampled_from(["loss", "C", "N", "D"]),
    signs=st.sampled_from([("<", ">="), ("<=", ">")]),
)
def test_a_sign_and_its_opposite_share_out_the_runs(value: float, name: str, signs) -> None:
    one, other = (cutoff_mask(OWN, f"{name}{sign}{value!r}") for sign in signs)
    np.testing.assert_array_equal(one, ~other)


def test_compute_given_replaces_6_N_D() -> None:
    np.testing.assert_array_equal(compute_of(OWN), 6 * N * D)
    given_compute = np.arange(1.0, 10.0)
    mask = cutoff_mask(OWN, "C<4", compute=given_compute)
    np.testing.assert_array_equal(mask, given_compute < 4)
    # It is C alone that it replaces.
    np.testing.assert_array_equal(cutoff_mask(OWN, "N<3e8", compute=given_compute), N < 3e8)


@pytest.mark.parametrize(
    ("cutoff", "message"),
    [
        ("loss=2", "'loss=2' must be a column"),
        ("loss", "must be a column"),
        ("2.2<loss", "must be a column"),
        ("loss>=", "must be a column"),
        ("flops<3", "column flops must be among C, D, N, loss"),
        ("L_T<3", "column L_T must be among"),
        ("loss>=two", "number 'two' must be finite"),
        ("loss>=nan", "number 'nan'"),
        ("loss>=inf", "number 'inf'"),
        ("loss>=-1", "number '-1'"),
    ],
)
def test_refusals(cutoff: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        cutoff_mask(OWN, cutoff)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_compute_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"compute of shape \(2,\) must be \(9,\)"):
        cutoff_mask(OWN, "C<1", compute=[1.0, 2.0])
