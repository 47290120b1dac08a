"""How far from the fitted runs a question lies."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.comparison.diagnosis.influence import query_points
from capgap.comparison.diagnosis.local import right_singular
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit
from capgap.comparison.tables.run_table import RunTable

__all__ = ["Extrapolation", "extrapolation"]

_RANK = 1e-10
_EDGE, _FAR = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class Extrapolation:
    """Distance of queries from a design; arrays of shape (Q,).

    Attributes
    ----------
    factor : dict of arrays
        By name of the input: how many times beyond the range of the runs, above it (> 1) or
        below it (< 1); 1 inside.
    distance : array
        Leverage of the query over the largest leverage of the runs. Up to 1 the query is no
        farther than some run; the variance of a prediction grows in proportion.
    words : tuple of str
        One line per query.
    """

    factor: dict[str, FloatArray]
    distance: FloatArray
    words: tuple[str, ...]


def extrapolation(source: Fit | RunTable, /, **query: npt.ArrayLike) -> Extrapolation:
    r"""How far outside the runs, or the fitted design, queries lie.

    .. math:: h(q) = g_q^\top (J^\top W J)^{-1} g_q, \qquad
              distance = h(q) / \max_i w_i h(i)

    with g the derivatives of the log loss in the law's coordinates: what the law cannot know
    at q given what it saw. For a table without a fit, g is 1 and the logs of the inputs.
    A query inside every range but in an empty corner of the design is far in this sense.

    Parameters
    ----------
    source : Fit or RunTable
    **query : array_like
        Inputs by name (N and D, or N_S, D_S and L_T), broadcast together.

    Returns
    -------
    Extrapolation

    Raises
    ------
    InputError
        Inputs of the wrong names, or not finite and positive.

    Notes
    -----
    To first order, and within the law: how wrong the law itself is beyond the runs, no
    distance can say. A coordinate that the runs do not decide makes any query that depends
    on it infinitely far.

    Examples
    --------
    >>> runs = RunTable(N=[1e7, 1e7, 1e9, 1e9], D=[1e9, 1e11, 1e9, 1e11], loss=[4, 3.5, 3.2, 2.5])
    >>> where = extrapolation(runs, N=[1e8, 1e10], D=[1e10, 1e10])
    >>> [round(float(v), 3) for v in where.distance]  # (1/4)/(3/4); (1/4 + 4/4)/(3/4)
    [0.333, 1.667]
    >>> where.words[1]
    'beyond the runs in N by a factor of 10; distance 1.7'
    """
    inputs = source.problem.inputs if isinstance(source, Fit) else source.inputs
    points = query_points("extrapolation", inputs, query)
    if isinstance(source, Fit):
        model, used = source.problem.model, source.problem.weights > 0
        jacobian = model.evaluate(source.x[None])[1][0][used]
        at_query = model.at(points).evaluate(source.x[None])[1][0]
        root = np.sqrt(source.problem.weights[used])
        inputs = {name: value[used] for name, value in inputs.items()}
    else:
        jacobian, at_query = _linear(inputs, inputs), _linear(points, inputs)
        root = np.ones(len(source))
    largest = float(np.max(_leverage(jacobian, root, jacobian) * root**2))
    distance = _leverage(jacobian, root, at_query) / largest
    factor = {name: _beyond(points[name], value) for name, value in inputs.items()}
    words = tuple(
        _words({name: float(f[i]) for name, f in factor.items()}, float(far))
        for i, far in enumerate(distance)
    )
    return Extrapolation(factor, distance, words)


def _linear(points: Mapping[str, FloatArray], design: Mapping[str, FloatArray]) -> FloatArray:
    logs = [np.log(value) - np.mean(np.log(design[name])) for name, value in points.items()]
    return np.stack([np.ones_like(logs[0]), *logs], axis=1)


def _leverage(jacobian: FloatArray, root: FloatArray, at: FloatArray) -> FloatArray:
    """g' (J'WJ)^-1 g for the rows g of `at`; infinite where g needs an unseen direction."""
    weighted = jacobian * root[:, None]
    norms = np.linalg.norm(weighted, axis=0)
    scale = np.where(norms > 0, norms, 1.0)
    values, vectors = right_singular(weighted / scale)
    parts = (at / scale) @ vectors.T
    seen = values > _RANK * values[0]
    known = np.sum((parts[:, seen] / values[seen]) ** 2, axis=1)
    length = np.linalg.norm(at / scale, axis=1)
    blind = np.any(np.abs(parts[:, ~seen]) > 1e-8 * length[:, None], axis=1)
    return np.where(blind, np.inf, known)


def _beyond(query: FloatArray, runs: FloatArray) -> FloatArray:
    low, high = np.nanmin(runs), np.nanmax(runs)  # in a joint fit some runs have no L_T
    return np.where(query > high, query / high, np.where(query < low, query / low, 1.0))


def _words(factor: Mapping[str, float], distance: float) -> str:
    outside = [
        f"{name} by a factor of {max(value, 1 / value):.3g}"
        for name, value in factor.items() if value != 1
    ]  # fmt: skip
    if outside:
        return f"beyond the runs in {' and '.join(outside)}; distance {distance:.2g}"
    if distance > _FAR:
        return f"inside the ranges but far from every run; distance {distance:.2g}"
    if distance > _EDGE:
        return f"inside the ranges, in an empty corner; distance {distance:.2g}"
    return f"among the runs; distance {distance:.2g}"
