r"""The loss of a run against its tokens: kept in few numbers, continued by a power law; no torch.

Batch losses are averaged over blocks that grow with the tokens, so that a run of any length
keeps about `BLOCKS_PER_DOUBLING` log2(steps) of them.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError

__all__ = ["LearningCurve", "Slope", "continued_slope"]

Array = npt.NDArray[np.float64]

BLOCKS_PER_DOUBLING = 4
WINDOW = 4.0  # the curve is fitted to the steps from D / WINDOW on

# Exponents of loss curves against tokens lie about 0.3 to 0.5; 0 is the logarithm.
EXPONENTS: Array = np.linspace(0.0, 1.0, 21)

# With fewer blocks, or fewer losses beyond one a block, there is no error to speak of.
FEWEST_BLOCKS = 4
FEWEST_REPEATS = 4


@dataclass(frozen=True)
class Slope:
    """-dL/dn at a place of the curve, nats per token per step, and its standard error."""

    value: float
    error: float


class LearningCurve:
    """Batch losses of one run, in blocks; its state is plain JSON."""

    def __init__(self) -> None:
        # Number of a block -> count, and sums of step, of loss and of its square.
        self._blocks: dict[int, list[float]] = {}

    def add(self, step: int, loss: float) -> None:
        """Take note of the loss of the batch that came after `step` >= 1 updates."""
        place = math.floor(BLOCKS_PER_DOUBLING * math.log2(step))
        block = self._blocks.setdefault(place, [0.0, 0.0, 0.0, 0.0])
        for i, term in enumerate((1.0, float(step), loss, loss * loss)):
            block[i] += term

    def slope(self, now: int, at: float) -> Slope | None:
        """`continued_slope` at `at` steps from the losses since now / 4; None if too few."""
        kept = [b for b in self._blocks.values() if b[1] / b[0] >= now / WINDOW]
        count, steps, losses, squares = np.array(kept).reshape(-1, 4).T
        repeats = float(count.sum()) - len(kept)
        if len(kept) < FEWEST_BLOCKS or repeats < FEWEST_REPEATS:
            return None
        means = losses / count
        noise = max(float((squares - count * means**2).sum()) / repeats, 0.0)
        return continued_slope(steps / count, means, count, noise, at)

    def state(self) -> list[list[float]]:
        """The blocks as JSON values."""
        return [[place, *sums] for place, sums in self._blocks.items()]

    def restore(self, state: list[list[Any]]) -> None:
        """Inverse of `state`."""
        self._blocks = {int(place): [float(x) for x in sums] for place, *sums in state}


def continued_slope(n: Array, losses: Array, counts: Array, variance: float, at: float) -> Slope:
    r"""Slope at n = `at` of power laws through mean losses, averaged over their exponents.

    For each b of `EXPONENTS`, least squares weighted by the counts fit

    .. math:: L(n) = a - c_b\, u_b(n), \quad u_b(n) = \frac{1 - (n / n_1)^{-b}}{b},
              \quad u_0(n) = \log(n / n_1),

    which is :math:`E + B n^{-b}` in other letters, with :math:`-dL/dn = c_b / n_1` at
    :math:`n_1` = `at`. With :math:`V_b` the variance of :math:`c_b` and :math:`\chi^2_b` the
    misfit, the value and the square of the error are

    .. math:: \bar c = \sum_b p_b c_b, \quad \sum_b p_b (S^2 V_b + (c_b - \bar c)^2),
              \quad p_b \propto e^{-\chi^2_b / 2 S^2}, \quad
              S^2 = \max\left(1, \frac{\min_b \chi^2_b}{\mathrm{blocks} - 2}\right),

    over :math:`n_1` and its square. So the error covers what the losses leave open about b.

    Parameters
    ----------
    n, losses, counts : array of shape (blocks,)
        Steps > 0, at least three different ones; mean losses; numbers of losses in the means.
    variance : float
        Variance of one loss, >= 0.
    at : float
        Where the slope is wanted, > 0.

    Raises
    ------
    InputError
        Fewer than three blocks, or all at the same place.

    Examples
    --------
    2 + 6 n^(-1/2) falls by 6 / 2 / 64 at n = 16:

    >>> n = np.array([1.0, 2.0, 4.0, 8.0])
    >>> exact = continued_slope(n, 2 + 6 * n**-0.5, np.ones(4), 1e-12, 16.0)
    >>> round(exact.value, 6), exact.error < 1e-5
    (0.046875, True)

    A straight line is not among these curves; the logarithm, the nearest, falls ever less:

    >>> line = continued_slope(n, 2 - 0.1 * n, np.ones(4), 1e-12, 8.0)
    >>> line.value < 0.1, line.error > 0.001
    (True, True)
    """
    if len(n) < 3 or np.ptp(n) == 0:
        raise InputError(f"learning curve: {len(n)} blocks do not determine a curve")
    log = np.log(n / at)
    b = EXPONENTS[:, None]
    safe = np.where(b == 0, 1.0, b)
    u = np.where(b == 0, log, -np.expm1(-safe * log) / safe)
    share = counts / counts.sum()
    centered = u - (u @ share)[:, None]
    spread = (centered**2) @ counts
    residual = losses - losses @ share
    c = -(centered @ (counts * residual)) / spread
    misfit = ((residual + c[:, None] * centered) ** 2) @ counts
    # Below the last term, rounding.
    scale = max(variance, float(misfit.min()) / (len(n) - 2), float(np.finfo(float).eps) ** 2)
    weight = np.exp(-(misfit - misfit.min()) / (2.0 * scale))
    weight /= weight.sum()
    value = float(weight @ c)
    error = math.sqrt(float(weight @ (scale / spread + (c - value) ** 2)))
    return Slope(value / at, error / at)
