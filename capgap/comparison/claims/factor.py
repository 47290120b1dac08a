r"""Which factor on the printed B' meets the figures: a profile, under three error models.

The residuals of the printed supervised law, which no factor touches, are a control: they are
about +0.006 nat on average, with a scatter of 0.0025 around that. So the points carry little
noise and a shift that has nothing to do with B' (three printed digits of each exponent move
losses by up to 0.006 nat, and axes are read with one ruler). The models differ in what they
make of the shift:

plain
    None: all 145 residuals are independent. Root mean square.
shift
    One free shift of the supervised points and one of the points with a teacher, taken out.
rounding
    Residuals have covariance :math:`\sigma^2 I + J J^T / 3`, with J what half a unit in the
    last digit of each coefficient does (uniform rounding has variance 1/3 of that, squared)
    and sigma the scatter of the control.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from capgap.comparison.claims.points import losses, paper_laws, rounding_moves
from capgap.comparison.digitised import DigitisedFigure, fig8
from capgap.theory.domain import FloatArray

__all__ = ["CANDIDATES", "ErrorModel", "FactorProfile", "factor_profile"]

ErrorModel = Literal["plain", "shift", "rounding"]
Mask = npt.NDArray[np.bool_]
CANDIDATES = (1.0, 81.5, 100.0)
_CHI_SQUARE_90 = 2.705543454095404  # 90% quantile with one degree of freedom
_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class FactorProfile:
    """Misfit of every factor under every error model.

    Attributes
    ----------
    factor : array (f,)
    residual : array (f, points)
        Predicted minus read, nats per token.
    misfit : dict of arrays (f,)
        Root mean square in nats for ``plain`` and ``shift``, chi-square for ``rounding``.
    control : float
        Root mean square of the supervised points, nats.
    control_shift, noise : float
        Their mean, and their scatter around it, nats.
    """

    figure: DigitisedFigure
    factor: FloatArray
    residual: FloatArray
    misfit: dict[ErrorModel, FloatArray]
    control: float
    control_shift: float
    noise: float

    def best(self, model: ErrorModel) -> float:
        """The factor of least misfit."""
        return float(self.factor[int(np.argmin(self.misfit[model]))])

    def at(self, model: ErrorModel, factor: float) -> float:
        """Misfit of a factor, interpolated."""
        return float(np.interp(np.log(factor), np.log(self.factor), self.misfit[model]))

    def interval(self, model: ErrorModel, seed: int = 0) -> tuple[float, float]:
        """90% interval of the factor.

        By resampling whole curves for ``plain`` and ``shift`` (the points of one curve share
        their errors). For ``rounding``, where chi-square is within 2.71 of its least value,
        times chi-square per point where that exceeds 1: the misfit is more than the model says.
        """
        if model == "rounding":
            chi = self.misfit[model]
            allowed = _CHI_SQUARE_90 * max(1.0, chi.min() / len(self.figure))
            inside = self.factor[chi <= chi.min() + allowed]
            return float(inside[0]), float(inside[-1])
        rng = np.random.default_rng(seed)
        curves = self.figure.curves
        members = [np.flatnonzero(curves == i) for i in range(curves.max() + 1)]
        taught = ~self.figure.of("supervised")
        found = []
        for _ in range(_DRAWS):
            pick = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
            if taught[pick].any():
                misfit = _root_mean_square(self.residual[:, pick], taught[pick], model)
                found.append(self.factor[int(np.argmin(misfit))])
        low, high = np.quantile(found, (0.05, 0.95))
        return float(low), float(high)


def factor_profile() -> FactorProfile:
    """Solve all points of Fig. 8 at 26 factors from 1 to 1000, densely near 100.

    Residuals are smooth in log factor; between the factors solved they are interpolated by
    a cubic spline, in steps of 0.2% from 60 to 160.
    """
    figure = fig8()
    solved = np.concatenate([np.geomspace(1.0, 50.0, 8), np.geomspace(60.0, 160.0, 12),
                             np.geomspace(200.0, 1000.0, 6)])  # fmt: skip
    taught = ~figure.of("supervised")
    control = losses(paper_laws(), figure, ~taught) - figure.loss[~taught]
    rows = np.empty((len(solved), len(figure)))
    rows[:, ~taught] = control
    for row, value in zip(rows, solved, strict=True):
        row[taught] = losses(paper_laws(float(value)), figure, taught) - figure.loss[taught]
    spline = CubicSpline(np.log(solved), rows)
    factor = np.unique(np.concatenate([
        np.geomspace(1.0, 1000.0, 91), np.geomspace(60.0, 160.0, 491), np.array(CANDIDATES),
    ]))  # fmt: skip
    residual = spline(np.log(factor))
    noise = float(np.std(control, ddof=1))
    moves = rounding_moves(paper_laws(100.0), figure, 100.0)
    covariance = noise**2 * np.eye(len(figure)) + moves @ moves.T / 3
    chi = np.einsum("fi,if->f", residual, np.linalg.solve(covariance, residual.T))
    misfit: dict[ErrorModel, FloatArray] = {
        "plain": _root_mean_square(residual, taught, "plain"),
        "shift": _root_mean_square(residual, taught, "shift"),
        "rounding": chi,
    }
    square = float(np.sqrt(np.mean(control**2)))
    return FactorProfile(figure, factor, residual, misfit, square, float(control.mean()), noise)


def _root_mean_square(residual: FloatArray, taught: Mask, model: ErrorModel) -> FloatArray:
    square = np.mean(residual**2, axis=1)
    if model == "shift":
        for group in (taught, ~taught):
            if group.any():
                square = square - group.mean() * residual[:, group].mean(axis=1) ** 2
    return np.asarray(np.sqrt(square))
