"""Would another coefficient, changed alone, repair the printed law as well as B' does?"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from capgap.comparison.claims.points import losses, paper_laws
from capgap.comparison.digitised import DigitisedFigure, fig8
from capgap.theory.distillation import DistillationLaw

__all__ = ["COEFFICIENTS", "Repair", "one_coefficient_repairs"]

# Log factors that are searched: a scale may be off by any unit, an exponent by little.
COEFFICIENTS: dict[str, tuple[float, float]] = {
    "A": (-7.0, 7.0),
    "B": (-7.0, 7.0),
    "alpha": (-1.0, 1.0),
    "beta": (-1.0, 1.0),
    "gamma": (-1.0, 1.0),
    "c0": (-1.5, 1.5),
    "c1": (-3.0, 3.0),
    "f1": (-0.5, 0.05),
    "d1": (-0.5, 0.5),
}
_SCAN = 9
_THIN = 6


@dataclass(frozen=True, slots=True)
class Repair:
    """The best value of one coefficient, all others as printed.

    `misfit` is the root mean square over all points of the figure, `shifted` the same without
    one common shift of the points with and of those without a teacher; nats per token.
    """

    coefficient: str
    printed: float
    value: float
    misfit: float
    shifted: float


def one_coefficient_repairs() -> tuple[Repair, ...]:
    """Fit each distillation coefficient alone to the points of Fig. 8, best first.

    Least `shifted`: a scan and a bounded search over every sixth point with a teacher; the
    misfits of what is found are over all points.
    """
    figure = fig8()
    found = [_fit(name, figure) for name in COEFFICIENTS]
    return tuple(sorted(found, key=lambda repair: repair.shifted))


def _fit(name: str, figure: DigitisedFigure) -> Repair:
    law = paper_laws().taught
    assert isinstance(law, DistillationLaw)
    printed = float(getattr(law, name))
    taught = ~figure.of("supervised")
    every, few = np.ones(len(figure), dtype=bool), np.zeros(len(figure), dtype=bool)
    few[np.flatnonzero(taught)[::_THIN]] = True

    def misfit(log_factor: float) -> float:
        laws = paper_laws(**{name: printed * float(np.exp(log_factor))})
        return float(np.std(losses(laws, figure, few) - figure.loss[few]))

    scan = np.linspace(*COEFFICIENTS[name], _SCAN)
    i = int(np.argmin([misfit(float(x)) for x in scan]))
    bounds = (scan[max(i - 1, 0)], scan[min(i + 1, _SCAN - 1)])
    best = minimize_scalar(misfit, bounds=bounds, method="bounded", options={"maxiter": 9})
    value = printed * float(np.exp(best.x))
    left = losses(paper_laws(**{name: value}), figure, every) - figure.loss
    square = float(np.sqrt(np.mean(left**2)))
    for group in (taught, ~taught):
        left[group] -= left[group].mean()
    return Repair(name, printed, value, square, float(np.sqrt(np.mean(left**2))))
