"""What was derived against what is measured: exactness, powers of theta, rho, softness."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from capgap.comparison.fitting.fit import fit_distillation
from capgap.comparison.fitting.search import Fit
from capgap.comparison.solvable.derived import (
    hinge_softness,
    least_squares_powers,
    sgd_theta,
    tuned_power,
    width_slope,
)
from capgap.comparison.solvable.laws import fit_by_name
from capgap.comparison.solvable.models import (
    SPAN,
    STEP_SIZE,
    M,
    Setting,
    SolvableRuns,
    solvable_runs,
    stage_risks,
    student_ridge,
    student_stage,
    tail_spectrum,
)
from capgap.comparison.solvable.resolution import random_resolution, resolution
from capgap.comparison.solvable.slopes import (
    fit_powers,
    strong_slopes,
    student_corners,
    weak_slopes,
)
from capgap.spectrum import Stage
from capgap.theory.domain import FloatArray
from capgap.theory.finite.kappa import implicit_ridge
from capgap.theory.supervised import SupervisedLaw

__all__ = [
    "Curve",
    "StrongSlopes",
    "compare_powers",
    "compare_softness",
    "compare_strong_slopes",
    "compare_weak_slopes",
    "exact_hinge",
    "student_curve",
]


@dataclass(frozen=True, slots=True)
class StrongSlopes:
    """theta of every student of a setting, measured and derived, N slowest."""

    setting: Setting
    N: FloatArray
    D: FloatArray
    measured: FloatArray
    derived: FloatArray

    @property
    def largest_error(self) -> float:
        """Largest relative difference."""
        return float(np.max(np.abs(self.derived / self.measured - 1)))


@dataclass(frozen=True, slots=True)
class Curve:
    """One student's losses under perfect teachers, exact and by laws fitted to its setting."""

    setting: Setting
    N: int
    D: int
    L_T: FloatArray
    exact: FloatArray
    own: float
    fitted: dict[str, FloatArray]


def exact_hinge(runs: SolvableRuns) -> Fit:
    """Fit the additive hinge to least squares, with the corner and the right samples given.

    In degrees of freedom, D - N - 1 for D_S, theta = N/(D - N - 1) is a power law; the corner
    is the student without end of data, E + N^-alpha.

    Examples
    --------
    >>> from capgap.comparison.solvable.models import SETTINGS
    >>> fit = exact_hinge(solvable_runs(SETTINGS[0]))
    >>> bool(np.max(np.abs(fit.residual)) < 1e-12)
    True
    """
    taught, setting = runs.taught, runs.setting
    assert taught.L_T is not None
    # No data term: B is as good as zero.
    corner = SupervisedLaw(E=setting.noise, A=1.0, B=1e-30, alpha=setting.alpha, beta=1.0)
    return fit_distillation(
        "hinge-additive",
        taught.N,
        taught.D - taught.N - 1,
        taught.L_T,
        taught.loss,
        supervised=corner,
        terms=("scale", "p", "q"),
    )


def compare_strong_slopes(setting: Setting) -> StrongSlopes:
    r"""theta under almost perfect teachers against N/(D - N - 1) or gamma/(1 - gamma).

    gamma is that of `resolution` or `random_resolution`: a continuous spectrum. The derived
    value is minus the slope at the last mode, :math:`(1+\theta)[(1-s)^2 + \zeta s(1-s)] - 1`.
    For SGD it is that of training without end, `sgd_theta`.
    """
    N, D = _students(setting)
    if setting.student == "least squares":
        derived = N / (D - N - 1)
    elif setting.student == "sgd":
        unit = tail_spectrum(setting.a, setting.alpha).eigenvalues
        derived = np.array([sgd_theta(unit[: int(n)], STEP_SIZE) for n in N])
    else:
        ridge = _ridges(setting)
        if setting.student == "random features":
            kappa, gamma, zeta = random_resolution(N, D, setting.a, ridge)
        else:
            kappa, gamma = resolution(N, D, setting.a, ridge)
            zeta = np.zeros_like(kappa)
        # A student on fewer modes has learned nothing of the last one.
        has_it = (setting.student == "random features") | (N >= M)
        s = np.where(has_it, 1 / (1 + kappa * float(M) ** setting.a), 0.0)
        derived = ((1 - s) ** 2 + zeta * s * (1 - s)) / (1 - gamma) - 1
    return StrongSlopes(setting, N, D, strong_slopes(setting), derived)


