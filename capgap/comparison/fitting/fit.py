"""Fit a law to measured losses: Huber loss of the log residuals."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.distillation_models import Eq8Model, ReducedModel
from capgap.comparison.fitting.hinge_model import HingeModel
from capgap.comparison.fitting.log_models import FloatArray, LogModel, SupervisedModel
from capgap.comparison.fitting.search import Fit, Problem, solve
from capgap.errors import InputError
from capgap.theory.domain import positive_array, require
from capgap.theory.supervised import SupervisedLaw

__all__ = ["Fit", "HingeTerm", "fit_distillation", "fit_supervised"]

HingeTerm = Literal["scale", "tokens", "p", "q"]
_TERMS = frozenset({"scale", "tokens", "p", "q"})


def fit_supervised(
    N: npt.ArrayLike,
    D: npt.ArrayLike,
    L: npt.ArrayLike,
    *,
    gamma: float | None = None,
    delta: float = 1e-3,
    weights: npt.ArrayLike | None = None,
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
    delta : float
        Huber threshold in log loss. Residuals beyond it count linearly: far below the noise
        the fit is a least absolute deviation, far above it least squares.
    weights : array_like, shape (n,), optional
        Weight of each run, >= 0; 1 by default.
    start : SupervisedLaw, optional
        One more start.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        Arrays of different lengths, values that are not finite and positive, fewer runs than
        coefficients, or a design with a single N or a single D, which cannot identify the law.

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
    data = _runs("fit_supervised", {"N": N, "D": D}, L)
    if gamma is not None:
        require("fit_supervised", "gamma", gamma)
    model = SupervisedModel.build(data["N"], data["D"], data["L"], gamma)
    x = None if start is None else model.coordinates(start)
    return solve(_problem("fit_supervised", model, data, delta, weights, x))


def fit_distillation(
    kind: Literal["eq8-reduced", "eq8", "hinge"],
    N_S: npt.ArrayLike,
    D_S: npt.ArrayLike,
    L_T: npt.ArrayLike,
    L_S: npt.ArrayLike,
    *,
    supervised: SupervisedLaw | None = None,
    terms: tuple[HingeTerm, ...] = ("scale",),
    delta: float = 1e-3,
    weights: npt.ArrayLike | None = None,
    start: Fit | None = None,
) -> Fit:
    r"""Fit a law of the student's loss to distillation runs.

    Parameters
    ----------
    kind : str
        `eq8-reduced` : `ReducedDistillationLaw`, 8 coefficients; `eq8` : `DistillationLaw`,
        9; `hinge` : `HingeLaw`, 3 to 7 on a given supervised law, 9 to 11 without one.
    N_S, D_S, L_T, L_S : array_like, shape (n,)
        Student parameters, tokens, teacher loss and student loss (nats per token).
    supervised : SupervisedLaw or None
        The student's supervised law, held fixed: fit it first, on supervised runs. The two
        forms of Eq. 8 need it: from distillation runs alone the scale of the supervised law
        and the position of the knee are one number. Without it, `hinge` fits its own
        level from the distillation runs.
    terms : tuple of {"scale", "tokens", "p", "q"}
        Hinge only: with a supervised law, whether the corner's level is a free multiple of
        it ("scale") or the law on a multiple of the student's tokens ("tokens"); and whether
        theta varies with N_S ("p") and D_S ("q").
    delta, weights
        As in `fit_supervised`.
    start : Fit, optional
        A fit of the same kind to the same runs, whose end point is one more start.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        As in `fit_supervised`, and for a single L_T, an unknown kind or an unknown term.

    Notes
    -----
    Three student sizes by three token counts identify a supervised law only weakly and
    Eq. 8's own bracket not much better, while the teacher axis is well covered: prefer a
    given supervised law, and the hinge with few terms. Uncertainty of the given law is not
    part of the fit's.

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
    data = _runs(operation, {"N_S": N_S, "D_S": D_S, "L_T": L_T}, L_S)
    model = _distillation_model(kind, data, supervised, frozenset(terms))
    x = None if start is None else start.x
    if x is not None and x.shape != (len(model.names),):
        raise InputError(
            f"{operation}: start has {x.size} coefficients, must have {len(model.names)}"
        )
    return solve(_problem(operation, model, data, delta, weights, x))


def _distillation_model(
    kind: str,
    data: Mapping[str, FloatArray],
    supervised: SupervisedLaw | None,
    terms: frozenset[str],
) -> LogModel:
    operation = "fit_distillation"
    unknown = sorted(terms - _TERMS)
    if unknown:
        raise InputError(
            f"{operation}: terms has {unknown[0]!r}, must be among scale, tokens, p, q"
        )
    N_S, D_S, L_T, L_S = (data[name] for name in ("N_S", "D_S", "L_T", "L"))
    if kind == "hinge":
        return HingeModel.build(N_S, D_S, L_T, L_S, supervised, terms)
    if kind not in ("eq8", "eq8-reduced"):
        raise InputError(f"{operation}: kind = {kind!r} must be eq8-reduced, eq8 or hinge")
    if supervised is None:
        raise InputError(f"{operation}: supervised = None, must be a SupervisedLaw for {kind}")
    build = Eq8Model.build if kind == "eq8" else ReducedModel.build
    return build(N_S, D_S, L_T, supervised)


def _runs(
    operation: str, inputs: Mapping[str, npt.ArrayLike], L: npt.ArrayLike
) -> dict[str, FloatArray]:
    """Checked arrays of one length; every input varies."""
    data = {name: positive_array(operation, name, value) for name, value in inputs.items()}
    data["L"] = positive_array(operation, "L_S" if "N_S" in inputs else "L", L)
    shapes = {array.shape for array in data.values()}
    if len(shapes) != 1 or data["L"].ndim != 1:
        raise InputError(f"{operation}: shapes {sorted(shapes)} must be one (n,)")
    for name in inputs:
        if np.unique(data[name]).size < 2:
            raise InputError(
                f"{operation}: {name} = {', '.join(f'{v:g}' for v in data[name][:1])} in every run,"
                " must vary to identify the law"
            )
    return data


def _problem(
    operation: str,
    model: LogModel,
    data: Mapping[str, FloatArray],
    delta: float,
    weights: npt.ArrayLike | None,
    start: FloatArray | None,
) -> Problem:
    require(operation, "delta", delta)
    loss = data["L"]
    w = np.ones_like(loss) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != loss.shape or not np.all(np.isfinite(w)) or np.any(w < 0):
        raise InputError(f"{operation}: weights of shape {w.shape} must be {loss.shape}, >= 0")
    needed = len(model.names)
    if np.count_nonzero(w) < needed:
        raise InputError(
            f"{operation}: {np.count_nonzero(w)} runs must be at least the {needed} coefficients"
        )
    inputs = {name: value for name, value in data.items() if name != "L"}
    return Problem(model, inputs, np.log(loss), w, float(delta), start)
