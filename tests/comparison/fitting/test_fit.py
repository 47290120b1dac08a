"""Fits: planted coefficients come back, wrong designs are refused, doubtful fits say so."""

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.optimize import minimize

from capgap.comparison.fitting.fit import fit_distillation, fit_supervised
from capgap.comparison.fitting.huber import huber
from capgap.errors import InputError
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

OWN = supervised_law()
PLAIN = SupervisedLaw(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(2e9, 2e11, 5)))
N_S, D_S, L_T = (
    a.ravel() for a in np.meshgrid([2e8, 7e8, 2e9], [4e9, 1.5e10, 6e10], np.linspace(1.7, 2.8, 6))
)
EQ8 = distillation_law()
HINGE = HingeLaw(OWN, rho=0.85, s=0.04, c=2e-3, p=0.25)


def noise(size: int, seed: int = 1, sd: float = 0.005) -> np.ndarray:
    return np.exp(sd * np.random.default_rng(seed).standard_normal(size))


@pytest.mark.parametrize(("law", "gamma"), [(OWN, None), (OWN, OWN.gamma), (PLAIN, 1.0)])
@pytest.mark.parametrize("delta", [1e-4, 1e-3, 1e-1])
def test_planted_supervised_law_comes_back(law: SupervisedLaw, gamma, delta: float) -> None:
    fit = fit_supervised(N, D, law.loss(N, D), gamma=gamma, delta=delta)
    assert fit.status == "converged"
    for name, value in fit.coefficients.items():
        assert value == pytest.approx(getattr(law, name), rel=1e-6)
    assert fit.best_basin_share > 0.5
    assert np.max(np.abs(fit.residual)) < 1e-10


def vars_of(law: object) -> dict[str, float]:
    """Coefficients of a law by name."""
    return {field.name: getattr(law, field.name) for field in fields(law)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "law", "options"),
    [
        ("eq8-reduced", EQ8.reduced(), {"supervised": OWN}),
        ("eq8", replace(EQ8, c1=30.0, f1=0.2, d1=1.2), {"supervised": OWN}),
        ("hinge", HINGE, {"supervised": OWN, "terms": ("scale", "p")}),
        ("hinge", replace(HINGE, c=0.3, p=0.0), {"supervised": OWN, "terms": ()}),
        ("hinge", HINGE, {"terms": ("p", "q")}),
    ],
)
def test_planted_distillation_law_comes_back(kind: str, law, options: dict) -> None:
    fit = fit_distillation(kind, N_S, D_S, L_T, law.loss(N_S, D_S, L_T), **options)
    assert fit.status == "converged"
    for name, value in fit.coefficients.items():
        own = law.student if isinstance(law, HingeLaw) else law.supervised
        here = {"scale": 1.0, "tokens": 1.0, **vars_of(own), **vars_of(law)}
        planted = here[name]
        assert value == pytest.approx(planted, rel=1e-6, abs=1e-8)
    np.testing.assert_allclose(fit.law.loss(N_S, D_S, L_T), law.loss(N_S, D_S, L_T), rtol=1e-9)


def test_scaled_supervised_law_in_the_hinge() -> None:
    """scale x l: planted 1.03; the fitted law's own E and A are those of the scaled law."""
    scaled = replace(OWN, E=1.03 * OWN.E, A=1.03 ** (1 / OWN.gamma) * OWN.A,
                     B=1.03 ** (1 / OWN.gamma) * OWN.B)  # fmt: skip
    law = HingeLaw(scaled, rho=0.8, s=0.05, c=0.3)
    fit = fit_distillation("hinge", N_S, D_S, L_T, law.loss(N_S, D_S, L_T), supervised=OWN)
    assert list(fit.coefficients) == ["scale", "rho", "s", "c"]
    assert fit.coefficients["scale"] == pytest.approx(1.03, rel=1e-9)
    assert isinstance(fit.law, HingeLaw)
    found = [fit.law.student.E, fit.law.student.A, fit.law.student.B]
    assert found == pytest.approx([scaled.E, scaled.A, scaled.B], rel=1e-8)
    assert fit.x.size == 4


def test_tokens_that_are_worth_more_in_the_hinge() -> None:
    """The corner is the given law on 1.6 times the tokens: planted, and found."""
    law = HingeLaw(replace(OWN, B=1.6**-OWN.beta * OWN.B), rho=0.8, s=0.05, c=0.3)
    assert law.student.loss(3e8, 1e10) == pytest.approx(OWN.loss(3e8, 1.6e10), rel=1e-12)
    fit = fit_distillation(
        "hinge", N_S, D_S, L_T, law.loss(N_S, D_S, L_T), supervised=OWN, terms=("tokens",)
    )
    assert list(fit.coefficients) == ["tokens", "rho", "s", "c"]
    assert fit.coefficients["tokens"] == pytest.approx(1.6, rel=1e-7)
    assert isinstance(fit.law, HingeLaw)
    found = fit.law.student.B
    assert found == pytest.approx(law.student.B, rel=1e-7)


@pytest.mark.parametrize("delta", [1e-3, 1e-2])
def test_noisy_fit_is_at_a_minimum_that_scipy_cannot_lower(delta: float) -> None:
    """Oracle: Nelder-Mead on the plain coefficients, started at the fit and beside it."""
    L = OWN.loss(N, D) * noise(N.size)
    fit = fit_supervised(N, D, L, delta=delta)
    names = list(fit.coefficients)
    best = np.array([fit.coefficients[name] for name in names])

    def objective(log_ratio: np.ndarray) -> float:
        law = SupervisedLaw(**dict(zip(names, best * np.exp(log_ratio), strict=True)))
        return float(np.sum(huber(np.log(law.loss(N, D) / L), delta)))

    assert objective(np.zeros(6)) == pytest.approx(fit.objective, rel=1e-9)
    for start in (np.zeros(6), np.full(6, 1e-3)):
        found = minimize(
            objective, start, method="Nelder-Mead", options={"maxfev": 3000, "xatol": 1e-9}
        )
        assert found.fun >= fit.objective * (1 - 1e-6)


