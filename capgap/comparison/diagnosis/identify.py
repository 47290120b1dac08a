"""Which coefficients the runs behind a fit decide, and which they leave open."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import f

from capgap.comparison.diagnosis.finding import Finding, counted
from capgap.comparison.diagnosis.held import Held
from capgap.comparison.diagnosis.local import (
    Local,
    bound_coordinates,
    least_squares,
    right_singular,
)
from capgap.comparison.diagnosis.representative import null_names
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit

__all__ = ["bounds_reached", "free_knee", "undecided"]

_CONDITION = 1e7  # of the Jacobian with unit columns, as in `solve`
_NAMED = 0.1  # share in a unit vector from which on a coefficient is named
_WEAK = 1.5  # standard deviation of a log coefficient: a factor of 4.5
_WEAK_SHARE = 0.25  # ... or of its search range
_LEAST_NOISE = 1e-9  # of a log loss
_KNEE_P = 0.05
_EXPONENTS = frozenset({"alpha", "beta", "gamma"})


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """Singular values and right vectors of the Jacobian with unit columns, and the norms."""

    values: FloatArray
    vectors: FloatArray
    norms: FloatArray

    @property
    def unseen(self) -> FloatArray:
        """Directions that move no prediction, shape (k, F)."""
        low = self.values <= self.values[0] / _CONDITION
        return np.asarray(self.vectors[low], dtype=np.float64)


def undecided(fit: Fit, near: Local) -> list[Finding]:
    """`not-identified`, and `weakly-identified` for what is left."""
    spectrum = _spectrum(near)
    model = fit.problem.model
    every = np.zeros((len(spectrum.unseen), near.free.size))
    every[:, near.free] = spectrum.unseen
    blind = null_names(model, every, _NAMED)
    found = []
    if blind:
        found.append(
            Finding(
                "not-identified", "refuse",
                f"{counted(blind)} can change together without moving any prediction at these"
                " runs" if len(blind) > 1 else
                f"{blind[0]} moves no prediction at these runs",
            )
        )  # fmt: skip
    return [*found, *_weak(fit, near, spectrum, blind)]


def bounds_reached(fit: Fit) -> list[Finding]:
    """`E-at-zero`, `exponent-at-bound` and `at-bound`."""
    model, x = fit.problem.model, fit.x
    low, high = model.bounds.T
    values = model.coefficients(x)
    found = []
    for i in np.flatnonzero(bound_coordinates(model, x)):
        name = model.names[i]
        kind = name.split(".")[-1].split("_")[-1]
        side = "lower" if x[i] - low[i] < high[i] - x[i] else "upper"
        value = f" ({name} = {values[name]:.3g})" if name in values else ""
        if kind == "E" and side == "lower":
            found.append(
                Finding(
                    "E-at-zero", "warn",
                    f"the irreducible loss {name} ended at zero: these runs show no floor, and"
                    " predictions beyond them fall without limit",
                )
            )  # fmt: skip
            continue
        found.append(
            Finding(
                "exponent-at-bound" if kind in _EXPONENTS else "at-bound", "warn",
                f"{name} ended at the {side} limit of its search range{value}: these runs do not"
                " decide it",
            )
        )  # fmt: skip
    return found


def free_knee(fit: Fit, near: Local) -> list[Finding]:
    """`knee-degenerate`: Eq. 8 at the largest c1 f1 fits no worse than at the fitted one.

    The two are compared by least squares, with an F test of one degree of freedom.
    """
    names = fit.problem.model.names
    if "c1" not in names or "f1" not in names:
        return []
    index = names.index("c1")
    limit = float(fit.problem.model.bounds[index, 1])
    held = Held(fit.problem.model, index, limit)
    start = replace(fit, x=np.delete(near.x, index), problem=replace(fit.problem, model=held))
    limited = least_squares(start)
    spare = max(near.degrees_of_freedom, 1)
    noise = max(near.squares / spare, _LEAST_NOISE**2)
    p = float(f.sf(max(limited.squares - near.squares, 0.0) / noise, 1, spare))
    if p < _KNEE_P:
        return []
    return [
        Finding(
            "knee-degenerate", "warn",
            f"an infinite c1 fits as well as c1 = {fit.coefficients.get('c1', np.nan):.3g}"
            f" (p = {p:.2g}): c1 and d1 are one number, the place of the knee; the reduced form"
            " has it with one coefficient fewer",
        )
    ]  # fmt: skip


def _weak(fit: Fit, near: Local, spectrum: _Spectrum, blind: tuple[str, ...]) -> list[Finding]:
    model, noise = fit.problem.model, np.sqrt(near.variance)
    if not noise > _LEAST_NOISE:
        return []
    seen = spectrum.values > spectrum.values[0] / _CONDITION
    scaled = spectrum.vectors[seen] / spectrum.values[seen, None]
    spread = np.zeros(near.free.size)
    spread[near.free] = noise * np.sqrt(np.sum(scaled**2, axis=0)) / spectrum.norms
    reach = np.ptp(model.bounds, axis=1)
    limit = np.minimum(_WEAK_SHARE * reach, _WEAK)
    values = model.coefficients(near.x)
    found = []
    for i in np.flatnonzero((spread > limit) & near.free):
        name = model.names[i]
        if name in blind:
            continue
        # Coordinates that are not logarithms are the coefficients themselves.
        linear = name in values and abs(values[name] - near.x[i]) < 1e-12
        if spread[i] > reach[i]:
            width = "wider than its search range"
        else:
            width = f"+-{spread[i]:.2g}" if linear else f"a factor of {np.exp(spread[i]):.2g}"
        what = f"the term with {name}" if name in ("A", "B") else name
        found.append(
            Finding(
                "weakly-identified", "warn",
                f"one standard deviation of {what} is {width}: these runs hardly decide it",
            )
        )  # fmt: skip
    return found


def _spectrum(near: Local) -> _Spectrum:
    norms = np.maximum(np.linalg.norm(near.jacobian, axis=0), 1e-300)
    unit = near.jacobian / norms
    unit[:, norms < 1e-12] = 0.0
    return _Spectrum(*right_singular(unit), norms)
