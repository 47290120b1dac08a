"""Rough robust descriptions of a table, to see which rows do not belong."""

from collections.abc import Callable

import numpy as np

from capgap.comparison.fitting.log_models import FloatArray, SupervisedModel
from capgap.comparison.fitting.search import Problem, solve
from capgap.comparison.tables.run_table import RunTable

__all__ = ["rough_error", "rough_fit", "rough_residual"]

Residual = Callable[[FloatArray, FloatArray], FloatArray]

_MOST_ROWS = 3000  # rows that decide a rough description; every row is judged by it
_ENOUGH_ROWS = 300  # ... of a search
_STEPS = 40


def rough_residual(runs: RunTable) -> FloatArray:
    """Log loss less a quadratic of the logs of all inputs, fitted by least absolute deviation.

    >>> N, D = np.repeat([1e7, 1e8, 1e9], 4), np.tile([1e9, 4e9, 1e10, 4e10], 3)
    >>> loss = 50 * N**-0.1 * D**-0.05
    >>> loss[5] *= 1.44
    >>> [round(float(r), 3) + 0 for r in rough_residual(RunTable(N, D, loss))[4:7]]
    [0.0, 0.365, 0.0]
    """
    y, columns = np.log(runs.loss), _quadratic(runs)
    some = slice(None, None, max(1, len(runs) // _MOST_ROWS))
    weight = np.ones_like(y[some])
    coefficients = np.zeros(columns.shape[1])
    for _ in range(_STEPS):
        root = np.sqrt(weight)
        coefficients = np.linalg.lstsq(columns[some] * root[:, None], y[some] * root)[0]
        # Least absolute deviation by reweighting; 1e-6 keeps an exact row from ruling alone.
        weight = 1 / np.maximum(np.abs(y[some] - columns[some] @ coefficients), 1e-6)
    return np.asarray(y - columns @ coefficients, dtype=np.float64)


def rough_fit(N: FloatArray, D: FloatArray, loss: FloatArray) -> Residual:
    """The plain law fitted by least absolute deviation, as log residuals at any N and D.

    Unlike a quadratic the law is monotone and levels off, so rows whose counts are wrong by
    a factor of 1000 cannot be fitted along with the others.
    """
    some = slice(None, None, max(1, loss.size // _ENOUGH_ROWS))
    few = {"N": N[some], "D": D[some]}
    model = SupervisedModel.build(few["N"], few["D"], loss[some], 1.0)
    y = np.log(loss[some])
    fit = solve(Problem(model, few, y, np.ones_like(y), 1e-3))

    def residual(N: FloatArray, D: FloatArray) -> FloatArray:
        prediction = model.at({"N": N, "D": D}).predict(fit.x[None])[0]
        return np.asarray(prediction - np.log(loss), dtype=np.float64)

    return residual


def rough_error(N: FloatArray, D: FloatArray, loss: FloatArray) -> float:
    """Mean absolute log residual of `rough_fit` at its own runs."""
    return float(np.mean(np.abs(rough_fit(N, D, loss)(N, D))))


def _quadratic(runs: RunTable) -> FloatArray:
    """1, the logs of the inputs in units of their spread, and all their products."""
    logs = [np.log(value) for value in runs.inputs.values()]
    units = [(z - z.mean()) / max(float(z.std()), 1e-12) for z in logs if np.ptp(z) > 0]
    columns = [np.ones(len(runs)), *units]
    columns += [a * b for i, a in enumerate(units) for b in units[i:]]
    return np.stack(columns, axis=1)
