"""Smooth calibration error: kernels instead of bins."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import dct
from scipy.optimize import brentq

from capgap.errors import InputError
from capgap.measurement.calibration.predictions import (
    FloatArray,
    check_confidence,
    chunks,
    same_length,
)

__all__ = ["ResidualGrid", "SmoothError", "smooth_ece"]

CELLS = 4096


@dataclass(frozen=True)
class SmoothError:
    """smECE and the width of the kernel it was taken with."""

    value: float
    sigma: float


@dataclass(frozen=True, eq=False)
class ResidualGrid:
    """Residuals o - c gathered on a grid over [0, 1]: what `smooth_ece` needs of a stream.

    A residual at c between two nodes is shared by them in proportion to nearness. Grids of parts
    add up. `residual` has shape (cells + 1,), node j at j / cells; `n` counts the predictions.
    """

    residual: FloatArray
    n: int

    @classmethod
    def of(cls, confidence: Any, outcome: Any, cells: int = CELLS) -> "ResidualGrid":
        """Gather (n,) confidences and outcomes in [0, 1], chunk by chunk."""
        if cells < 1:
            raise InputError(f"smooth_ece: cells = {cells} must be at least 1")
        n = same_length("smooth_ece", confidence=confidence, outcome=outcome)
        residual = np.zeros(cells + 1)
        for rows in chunks(n, 1 << 18):
            c = check_confidence(confidence, "smooth_ece", rows)
            d = check_confidence(outcome, "smooth_ece", rows, name="outcome") - c
            node: npt.NDArray[np.intp] = np.minimum((c * cells).astype(np.intp), cells - 1)
            share = c * cells - node
            residual[:-1] += np.bincount(node, weights=d * (1 - share), minlength=cells)
            residual[1:] += np.bincount(node, weights=d * share, minlength=cells)
        return cls(residual, n)

    def __add__(self, other: "ResidualGrid") -> "ResidualGrid":
        if self.residual.size != other.residual.size:
            raise InputError("smooth_ece: grids must have as many cells")
        return ResidualGrid(self.residual + other.residual, self.n + other.n)

    def error(self, sigma: float) -> float:
        """smECE_sigma of `smooth_ece`: the integral of |smoothed residual| over [0, 1]."""
        return _integral(self._smoothed(sigma))

    def _smoothed(self, sigma: float) -> FloatArray:
        # The reflected Gaussian is the heat kernel of [0, 1]: cos(pi k t) is scaled by
        # exp(-(pi k sigma)^2 / 2). The DCT-I counts the end nodes once, as it must.
        cells = self.residual.size - 1
        mass = self.residual / self.n
        weights = np.where((np.arange(cells + 1) % cells) == 0, 1.0, 0.5)
        spectrum = dct(mass * weights, type=1)  # sum_j mass_j cos(pi k j / cells)
        k = np.arange(cells + 1)
        spectrum *= np.exp(-((np.pi * k * sigma) ** 2) / 2)
        # r(t) = a_0 + 2 sum_(k < cells) a_k cos(pi k t) + a_cells cos(pi cells t)
        return np.asarray(dct(spectrum, type=1))

    def solve(self) -> SmoothError:
        """The sigma with smECE_sigma = sigma, and that value."""
        if self.n == 0:
            raise InputError("smooth_ece: 0 predictions, must be at least 1")
        if self.error(0.0) <= 1e-15:
            return SmoothError(0.0, 0.0)
        sigma = float(brentq(lambda s: self.error(s) - s, 0.0, 1.0, xtol=1e-10))
        return SmoothError(self.error(sigma), sigma)


def smooth_ece(
    confidence: Any, outcome: Any, *, sigma: float | None = None, cells: int = CELLS
) -> SmoothError:
    """smECE of Blasiok & Nakkiran 2023 (arXiv 2309.12236): the version smECE_*, or smECE_sigma.

    smECE_sigma = integral over t in [0, 1] of |(1/n) sum_i (o_i - c_i) K_sigma(t, c_i)|, with the
    Gaussian kernel reflected at both ends, K_sigma(t, c) = sum over integers m of
    phi_sigma(t - c - 2m) + phi_sigma(t + c - 2m) (their Def. 3, not the Nadaraya-Watson ratio).
    Without `sigma`, the one with smECE_sigma = sigma is taken: it exists and is unique, since
    smECE_sigma <= 1 falls with sigma. It is a consistent calibration measure: within constant
    factors (and a square root) of the distance to the nearest calibrated predictor.

    Confidences are gathered on a grid of `cells` intervals (time O(n), memory O(cells)); a node's
    distance h = 1 / cells shifts the smoothed residual by O((h / sigma)^2): less than 1e-3 of the
    value for sigma >= .01 and the 4096 cells given, and below sigma of a few h the grid itself
    does the smoothing.

    Raises
    ------
    InputError
        No prediction; values outside [0, 1], with the row; sigma below 0.

    Examples
    --------
    One residual of -1/2, spread over the interval; a kernel loses none of it:

    >>> round(smooth_ece([0.5], [0]).value, 6)
    0.5
    """
    if sigma is not None and not sigma >= 0:
        raise InputError(f"smooth_ece: sigma = {sigma} must be at least 0")
    grid = ResidualGrid.of(confidence, outcome, cells)
    if sigma is None:
        return grid.solve()
    if grid.n == 0:
        raise InputError("smooth_ece: 0 predictions, must be at least 1")
    return SmoothError(grid.error(sigma), sigma)


def _integral(values: FloatArray) -> float:
    """Trapezoids on the grid over [0, 1]."""
    ends = (abs(values[0]) + abs(values[-1])) / 2
    return float((np.abs(values[1:-1]).sum() + ends) / (values.size - 1))
