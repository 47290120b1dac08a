"""Fit a law of anyone's own form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.stats import qmc

from capgap.comparison.fitting.log_law import LogLaw, UserLaw
from capgap.comparison.fitting.log_models import FloatArray, LogModel
from capgap.comparison.fitting.problems import checked_runs, make_problem
from capgap.comparison.fitting.search import Fit, solve
from capgap.errors import InputError
from capgap.theory.law_set import Laws
from capgap.theory.supervised import SupervisedLaw

__all__ = ["UserModel", "fit_law"]

_STEP = 6e-6  # cube root of the rounding unit: truncation and rounding errors are alike
_STARTS = 10  # binary logarithm of their number


@dataclass(frozen=True, slots=True)
class UserModel(LogModel):
    """Coordinates are the law's log-parameters as they are."""

    form: Any  # a LogLaw; Any because its jacobian and starts are optional
    inputs: Mapping[str, FloatArray]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.form.names)

    @property
    def bounds(self) -> FloatArray:
        return np.asarray(self.form.bounds, dtype=np.float64)

    def predict(self, x: FloatArray) -> FloatArray:
        return np.asarray(self.form.log_loss(x, self.inputs), dtype=np.float64)

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        if hasattr(self.form, "jacobian"):
            return self.predict(x), np.asarray(self.form.jacobian(x, self.inputs), np.float64)
        return self.predict(x), self.differences(x)

    def differences(self, x: FloatArray) -> FloatArray:
        """Central differences: right to about 1e-10 where log loss and its third derivatives
        are of the size of one."""
        columns = []
        for i in range(x.shape[1]):
            step = np.zeros_like(x)
            step[:, i] = _STEP * np.maximum(1.0, np.abs(x[:, i]))
            width = (x + step)[:, i, None] - (x - step)[:, i, None]
            columns.append((self.predict(x + step) - self.predict(x - step)) / width)
        return np.stack(columns, axis=-1)

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        return self.law(x).coefficients

    def law(self, x: FloatArray) -> UserLaw:
        """The law at one vector of log-parameters."""
        return UserLaw(self.form, tuple(float(value) for value in x), tuple(self.inputs))

    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Laws:
        raise InputError(f"laws: {type(self.form).__name__}, a user's law, cannot be planned with")

    def starts(self, log_loss: FloatArray) -> FloatArray:
        low, high = self.bounds.T
        if hasattr(self.form, "starts"):
            points = np.asarray(self.form.starts(self.inputs, log_loss), dtype=np.float64)
        else:
            cube = qmc.Sobol(low.size, scramble=False).random_base2(_STARTS)
            points = low + (high - low) * (0.01 + 0.98 * cube)
        points = np.clip(points.reshape(-1, low.size), low, high)
        usable = points[np.all(np.isfinite(self.predict(points)), axis=-1)]
        if not len(usable):
            raise InputError(
                f"fit_law: {type(self.form).__name__}.log_loss must be finite at one of the"
                f" {len(points)} starts"
            )
        return usable

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        return replace(self, inputs={name: inputs[name] for name in self.inputs})


def fit_law(
    law: LogLaw,
    inputs: Mapping[str, npt.ArrayLike],
    loss: npt.ArrayLike,
    *,
    delta: float | None = None,
    weights: npt.ArrayLike | None = None,
    standard_errors: npt.ArrayLike | None = None,
) -> Fit:
    r"""Fit a law of any form, given by its log-parameters.

    Parameters
    ----------
    law : LogLaw
        Object with `names`, `bounds` and `log_loss`, and with `jacobian` and `starts` if it
        has them. Without `jacobian`, central differences with a step of 6e-6 stand in, right
        to about 1e-10 for a law whose derivatives are of the size of one; without `starts`
        the search begins at 1,024 Sobol points of the bounds.
    inputs : mapping of array_like, shape (n,)
        Inputs by the names under which the law expects them; finite and positive.
    loss : array_like, shape (n,)
        Nats per token.
    delta, weights, standard_errors
        As in `fit_supervised`.

    Returns
    -------
    Fit
        Its `law` is a `UserLaw`.

    Raises
    ------
    InputError
        The object lacks a part, its parts have the wrong shape, its `jacobian` is not the
        derivative of its `log_loss` (by more than 1e-4 of its size), or the runs are as
        `fit_supervised` refuses them. An input with a single value is not refused: such a law
        may not need it.

    Examples
    --------
    Three coefficients, A in the units of the loss at 1e8 parameters:

    >>> class Capacity:
    ...     '''L = E + A (N/1e8)^-alpha.'''
    ...     names = ("E", "A", "alpha")
    ...     bounds = np.log([[0.1, 10.0], [0.01, 10.0], [0.05, 2.0]])
    ...     def log_loss(self, log_params, inputs):
    ...         E, A, alpha = np.exp(log_params.T)[..., None]
    ...         return np.log(E + A * (inputs["N"] / 1e8) ** -alpha)
    >>> N = np.geomspace(1e7, 1e10, 7)
    >>> fit = fit_law(Capacity(), {"N": N}, 1.7 + 0.8 * (N / 1e8) ** -0.35)
    >>> fit.status, [round(value, 8) for value in fit.coefficients.values()]
    ('converged', [1.7, 0.8, 0.35])
    >>> round(float(fit.law.loss(N=1e8)), 8)
    2.5
    """
    operation = "fit_law"
    data, losses = checked_runs(operation, inputs, "loss", loss)
    model = UserModel(law, data)
    _check(operation, law, model)
    problem = make_problem(
        operation, model, data, losses, delta=delta, weights=weights,
        standard_errors=standard_errors, start=None,
    )  # fmt: skip
    return solve(problem)


def _check(operation: str, law: object, model: UserModel) -> None:
    name = type(law).__name__
    if not isinstance(law, LogLaw):
        raise InputError(f"{operation}: {name} must have names, bounds and log_loss")
    size, n = len(model.names), next(iter(model.inputs.values())).size
    if size == 0 or len(set(model.names)) != size:
        raise InputError(f"{operation}: {name}.names = {model.names} must be different names")
    bounds = model.bounds
    if bounds.shape != (size, 2) or not np.all(np.isfinite(bounds)):
        raise InputError(f"{operation}: {name}.bounds of shape {bounds.shape} must be ({size}, 2)")
    if np.any(bounds[:, 0] >= bounds[:, 1]):
        raise InputError(f"{operation}: {name}.bounds must be ordered, least first")
    middle = np.tile(bounds.mean(axis=1), (2, 1))
    try:
        prediction, jacobian = model.evaluate(middle)
    except KeyError as error:
        raise InputError(f"{operation}: {name} needs an input {error}") from None
    if prediction.shape != (2, n):
        raise InputError(
            f"{operation}: {name}.log_loss of 2 vectors at {n} runs has shape {prediction.shape},"
            f" must be (2, {n})"
        )
    if jacobian.shape != (2, n, size):
        raise InputError(
            f"{operation}: {name}.jacobian of 2 vectors at {n} runs has shape {jacobian.shape},"
            f" must be (2, {n}, {size})"
        )
    numeric = model.differences(middle)
    if np.max(np.abs(jacobian - numeric)) > 1e-4 * np.max(np.abs(numeric), initial=1e-300):
        raise InputError(f"{operation}: {name}.jacobian must be the derivative of its log_loss")
