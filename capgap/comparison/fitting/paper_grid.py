"""The paper's grids of starts, as products of two factors, screened without their Jacobians.

Busbridge et al. (arXiv 2502.08606, appendix F) start L-BFGS-B from every point of a product
grid: 9,600 for the supervised law, 216,000 for the distillation law. Every law here predicts

    loss = base + bracket x multiplier,  bracket = (A/N^alpha + B/D^beta)^gamma,

with base E and multiplier 1, or base L_T and multiplier L_T^(-c0) (1 + ...)^(-c1 f1). So a
start is a pair of a bracket and a tail (E; or c0, c1, f1, d1), exponentials are taken once per
factor, and what remains per start and run is a product, a logarithm and the Huber loss.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.distillation_models import Eq8Model, ReducedModel
from capgap.comparison.fitting.gap_model import GapModel
from capgap.comparison.fitting.huber import available_cores
from capgap.comparison.fitting.log_models import FloatArray, LogModel, SupervisedModel
from capgap.comparison.fitting.power_model import PowerModel

__all__ = ["Factored", "StartGrid", "factored", "paper_grid", "screen"]

LEVELS = (0.0, 5.0, 10.0, 15.0, 20.0)  # of log A and log B
SUPERVISED_LOG_E = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
SUPERVISED_POWERS = (0.0, 0.5, 1.0, 1.5)  # of alpha, beta and gamma
DISTILLATION_POWERS = (0.0, 0.5, 1.0)  # of alpha', beta' and gamma'
TRANSITION = (0.0, 0.5, 1.0, 1.5)  # of c0, c1 and f1
LOG_D1 = (-1.0, -0.5, 0.0, 0.5, 1.0)

_BLOCK = 2**16  # bracket values per block: with its buffers it stays in the cache
_LARGEST = 40.0  # log of the largest bracket or drop: products stay finite in float32

Factored = SupervisedModel | GapModel


@dataclass(frozen=True, slots=True)
class StartGrid:
    """Starts (i, j), i major: brackets[i], shape (K1, size), with tails[j], shape (K2, rest).

    Brackets and tails are in the model's coordinates, except that levels still lack what the
    model moves into them with c0 (see `coordinates`).
    """

    model: Factored
    brackets: FloatArray
    tails: FloatArray

    def __len__(self) -> int:
        return len(self.brackets) * len(self.tails)

    def coordinates(self, which: npt.NDArray[np.intp]) -> FloatArray:
        """Coordinates of starts by number, clipped into the model's bounds, shape (K, P)."""
        i, j = np.divmod(which, len(self.tails))
        x = np.concatenate([self.brackets[i], self.tails[j]], axis=1)
        if isinstance(self.model, GapModel):
            x[:, :2] -= x[:, 5, None] * self.model.center_t
        low, high = self.model.bounds.T
        return np.asarray(np.clip(x, low, high))

    def factors(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Brackets, (K1, n), and base and log multiplier of every tail, both (K2, n)."""
        model, tails = self.model, self.tails
        log_bracket = model.part.value(self.brackets)
        bracket = np.exp(np.minimum(log_bracket, _LARGEST))
        if isinstance(model, SupervisedModel):
            base = np.broadcast_to(tails, (len(tails), model.part.n.size))
            return bracket, base, np.zeros_like(base)
        log_L_T = model.log_L_T + model.center_t
        base = np.broadcast_to(np.exp(log_L_T), (len(tails), log_L_T.size))
        return bracket, base, -tails[:, :1] * log_L_T - _drop(model, tails)


def factored(model: LogModel) -> Factored | None:
    """Return the model if its loss is base + bracket x multiplier, all its coordinates in them.

    So it is for a supervised law, and for Eq. 8 in its three forms on a given supervised law.
    """
    if isinstance(model, SupervisedModel):
        return model
    free = isinstance(model, ReducedModel) and model.pinned
    return model if isinstance(model, GapModel) and model.head == 0 and not free else None


def paper_grid(model: LogModel) -> StartGrid | None:
    """Return the paper's grid in a model's coordinates; None for a law that has none.

    Coefficients 0, which the coordinates cannot express, and levels out of range are moved to
    the nearest bound: alpha, beta = 0 to the least power of the loss (0.001), gamma = 0 to
    0.15, f1 = 0 to 0.005, c1 f1 = 0 to 0.01; d1 is kept, as far as the knee
    d1 (c1 f1)^(-f1) may be searched. A fixed gamma replaces the paper's four. Starts of the
    reduced law are those of Eq. 8 with the same f1 and the same knee, so that several are one;
    those of the law without a transition are its brackets and c0.

    >>> from capgap.theory.coefficients import supervised_law
    >>> N, D, L_T = np.array([[1e8, 1e9], [1e10, 1e11], [2.0, 3.0]])
    >>> plain = SupervisedModel.build(N, D, np.array([3.0, 2.0]), 1.0)
    >>> gamma = SupervisedModel.build(N, D, np.array([3.0, 2.0]), None)
    >>> [len(paper_grid(m)) for m in (plain, gamma, Eq8Model.build(N, D, L_T, supervised_law()))]
    [2400, 9600, 216000]
    """
    target = factored(model)
    if isinstance(target, SupervisedModel):
        tails = np.minimum(np.exp(SUPERVISED_LOG_E), target.largest_E)[:, None]
        return StartGrid(target, _brackets(target, SUPERVISED_POWERS), tails)
    if isinstance(target, PowerModel):
        tails = np.array(TRANSITION)[:, None]
        return StartGrid(target, _brackets(target, DISTILLATION_POWERS), tails)
    if isinstance(target, ReducedModel):
        tails = _transitions(target, product(TRANSITION, TRANSITION, TRANSITION, LOG_D1))
        return StartGrid(target, _brackets(target, DISTILLATION_POWERS), tails)
    return None


def screen(
    grid: StartGrid,
    log_loss: FloatArray,
    weights: FloatArray,
    delta: float | FloatArray,
    workers: int | None = None,
) -> FloatArray:
    """Objective of every start of a grid in single precision, shape (len(grid),).

    About 1e-6 of the objective is lost; memory is that of the factors. Levels are not clipped.
    """
    bracket, base, log_multiplier = grid.factors()
    loss = np.exp(log_loss)
    flat = np.float32
    share = (base / loss).astype(flat)
    factor = (np.exp(np.clip(log_multiplier, -80, _LARGEST)) / loss).astype(flat)
    w = weights.astype(flat)
    threshold = np.asarray(delta, dtype=flat)
    found = np.empty((len(bracket), len(grid.tails)), dtype=flat)
    rows = max(1, _BLOCK // loss.size)

    def block(first: int) -> None:
        gap = bracket[first : first + rows].astype(flat)
        r, c = np.empty_like(gap), np.empty_like(gap)
        for j in range(len(share)):
            np.multiply(gap, factor[j], out=r)
            np.add(r, share[j], out=r)
            np.log(r, out=r)
            np.abs(r, out=r)
            np.minimum(r, threshold, out=c)
            r -= 0.5 * c
            r *= c
            found[first : first + rows, j] = r @ w

    with ThreadPoolExecutor(available_cores() if workers is None else workers) as pool:
        list(pool.map(block, range(0, len(bracket), rows)))
    return found.ravel().astype(np.float64)


def _brackets(model: Factored, powers: tuple[float, ...]) -> FloatArray:
    """Coordinates of every bracket, shape (K1, size), clipped to their bounds."""
    part = model.part
    softest, gammas = float(np.exp(part.bounds[-1][0])), powers
    if part.gamma is not None:
        softest, gammas = 0.0, (part.gamma,)
    log_A, log_B, alpha, beta, gamma = np.array(
        list(product(LEVELS, LEVELS, powers, powers, gammas))
    ).T
    gamma = np.maximum(gamma, softest)
    with np.errstate(divide="ignore"):
        columns = [
            gamma * (log_A - alpha * model.center_n),
            gamma * (log_B - beta * model.center_d),
            np.log(alpha * gamma),
            np.log(beta * gamma),
        ]
    columns += [np.log(gamma)] if part.gamma is None else []
    low, high = np.array(part.bounds).T
    return np.asarray(np.clip(np.stack(columns, axis=1), low, high))


def _transitions(
    model: ReducedModel, points: Iterable[tuple[float, float, float, float]]
) -> FloatArray:
    """Coordinates c0, log kappa, log f1 and, of Eq. 8, log omega, from c0, c1, f1, log d1."""
    c0, c1, f1, log_d1 = np.array(list(points)).T
    bounds = model.bounds[model.part.size :]
    with np.errstate(divide="ignore"):
        log_f1 = np.clip(np.log(f1), *bounds[2])
        log_omega = np.log(c1 * f1)
    if isinstance(model, Eq8Model):
        log_omega = np.clip(log_omega, *bounds[3])
    log_omega = np.maximum(log_omega, np.log(1e-2))
    log_kappa = np.clip(log_d1 - np.exp(log_f1) * log_omega, *bounds[1])
    columns = [np.clip(c0, *bounds[0]), log_kappa, log_f1]
    columns += [log_omega] if isinstance(model, Eq8Model) else []
    return np.stack(columns, axis=1)


def _drop(model: GapModel, tails: FloatArray) -> FloatArray:
    """omega log(1 + exp(t)/omega) of every tail, of the reduced law exp(t), or 0; (K2, n)."""
    if not isinstance(model, ReducedModel):
        return np.zeros((len(tails), 1))
    t = (model.log_ratio - tails[:, 1, None]) / np.exp(tails[:, 2, None])
    if not isinstance(model, Eq8Model):
        return np.asarray(np.exp(np.minimum(t, _LARGEST)))
    log_omega = tails[:, 3, None]
    return np.asarray(np.exp(log_omega) * np.logaddexp(0.0, t - log_omega))
