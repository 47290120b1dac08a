"""Who pays what, and which limits are possible."""

import pytest

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.scenario import Costs, Limits, costs, default_budgets, default_limits
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import LawSet


@pytest.mark.parametrize(
    ("scenario", "shares"),
    [("best", (0, 0)), ("inference", (1, 0)), ("pretraining", (0, 1)), ("both", (1, 1))],
)
def test_shares_of_the_paper(scenario: str, shares: tuple[float, float]) -> None:
    """Busbridge et al., arXiv 2502.08606, section 5."""
    assert costs(scenario) == Costs(*shares)


def test_students_share_pretraining_and_if_wanted_outputs() -> None:
    assert costs("both", 5) == Costs(1.0, 0.2)
    assert costs("both", 5, shared_outputs=True) == Costs(0.2, 0.2)
    assert costs("inference", 5) == Costs(1.0, 0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: costs("supervised"), "scenario = 'supervised' must be one of best"),
        (lambda: costs("none"), "scenario = 'none' must be one of best"),
        (lambda: costs("both", 0.5), "students = 0.5 must be finite and >= 1"),
        (lambda: costs("both", float("nan")), "students = nan must be finite and >= 1"),
        (lambda: Costs(1.5, 0), r"d_Lgt = 1.5 must be in \[0, 1\]"),
        (lambda: Costs(0, float("nan")), r"d_Pre = nan must be in \[0, 1\]"),
        (lambda: Limits(N_T=(2, 1)), r"N_T = \(2, 1\) must be 0 < low <= high"),
        (lambda: Limits(D_T=(0, 1)), r"D_T = \(0, 1\) must be 0 < low <= high"),
        (lambda: Limits(D_T=(1, float("inf"))), r"D_T = \(1, inf\) must be"),
        (lambda: Limits(D_S=0.5), "D_S = 0.5 must be finite and >= 1 token"),
    ],
)
def test_impossible_costs_and_limits(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_limits_follow_the_scale_of_the_laws() -> None:
    """Laws of models far below the paper's are planned among models of their scale; the
    paper's own sets keep the paper's limits."""
    small = LawSet(
        "small", law_set().laws, "made up", fitted={"N_S": (2e4, 2e5), "D_S": (1e6, 4e6)},
        family=ModelFamily(16, 12.5, 256, 256),
    )  # fmt: skip
    assert default_limits(small).N_T == (200, 1e17)
    assert default_limits(small).D_T == (1e4, 1e17)
    low, high = default_budgets(small)
    one = 3 * float(small.family.forward_flops(2e4)) * 1e6
    assert low == pytest.approx(one / 10)
    assert high == 1e32
    for chosen in (law_set("printed"), law_set(), law_set().laws):
        assert default_limits(chosen) == Limits()
        assert default_budgets(chosen) == (1e17, 1e32)
