"""Profiles: exact for a line, right for laws, open where the data give no limit."""

from dataclasses import replace

import numpy as np
import pytest
from comparison.fitting.every_model import every_model, observed
from comparison.intervals.line import fitted, inputs
from scipy.optimize import minimize
from scipy.stats import t

from capgap.comparison.fitting.fit import fit_distillation, fit_supervised
from capgap.comparison.fitting.huber import huber
from capgap.comparison.intervals import profile_likelihood
from capgap.comparison.intervals.held_model import HeldModel
from capgap.comparison.intervals.limits import derivative, scales
from capgap.errors import InputError
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.supervised import SupervisedLaw

OWN = supervised_law()
LAW = SupervisedLaw(E=1.69, A=406.0, B=410.0, alpha=0.34, beta=0.28)
N = np.repeat(np.geomspace(1e7, 1e10, 6), 6)
D = np.tile(np.geomspace(4e8, 2e11, 6), 6)
ERROR = 0.005 * np.random.default_rng(0).standard_normal(36)
FIT = fit_supervised(N, D, LAW.loss(N, D) * np.exp(ERROR), gamma=1.0, delta=0.01)


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_profile_of_a_line_is_a_parabola(name: str, level: float) -> None:
    """Oracle: the t interval of linear regression, with the mean of r^2/(1 - h) for the
    variance; the profile is (c - c0)^2 / (2 v), v the entry of (X'X)^-1."""
    fit = fitted(inputs(0, 24), 0.1 * np.random.default_rng(1).standard_normal(24))
    found = profile_likelihood(fit, name, level=level)
    place = ("a", "b").index(name)
    X = fit.problem.model.design
    v = np.linalg.inv(X.T @ X)[place, place]
    own = 1 - np.sum(np.linalg.qr(X)[0] ** 2, axis=1)
    noise = np.sqrt(np.mean(fit.residual**2 / own))
    reach = t.ppf(0.5 + level / 2, 22) * noise * np.sqrt(v)
    center = fit.coefficients[name]
    np.testing.assert_allclose(found.rise, (found.values - center) ** 2 / (2 * v), rtol=1e-6,
                               atol=1e-9)  # fmt: skip
    # 1e-3 of the reach is where the search for the crossing ends.
    np.testing.assert_allclose([found.low, found.high], [center - reach, center + reach],
                               atol=1.1e-3 * reach)  # fmt: skip
    assert found.drop < 1e-9
    assert np.all(np.diff(found.values) > 0)


