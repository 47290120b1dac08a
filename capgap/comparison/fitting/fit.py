"""Fit a law to measured losses: Huber loss of the log residuals."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.distillation_fit import (
    Form,
    HingeTerm,
    Kind,
    OwnMode,
    check_terms,
    distillation_model,
    joint_model,
    own_mode,
)
from capgap.comparison.fitting.log_models import LogModel, SupervisedModel
from capgap.comparison.fitting.problems import checked_runs, make_problem, require_varied
from capgap.comparison.fitting.refusal import Refusal
from capgap.comparison.fitting.search import Fit, solve
from capgap.comparison.fitting.user_law import fit_law
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.domain import require
from capgap.theory.supervised import SupervisedLaw

__all__ = [
    "Fit",
    "HingeTerm",
    "Kind",
    "OwnMode",
    "Refusal",
    "fit_distillation",
    "fit_law",
    "fit_supervised",
]


def fit_supervised(
    N: npt.ArrayLike,
    D: npt.ArrayLike,
    L: npt.ArrayLike,
    *,
    gamma: float | None = None,
    delta: float | None = None,
    weights: npt.ArrayLike | None = None,
    standard_errors: npt.ArrayLike | None = None,
    start: SupervisedLaw | None = None,
) -> Fit:
    r"""Fit :math:`L = E + (A/N^\alpha + B/D^\beta)^\gamma` to runs.

    Minimizes :math:`\sum_i w_i\, Huber_\delta(\log \hat L_i - \log L_i)` over E >= 0 and the
    positive coefficients. A grid of starts is screened, the best 16 are refined and the best
    end point is polished with L-BFGS-B, all with analytic gradients.

    Parameters
    ----------
    N, D, L : array_like, shape (n,)
        Non-embedding parameters, tokens (raw counts) and loss in nats per token.
    gamma : float or None
        Fixed value (1 gives the plain law), or None to fit it.
    delta : float, optional
        Huber threshold in log loss, 1e-3 by default. Residuals beyond it count linearly: far
        below the noise the fit is a least absolute deviation, far above it least squares.
        With `standard_errors` it is in standard errors, 1.345 by default, which keeps 95%
        of the efficiency of least squares under normal noise (Huber 1964).
    weights : array_like, shape (n,), optional
        Weight of each run, >= 0; 1 by default.
    standard_errors : array_like, shape (n,), optional
        Standard error of each loss, nats per token. Residuals are then counted in them: the
        objective is :math:`\sum_i Huber_\delta(r_i/\sigma_i)`, :math:`\sigma_i = SE_i/L_i`.
    start : SupervisedLaw, optional
        One more start.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        Arrays of different lengths, values that are not finite and positive, or weights beside
        standard errors.
    Refusal
        An `InputError` with a code: fewer runs than coefficients, or a design with a single N
        or a single D, which cannot identify the law.

    Notes
    -----
    Objective and law: Busbridge et al., arXiv 2502.08606, appendix F (delta = 1e-4 there).
    The search differs: coordinates that separate levels, powers and softness, and a
    reweighted Levenberg-Marquardt refinement.

    Examples
    --------
    >>> law = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
    >>> N = np.repeat([1e7, 1e8, 1e9], 3)
    >>> D = np.tile([1e9, 1e10, 1e11], 3)
    >>> fit = fit_supervised(N, D, law.loss(N, D), gamma=1.0)
    >>> fit.status, round(fit.coefficients["alpha"], 9), round(fit.coefficients["E"], 9)
    ('converged', 0.35, 1.5)
    """
    operation = "fit_supervised"
    data, loss = checked_runs(operation, {"N": N, "D": D}, "L", L)
    require_varied(operation, data)
    if gamma is not None:
        require(operation, "gamma", gamma)
    model = SupervisedModel.build(data["N"], data["D"], loss, gamma)
    x = None if start is None else model.coordinates(start)
    problem = make_problem(
        operation, model, data, loss, delta=delta, weights=weights,
        standard_errors=standard_errors, start=x,
    )  # fmt: skip
    return solve(problem)


def fit_distillation(
    kind: Kind,
    N_S: npt.ArrayLike,
    D_S: npt.ArrayLike,
    L_T: npt.ArrayLike,
    L_S: npt.ArrayLike,
    *,
    supervised: SupervisedLaw | None = None,
    supervised_runs: RunTable | None = None,
    own: OwnMode | None = None,
    terms: tuple[HingeTerm, ...] = ("scale",),
    gamma: float | None = None,
    delta: float | None = None,
    weights: npt.ArrayLike | None = None,
    standard_errors: npt.ArrayLike | None = None,
    start: Fit | None = None,
) -> Fit:
    r"""Fit a law of the student's loss to distillation runs.

    Parameters
    ----------
    kind : str
        `eq8` : `DistillationLaw`, 9 coefficients besides the supervised law's; `eq8-reduced` :
        `ReducedDistillationLaw`, 8; `eq8-power` : `PowerDistillationLaw`, 6, which does not
        contain the supervised law; `hinge` : `HingeLaw` and `hinge-additive` :
        `AdditiveHingeLaw`, 3 and their `terms`.
    N_S, D_S, L_T, L_S : array_like, shape (n,)
        Student parameters, tokens, teacher loss and student loss (nats per token).
    supervised : SupervisedLaw or None
        The student's supervised law, held fixed: fit it first, on supervised runs.
    supervised_runs : RunTable or None
        Runs without teachers, for a joint fit.
    own : {"fixed", "joint", "profiled"}, optional
        Where the student's supervised law comes from. `fixed`: it is given. `joint`: one
        objective over supervised runs and distillations, with the coefficients of both laws
        free; the supervised law's are named ``supervised.E`` and so on. `profiled`: it is
        minimized out, estimated from the distillations alone. A hinge then has a corner of
        its own, E, A, B, alpha, beta and gamma. In the two forms of Eq. 8 the scale of the
        supervised law and the position of the knee are one number: by convention the knee
        lies at L_T = supervised loss (k = 1), so what is fitted is the knee, ``knee.E`` and so
        on; k or d1, and the supervised law's scale, are not reported.
        By default `fixed` with a law, `joint` with runs, and without either `profiled` for
        the hinges.
    terms : tuple of {"scale", "tokens", "p", "q", "r"}
        Hinges only: with a supervised law, whether the corner's level is a free multiple of
        it ("scale") or the law on a multiple of the student's tokens ("tokens"); whether
        theta varies with N_S ("p") and D_S ("q"); and whether rho does with D_S ("r", which
        frees r and m). A profiled corner has no scale and no tokens.
    gamma : float or None
        Of a supervised law that is fitted here: fixed value, or None to fit it.
    delta, weights, standard_errors
        As in `fit_supervised`. In a joint fit weights are those of the supervised runs, then
        the distillations'; standard errors are the distillations', and the supervised runs
        bring their own.
    start : Fit, optional
        A fit of the same kind to the same runs, whose end point is one more start.

    Returns
    -------
    Fit
        In a joint fit `problem.inputs` has the supervised runs first, with L_T = NaN.

    Raises
    ------
    InputError
        As in `fit_supervised`, an unknown kind, mode or term, or a supervised law or runs
        that the mode does not take.
    Refusal
        As in `fit_supervised`, and for a single L_T.

    Notes
    -----
    Three student sizes by three token counts identify a supervised law only weakly and
    Eq. 8's own bracket not much better, while the teacher axis is well covered: prefer a
    given supervised law or a joint fit, and the hinge with few terms. Uncertainty of a given
    law is not part of the fit's.

    Examples
    --------
    >>> from capgap.theory.hinge import HingeLaw
    >>> own = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
    >>> law = HingeLaw(own, rho=0.8, s=0.05, c=0.3)
    >>> N_S, D_S, L_T = (a.ravel() for a in np.meshgrid([1e7, 1e8, 1e9], [1e9, 1e10], [2, 3, 4]))
    >>> fit = fit_distillation("hinge", N_S, D_S, L_T, law.loss(N_S, D_S, L_T), supervised=own)
    >>> fit.status, round(fit.coefficients["rho"], 9), round(fit.coefficients["c"], 9)
    ('converged', 0.8, 0.3)
    """
    operation = "fit_distillation"
    mode = own_mode(kind, own, supervised, supervised_runs is not None)
    form = Form(kind, check_terms(kind, terms))
    if gamma is not None:
        require(operation, "gamma", gamma)
    data, loss = checked_runs(operation, {"N_S": N_S, "D_S": D_S, "L_T": L_T}, "L_S", L_S)
    model: LogModel
    if supervised_runs is None:
        require_varied(operation, data)
        model = distillation_model(form, data, loss, supervised, gamma, mode == "profiled")
    else:
        alone, first = _alone(supervised_runs)
        require_varied(operation, {**alone, "L_T": data["L_T"]})
        model = joint_model(form, alone, first, data, gamma)
        if standard_errors is not None:
            standard_errors = _both_errors(supervised_runs, standard_errors)
        data = {
            "N_S": np.concatenate([alone["N"], data["N_S"]]),
            "D_S": np.concatenate([alone["D"], data["D_S"]]),
            "L_T": np.concatenate([np.full_like(first, np.nan), data["L_T"]]),
        }
        loss = np.concatenate([first, loss])
    problem = make_problem(
        operation, model, data, loss, delta=delta, weights=weights,
        standard_errors=standard_errors, start=None if start is None else start.x,
    )  # fmt: skip
    fit = solve(problem)
    if mode == "profiled" and kind.startswith("eq8"):
        return replace(fit, message=f"{fit.message}; {_CONVENTION}")
    return fit


_CONVENTION = (
    "the scale of the supervised law and the knee's position are one number here: the knee's"
    " law is reported, the supervised law's scale is not known"
)


def _alone(runs: RunTable) -> tuple[dict[str, npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
    if runs.taught:
        raise InputError(
            f"fit_distillation: supervised_runs ({runs.source}) must be runs without teachers"
        )
    return {"N": runs.N, "D": runs.D}, runs.loss


def _both_errors(runs: RunTable, taught: npt.ArrayLike) -> npt.NDArray[np.float64]:
    if runs.standard_error is None:
        raise InputError(
            f"fit_distillation: supervised_runs ({runs.source}) must have standard errors where"
            " the distillations have"
        )
    return np.concatenate([runs.standard_error, np.atleast_1d(np.asarray(taught, np.float64))])
