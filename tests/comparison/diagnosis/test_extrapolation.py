"""Extrapolation: factors by hand, and distances that foretell how far predictions scatter."""

import numpy as np
import pytest

from capgap.comparison.diagnosis.extrapolation import extrapolation
from capgap.comparison.fitting.fit import fit_supervised
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.supervised import SupervisedLaw

LAW = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e11, 5)))
NOISE = 0.005


def fitted(seed: int = 0, n=N, d=D):
    error = NOISE * np.random.default_rng(seed).standard_normal(n.size)
    return fit_supervised(n, d, LAW.loss(n, d) * np.exp(error), gamma=1.0, delta=1.0)


def test_factors_beyond_the_ranges() -> None:
    where = extrapolation(fitted(), N=[1e8, 1e12, 1e6], D=[1e10, 5e11, 1e10])
    np.testing.assert_allclose(where.factor["N"], [1, 100, 0.1], rtol=1e-9)
    np.testing.assert_allclose(where.factor["D"], [1, 5, 1], rtol=1e-9)
    assert where.words[0].startswith("among the runs")
    assert where.words[1].startswith("beyond the runs in N by a factor of 100 and D by a factor")
    assert "N by a factor of 10;" in where.words[2]


def test_runs_are_at_most_at_distance_one() -> None:
    for source in (fitted(), RunTable(N, D, LAW.loss(N, D))):
        distance = extrapolation(source, N=N, D=D).distance
        assert distance.max() == pytest.approx(1.0, rel=1e-9)
        assert distance.min() > 0


def test_distance_is_the_variance_of_a_prediction() -> None:
    """Statistic: variance of the predicted log loss over 200 refits, in units of that at the
    run with the largest leverage; each variance is known to 10%, so 42% are three of both.
    Negative control: the query ten times beyond both ranges must be farther than one inside.
    """
    query = {"N": np.array([1e8, 1e11, 1e9]), "D": np.array([1e10, 1e12, 1e12])}
    fit = fitted()
    leverage = extrapolation(fit, N=N, D=D).distance
    top = int(np.argmax(leverage))
    at = {"N": np.append(query["N"], N[top]), "D": np.append(query["D"], D[top])}
    draws = np.array([fitted(seed).law.log_loss(at["N"], at["D"]) for seed in range(200)])
    variance = draws.var(axis=0)
    distance = extrapolation(fit, **query).distance
    np.testing.assert_allclose(distance, variance[:-1] / variance[-1], rtol=0.42)
    assert distance[1] > distance[0]


def test_an_empty_corner_is_far_though_inside_the_ranges() -> None:
    """Runs on a band of 20 tokens per parameter, more or less; the query has 0.1."""
    n = np.geomspace(1e7, 1e10, 24)
    d = 20 * n * np.tile([0.7, 1.0, 1.5], 8)
    fit = fitted(0, n, d)
    for source in (fit, RunTable(n, d, LAW.loss(n, d))):
        where = extrapolation(source, N=[5e9, 5e9], D=[5e8, 1e11])
        assert all(f[0] == 1 for f in where.factor.values())
        assert where.distance[0] > 5 > 1 > where.distance[1]
        assert "inside the ranges" in where.words[0]


def test_what_the_runs_cannot_see_is_infinitely_far() -> None:
    """Two sizes and the plain law: a third size needs A and alpha apart, the two do not."""
    n, d = (a.ravel() for a in np.meshgrid([1e8, 1e9], np.geomspace(1e9, 1e11, 6)))
    where = extrapolation(fitted(0, n, d), N=[1e8, 3e8], D=[5e10, 5e10])
    assert np.isfinite(where.distance[0])
    assert np.isinf(where.distance[1])


def test_bad_queries() -> None:
    with pytest.raises(InputError, match="must be N, D"):
        extrapolation(fitted(), N=1e9)
    with pytest.raises(InputError, match="D = -1"):
        extrapolation(fitted(), N=1e9, D=-1.0)
