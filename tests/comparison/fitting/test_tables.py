"""The door of the command line: every law by name, and tables that do not fit it."""

from typing import Any

import numpy as np
import pytest

from capgap.comparison.fitting.fit import Refusal
from capgap.comparison.fitting.tables import LAWS, SUPERVISED_LAWS, TAUGHT_LAWS, fit_table
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.law_set import LawSet, load_law_set, save_law_set
from capgap.theory.power_distillation import PowerDistillationLaw
from capgap.theory.supervised import SupervisedLaw

OWN = supervised_law()
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, 5), np.geomspace(2e9, 2e11, 5)))
ALONE = RunTable(N, D, OWN.loss(N, D), source="alone.csv")
N_S, D_S, L_T = (
    a.ravel()
    for a in np.meshgrid(
        np.geomspace(2e8, 5e9, 3), np.geomspace(4e9, 1e11, 3), np.linspace(1.6, 3, 7)
    )
)
TAUGHT = RunTable(N_S, D_S, distillation_law().loss(N_S, D_S, L_T), L_T, source="taught.csv")
KINDS = {
    "plain": SupervisedLaw,
    "supervised": SupervisedLaw,
    "distillation": DistillationLaw,
    "distillation-reduced": ReducedDistillationLaw,
    "distillation-power": PowerDistillationLaw,
    "hinge": HingeLaw,
    "hinge-additive": AdditiveHingeLaw,
}


def test_names() -> None:
    assert LAWS == (*SUPERVISED_LAWS, *TAUGHT_LAWS) == tuple(KINDS)


@pytest.mark.parametrize("law", SUPERVISED_LAWS)
def test_laws_of_runs_without_teachers(law: str) -> None:
    fit = fit_table(ALONE, law)
    assert type(fit.law) is SupervisedLaw
    assert (fit.coefficients["gamma"] == 1) == (law == "plain")
    assert fit_table(ALONE, "supervised", gamma=0.7).coefficients["gamma"] == 0.7


@pytest.mark.parametrize("law", TAUGHT_LAWS)
def test_laws_of_taught_runs_and_their_saved_form(law: str, tmp_path) -> None:
    """With a law, with runs fitted first, and jointly: each becomes a law set and comes back."""
    ways: dict[str, Any] = {
        "law": {"supervised_law": OWN},
        "runs": {"supervised_runs": ALONE},
        "joint": {"supervised_runs": ALONE, "own": "joint"},
    }
    for way, options in ways.items():
        fit = fit_table(TAUGHT, law, delta=1e-2, **options)
        assert type(fit.law) is KINDS[law]
        laws = fit.problem.model.laws(fit.x)
        save_law_set(LawSet(way, laws, "planted"), tmp_path / f"{way}.json")
        assert load_law_set(tmp_path / f"{way}.json").laws == laws
        assert isinstance(laws.supervised, SupervisedLaw)
        floor = laws.supervised.E
        assert floor == pytest.approx(OWN.E, rel=0.05)


def test_hinge_terms_and_profiled_corner_by_name() -> None:
    fit = fit_table(TAUGHT, "hinge", own="profiled", terms=("p", "r"), delta=1e-2)
    assert {"E", "gamma", "rho", "p", "r", "m"} <= set(fit.coefficients)
    assert "scale" not in fit.coefficients


def test_standard_errors_of_the_table() -> None:
    errors = 0.004 * ALONE.loss
    table = RunTable(N, D, ALONE.loss * np.exp(0.004 * np.sin(np.arange(25.0))),
                     standard_error=errors)  # fmt: skip
    fit = fit_table(table, "supervised", use_standard_errors=True)
    np.testing.assert_allclose(fit.problem.weights, (table.loss / errors) ** 2)
    plain = fit_table(table, "supervised")
    assert np.all(plain.problem.weights == 1)


@pytest.mark.parametrize(
    ("table", "law", "options", "message"),
    [
        (ALONE, "cubic", {}, "law = 'cubic' must be one of plain, supervised, distillation"),
        (TAUGHT, "plain", {}, "must have runs without teachers, and taught.csv has L_T"),
        (ALONE, "hinge", {}, "must have runs with teachers, and alone.csv has no L_T"),
        (ALONE, "plain", {"gamma": 0.5}, "gamma = 0.5 must be 1 for law = 'plain'"),
        (ALONE, "supervised", {"supervised_law": OWN}, "is the supervised law, and takes no"),
        (ALONE, "supervised", {"own": "joint"}, "is the supervised law, and takes no"),
        (ALONE, "plain", {"use_standard_errors": True}, "alone.csv must have standard errors"),
        (TAUGHT, "hinge", {}, "with own = 'fixed' must have a supervised law or supervised runs"),
        (
            TAUGHT, "hinge", {"supervised_law": OWN, "supervised_runs": ALONE},
            "must not both be given",
        ),
        (TAUGHT, "hinge", {"supervised_runs": TAUGHT}, "(taught.csv) must have no L_T"),
        (TAUGHT, "hinge", {"own": "joint"}, "own = 'joint' must have supervised_runs"),
        (
            TAUGHT, "distillation-power", {"own": "profiled"},
            "does not contain the supervised law",
        ),
        (TAUGHT, "hinge", {"own": "profiled", "terms": ("rho",)}, "terms has 'rho'"),
    ],
)  # fmt: skip
def test_wrong_tables_and_arguments_are_one_clear_line(
    table: RunTable, law: str, options: dict, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        fit_table(table, law, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "law", "code"),
    [
        (ALONE.where(D < 2.1e9), "plain", "single-value"),
        (ALONE.where(N < 1.1e8), "supervised", "single-value"),
        (TAUGHT.where(L_T < 1.7), "hinge", "single-value"),
        (ALONE.where(np.isin(np.arange(25), [0, 6, 12, 18])), "plain", "too-few-runs"),
        (TAUGHT.where(np.isin(np.arange(63), [0, 30, 62])), "hinge", "too-few-runs"),
    ],
)
def test_refusals_have_a_code(table: RunTable, law: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        fit_table(table, law, supervised_law=OWN if table.taught else None)
    assert caught.value.code == code
