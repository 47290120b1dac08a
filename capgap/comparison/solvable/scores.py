"""How well each law describes a solvable model, and runs of it that the law has not seen."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.comparison.cells import cell_index
from capgap.comparison.fitting.search import Fit
from capgap.comparison.held_out.cross_validation import cross_validate
from capgap.comparison.held_out.leave_one_cell_out import HeldOut
from capgap.comparison.solvable.laws import fit_by_name
from capgap.comparison.solvable.models import SolvableRuns
from capgap.theory.domain import FloatArray

__all__ = ["Score", "jackknife", "score_law", "spread_at_equal_teachers"]

_HELD_OUT_TEACHERS = 3  # of the strongest
_FOLDS = 8  # of student cells, dealt out at random


@dataclass(frozen=True, slots=True)
class Score:
    """Root mean square log errors of one law on one setting.

    Attributes
    ----------
    setting, law : str
    excess : bool
        Whether the losses are excesses, without a floor.
    coefficients : int
        Fitted to the distillations, and as many as that: a given supervised law's six are not
        among them.
    status : str
        Of the fit to all runs.
    in_sample : float
    cell : float
        Students of other sizes or samples, foretold (eight folds of cells).
    teacher : float
        Runs of the strongest teachers, foretold from the others.
    samples : float
        Students of the most samples, foretold from the others.
    values : dict
        Fitted coefficients.
    errors : dict
        Their standard errors by the jackknife over folds of cells.
    """

    setting: str
    law: str
    excess: bool
    coefficients: int
    status: str
    in_sample: float
    cell: float
    teacher: float
    samples: float
    values: dict[str, float]
    errors: dict[str, float]


def score_law(name: str, runs: SolvableRuns, *, seed: int = 0) -> Score:
    """Fit a law to all runs of a setting, and without some of them in three ways.

    Raises
    ------
    InputError
        As in `fit_by_name`.
    """
    fit = fit_by_name(name, runs)
    folds = _folds(fit, seed)
    held = cross_validate(fit, folds, checked=0)
    assert runs.taught.L_T is not None
    L_T, D = runs.taught.L_T, runs.taught.D
    cut, most = np.unique(L_T)[_HELD_OUT_TEACHERS], float(D.max())
    return Score(
        setting=runs.setting.name,
        law=name,
        excess=runs.excess,
        coefficients=fit.x.size,
        status=fit.status,
        in_sample=_root_mean_square(fit.residual),
        cell=held.root_mean_square,
        teacher=_foretold(name, runs, cut <= L_T),
        samples=_foretold(name, runs, most > D),
        values=fit.coefficients,
        errors=jackknife(held),
    )


def jackknife(held: HeldOut) -> dict[str, float]:
    r"""Standard errors of coefficients from fits without each of G folds.

    .. math:: SE^2 = \frac{G-1}{G} \sum_g (\hat c_{(g)} - \bar c)^2

    Notes
    -----
    On exact runs they measure misfit: how much a coefficient depends on which students it was
    fitted to.
    """
    names = list(held.fits[0].coefficients)
    values = np.array([[fit.coefficients[name] for name in names] for fit in held.fits])
    count = len(held.fits)
    spread = np.sqrt((count - 1) / count * np.sum((values - values.mean(axis=0)) ** 2, axis=0))
    return dict(zip(names, spread.tolist(), strict=True))


def spread_at_equal_teachers(runs: SolvableRuns) -> float:
    """Root mean square of half the log difference between students of equally good teachers.

    Where a family of teachers goes through its best one, teachers of equal loss come twice:
    as underfitting and as overfitting ones. No function of N_S, D_S and L_T fits both; this
    is the least error that one of them can have at such runs. Zero in a family without them.
    """
    taught = runs.taught
    assert taught.L_T is not None
    halves: list[float] = []
    cell = cell_index(taught.inputs)
    for k in range(int(cell.max()) + 1):
        L_T, log_L_S = taught.L_T[cell == k], np.log(taught.loss[cell == k])
        best = int(np.argmin(L_T))
        down, up = slice(0, best + 1), slice(best, None)
        for one, other in ((down, up), (up, down)):
            if L_T[other].size < 2:
                continue
            order = np.argsort(L_T[other])
            inside = (L_T[one] > L_T[best]) & (L_T[one] <= L_T[other].max())
            there = np.interp(L_T[one][inside], L_T[other][order], log_L_S[other][order])
            halves += (0.5 * (log_L_S[one][inside] - there)).tolist()
    return _root_mean_square(np.array(halves)) if halves else 0.0


def _folds(fit: Fit, seed: int) -> npt.NDArray[np.int64]:
    cell = cell_index(fit.problem.inputs)
    count = int(cell.max()) + 1
    return np.asarray((np.random.default_rng(seed).permutation(count) % _FOLDS)[cell])


def _foretold(name: str, runs: SolvableRuns, keep: npt.NDArray[np.bool_]) -> float:
    law = fit_by_name(name, runs, keep).law
    out = runs.taught.where(~keep)
    assert out.L_T is not None
    predicted = law.loss(N_S=out.N, D_S=out.D, L_T=out.L_T)  # type: ignore[call-arg]
    return _root_mean_square(np.log(predicted / out.loss))


def _root_mean_square(error: FloatArray) -> float:
    return float(np.sqrt(np.mean(error**2)))
