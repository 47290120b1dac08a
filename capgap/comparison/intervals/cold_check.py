"""Whether refits that started at the fit's optimum missed a better one elsewhere."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Problem, solve

__all__ = ["ColdCheck", "Sample", "search_cold"]

_LOWER = 1e-4  # relative: smaller differences are unfinished digits, not another basin
_ROUNDING = 1e-20  # per run: objectives of residuals of 1e-10 are all the same


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the refits: their runs, weights and objectives, shapes (C, n), (C, n), (C,)."""

    log_loss: FloatArray
    weights: FloatArray
    objective: FloatArray


@dataclass(frozen=True, slots=True)
class ColdCheck:
    """Refits solved again from all starts.

    Attributes
    ----------
    checked : int
    lower_share : float
        Share of them where the search from all starts found an objective lower by more than
        1e-4 of it: above a few percent the refits' spread is that of one basin of several.
    drop : array, shape (checked,)
        Objective of the refit less that of the search, over the refit's.
    """

    checked: int
    lower_share: float
    drop: FloatArray

    @property
    def largest_drop(self) -> float:
        """Largest share by which a search from all starts went below a refit."""
        return float(np.max(self.drop, initial=0.0))


def search_cold(problem: Problem, sample: Sample) -> ColdCheck:
    """Solve each sampled refit from the whole grid of starts."""
    found = [
        solve(replace(problem, log_loss=y, weights=w, start=None)).objective
        for y, w in zip(sample.log_loss, sample.weights, strict=True)
    ]
    floor = _ROUNDING * problem.log_loss.size
    gain = np.maximum(sample.objective - np.array(found), 0.0)
    drop: npt.NDArray[np.float64] = np.where(
        sample.objective > floor, gain / np.maximum(sample.objective, floor), 0.0
    )
    return ColdCheck(len(found), float(np.mean(drop > _LOWER)), drop)
