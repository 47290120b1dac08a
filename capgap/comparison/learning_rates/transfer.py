"""The verdict: does the best learning rate transfer between sizes, and what does one rate cost?

That the best rates of a grid are within one step of each other is weak evidence by itself: in
simulated sweeps of four widths from 32 to 80, three seeds and 1.2% noise, it was found in 83% of
those with one best rate for all, and in 45% of those where it fell as one over the width. The
vertices of parabolas, and the power of the width with which they go, told the two apart in
every such sweep but one of 160.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.comparison.learning_rates.noise import draw_curves, seed_residuals, shared_noise
from capgap.comparison.learning_rates.optimum import Optima, find_optima, rate_means
from capgap.comparison.learning_rates.sweep import RateCell, RateSweep, rate_sweep
from capgap.errors import InputError
from capgap.measurement.records import RunRecord
from capgap.theory.domain import FloatArray

__all__ = [
    "BestRate",
    "CommonRate",
    "RateTransfer",
    "Verdict",
    "judge_transfer",
    "learning_rate_transfer",
]


@dataclass(frozen=True)
class BestRate:
    """Best rate of one cell, and its losses at every rate.

    Attributes
    ----------
    cell : RateCell
        Size and kind.
    grid_rate, loss : float
        The rate with the lowest mean loss, and that loss (nats per token).
    rate, low, high : float
        Vertex of the parabola (`find_optima`) with the interval that seeds give it.
    at_edge, edge_share : bool, float
        No parabola has its vertex inside the grid; and in which share of redrawn curves: then
        the optimum, and the interval, may reach beyond.
    curve : array
        Mean loss at every rate of the sweep; infinite where a seed diverged.
    error : array
        Standard error, over seeds, of its difference to the loss at `grid_rate`.
    """

    cell: RateCell
    grid_rate: float
    loss: float
    rate: float
    low: float
    high: float
    at_edge: bool
    edge_share: float
    curve: FloatArray
    error: FloatArray

    @property
    def regret(self) -> FloatArray:
        """Nats per token above the lowest, at every rate.

        The lowest of several noisy means is lower than its expectation: regrets are too
        large rather than too small, by about the noise of a mean at most.
        """
        return self.curve - self.loss


@dataclass(frozen=True)
class Verdict:
    """Of all sizes of one kind.

    Attributes
    ----------
    kind : str
        "supervised" or "distilled".
    grid_spread : int
        Steps between the smallest and the largest of the best grid rates.
    grid_probability : float
        Share of redrawn sweeps in which they are at most one step apart.
    spread, probability : float
        The same for the vertices of parabolas, which lie between grid points and have less
        noise.
    moved_passes : float
        `probability`, had every best rate been moved by base width / width, which is what one
        rate for all parameters would need: where it is large, being within a grid step says
        little, and the slope must decide.
    slope, slope_error, slope_low, slope_high : float
        Power of the width with which the vertices go, by least squares over the sizes; its
        standard error and interval. 0: the rate transfers; -1: it falls as one over the width.
    slope_N, slope_N_error : float
        The same as a power of N.
    """

    kind: str
    grid_spread: int
    grid_probability: float
    spread: float
    probability: float
    moved_passes: float
    slope: float
    slope_error: float
    slope_low: float
    slope_high: float
    slope_N: float
    slope_N_error: float

    @property
    def transfers(self) -> bool:
        """Whether all best grid rates, and all vertices, are within one grid step."""
        return self.grid_spread <= 1 and self.spread <= 1


@dataclass(frozen=True)
class CommonRate:
    """What one rate for all costs: mean and largest `BestRate.regret` over the cells."""

    rate: float
    mean: float
    worst: float


@dataclass(frozen=True)
class RateTransfer:
    """Everything found. `common` has an entry for each rate of the sweep, in its order.

    `seed_noise` is the standard deviation of log loss over seeds, `paired_noise` that of the
    difference between neighboring rates of one seed over sqrt(2): what is left of it when
    rates are compared within a seed. `shared_noise` is the correlation of what is left
    between cells.
    """

    sweep: RateSweep
    best: tuple[BestRate, ...]
    verdicts: tuple[Verdict, ...]
    common: tuple[CommonRate, ...]
    seed_noise: float
    paired_noise: float
    shared_noise: float
    level: float

    @property
    def best_common(self) -> CommonRate:
        """The rate of the grid that costs least on average, among those that all cells have."""
        known = [one for one in self.common if not math.isnan(one.mean)]
        return min(known or self.common, key=lambda one: one.mean)


def learning_rate_transfer(
    records: Iterable[RunRecord], *, draws: int = 4000, seed: int = 0, level: float = 0.9
) -> RateTransfer:
    """Judge runs over sizes, rates and seeds.

    Parameters
    ----------
    records : iterable of RunRecord
        That differ in depth, peak rate and seed alone (and in having a teacher).
    draws, seed : int
        Of the redrawn curves behind intervals and probabilities.
    level : float
        Of the intervals.

    Raises
    ------
    InputError
        See `rate_sweep`; a kind with fewer than two sizes; no repeated seeds.
    """
    return judge_transfer(rate_sweep(records), draws=draws, seed=seed, level=level)


def judge_transfer(
    sweep: RateSweep, *, draws: int = 4000, seed: int = 0, level: float = 0.9
) -> RateTransfer:
    """`learning_rate_transfer` of a table of losses."""
    curves = np.array([rate_means(cell.log_loss) for cell in sweep.cells])
    redrawn = draw_curves(sweep, draws, seed)
    found, others = find_optima(curves), find_optima(redrawn)
    residuals = seed_residuals(sweep)
    best = tuple(
        _best(sweep, i, curves[i], redrawn[i], found, others, level) for i in range(len(curves))
    )
    return RateTransfer(
        sweep,
        best,
        tuple(_verdict(sweep, kind, found, others, level) for kind in sweep.kinds),
        tuple(_common(sweep, r, best) for r in range(sweep.rates.size)),
        float(np.sqrt(np.mean(residuals**2))),
        float(np.sqrt(np.mean(np.diff(residuals, axis=1) ** 2) / 2)),
        shared_noise(sweep),
        level,
    )


def _best(
    sweep: RateSweep, i: int, curve: FloatArray, redrawn: FloatArray, found: Optima,
    others: Optima, level: float,
) -> BestRate:  # fmt: skip
    j = int(found.index[i])
    tails = np.quantile(others.position[i], [(1 - level) / 2, (1 + level) / 2])
    rate, low, high = sweep.rates[0] * sweep.step ** np.array([found.position[i], *tails])
    losses = np.exp(redrawn[:, np.isfinite(curve)])
    error = np.full(curve.size, np.nan)
    error[np.isfinite(curve)] = np.std(losses - np.exp(redrawn[:, [j]]), axis=0)
    return BestRate(
        sweep.cells[i], float(sweep.rates[j]), float(np.exp(curve[j])), float(rate), float(low),
        float(high), bool(found.at_edge[i]), float(np.mean(others.at_edge[i])), np.exp(curve),
        error,
    )  # fmt: skip


def _verdict(sweep: RateSweep, kind: str, found: Optima, others: Optima, level: float) -> Verdict:
    mine = [i for i, cell in enumerate(sweep.cells) if cell.kind == kind]
    if len(mine) < 2:
        raise InputError(f"learning rates: {len(mine)} sizes of {kind} runs must be at least 2")
    width = np.log([sweep.cells[i].width for i in mine])
    N = np.log([sweep.cells[i].N for i in mine])
    moves = (np.log(sweep.base_width) - width) / np.log(sweep.step)
    position, redrawn = found.position[mine], others.position[mine]
    slopes = _slopes(width, redrawn, sweep.step)
    low, high = np.quantile(slopes, [(1 - level) / 2, (1 + level) / 2])
    return Verdict(
        kind,
        int(np.ptp(found.index[mine])),
        _within_a_step(others.index[mine]),
        float(np.ptp(position)),
        _within_a_step(redrawn),
        _within_a_step(redrawn + moves[:, None]),
        float(_slopes(width, position, sweep.step)),
        float(np.std(slopes)),
        float(low),
        float(high),
        float(_slopes(N, position, sweep.step)),
        float(np.std(_slopes(N, redrawn, sweep.step))),
    )


def _within_a_step(positions: npt.NDArray[np.floating] | npt.NDArray[np.int64]) -> float:
    """Share of draws in which all sizes (first axis) are at most one step apart."""
    return float(np.mean(np.ptp(positions, axis=0) <= 1))


def _slopes(x: FloatArray, position: FloatArray, step: float) -> FloatArray:
    """Least-squares slope of log rate over x; `position` in grid steps, sizes first."""
    centered = x - x.mean()
    return np.asarray(np.log(step) * (centered @ position) / (centered @ centered))


def _common(sweep: RateSweep, r: int, best: Sequence[BestRate]) -> CommonRate:
    regret = [float(one.regret[r]) for one in best]
    return CommonRate(float(sweep.rates[r]), float(np.mean(regret)), float(np.max(regret)))
