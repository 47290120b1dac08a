"""Noise profiles: planted slopes come back, and constant noise passes at the nominal rate."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from capgap.comparison.diagnosis.noise_profile import noise_profile
from capgap.comparison.fitting.fit import Fit, fit_supervised
from capgap.comparison.tables.read import read_runs
from capgap.errors import InputError
from capgap.theory.supervised import SupervisedLaw

LAW = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e7, 1e10, 8), np.geomspace(1e9, 1e11, 6)))
CENTER = np.exp(np.mean(np.log(N))), np.exp(np.mean(np.log(D)))
SLOPES = {"N": -0.4, "D": 0.3}  # of log variance per unit of log N, log D


def sigma(n, d, slopes=SLOPES):
    log = slopes["N"] * np.log(n / CENTER[0]) + slopes["D"] * np.log(d / CENTER[1])
    return 0.005 * np.exp(0.5 * log)


@cache
def exact(times: int) -> Fit:
    n, d = np.tile(N, times), np.tile(D, times)
    return fit_supervised(n, d, LAW.loss(n, d), gamma=1.0, delta=1.0)


def fitted(seed: int, slopes=SLOPES, times: int = 1) -> Fit:
    """The exact fit's end point with noisy losses: a profile starts with a fit of its own."""
    fit = exact(times)
    n, d = np.tile(N, times), np.tile(D, times)
    error = sigma(n, d, slopes) * np.random.default_rng(seed).standard_normal(n.size)
    return replace(fit, problem=replace(fit.problem, log_loss=fit.problem.log_loss + error))


@pytest.mark.parametrize(("source", "times"), [("residuals", 1), ("repeats", 3)])
def test_planted_profiles_come_back(source, times: int) -> None:
    """Statistics: mean slope and mean squared error over its squared standard error, 300 tables.

    The mean slope must lie within three standard errors of the truth, and the ratio (of chi2
    with one degree each, standard deviation 0.08) within 0.35 of one: the
    standard errors are those of large tables, 10% small for 48 runs. Negative control: the
    slopes' signs exchanged lie outside.
    """
    errors = {"N": [], "D": []}
    standard = {"N": [], "D": []}
    for seed in range(300):
        profile = noise_profile(fitted(seed, times=times), source=source)
        assert profile.source == source
        for name in errors:
            errors[name].append(profile.slopes[name] - SLOPES[name])
            standard[name].append(profile.standard_errors[name])
    for name in errors:
        error, known = np.array(errors[name]), np.array(standard[name])
        limit = 3 * error.std(ddof=1) / np.sqrt(error.size)
        assert abs(error.mean()) < limit
        assert abs(error.mean() + 2 * SLOPES[name]) > limit
        assert abs(np.mean(error**2 / known**2) - 1) < 0.35


@pytest.mark.parametrize(("source", "times"), [("residuals", 1), ("repeats", 2)])
def test_constant_noise_passes_at_the_nominal_rate(source, times: int) -> None:
    """Statistic: rate of p < 0.05 over 400 tables of constant noise, standard deviation 0.0109;
    the band is three. Negative control: at the planted slopes more than 60% are found.
    """
    flat = {"N": 0.0, "D": 0.0}
    p = [noise_profile(fitted(s, flat, times), source=source).p for s in range(400)]
    assert abs(np.mean(np.array(p) < 0.05) - 0.05) < 0.033
    found = [noise_profile(fitted(s, SLOPES, times), source=source).p < 0.05 for s in range(40)]
    assert np.mean(found) > 0.6


def test_standard_deviation_at_new_inputs() -> None:
    """Statistic: ratio to the planted one at a corner, mean over 60 tables within 6%."""
    at = {"N": 1e10, "D": 1e9}
    ratios = [
        noise_profile(fitted(s, times=3)).standard_deviation(**at)[0] / sigma(1e10, 1e9)
        for s in range(60)
    ]
    assert abs(np.mean(ratios) - 1) < 0.06


def test_fed_back_as_standard_errors() -> None:
    """A fit weighted by its own noise profile: coefficients with less scatter.

    Statistic: standard deviation of alpha over 60 tables with slopes of -1.5 and 1, against
    the unweighted fit on the same tables; the ratio must be below 0.9.
    """
    steep = {"N": -1.5, "D": 1.0}
    plain, weighted = [], []
    for seed in range(60):
        loss = np.exp(fitted(seed, steep).problem.log_loss)
        fit = fit_supervised(N, D, loss, gamma=1.0, delta=1.0)
        profile = noise_profile(fit)
        errors = profile.standard_deviation(N=N, D=D) * loss
        again = fit_supervised(N, D, loss, gamma=1.0, standard_errors=errors, delta=100.0)
        plain.append(fit.coefficients["alpha"])
        weighted.append(again.coefficients["alpha"])
    assert np.std(weighted) < 0.9 * np.std(plain)


def test_repeats_see_what_residuals_cannot() -> None:
    """Datablations: with repeats the noise is that of the seeds, without it the misfit."""
    runs = read_runs("datablations", columns={"cell": "name"})
    fit = fit_supervised(runs.N, runs.D, runs.loss, gamma=1.0)
    seeds, misfit = noise_profile(fit, runs), noise_profile(fit, runs, source="residuals")
    assert (seeds.source, seeds.degrees_of_freedom) == ("repeats", 65)
    assert seeds.level < 0.02 < misfit.level


def test_chosen_inputs() -> None:
    profile = noise_profile(fitted(0), inputs=("N",))
    assert set(profile.slopes) == {"N"}
    assert profile.standard_deviation(N=1e8, D=1e9) == profile.standard_deviation(N=1e8, D=1e11)


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="'M'"):
        noise_profile(fitted(0), inputs=("M",))
    with pytest.raises(InputError, match="above zero"):
        noise_profile(fitted(0), source="repeats")
    with pytest.raises(InputError, match="must be N, D"):
        noise_profile(fitted(0)).standard_deviation(N=1e9)