def compare_powers(settings: Sequence[Setting]) -> dict[str, dict[str, float]]:
    """Powers of N and 1/D in theta over a setting's students, with what was derived for them."""
    found: dict[str, dict[str, float]] = {}
    for setting in settings:
        powers = fit_powers(setting, strong_slopes(setting))
        p, q = _derived_powers(setting)
        found[setting.name] = {
            "p": powers.p, "p, 95% reach": powers.p_reach,
            "p derived, least": p[0], "p derived, largest": p[1],
            "q": powers.q, "q, 95% reach": powers.q_reach,
            "q derived, least": q[0], "q derived, largest": q[1],
            "misfit of the power law": powers.spread,
        }  # fmt: skip
    return found


def compare_weak_slopes(runs: SolvableRuns) -> float:
    """Largest difference of measured weak slopes from `width_slope`, teachers of more samples."""
    N, D = _students(runs.setting)
    derived = width_slope(N, SPAN, N / (D - N - 1))
    return float(np.max(np.abs(weak_slopes(runs) - derived)))


def compare_softness(setting: Setting) -> dict[str, float]:
    """Fitted softness over `hinge_softness`, and fitted over true theta, ridge students."""
    theta = strong_slopes(setting)
    corners = student_corners(setting)
    unit = tail_spectrum(setting.a, setting.alpha).eigenvalues
    kappa = np.array(
        [
            float(implicit_ridge(unit[: int(c.N)], c.D, ridge).kappa)
            for c, ridge in zip(corners, _ridges(setting), strict=True)
        ]
    )
    K = kappa ** (setting.alpha / setting.a)
    ratio = np.array([c.s for c in corners]) / hinge_softness(theta, K, setting.a / setting.alpha)
    slopes = np.array([c.theta for c in corners]) / theta
    return {
        "softness over derived, least": float(ratio.min()),
        "softness over derived, median": float(np.median(ratio)),
        "softness over derived, largest": float(ratio.max()),
        "theta of the fitted hinge over true, median": float(np.median(slopes)),
        "theta of the fitted hinge over true, largest": float(slopes.max()),
    }


def student_curve(setting: Setting, N: int, D: int, laws: Sequence[str]) -> Curve:
    """A student under perfect teachers of 60 widths, and what laws of its setting say of it."""
    runs = solvable_runs(setting)
    student = student_stage(setting, N, D)
    widths = np.unique(np.geomspace(2, M - 1, 60).astype(int))
    risks = [stage_risks(setting, [Stage(int(m), inf), student]) for m in widths]
    L_T, L_S = (setting.noise + np.array(v) for v in zip(*risks, strict=True))
    alone = runs.alone.loss[(runs.alone.N == N) & (runs.alone.D == D)]
    fitted = {
        name: fit_by_name(name, runs).law.loss(  # type: ignore[call-arg]
            N_S=np.full_like(L_T, N), D_S=np.full_like(L_T, D), L_T=L_T
        )
        for name in laws
    }
    return Curve(setting, N, D, L_T, L_S, float(alone[0]), fitted)


def _students(setting: Setting) -> tuple[FloatArray, FloatArray]:
    N, D = (np.array(v, dtype=np.float64) for v in (setting.N, setting.D))
    return np.repeat(N, D.size), np.tile(D, N.size)


def _ridges(setting: Setting) -> FloatArray:
    return np.array([student_ridge(setting, N, D) for N in setting.N for D in setting.D])


def _derived_powers(setting: Setting) -> tuple[tuple[float, float], tuple[float, float]]:
    """Least and largest local powers of N and 1/D; of wide students where there is a ridge."""
    if setting.student == "least squares":
        p, q = least_squares_powers(*_students(setting))
        return (float(p.min()), float(p.max())), (float(q.min()), float(q.max()))
    if setting.student == "tuned ridge":
        power = tuned_power(setting.alpha)
    else:
        # A fixed ridge resolves the same modes whatever the data; without one, theta = a - 1;
        # SGD with a constant step has a noise floor.
        power = 0.0 if setting.student == "sgd" or setting.name == "ridgeless, wide" else 1.0
    return (0.0, 0.0), (power, power)