@pytest.mark.parametrize("name", ["A", "alpha", "E"])
def test_rise_is_the_minimum_over_the_others(name: str) -> None:
    """Oracle: scipy's Nelder-Mead, restarted, on E, A, B, alpha, beta with one replaced."""
    found = profile_likelihood(FIT, name, level=0.95)
    y = FIT.problem.log_loss
    names = ("E", "A", "B", "alpha", "beta")
    free = [k for k in names if k != name]
    center = np.array([FIT.coefficients[k] for k in free])

    def objective(z, value):
        given = dict(zip(free, center * np.exp(z), strict=True))
        law = SupervisedLaw(**{**given, name: value})
        return 1e4 * np.sum(huber(np.log(law.loss(N, D)) - y, 0.01))

    for i in (1, len(found.values) // 3, -2):
        value = float(found.values[i])
        start = np.zeros(4)
        for _ in range(4):
            start = minimize(objective, start, args=(value,), method="Nelder-Mead",
                             options={"maxiter": 4000, "maxfev": 4000, "xatol": 1e-9,
                                      "fatol": 1e-12}).x  # fmt: skip
        least = objective(start, value) / 1e4
        assert found.rise[i] == pytest.approx(least - FIT.objective, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("name", [*every_model()])
def test_held_model_keeps_its_value_and_has_the_right_slopes(name: str) -> None:
    """Every law, every coordinate. Oracle: central differences, relative 1e-5."""
    model = every_model()[name]
    grid = model.starts(observed(name))
    x = np.clip(grid[len(grid) // 3] + 0.01, *(model.bounds.T + np.array([[1e-3], [-1e-3]])))
    for place, coordinate in enumerate(model.names):
        scale = scales(model, x)[coordinate]
        value = float(scale.to(model.coefficients(x)[coordinate])) + 0.02
        held = HeldModel(model, coordinate, scale, value, float(x[place]))
        assert coordinate not in held.names
        z = np.delete(x, place)
        moved = held.coefficients(z)[coordinate]
        assert float(scale.to(moved)) == pytest.approx(value, abs=1e-9)
        assert not held.at_limit(z)
        jacobian = held.evaluate(z[None])[1][0]
        expected = derivative(lambda q, held=held: held.predict(q[None])[0], z)
        np.testing.assert_allclose(jacobian, expected, rtol=1e-5, atol=1e-6)


def test_no_upper_limit_where_the_law_becomes_its_limit() -> None:
    """Eq. 8 for large c1 is the reduced law: runs of the reduced law bound c1 from below alone,
    and those of a law with c1 = 5 on both sides (negative control)."""
    N_S, D_S, L_T = (
        a.ravel()
        for a in np.meshgrid([2e8, 7e8, 2e9], [4e9, 1.5e10, 6e10], np.linspace(1.5, 3.2, 9))
    )
    noise = np.exp(0.001 * np.random.default_rng(3).standard_normal(N_S.size))
    far = distillation_law().reduced()
    near = replace(distillation_law(), c1=5.0, f1=0.05, d1=0.93 * 0.25**0.05)
    texts = []
    for law in (far, near):
        L_S = law.loss(N_S, D_S, L_T) * noise
        fit = fit_distillation("eq8", N_S, D_S, L_T, L_S, supervised=OWN, delta=0.01)
        found = profile_likelihood(fit, "c1", level=0.95, top=1.0)
        texts.append(found.text)
        assert found.low > 0
    assert texts[0].endswith("the data give no upper limit")
    assert " to " in texts[1]


def test_no_lower_limit_at_a_domain_that_the_data_do_not_exclude() -> None:
    """E = 0 fits as well as the E planted where the runs stop far above it; with larger runs
    they exclude it (negative control)."""
    small = N < 2e8
    law = replace(LAW, E=0.05)
    loss = law.loss(N, D) * np.exp(2 * ERROR)
    few = fit_supervised(N[small], D[small], loss[small], gamma=1.0, delta=0.01)
    found = profile_likelihood(few, "E", level=0.95)
    assert found.low == -np.inf
    assert 0.05 < found.high < np.inf
    assert found.values.min() >= 0
    assert found.text.endswith("the data give no lower limit")
    whole = profile_likelihood(FIT, "E", level=0.95)
    assert 1.5 < whole.low < FIT.coefficients["E"] < whole.high < 1.8


def test_profile_follows_up_to_the_top_in_even_steps() -> None:
    whole, short = (profile_likelihood(FIT, "beta", top=top) for top in (4.0, 1.0))
    assert whole.rise[0] >= 4 * whole.cut
    assert whole.rise[-1] >= 4 * whole.cut
    assert len(short.values) < len(whole.values)
    assert (short.low, short.high) == pytest.approx((whole.low, whole.high), rel=1e-3)
    roots = np.sqrt(np.maximum(whole.rise, 0) / whole.cut)
    assert np.max(np.abs(np.diff(roots))) < 0.8
    inside = (whole.values >= whole.low) & (whole.values <= whole.high)
    np.testing.assert_array_equal(whole.rise[inside] <= whole.cut * 1.01, True)


def test_a_fit_that_is_no_minimum_shows() -> None:
    """`drop`: a fit moved off its minimum lies above its own profile; at the minimum it is 0."""
    model, x = FIT.problem.model, FIT.x + np.array([0.0, 0.0, 0.02, 0.0, 0.0])
    residual = model.predict(x[None])[0] - FIT.problem.log_loss
    off = replace(FIT, x=x, coefficients=model.coefficients(x), residual=residual,
                  objective=float(np.sum(huber(residual, 0.01))))  # fmt: skip
    assert profile_likelihood(off, "A").drop > 1e-3
    assert profile_likelihood(FIT, "A").drop < 1e-6


def test_intervals_nest_and_cells_widen_them() -> None:
    narrow, wide = (profile_likelihood(FIT, "alpha", level=p, top=1.0) for p in (0.5, 0.99))
    assert wide.low < narrow.low < FIT.coefficients["alpha"] < narrow.high < wide.high
    n, d = np.repeat(N, 4), np.repeat(D, 4)
    error = np.repeat(ERROR, 4)
    fit = fit_supervised(n, d, LAW.loss(n, d) * np.exp(error), gamma=1.0, delta=0.01)
    alone = profile_likelihood(fit, "alpha", level=0.9, top=1.0)
    cells = profile_likelihood(fit, "alpha", level=0.9, top=1.0, groups=np.repeat(np.arange(36), 4))
    # Four copies of each run: half the width if they counted as four, the t of fewer cells.
    ratio = np.log(cells.high / cells.low) / np.log(alone.high / alone.low)
    assert ratio == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: profile_likelihood(FIT, "gamma"), "name = 'gamma' must be one of A, B"),
        (lambda: profile_likelihood(FIT, "A", level=1.0), "level = 1 must be between"),
        (lambda: profile_likelihood(replace(FIT, status="not-converged"), "A"), "not-converged"),
        (lambda: profile_likelihood(FIT, "A", groups=[1, 2]), "groups of shape (2,)"),
    ],
)
def test_refusals(call, message: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fit_without_degrees_of_freedom_has_no_profile() -> None:
    five = np.array([0, 7, 14, 21, 35])
    saturated = fit_supervised(N[five], D[five], LAW.loss(N[five], D[five]), gamma=1.0)
    with pytest.raises(InputError, match="0 degrees of freedom"):
        profile_likelihood(saturated, "A")
