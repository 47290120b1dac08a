"""What both hinge laws share: coefficients, and the slopes on the two sides of the corner."""

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory import jets
from capgap.theory.domain import FloatArray, positive_array, require
from capgap.theory.jets import Quantity
from capgap.theory.supervised import SupervisedLaw

__all__ = [
    "best_position",
    "best_rise",
    "check_coefficients",
    "corner",
    "hinge_variables",
    "limit_slopes",
    "rho_at",
    "strong_slope",
    "theta_at",
    "weak_slope",
]


def check_coefficients(law: Any) -> None:
    """Raise unless the coefficients of a hinge law are in their domain."""
    name = type(law).__name__
    if not isinstance(law.student, SupervisedLaw):
        raise InputError(f"{name}: student = {law.student!r} must be a SupervisedLaw")
    for entry in ("rho", "s", "c"):
        require(name, entry, getattr(law, entry))
    for entry in ("r", "m"):
        require(name, entry, getattr(law, entry), zero_allowed=True)
    for entry in ("p", "q"):
        if not isfinite(getattr(law, entry)):
            raise InputError(f"{name}: {entry} = {getattr(law, entry):g} must be finite")


def hinge_variables(
    law: Any, operation: str, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike
) -> dict[str, Any]:
    """Checked inputs and all coefficients by name; both slopes are representable and > 0."""
    name = f"{type(law).__name__}.{operation}"
    L_T = positive_array(name, "L_T", L_T)
    rho_at(law, operation, D_S)
    theta_at(law, operation, N_S, D_S)
    v: dict[str, Any] = {"N_S": np.asarray(N_S, np.float64), "D_S": np.asarray(D_S, np.float64)}
    v |= {"L_T": L_T, **{f.name: getattr(law, f.name) for f in fields(law) if f.name != "student"}}
    v |= law.student.coefficients("student.")
    return v


def theta_at(law: Any, operation: str, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
    """c N_S^p D_S^-q; an error where it is beyond float64."""
    name = f"{type(law).__name__}.{operation}"
    v = {"N_S": positive_array(name, "N_S", N_S), "D_S": positive_array(name, "D_S", D_S)}
    with np.errstate(invalid="ignore"):  # infinity times zero is refused below
        found = jets.evaluate(strong_slope, {**v, "c": law.c, "p": law.p, "q": law.q})
    return positive_array(name, "theta = c N_S^p D_S^-q", found)


def rho_at(law: Any, operation: str, D_S: npt.ArrayLike) -> FloatArray:
    """rho - r D_S^-m; an error where it is not positive."""
    name = f"{type(law).__name__}.{operation}"
    tokens = positive_array(name, "D_S", D_S)
    found = jets.evaluate(weak_slope, {"D_S": tokens, "rho": law.rho, "r": law.r, "m": law.m})
    return positive_array(name, "rho(D_S) = rho - r D_S^-m", found)


def limit_slopes(law: Any, operation: str, N_S: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """rho and theta as D_S goes to infinity."""
    if law.q < 0:
        raise InputError(
            f"{type(law).__name__}.{operation}: q = {law.q:g} must be >= 0:"
            " theta = c N_S^p D_S^-q grows without limit with D_S"
        )
    rho = law.rho if law.m > 0 else law.rho - law.r
    rho = positive_array(f"{type(law).__name__}.{operation}", "rho(infinity) = rho - r", rho)
    theta = theta_at(law, operation, N_S, 1.0)
    return rho, theta if law.q == 0 else np.zeros(theta.shape)


def weak_slope(v: Mapping[str, Quantity]) -> Quantity:
    """rho(D_S), the slope under weak teachers."""
    return v["rho"] - v["r"] * jets.power(v["D_S"], -v["m"])


def strong_slope(v: Mapping[str, Quantity]) -> Quantity:
    """theta(N_S, D_S), the slope under strong teachers."""
    return v["c"] * jets.power(v["N_S"], v["p"]) * jets.power(v["D_S"], -v["q"])


def corner(z: Quantity, rho: Quantity, theta: Quantity, s: Quantity) -> Quantity:
    r"""The smooth corner :math:`s \log(e^{\rho z/s} + e^{-\theta z/s})`.

    Written as its larger branch plus a softplus of what the other one lacks, so that for a
    sharp corner nothing cancels, in the value or in the derivative in s.

    >>> one = np.array(1.0)
    >>> float(corner(0 * one, one, one, one) - np.log(2.0))
    0.0
    """
    weak = np.asarray((z.value if isinstance(z, jets.Jet) else z) > 0)
    full = (rho + theta) * z
    larger = jets.select(weak, rho * z, -theta * z)
    return larger + s * jets.softplus(jets.select(weak, -full, full) / s)


def best_position(rho: FloatArray, theta: FloatArray, s: float) -> FloatArray:
    r"""The corner's only minimum, :math:`z^* = s \log(\theta/\rho)/(\rho + \theta)`."""
    return np.asarray(s * np.log(theta / rho) / (rho + theta), dtype=np.float64)


def best_rise(rho: FloatArray, theta: FloatArray, s: float) -> FloatArray:
    """Value of the corner at its minimum; zero only for a sharp one."""
    position = np.log(theta / rho) / (rho + theta)
    return np.asarray(s * np.logaddexp(rho * position, -theta * position), dtype=np.float64)
