"""Slopes and softness measured on the solvable models, cell by cell, and their powers."""

from dataclasses import dataclass
from math import inf

import numpy as np
from scipy.optimize import least_squares
from scipy.special import stdtrit

from capgap.comparison.solvable.models import M, Setting, SolvableRuns, stage_risks, student_stage
from capgap.errors import InputError
from capgap.spectrum import Stage
from capgap.theory.domain import FloatArray
from capgap.theory.slopes import corner

__all__ = ["Corner", "Powers", "fit_powers", "strong_slopes", "student_corners", "weak_slopes"]

_STRONG = (M - 200, M - 1)  # widths of two perfect teachers, beyond every student
_CURVE = 40  # teachers behind one measured corner


@dataclass(frozen=True, slots=True)
class Powers:
    """y = c N^p D^-q by least squares in logarithms, with 95% t intervals of p and q.

    `spread` is the root mean square residual: on exact runs the misfit of the power law.
    """

    p: float
    p_reach: float
    q: float
    q_reach: float
    spread: float


@dataclass(frozen=True, slots=True)
class Corner:
    """The additive hinge that fits one student's curve best: level, slopes, softness."""

    N: float
    D: float
    level: float
    rho: float
    theta: float
    s: float


def strong_slopes(setting: Setting) -> FloatArray:
    """theta of every student, N slowest: minus the slope between two almost perfect teachers."""
    return -_slopes(setting, *(Stage(m, inf) for m in _STRONG))


def weak_slopes(runs: SolvableRuns) -> FloatArray:
    """Slope of every student between the two weakest teachers of its setting, N slowest."""
    students = len(runs.setting.N) * len(runs.setting.D)
    assert runs.taught.L_T is not None
    L_T, L_S = (v.reshape(students, -1) for v in (runs.taught.L_T, runs.taught.loss))
    weakest = np.argsort(-L_T[0])[:2]
    return np.asarray(-np.diff(L_S[:, weakest])[:, 0] / -np.diff(L_T[:, weakest])[:, 0])


def fit_powers(setting: Setting, values: FloatArray) -> Powers:
    """Powers of N and 1/D of one positive value per student, N slowest.

    Raises
    ------
    InputError
        A value is not positive, or their number is not that of the students.

    Examples
    --------
    >>> one = Setting("", "least squares", "perfect", N=(1, 2, 4), D=(8, 16, 32))
    >>> N, D = np.repeat(one.N, 3), np.tile(one.D, 3)
    >>> found = fit_powers(one, 3.0 * N**0.5 / D)
    >>> round(found.p, 9), round(found.q, 9), found.p_reach < 1e-9
    (0.5, 1.0, True)
    """
    n, d = np.repeat(np.log(setting.N), len(setting.D)), np.tile(np.log(setting.D), len(setting.N))
    if values.shape != n.shape or not np.all(values > 0):
        raise InputError(f"fit_powers: values must be {n.size}, all > 0")
    design = np.stack([np.ones_like(n), n - n.mean(), -(d - d.mean())], axis=1)
    found = np.linalg.lstsq(design, np.log(values), rcond=None)[0]
    residual = np.log(values) - design @ found
    free = n.size - 3
    variance = float(residual @ residual) / free
    reach = float(stdtrit(free, 0.975)) * np.sqrt(
        variance * np.diag(np.linalg.inv(design.T @ design))
    )
    spread = float(np.sqrt(np.mean(residual**2)))
    return Powers(float(found[1]), float(reach[1]), float(found[2]), float(reach[2]), spread)


def student_corners(setting: Setting) -> tuple[Corner, ...]:
    """Fit the additive hinge to each student's own curve under perfect teachers, N slowest.

    Least squares in the excess loss; teachers of 40 widths, evenly spread in log loss.
    """
    widths = np.unique(np.geomspace(2, M - 1, _CURVE).astype(int))
    corners = []
    for N in setting.N:
        for D in setting.D:
            student = student_stage(setting, N, D)
            risks = [stage_risks(setting, [Stage(int(m), inf), student]) for m in widths]
            x, y = np.array(risks).T
            corners.append(_corner(float(N), float(D), x, y))
    return tuple(corners)


def _corner(N: float, D: float, x: FloatArray, y: FloatArray) -> Corner:
    def residual(v: FloatArray) -> FloatArray:
        level, rho, theta, s = np.exp(v)
        bend = corner(x - level, np.asarray(rho), np.asarray(theta), np.asarray(s))
        return np.asarray(level + bend - y)

    low = float(y.min())
    starts = [
        np.log([share * low, 1.0, 0.3, soft * low]) for share in (0.7, 1.0) for soft in (0.03, 0.3)
    ]
    bounds = (np.log([1e-6, 1e-2, 1e-6, 1e-7]), np.log([10.0, 10.0, 50.0, 10.0]))
    ends = [least_squares(residual, start, bounds=bounds, xtol=1e-12) for start in starts]
    level, rho, theta, s = np.exp(min(ends, key=lambda end: float(end.cost)).x)
    return Corner(N, D, float(level), float(rho), float(theta), float(s))


def _slopes(setting: Setting, one: Stage, other: Stage) -> FloatArray:
    found = []
    for N in setting.N:
        for D in setting.D:
            student = student_stage(setting, N, D)
            first, second = (stage_risks(setting, [teacher, student]) for teacher in (one, other))
            found.append((second[1] - first[1]) / (second[0] - first[0]))
    return np.array(found)
