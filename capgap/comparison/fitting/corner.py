"""What both hinge laws share: the corner and its two slopes, in well-conditioned coordinates.

.. math:: F(z) = s \\log\\left(e^{\\rho z/s} + e^{-\\theta z/s}\\right), \\qquad
    \\theta = c N_S^p D_S^{-q}, \\qquad \\rho(D_S) = \\rho - r D_S^{-m}

with z the distance of the teacher from the corner. Coordinates: log rho, log s and log theta
at the center of the design, then p and q where they are free, then, where r and m are free,
the share of rho at the center that is missing at the fewest tokens of the design, and log m:

    rho(d) = rho_center [1 + share (1 - e^(-m d)) / (e^(-m d_least) - 1)],  d centered log D_S,

so rho is positive at every run for every share below one, and a small m tends to a straight
line in log D_S instead of to infinite coefficients.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

import numpy as np

from capgap.comparison.fitting.log_models import FloatArray

__all__ = ["Corner"]

RHO = (float(np.log(1e-3)), float(np.log(5.0)))
S = (float(np.log(1e-4)), float(np.log(2.0)))
THETA = (float(np.log(1e-4)), float(np.log(20.0)))
POWER = (-3.0, 3.0)
MISSING = (0.0, 0.999)
M = (float(np.log(0.02)), float(np.log(3.0)))


@dataclass(frozen=True, slots=True)
class Corner:
    """`terms` are those of p, q and r that are free; n and d are centered logarithms, (n,)."""

    terms: frozenset[str]
    center_n: float
    center_d: float
    least_d: float
    n: FloatArray
    d: FloatArray

    @classmethod
    def build(cls, N_S: FloatArray, D_S: FloatArray, terms: frozenset[str]) -> Self:
        """Center the design."""
        log_N, log_D = np.log(N_S), np.log(D_S)
        n, d = float(log_N.mean()), float(log_D.mean())
        return cls(terms & {"p", "q", "r"}, n, d, float(log_D.min()) - d, log_N - n, log_D - d)

    @property
    def names(self) -> tuple[str, ...]:
        return ("rho", "s", "c", *self._powers, *(("r", "m") if "r" in self.terms else ()))

    @property
    def bounds(self) -> FloatArray:
        reach = [MISSING, M] if "r" in self.terms else []
        return np.array([RHO, S, THETA, *[POWER] * len(self._powers), *reach])

    def evaluate(self, x: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """F, shape (S, n), its slope in z and its Jacobian in the coordinates."""
        s, theta = np.exp(x[:, 1, None]), self._theta(x)
        rho, rho_columns = self._rho(x)
        weak, strong = rho * z / s, -theta * z / s
        corner = np.logaddexp(weak, strong)
        share = np.exp(weak - corner)
        d_rho, d_theta = share * z, -(1 - share) * theta * z
        columns = {"rho": d_rho * rho, "s": s * corner - share * rho * z - d_theta, "c": d_theta}
        columns |= {"p": d_theta * self.n, "q": -d_theta * self.d}
        columns |= {name: d_rho * column for name, column in rho_columns.items()}
        slope = share * rho - (1 - share) * theta
        return s * corner, slope, np.stack([columns[name] for name in self.names], axis=-1)

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        """What is free: rho, s, c and the terms."""
        values = self.values(x)
        return {name: values[name] for name in self.names}

    def values(self, x: FloatArray) -> dict[str, float]:
        """All coefficients of the corner, free or not."""
        rho, s, theta = (float(v) for v in np.exp(x[:3]))
        powers = dict(zip(self._powers, (float(v) for v in x[3:]), strict=False))
        p, q = powers.get("p", 0.0), powers.get("q", 0.0)
        c = float(theta * np.exp(-p * self.center_n + q * self.center_d))
        found = {"rho": rho, "s": s, "c": c, "p": p, "q": q, "r": 0.0, "m": 0.0}
        if "r" in self.terms:
            share, m = float(x[-2]), float(np.exp(x[-1]))
            missing = rho * share / float(np.expm1(-m * self.least_d))
            r = missing * float(np.exp(m * self.center_d))
            found |= {"rho": rho + missing, "r": r, "m": m}
        return found

    def coordinates(self, values: Mapping[str, float]) -> list[float]:
        """The inverse of `values`, for coefficients within the bounds."""
        theta = values["c"] * np.exp(values["p"] * self.center_n - values["q"] * self.center_d)
        lacking = values["r"] * np.exp(-values["m"] * self.center_d)
        rho = values["rho"] - lacking
        x = [np.log(rho), np.log(values["s"]), np.log(theta), *(values[n] for n in self._powers)]
        if "r" in self.terms:
            x += [lacking * np.expm1(-values["m"] * self.least_d) / rho, np.log(values["m"])]
        return [float(value) for value in x]

    def starts(self) -> list[list[float]]:
        """Slopes and softness on a small grid; powers start at zero."""
        corners = product(np.log([0.3, 0.9]), np.log([0.02, 0.1]), np.log([0.05, 0.3, 1.0]))
        reach = [(0.1, np.log(0.5)), (0.6, np.log(0.5))] if "r" in self.terms else [()]
        powers = [0.0] * len(self._powers)
        return [[*corner, *powers, *more] for corner, more in product(corners, reach)]

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        n, d = (np.log(inputs[name]) for name in ("N_S", "D_S"))
        return replace(self, n=n - self.center_n, d=d - self.center_d)

    @property
    def _powers(self) -> tuple[str, ...]:
        return tuple(name for name in ("p", "q") if name in self.terms)

    def _theta(self, x: FloatArray) -> FloatArray:
        log_theta = x[:, 2, None] + 0 * self.n
        for i, name in enumerate(self._powers):
            moved = self.n if name == "p" else -self.d
            log_theta = log_theta + x[:, 3 + i, None] * moved
        return np.asarray(np.exp(log_theta), dtype=np.float64)

    def _rho(self, x: FloatArray) -> tuple[FloatArray, dict[str, FloatArray]]:
        """rho at the runs, (S, n), and its derivatives in the coordinates of r and m."""
        rho = np.exp(x[:, 0, None]) + 0 * self.d
        if "r" not in self.terms:
            return rho, {}
        share, m = x[:, -2, None], np.exp(x[:, -1, None])
        rise, whole = -np.expm1(-m * self.d), np.expm1(-m * self.least_d)
        along = rise / whole
        d_along = (self.d * np.exp(-m * self.d) + along * self.least_d * (whole + 1)) / whole
        # With fewer tokens than any run of the design rho could turn negative, where the law
        # has no value: it stays at zero there.
        factor = np.maximum(1 + share * along, 0.0)
        return rho * factor, {"r": rho * along, "m": rho * share * d_along * m}
