"""What a fit says, and what it does not: its status and findings."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from capgap.comparison.diagnosis.design import students_below_teachers
from capgap.comparison.diagnosis.finding import Finding, listed_rows
from capgap.comparison.diagnosis.goodness import (
    FitTest,
    against_noise,
    against_repeats,
    bends,
    outlying,
)
from capgap.comparison.diagnosis.identify import bounds_reached, free_knee, undecided
from capgap.comparison.diagnosis.local import least_squares
from capgap.comparison.diagnosis.repeats import (
    counted_once,
    pure_error,
    repeat_index,
    rounding_variance,
)
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.domain import require

__all__ = ["Examination", "ExaminedStatus", "examine_fit"]

ExaminedStatus = Literal["converged", "at-bound", "not-identified", "lack-of-fit", "not-converged"]

LEVEL = 0.01  # of the tests for lack of fit and for structure in the residuals
OUTLIER = 5.0  # robust standard deviations
_FEW_STARTS = 0.2


@dataclass(frozen=True, slots=True)
class Examination:
    """Findings about a fit, and the status that sums them up.

    Attributes
    ----------
    status : str
        The first that holds of `not-converged`, `not-identified`, `at-bound`, `lack-of-fit`;
        `converged` otherwise.
    findings : tuple of Finding
    lack_of_fit, structure : FitTest
        The tests behind two of the findings, with p NaN where there is nothing to test.
    """

    status: ExaminedStatus
    findings: tuple[Finding, ...]
    lack_of_fit: FitTest
    structure: FitTest


def examine_fit(
    fit: Fit, runs: RunTable | None = None, *, seed_noise: float | None = None
) -> Examination:
    """Say what a fit does not decide and whether its law describes the runs.

    Parameters
    ----------
    fit : Fit
        Of any law.
    runs : RunTable, optional
        The runs of the fit in its order, for row numbers and cells; without it runs are
        numbered from 1 in the order of the fit.
    seed_noise : float, optional
        Standard deviation of log loss between runs that differ in the seed alone. Without
        it, repeated runs (equal inputs and, where given, equal cells) supply it if there are
        any, and else the standard errors of the losses if the fit counts residuals in them;
        without any of these there is no test for lack of fit.

    Returns
    -------
    Examination

    Raises
    ------
    InputError
        Runs of another number than the fit's, or a seed noise that is not positive.

    Notes
    -----
    Lack of fit: a least-squares fit from the fit's end point against the squares within
    repeated runs (F test), or against the stated noise (chi-square). Structure: an F test of
    squares and products of the logs of the inputs, added to the law. Both at the 1% level,
    for noise that is independent between runs: runs that share an error, such as checkpoints
    of one training, make structure look more certain than it is. Outliers: beyond five robust
    standard deviations (more among tens of thousands of runs). A coefficient counts as weak
    where its standard deviation, to first order, exceeds a factor of 4.5 or a quarter of its
    search range.

    Examples
    --------
    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> N, D = np.repeat([1e7, 1e8, 1e9], 4), np.tile([1e9, 4e9, 1e10, 4e10], 3)
    >>> wiggle = 1 + 0.01 * np.array([1, -1, -1, 1, -1, 1, 1, -1, 1, -1, -1, 1])
    >>> fit = fit_supervised(N, D, (1.5 + 400 / N**0.35 + 1e3 / D**0.37) * wiggle, gamma=1.0)
    >>> examination = examine_fit(fit, seed_noise=0.002)
    >>> examination.status, [finding.code for finding in examination.findings]
    ('lack-of-fit', ['lack-of-fit'])
    """
    n = fit.problem.log_loss.size
    if runs is not None and len(runs) != n:
        raise InputError(f"examine_fit: {len(runs)} runs must be the {n} of the fit")
    if seed_noise is not None:
        require("examine_fit", "seed_noise", seed_noise)
    nothing = FitTest(float("nan"), 0.0, float("nan"), (0, 0))
    if fit.status == "not-converged":
        text = f"{fit.message}: do not use the numbers"
        return Examination(
            fit.status, (Finding("not-converged", "refuse", text),), nothing, nothing
        )
    near = least_squares(fit)
    rows = np.arange(1, n + 1) if runs is None or runs.row is None else runs.row
    lack = _lack_of_fit(fit, None if runs is None else runs.cell, seed_noise)
    structure = bends(near, _logs(fit)[near.used])
    findings = (
        *undecided(fit, near), *free_knee(fit, near), *bounds_reached(fit), *_few_starts(fit),
        *_said(fit, lack, seed_noise), *_bending(fit, structure), *_outliers(fit, rows),
        *_below_teachers(fit, rows),
    )  # fmt: skip
    return Examination(_status(fit, findings), findings, lack, structure)


def _logs(fit: Fit) -> FloatArray:
    """Logs of the inputs, shape (n, k); a missing teacher stands at the mean of the others."""
    logs = np.log(np.stack(list(fit.problem.inputs.values()), axis=1))
    return np.where(np.isnan(logs), np.nanmean(logs, axis=0), logs)


def _in_standard_errors(fit: Fit) -> bool:
    """Whether residuals are counted in standard errors of the losses (weights 1/sigma^2)."""
    return np.ndim(fit.problem.delta) == 1


def _amount(fit: Fit, deviation: float) -> str:
    """A deviation of weighted log residuals, for a sentence."""
    return f"{deviation:.2g} standard errors" if _in_standard_errors(fit) else f"{deviation:.2%}"


def _status(fit: Fit, findings: tuple[Finding, ...]) -> ExaminedStatus:
    codes = {finding.code for finding in findings}
    if "not-identified" in codes or fit.status == "not-identified":
        return "not-identified"
    if codes & {"E-at-zero", "exponent-at-bound", "at-bound"}:
        return "at-bound"
    return "lack-of-fit" if "lack-of-fit" in codes else "converged"


def _few_starts(fit: Fit) -> list[Finding]:
    if fit.best_basin_share >= _FEW_STARTS:
        return []
    return [
        Finding(
            "few-starts-agree", "note",
            f"{fit.best_basin_share:.0%} of the refined starts reached the best objective: there"
            " may be a better one",
        )
    ]  # fmt: skip


def _lack_of_fit(fit: Fit, cell: npt.NDArray[np.str_] | None, seed_noise: float | None) -> FitTest:
    problem = fit.problem
    if seed_noise is not None and _in_standard_errors(fit):
        problem = replace(problem, weights=np.where(problem.weights > 0, 1.0, 0.0))
    same, loss = repeat_index(problem.inputs, cell), np.exp(problem.log_loss)
    if seed_noise is None:
        problem = replace(problem, weights=problem.weights * counted_once(same, loss))
    near = least_squares(replace(fit, problem=problem))
    if seed_noise is not None:
        return against_noise(near, seed_noise)
    weights = problem.weights
    pure = pure_error(same, problem.log_loss, weights)
    if pure.degrees_of_freedom == 0 and _in_standard_errors(fit):
        return against_noise(near, 1.0)
    typical = float(np.median(weights[weights > 0]))
    return against_repeats(near, pure, typical * rounding_variance(loss))


def _said(fit: Fit, test: FitTest, seed_noise: float | None) -> list[Finding]:
    if not test.p < LEVEL:
        return []
    if seed_noise is not None:
        allow, off = f"the stated seed noise of {test.noise:.2%}", f"{test.excess:.2%}"
    else:
        off = _amount(fit, test.excess)
        allow = f"repeated runs ({test.degrees_of_freedom[1]} degrees of freedom) show, " + _amount(
            fit, test.noise
        )
        if test.degrees_of_freedom[1] == 0:
            allow = "the standard errors of the losses allow"
    return [
        Finding(
            "lack-of-fit", "warn",
            f"residuals exceed what {allow}{' allows' if seed_noise is not None else ''}: the law"
            f" itself is off by {off} root mean square (p = {test.p:.1g})",
        )
    ]  # fmt: skip


def _bending(fit: Fit, test: FitTest) -> list[Finding]:
    if not test.p < LEVEL:
        return []
    return [
        Finding(
            "residual-structure", "warn",
            f"residuals bend with {', '.join(f'log {name}' for name in fit.problem.inputs)}:"
            f" squares and products explain {_amount(fit, test.excess)} root mean square beside"
            f" {_amount(fit, test.noise)} of scatter (p = {test.p:.1g})",
        )
    ]  # fmt: skip


def _outliers(fit: Fit, rows: npt.NDArray[np.int64]) -> list[Finding]:
    used = fit.problem.weights > 0
    scaled = (fit.residual * np.sqrt(fit.problem.weights))[used]
    # Among millions of runs some lie beyond five deviations by chance: 1% of tables do here.
    limit = max(OUTLIER, -float(ndtri(0.005 / scaled.size)))
    far, deviation = outlying(scaled, fit.x.size, limit)
    if not np.any(far):
        return []
    which = tuple(int(row) for row in rows[used][far])
    return [
        Finding(
            "outliers", "note",
            f"{len(which)} of {rows.size} runs lie beyond {limit:.2g} robust standard deviations"
            f" ({_amount(fit, deviation)} each), the farthest at"
            f" {np.max(np.abs(scaled)) / deviation:.0f}: {listed_rows(which)}",
            which,
        )
    ]  # fmt: skip


def _below_teachers(fit: Fit, rows: npt.NDArray[np.int64]) -> list[Finding]:
    """Only where the fitted law puts every student above its teacher."""
    L_T = fit.problem.inputs.get("L_T")
    if L_T is None:
        return []
    taught = np.isfinite(L_T)
    N, D = list(fit.problem.inputs.values())[:2]
    if np.any((fit.residual + fit.problem.log_loss)[taught] < np.log(L_T[taught])):
        return []
    table = RunTable(
        N[taught], D[taught], np.exp(fit.problem.log_loss[taught]), L_T[taught], row=rows[taught]
    )
    return students_below_teachers(table, "where the fitted law puts every student above its own")
