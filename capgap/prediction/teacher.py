"""The cheapest teacher of a given loss."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from capgap.compute import ModelFamily
from capgap.prediction.minimize import minimize_on_boxes
from capgap.prediction.roots import find_roots
from capgap.prediction.scenario import Limits
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.protocols import SupervisedForm

__all__ = ["cheapest_teacher", "parameters_for_loss", "tokens_for_loss"]

Index = npt.NDArray[np.intp]


def tokens_for_loss(
    law: SupervisedForm, N: npt.ArrayLike, L: npt.ArrayLike, D: tuple[float, float]
) -> FloatArray:
    """Fewest tokens in D = (low, high) with which N parameters reach loss L; inf where none do.

    For any law that falls with D, to 1e-13 in log D.

    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.0, A=100.0, B=200.0, alpha=1.0, beta=1.0)  # 1 + 100/N + 200/D
    >>> round(float(tokens_for_loss(law, 100, 3.0, (1.0, 1e9))), 6)
    200.0
    """
    size, target = _pair("tokens_for_loss", "N", N, L)
    flat_size, flat = size.ravel(), target.ravel()
    found = _least(lambda row, D: law.loss(flat_size[row], D), flat, D)
    return found.reshape(size.shape)


def parameters_for_loss(
    law: SupervisedForm, D: npt.ArrayLike, L: npt.ArrayLike, N: tuple[float, float]
) -> FloatArray:
    """Fewest parameters in N = (low, high) that reach loss L on D tokens; inf where none do.

    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.0, A=100.0, B=200.0, alpha=1.0, beta=1.0)  # 1 + 100/N + 200/D
    >>> round(float(parameters_for_loss(law, 200, 3.0, (1.0, 1e9))), 6)
    100.0
    """
    tokens, target = _pair("parameters_for_loss", "D", D, L)
    flat_tokens, flat = tokens.ravel(), target.ravel()
    found = _least(lambda row, N: law.loss(N, flat_tokens[row]), flat, N)
    return found.reshape(tokens.shape)


def cheapest_teacher(
    law: SupervisedForm,
    family: ModelFamily,
    L_T: npt.ArrayLike,
    limits: Limits | None = None,
    *,
    inference_tokens: npt.ArrayLike = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """N_T and D_T that reach loss L_T with the fewest FLOPs, F(N_T) (3 D_T + inference_tokens).

    Returns nan where no teacher within the limits has the loss L_T.
    """
    limits = limits or Limits()
    target, inference = np.broadcast_arrays(
        positive_array("cheapest_teacher", "L_T", L_T), np.asarray(inference_tokens, np.float64)
    )
    shape, target, inference = target.shape, target.ravel(), inference.ravel()
    weakest, strongest = (law.loss(N, D) for N, D in zip(limits.N_T, limits.D_T, strict=True))
    possible = (strongest <= target) & (target <= weakest)
    # Elsewhere any loss serves to fill the batch.
    target = np.where(possible, target, weakest)

    # From the least size that can reach the loss to the largest that can miss it.
    smallest = parameters_for_loss(law, limits.D_T[1], target, limits.N_T)
    largest = parameters_for_loss(law, limits.D_T[0], target, limits.N_T)
    low = np.log(np.where(np.isfinite(smallest), smallest, limits.N_T[1]))
    high = np.log(np.minimum(np.maximum(largest, np.exp(low)), limits.N_T[1]))

    def tokens(N_T: FloatArray, row: Index) -> FloatArray:
        found = tokens_for_loss(law, N_T, target[row][:, None], limits.D_T)
        return np.minimum(found, limits.D_T[1])  # at the end `low` rounding decides

    def flops(row: Index, x: FloatArray) -> FloatArray:
        N_T = np.exp(x[..., 0])
        each = 3.0 * tokens(N_T, row) + inference[row][:, None]
        return np.asarray(np.log(family.forward_flops(N_T)) + np.log(each))

    found = minimize_on_boxes(flops, low[:, None], high[:, None], points=17, tolerance=1e-7)
    N_T = np.clip(np.exp(found.x), *limits.N_T)
    D_T = tokens(N_T, np.arange(len(target)))
    blank = np.where(possible, 1.0, np.nan)
    return (N_T[:, 0] * blank).reshape(shape), (D_T[:, 0] * blank).reshape(shape)


def _pair(
    operation: str, name: str, value: npt.ArrayLike, L: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    value, target = np.broadcast_arrays(
        positive_array(operation, name, value), positive_array(operation, "L", L)
    )
    return value, target


def _least(
    loss: Callable[[Index, FloatArray], FloatArray], target: FloatArray, ends: tuple[float, float]
) -> FloatArray:
    """Least x in `ends` with loss(row, x) <= target; inf where there is none."""
    every = np.arange(len(target))
    low, high = (np.full(len(target), end) for end in ends)
    log_x = find_roots(lambda row, u: loss(row, np.exp(u)) - target[row], np.log(low), np.log(high))
    found = np.clip(np.exp(log_x), *ends)
    found = np.where(loss(every, low) <= target, low, found)
    return np.where(loss(every, high) <= target, found, np.inf)
