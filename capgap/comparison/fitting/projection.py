"""Starts with their linear coefficients solved for: variable projection on a grid of shapes.

For given exponents and gamma = 1 the loss is linear in E, A and B; for another gamma and a
given balance of the bracket's two terms, in E and the bracket's scale; and in Eq. 8, for a
given transition besides, L_S - L_T is linear in the scale. Their relative least squares,

    min sum_i w_i (prediction_i/loss_i - 1)^2  over coefficients >= 0,

need only sums over the runs of products of two factors, so that a dense grid of shapes costs
one matrix product. Golub & Pereyra, SIAM J. Numer. Anal. 10 (1973) 413.
"""

from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.distillation_models import Eq8Model, ReducedModel
from capgap.comparison.fitting.gap_model import GapModel
from capgap.comparison.fitting.log_models import FloatArray, LogModel, SupervisedModel
from capgap.comparison.fitting.paper_grid import Factored, StartGrid, factored

__all__ = ["nonnegative_least_squares", "projected_starts"]

# Loss powers a = alpha gamma and b, softness gamma, share of A's term at the center.
PLAIN_POWERS = np.geomspace(0.03, 1.6, 24)
POWERS = (0.05, 0.1, 0.2, 0.35, 0.6, 1.0)
GAMMAS = (0.25, 0.5, 1.0, 2.0)
SHARES = (0.03, 0.2, 0.5, 0.8, 0.97)
C0 = (0.0, 0.7, 1.5, 3.0, 6.0)
KNEES = (-0.4, -0.2, -0.1, -0.03, 0.03, 0.1, 0.25, 0.5)
F1 = (0.02, 0.06, 0.15, 0.4, 1.0)
OMEGA = (0.2, 2.0, 50.0)


def projected_starts(
    model: LogModel, log_loss: FloatArray, weights: FloatArray, count: int
) -> FloatArray:
    """The `count` shapes of least relative squares, shape (K, P); none if nothing is linear."""
    used = weights > 0
    loss = np.exp(log_loss)
    q = np.where(used, weights, 0.0) / loss**2
    target = factored(model)
    if isinstance(target, SupervisedModel):
        by_shape = _plain if target.part.gamma == 1 else _supervised
        return by_shape(target, loss, q, count)
    if target is not None:
        return _gap(target, loss, q, count)
    return np.zeros((0, len(model.names)))


