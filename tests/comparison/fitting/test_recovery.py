"""Planted coefficients come back from noise-free data, for every law and every way to know
the supervised law; and where the runs do not decide one, the status says so.

Tolerance: 1e-6 relative, the bar; what is found is 1e-10 or better.
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from capgap.comparison.fitting.fit import Fit, fit_distillation, fit_supervised
from capgap.comparison.fitting.huber import huber
from capgap.comparison.fitting.own_law import rescaled
from capgap.comparison.held_out import leave_one_cell_out
from capgap.comparison.intervals import bootstrap
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.hinge import HingeLaw
from capgap.theory.power_distillation import PowerDistillationLaw
from capgap.theory.supervised import SupervisedLaw

OWN = supervised_law()
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(2e9, 2e11, 5)))
RUNS = RunTable(N, D, OWN.loss(N, D))
N_S, D_S, L_T = (
    a.ravel()
    for a in np.meshgrid(
        np.geomspace(1e8, 8e9, 4), np.geomspace(2e9, 3e11, 4), np.linspace(1.6, 3.2, 9)
    )
)
EQ8 = distillation_law()
SOFT = replace(EQ8, c1=30.0, f1=0.2, d1=1.2)
BRACKET = {name: getattr(EQ8, name) for name in ("c0", "A", "B", "alpha", "beta", "gamma")}
POWER = PowerDistillationLaw(**BRACKET)
MOVING = {"rho": 0.95, "c": 0.1, "p": 0.03, "q": 0.01, "r": 40.0, "m": 0.2}
PLANTED: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "distillation": ("eq8", SOFT, ()),
    "distillation as published": ("eq8", EQ8, ()),
    "reduced": ("eq8-reduced", SOFT.reduced(), ()),
    "power": ("eq8-power", POWER, ()),
    "hinge": ("hinge", HingeLaw(OWN, rho=0.85, s=0.04, c=0.3), ("scale",)),
    "hinge, theta moves": (
        "hinge", HingeLaw(OWN, rho=0.85, s=0.04, c=2e-3, p=0.25, q=0.01), ("tokens", "p", "q"),
    ),
    "hinge, all moves": ("hinge", HingeLaw(OWN, s=0.05, **MOVING), ("scale", "p", "q", "r")),
    "additive": ("hinge-additive", AdditiveHingeLaw(OWN, rho=0.85, s=0.1, c=0.3), ("scale",)),
    "additive, all moves": (
        "hinge-additive", AdditiveHingeLaw(OWN, s=0.1, **MOVING), ("tokens", "p", "q", "r"),
    ),
}  # fmt: skip
MODES = ("fixed", "joint", "profiled")


def fit(kind: str, L_S: np.ndarray, own: str, terms: tuple[str, ...] = ()) -> Fit:
    given: dict[str, Any] = {"fixed": {"supervised": OWN}, "joint": {"supervised_runs": RUNS}}.get(
        own, {}
    )
    runs: Any = (kind, N_S, D_S, L_T, L_S)
    return fit_distillation(*runs, own=own, terms=terms, **given)


def planted(law: Any, own: str) -> dict[str, float]:
    """What a fit should say, by the names under which it says it."""
    found = {"scale": 1.0, "tokens": 1.0}
    found |= {f.name: getattr(law, f.name) for f in fields(law)}
    if own == "joint":
        found |= {f"supervised.{name}": value for name, value in OWN.coefficients().items()}
    elif own == "profiled" and hasattr(law, "student"):
        found |= law.student.coefficients()
    elif own == "profiled":
        # The knee is proportional to the supervised loss: its law is a multiple of it.
        ratio = float(law.knee(1e9, 1e10) / OWN.loss(1e9, 1e10))
        found |= rescaled(OWN, ratio).coefficients("knee.")
    return found


@pytest.mark.parametrize("own", MODES)
@pytest.mark.parametrize("name", PLANTED)
def test_planted_coefficients_come_back(name: str, own: str) -> None:
    kind, law, terms = PLANTED[name]
    if kind == "eq8-power" and own == "profiled":
        with pytest.raises(InputError, match="does not contain the supervised law"):
            fit(kind, law.loss(N_S, D_S, L_T), own)
        return
    found = fit(kind, law.loss(N_S, D_S, L_T), own, terms)
    assert found.status == "converged"
    assert found.coefficients == pytest.approx(
        {key: planted(law, own)[key] for key in found.coefficients}, rel=1e-6
    )
    new = (3e10, 1e12, 1.5)
    assert float(found.law.loss(*new)) == pytest.approx(float(law.loss(*new)), rel=1e-6)  # type: ignore[union-attr, call-arg]
    assert ("convention" in found.message or "not known" in found.message) == (
        own == "profiled" and kind.startswith("eq8")
    )


def test_a_joint_fit_names_both_laws_and_finds_the_one_it_was_not_given() -> None:
    """With the supervised law 3% off, a fixed fit goes wrong where a joint one does not."""
    law = HingeLaw(OWN, rho=0.85, s=0.04, c=0.3)
    L_S = law.loss(N_S, D_S, L_T)
    off = fit_distillation(
        "hinge", N_S, D_S, L_T, L_S, supervised=replace(OWN, E=OWN.E * 1.03), terms=()
    )
    joint = fit("hinge", L_S, "joint")
    assert np.sqrt(np.mean(off.residual**2)) > 5e-3
    assert np.max(np.abs(joint.residual)) < 1e-12
    laws = joint.problem.model.laws(joint.x)
    assert isinstance(laws.supervised, SupervisedLaw)
    floor = laws.supervised.E
    assert floor == pytest.approx(OWN.E, rel=1e-9)
    assert joint.residual.size == N.size + N_S.size
    assert np.array_equal(np.isnan(joint.problem.inputs["L_T"]), np.arange(174) < 30)


def test_a_joint_fit_is_the_minimum_of_the_sum() -> None:
    """Noise on both tables. Oracle: its objective is the sum over both, and no two-stage fit
    (supervised law first, then fixed) has a lower sum."""
    rng = np.random.default_rng(3)
    law = HingeLaw(OWN, rho=0.85, s=0.04, c=0.3)
    runs = RunTable(N, D, OWN.loss(N, D) * np.exp(0.004 * rng.standard_normal(N.size)))
    L_S = law.loss(N_S, D_S, L_T) * np.exp(0.004 * rng.standard_normal(N_S.size))
    options: dict[str, Any] = {"terms": (), "delta": 1e-2}
    joint = fit_distillation("hinge", N_S, D_S, L_T, L_S, supervised_runs=runs, **options)
    given = joint.problem.model.laws(joint.x).supervised
    assert isinstance(given, SupervisedLaw)
    fixed = fit_distillation("hinge", N_S, D_S, L_T, L_S, supervised=given, **options)
    # At the joint minimum the other coefficients are at their own, given the supervised law.
    assert fixed.coefficients == pytest.approx(
        {name: joint.coefficients[name] for name in fixed.coefficients}, rel=1e-4
    )

    alone = fit_supervised(runs.N, runs.D, runs.loss, delta=1e-2)
    assert isinstance(alone.law, SupervisedLaw)
    after = fit_distillation("hinge", N_S, D_S, L_T, L_S, supervised=alone.law, **options)
    assert joint.objective < alone.objective + after.objective
    supervised_part = np.sum(huber(np.log(given.loss(N, D) / runs.loss), 1e-2))
    assert joint.objective == pytest.approx(supervised_part + fixed.objective, rel=1e-6)


def test_what_works_on_any_fit_works_on_a_joint_one() -> None:
    """Bootstrap and held-out cells know nothing of the two kinds of runs. Noise .4%: 90%
    intervals of 60 refits hold the planted prediction; a law 5% off is outside."""
    rng = np.random.default_rng(4)
    law = HingeLaw(OWN, rho=0.85, s=0.04, c=0.3)
    runs = RunTable(N, D, OWN.loss(N, D) * np.exp(0.004 * rng.standard_normal(N.size)))
    L_S = law.loss(N_S, D_S, L_T) * np.exp(0.004 * rng.standard_normal(N_S.size))
    found = fit_distillation(
        "hinge", N_S, D_S, L_T, L_S, supervised_runs=runs, terms=(), delta=1e-2
    )
    new = {"N_S": 1e9, "D_S": 3e10, "L_T": 2.1}
    refits = bootstrap(found, seed=1, n=60)
    limits = refits.prediction_interval(0.9, **new)
    planted = float(law.loss(*new.values()))
    assert limits.low < planted < limits.high
    assert not limits.low < 1.05 * planted < limits.high
    assert refits.noise == pytest.approx(0.004, rel=0.25)  # 174 runs: 6% standard error
    drawn = bootstrap(found, seed=1, n=20, kind="cells")
    assert np.all(np.isfinite(drawn.x))
    groups = np.arange(found.residual.size) % 3
    held = leave_one_cell_out(found, groups)
    assert held.root_mean_square == pytest.approx(0.004, rel=0.3)


@pytest.mark.parametrize("own", MODES)
@pytest.mark.parametrize(
    ("kind", "law", "terms", "undecided"),
    [
        # c1 = infinity: the published law's own degeneracy, in the limit.
        ("eq8", SOFT.reduced(), (), "c1"),
        # rho constant: r = 0, and m is then the power of nothing.
        ("hinge", HingeLaw(OWN, rho=0.85, s=0.05, c=0.1), ("scale", "r"), "r"),
        ("hinge-additive", AdditiveHingeLaw(OWN, rho=0.85, s=0.1, c=0.1), ("r",), "r"),
    ],
)
def test_what_the_runs_do_not_decide_is_at_a_bound(kind, law, terms, undecided, own) -> None:
    found = fit(kind, law.loss(N_S, D_S, L_T), own, terms)
    assert found.status == "at-bound"
    assert f"at the limit of the search range: {undecided}" in found.message


def test_no_transition_in_the_runs_is_not_a_transition_found() -> None:
    """Data of the power form: k = 0, and the knee and f1 are not there to be found."""
    L_S = POWER.loss(N_S, D_S, L_T)
    for own in ("fixed", "joint"):
        assert fit("eq8-reduced", L_S, own).status != "converged"
    assert fit("eq8-power", L_S, "fixed").status == "converged"


def test_runs_on_one_curve_cannot_tell_the_own_law_apart() -> None:
    """D_S = 20 N_S: a profiled law of size and tokens is a law of one number."""
    N_one = np.repeat(np.geomspace(1e8, 1e10, 10), 9)
    teachers = np.tile(np.linspace(1.6, 3.2, 9), 10)
    law = HingeLaw(replace(OWN, beta=OWN.alpha), rho=0.85, s=0.04, c=0.3)
    found = fit_distillation(
        "hinge", N_one, 20 * N_one, teachers, law.loss(N_one, 20 * N_one, teachers), own="profiled"
    )
    assert found.status != "converged"


def test_gamma_of_a_supervised_law_fitted_here_may_be_fixed() -> None:
    plain = SupervisedLaw(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    law = HingeLaw(plain, rho=0.85, s=0.04, c=0.3)
    runs: Any = ("hinge", N_S, D_S, L_T, law.loss(N_S, D_S, L_T))
    table = RunTable(N, D, plain.loss(N, D))
    for options in ({"own": "profiled"}, {"supervised_runs": table}):
        found = fit_distillation(*runs, gamma=1.0, terms=(), **options)  # type: ignore[arg-type]
        assert found.status == "converged"
        E, gamma = (
            next(v for key, v in found.coefficients.items() if key.endswith(name))
            for name in ("E", "gamma")
        )
        assert (E, gamma) == (pytest.approx(1.69, rel=1e-8), 1.0)


L_S = OWN.loss(N_S, D_S)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"own": "fixed"}, "supervised = None, must be a SupervisedLaw for hinge with own ="),
        ({"own": "joint"}, "own = 'joint' must have supervised_runs"),
        ({"own": "both"}, "own = 'both' must be fixed, joint or profiled"),
        ({"own": "profiled", "supervised": OWN}, "supervised must be None with own = 'profiled'"),
        ({"own": "joint", "supervised": OWN, "supervised_runs": RUNS}, "supervised must be None"),
        ({"supervised": OWN, "supervised_runs": RUNS}, "supervised_runs must be None with own"),
        ({"own": "profiled", "supervised_runs": RUNS}, "supervised_runs must be None with own"),
        ({"own": "profiled", "gamma": 0.0}, "gamma = 0 must be finite and > 0"),
        (
            {"supervised_runs": RunTable(N, D, RUNS.loss, L_T=RUNS.loss, source="mine.csv")},
            "supervised_runs (mine.csv) must be runs without teachers",
        ),
        (
            {"supervised_runs": RUNS, "standard_errors": 0.01 * L_S},
            "supervised_runs (runs) must have standard errors where the distillations have",
        ),
    ],
)
def test_bad_ways_to_know_the_supervised_law(options: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        fit_distillation("hinge", N_S, D_S, L_T, L_S, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
