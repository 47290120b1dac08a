"""From arrays to a problem: checks, refusals, and how residuals are counted."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.log_models import FloatArray, LogModel
from capgap.comparison.fitting.refusal import Refusal
from capgap.comparison.fitting.search import Problem
from capgap.errors import InputError
from capgap.theory.domain import positive_array, require

__all__ = ["DELTA", "DELTA_IN_STANDARD_ERRORS", "checked_runs", "make_problem", "require_varied"]

DELTA = 1e-3
# Huber's k with 95% efficiency under normal noise: Huber, Ann. Math. Statist. 35 (1964), 73.
DELTA_IN_STANDARD_ERRORS = 1.345


def checked_runs(
    operation: str, inputs: Mapping[str, npt.ArrayLike], loss_name: str, loss: npt.ArrayLike
) -> tuple[dict[str, FloatArray], FloatArray]:
    """Finite positive arrays of one length."""
    data = {name: positive_array(operation, name, value) for name, value in inputs.items()}
    losses = positive_array(operation, loss_name, loss)
    shapes = {array.shape for array in (*data.values(), losses)}
    if len(shapes) != 1 or losses.ndim != 1:
        raise InputError(f"{operation}: shapes {sorted(shapes)} must be one (n,)")
    return data, losses


def require_varied(operation: str, inputs: Mapping[str, FloatArray]) -> None:
    """Refuse a design in which an input has a single value."""
    for name, values in inputs.items():
        if np.unique(values).size < 2:
            raise Refusal(
                "single-value",
                f"{operation}: {name} = {', '.join(f'{v:g}' for v in values[:1])} in every run,"
                " must vary to identify the law",
            )


def make_problem(
    operation: str,
    model: LogModel,
    inputs: Mapping[str, FloatArray],
    loss: FloatArray,
    *,
    delta: float | None,
    weights: npt.ArrayLike | None,
    standard_errors: npt.ArrayLike | None,
    start: FloatArray | None,
) -> Problem:
    r"""Assemble a problem; with standard errors residuals are counted in them.

    Without: :math:`\sum_i w_i\, Huber_\delta(r_i)` with delta in log loss, 1e-3 by default.
    With: :math:`\sum_i Huber_\delta(r_i/\sigma_i)`, :math:`\sigma_i = SE_i/L_i` the standard
    error of the log loss, delta in standard errors, 1.345 by default. That is the first with
    weights 1/sigma_i^2 and a threshold delta sigma_i for each run.
    """
    if standard_errors is not None and weights is not None:
        raise InputError(
            f"{operation}: weights must be None where standard_errors are given, which weigh"
        )
    threshold: float | FloatArray
    if standard_errors is None:
        threshold = DELTA if delta is None else float(delta)
        require(operation, "delta", threshold)
        w = np.ones_like(loss) if weights is None else np.asarray(weights, dtype=np.float64)
    else:
        k = DELTA_IN_STANDARD_ERRORS if delta is None else float(delta)
        require(operation, "delta", k)
        errors = positive_array(operation, "standard_errors", standard_errors)
        if errors.shape != loss.shape:
            raise InputError(
                f"{operation}: standard_errors of shape {errors.shape} must be {loss.shape}"
            )
        sigma = errors / loss
        threshold, w = k * sigma, 1 / sigma**2
    if w.shape != loss.shape or not np.all(np.isfinite(w)) or np.any(w < 0):
        raise InputError(f"{operation}: weights of shape {w.shape} must be {loss.shape}, >= 0")
    needed, used = len(model.names), np.count_nonzero(w)
    if used < needed:
        raise Refusal(
            "too-few-runs", f"{operation}: {used} runs must be at least the {needed} coefficients"
        )
    if start is not None and start.shape != (needed,):
        raise InputError(f"{operation}: start has {start.size} coefficients, must have {needed}")
    return Problem(model, inputs, np.log(loss), w, threshold, start)