def nonnegative_least_squares(
    gram: FloatArray, moment: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Minimize c'Gc/2 - m'c over c >= 0 for a batch, shapes (K, k, k) and (K, k); k is small.

    The best feasible solution over all supports is the minimum. Also returned is the gain
    m'c/2, by which the objective falls below that of c = 0.

    >>> c, gain = nonnegative_least_squares(np.eye(2)[None], np.array([[3.0, -1.0]]))
    >>> c.round(9).tolist(), gain.round(9).tolist()
    ([[3.0, 0.0]], [4.5])
    """
    size = moment.shape[1]
    best, gain = np.zeros_like(moment), np.zeros(len(moment))
    scale = np.sqrt(np.maximum(np.einsum("kii->ki", gram), 1e-300))
    unit = gram / (scale[:, :, None] * scale[:, None, :]) + 1e-12 * np.eye(size)
    for support in (c for k in range(size) for c in combinations(range(size), k + 1)):
        at = list(support)
        part = unit[:, at][:, :, at]
        found = np.linalg.solve(part, (moment / scale)[:, at, None])[..., 0]
        here = 0.5 * np.sum(found * (moment / scale)[:, at], axis=1)
        better = np.all(found >= 0, axis=1) & (here > gain)
        gain = np.where(better, here, gain)
        full = np.zeros_like(moment)
        full[:, at] = found
        best = np.where(better[:, None], full / scale, best)
    return best, gain


def _plain(model: SupervisedModel, loss: FloatArray, q: FloatArray, count: int) -> FloatArray:
    sizes = np.exp(-PLAIN_POWERS[:, None] * model.part.n)
    tokens = np.exp(-PLAIN_POWERS[:, None] * model.part.d)
    i, j = np.divmod(np.arange(PLAIN_POWERS.size**2), PLAIN_POWERS.size)
    gram = np.empty((i.size, 3, 3))
    gram[:, 0, 0], gram[:, 0, 1], gram[:, 0, 2] = q.sum(), (sizes @ q)[i], (tokens @ q)[j]
    gram[:, 1, 1], gram[:, 2, 2] = (sizes**2 @ q)[i], (tokens**2 @ q)[j]
    gram[:, 1, 2] = ((sizes * q) @ tokens.T)[i, j]
    gram[:, 1, 0], gram[:, 2, 0], gram[:, 2, 1] = gram[:, 0, 1], gram[:, 0, 2], gram[:, 1, 2]
    y = q * loss
    moment = np.stack([np.full(i.size, y.sum()), (sizes @ y)[i], (tokens @ y)[j]], axis=1)
    (E, A, B), gain = (v.T for v in nonnegative_least_squares(gram, moment))
    powers = np.log(PLAIN_POWERS)
    x = np.stack([_log(A), _log(B), powers[i], powers[j], E], axis=1)
    return _clipped(model, x[_largest(gain, count)])


def _supervised(model: SupervisedModel, loss: FloatArray, q: FloatArray, count: int) -> FloatArray:
    shapes = _shapes(model)
    bracket = np.exp(model.part.value(shapes))
    gram = np.empty((len(shapes), 2, 2))
    gram[:, 0, 0], gram[:, 0, 1], gram[:, 1, 1] = q.sum(), bracket @ q, bracket**2 @ q
    gram[:, 1, 0] = gram[:, 0, 1]
    moment = np.stack([np.full(len(shapes), q @ loss), bracket @ (q * loss)], axis=1)
    (E, scale), gain = (v.T for v in nonnegative_least_squares(gram, moment))
    best = _largest(gain, count)
    shapes[:, :2] += _log(scale)[:, None]
    return _clipped(model, np.column_stack([shapes, E])[best])


def _gap(model: GapModel, loss: FloatArray, q: FloatArray, count: int) -> FloatArray:
    tails: list[npt.ArrayLike] = [C0]
    if isinstance(model, ReducedModel):
        tails += [np.clip(KNEES, *model.ratio_bounds), np.log(F1)]
    if isinstance(model, Eq8Model):
        tails.append(np.log(OMEGA))
    # Levels of a StartGrid lack -c0 center_t; with the mean in, brackets are comparable.
    grid = StartGrid(model, _shapes(model), np.array(list(product(*map(np.asarray, tails)))))
    bracket, L_T, log_multiplier = grid.factors()
    multiplier = np.exp(log_multiplier)
    moment = (bracket * (q * (loss - L_T[0]))) @ multiplier.T
    norm = (bracket**2 * q) @ (multiplier**2).T
    scale = np.maximum(moment, 0.0) / np.maximum(norm, 1e-300)
    # As many brackets of every transition: the best of all would be neighbors of each other.
    gain = scale * moment
    each = -(-count // len(grid.tails))
    rows = np.argsort(-gain, axis=0, kind="stable")[:each].ravel()
    columns = np.tile(np.arange(len(grid.tails)), rows.size // len(grid.tails))
    best = _largest(gain[rows, columns], count)
    row, column = rows[best], columns[best]
    brackets = grid.brackets[row].copy()
    brackets[:, :2] += _log(scale[row, column])[:, None]
    chosen = StartGrid(model, brackets, grid.tails[column])
    pairs = np.arange(best.size) * (best.size + 1)
    return chosen.coordinates(pairs)


def _shapes(model: Factored) -> FloatArray:
    """Coordinates of brackets that are 1 at the center of the design."""
    return np.array(model.part.starts([0.0], list(POWERS), list(GAMMAS), list(SHARES)))


def _log(values: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(values, 1e-300)))


def _largest(gain: FloatArray, count: int) -> npt.NDArray[np.intp]:
    return np.argsort(-gain, kind="stable")[:count]


def _clipped(model: LogModel, x: FloatArray) -> FloatArray:
    low, high = model.bounds.T
    return np.asarray(np.clip(x, low, high))