def test_objective_is_the_weighted_sum_and_weights_drop_runs() -> None:
    L = OWN.loss(N, D) * noise(N.size)
    weights = np.random.default_rng(2).uniform(0.5, 2, N.size)
    fit = fit_supervised(N, D, L, weights=weights)
    assert fit.objective == pytest.approx(np.sum(weights * huber(fit.residual, 1e-3)), rel=1e-12)
    keep = np.arange(N.size) != 7
    dropped = fit_supervised(N, D, L, weights=keep.astype(float))
    short = fit_supervised(N[keep], D[keep], L[keep])
    assert dropped.objective == pytest.approx(short.objective, rel=1e-8)
    assert dropped.noise == pytest.approx(short.noise, rel=1e-5)
    assert dropped.degrees_of_freedom == short.degrees_of_freedom == 23


def test_outliers_hardly_move_a_huber_fit() -> None:
    """Two losses 30% too high; negative control: least squares (large delta) is thrown off."""
    L = OWN.loss(N, D)
    L[[4, 17]] *= 1.3
    robust = fit_supervised(N, D, L, gamma=OWN.gamma)
    squares = fit_supervised(N, D, L, gamma=OWN.gamma, delta=10.0)
    inside = np.delete(np.arange(N.size), [4, 17])
    assert np.max(np.abs(robust.residual[inside])) < 1e-3
    assert np.max(np.abs(squares.residual[inside])) > 0.02


def test_vanishing_irreducible_loss_is_reported() -> None:
    law = replace(PLAIN, E=0.0)
    fit = fit_supervised(N, D, law.loss(N, D) * noise(N.size, seed=5, sd=0.01), gamma=1.0)
    assert (fit.status == "at-bound") == (fit.coefficients["E"] < 0.006)
    exact = fit_supervised(N, D, law.loss(N, D), gamma=1.0)
    assert exact.status == "at-bound"
    assert exact.message == "at the limit of the search range: E"


def test_a_design_that_cannot_tell_coefficients_apart_is_reported() -> None:
    """D a power of N: one curve, on which A and B terms with equal powers are one term."""
    size = np.geomspace(1e7, 1e10, 12)
    law = SupervisedLaw(E=1.7, A=400.0, B=400.0, alpha=0.34, beta=0.34)
    fit = fit_supervised(size, 20 * size, law.loss(size, 20 * size), gamma=1.0)
    assert fit.status in ("not-identified", "at-bound")


def test_law_of_the_wrong_form_shows_in_the_noise() -> None:
    """Eq. 8 keeps L_S > L_T: it cannot follow students that beat weak teachers."""
    weak = np.linspace(1.7, 3.6, 54)
    truth = replace(HINGE, rho=0.5)
    L_S = truth.loss(N_S, D_S, weak)
    assert np.any(weak > L_S)
    eq8 = fit_distillation("eq8-reduced", N_S, D_S, weak, L_S, supervised=OWN)
    hinge = fit_distillation("hinge", N_S, D_S, weak, L_S, supervised=OWN, terms=("scale", "p"))
    assert hinge.noise < 1e-9
    assert eq8.noise > 0.02


def test_starting_point_is_used_and_checked() -> None:
    L = EQ8.reduced().loss(N_S, D_S, L_T)
    first = fit_distillation("eq8-reduced", N_S, D_S, L_T, L, supervised=OWN)
    again = fit_distillation("eq8-reduced", N_S, D_S, L_T, L, supervised=OWN, start=first)
    assert again.objective <= first.objective + 1e-25
    with pytest.raises(InputError, match="start has 8 coefficients, must have 4"):
        fit_distillation("hinge", N_S, D_S, L_T, L, supervised=OWN, start=first)
    assert fit_supervised(N, D, OWN.loss(N, D), start=OWN).status == "converged"


LOSS = OWN.loss(N, D)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_supervised(N[:5], D[:5] * [1, 2, 3, 4, 5], LOSS[:5]), "5 runs must be at"),
        (lambda: fit_supervised(N, np.full(30, 1e9), LOSS), "D = 1e+09 in every run"),
        (lambda: fit_supervised(np.full(30, 1e9), D, LOSS), "N = 1e+09 in every run"),
        (lambda: fit_supervised(N, D, np.where(N > 5e9, np.nan, LOSS)), "L = nan must be finite"),
        (lambda: fit_supervised(N, D, -LOSS), "must be finite and > 0"),
        (lambda: fit_supervised(N, D[:9], LOSS), "must be one (n,)"),
        (lambda: fit_supervised(N, D, LOSS, delta=0.0), "delta = 0 must be"),
        (lambda: fit_supervised(N, D, LOSS, gamma=-1.0), "gamma = -1 must be"),
        (lambda: fit_supervised(N, D, LOSS, weights=-np.ones(30)), "weights of shape (30,)"),
        (lambda: fit_supervised(N, D, LOSS, weights=N > 9e9), "5 runs must be at least the 6"),
        (lambda: fit_distillation("eq8", N, D, LOSS, LOSS), "supervised = None"),
        (lambda: fit_distillation("nine", N, D, LOSS, LOSS), "kind = 'nine' must be"),
        (lambda: fit_distillation("hinge", N, D, LOSS, LOSS, terms=("z",)), "terms has 'z'"),
        (lambda: fit_distillation("hinge", N, D, 0 * N + 2, LOSS), "L_T = 2 in every run"),
    ],
)
def test_bad_input_is_one_clear_line(call, message: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
