"""Forward chaining: fit the first shares of the runs, predict the next, and go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit
from capgap.comparison.held_out.cutoff import compute_of
from capgap.comparison.held_out.rollout import Rollout, rollout
from capgap.errors import InputError

__all__ = ["Ahead", "ForwardChain", "forward_chain"]


@dataclass(frozen=True, slots=True)
class Ahead:
    """Errors of all predictions whose compute is `low` to `high` times the largest fitted.

    `median`, `maximum` and `bias` are of relative errors; `coverage` is the share inside the
    intervals, NaN without intervals. A run counts once for every fit that foretold it.
    """

    low: float
    high: float
    predictions: int
    median: float
    maximum: float
    bias: float
    coverage: float


@dataclass(frozen=True, slots=True)
class ForwardChain:
    """Rollouts in order; each predicts *all* later runs.

    Attributes
    ----------
    rollouts : tuple of Rollout
        Number i is fitted to the shares before `first + i`.
    share : array of int, shape (n,)
        The share of each run, from 0; -1 for runs of weight zero.
    first : int
        The first share that is predicted.
    """

    rollouts: tuple[Rollout, ...]
    share: npt.NDArray[np.int64]
    first: int

    @property
    def next_shares(self) -> tuple[Rollout, ...]:
        """Every rollout with the share that follows its fit, and no later one."""
        return tuple(
            rolled.where(self.share[rolled.run] == self.first + i)
            for i, rolled in enumerate(self.rollouts)
        )

    @property
    def error(self) -> FloatArray:
        """Relative errors of the runs in the share after each fit; every run once."""
        return np.concatenate([rolled.error for rolled in self.next_shares])

    @property
    def median(self) -> float:
        """Median size of `error`."""
        return float(np.median(np.abs(self.error)))

    def ahead(self, edges: Sequence[float] = (1, 2, 4, 8, 16, 32, 64, 128)) -> tuple[Ahead, ...]:
        """Errors against the distance in compute; a row per pair of edges that has runs."""
        factor = np.concatenate([rolled.factor for rolled in self.rollouts])
        error = np.concatenate([rolled.error for rolled in self.rollouts])
        inside = np.concatenate([rolled.inside for rolled in self.rollouts])
        known = np.concatenate([np.isfinite(rolled.low) for rolled in self.rollouts])
        rows = []
        for low, high in pairwise((0.0, *edges, np.inf)):
            here = (factor >= low) & (factor < high)
            if here.any():
                size = np.abs(error[here])
                share = inside[here].mean() if known[here].all() else np.nan
                rows.append(
                    Ahead(low, high, int(here.sum()), float(np.median(size)), float(size.max()),
                          float(error[here].mean()), float(share))
                )  # fmt: skip
        return tuple(rows)


def forward_chain(
    fit: Fit,
    *,
    seed: int,
    by: Literal["compute", "loss"] | npt.ArrayLike = "compute",
    folds: int = 6,
    first: int = 2,
    level: float = 0.9,
    draws: int = 200,
    shared: bool = False,
) -> ForwardChain:
    """Predict each share of the runs from the shares before it.

    Parameters
    ----------
    fit : Fit
        As in `rollout`.
    seed : int
        Of the intervals.
    by : "compute", "loss" or array_like, shape (n,)
        Order of the runs: rising compute 6 N D, falling loss, or rising values given here.
    folds : int
        Number of shares, about equal; runs of equal order stay together.
    first : int
        Shares in the first fit.
    level, draws, shared
        As in `rollout`.

    Returns
    -------
    ForwardChain

    Raises
    ------
    InputError
        Fewer than two shares, `first` outside 1 .. shares - 1, values that are not finite,
        or the first fit refused as in `rollout`.

    Examples
    --------
    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
    >>> N, D = (a.ravel() for a in np.meshgrid([1e7, 1e8, 1e9], [1e9, 4e9, 1e10, 4e10]))
    >>> fit = fit_supervised(N, D, law.loss(N, D), gamma=1.0)
    >>> chain = forward_chain(fit, folds=4, first=2, seed=0, draws=0)
    >>> [rolled.run.size for rolled in chain.rollouts], chain.error.size, chain.median < 1e-9
    ([6, 2], 6, True)
    """
    share = _shares(fit, by, folds)
    count = int(share.max()) + 1
    if not 1 <= first < count:
        raise InputError(f"forward_chain: first = {first} must be between 1 and {count - 1}")
    rollouts = tuple(
        rollout(fit, (share >= 0) & (share < k), seed=seed, level=level, draws=draws, shared=shared)
        for k in range(first, count)
    )
    return ForwardChain(rollouts, share, first)


def _shares(
    fit: Fit, by: Literal["compute", "loss"] | npt.ArrayLike, folds: int
) -> npt.NDArray[np.int64]:
    if isinstance(by, str):
        if by not in ("compute", "loss"):
            raise InputError(f"forward_chain: by = {by!r} must be compute, loss or an array")
        order = compute_of(fit) if by == "compute" else -fit.problem.log_loss
    else:
        order = np.asarray(by, dtype=np.float64)
    if order.shape != fit.problem.log_loss.shape or not np.all(np.isfinite(order)):
        raise InputError(
            f"forward_chain: by of shape {order.shape} must be {fit.problem.log_loss.shape}, finite"
        )
    used = fit.problem.weights > 0
    ranked = np.sort(order[used])
    # Equal values have one rank, that of the first of them.
    rank = np.searchsorted(ranked, order[used])
    label = np.unique(rank * folds // ranked.size, return_inverse=True)[1]
    if folds < 2 or label.max() < 1:
        raise InputError(f"forward_chain: folds = {folds} must give at least 2 shares")
    share = np.full(order.shape, -1, dtype=np.int64)
    share[used] = label.reshape(-1)
    return share
