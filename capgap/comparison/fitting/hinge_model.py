"""The hinge law in well-conditioned coordinates, with the student's law free or given.

First the coordinates of the corner's level l: those of a supervised law, or `GivenLevel`'s
scale and tokens. Then log rho, log s and log theta at the center of the design, then p and
q where they are asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

import numpy as np

from capgap.comparison.fitting.given_level import GivenLevel
from capgap.comparison.fitting.log_models import FloatArray, LogModel, SupervisedModel
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

__all__ = ["HingeModel"]

RHO = (float(np.log(1e-3)), float(np.log(5.0)))
S = (float(np.log(1e-4)), float(np.log(2.0)))
THETA = (float(np.log(1e-4)), float(np.log(20.0)))
POWER = (-3.0, 3.0)


@dataclass(frozen=True, slots=True)
class HingeModel(LogModel):
    """`level` is the model of l; `terms` are those of p, q that are free; n, d are centered."""

    level: SupervisedModel | GivenLevel
    terms: frozenset[str]
    center_n: float
    center_d: float
    n: FloatArray
    d: FloatArray
    log_L_T: FloatArray

    @classmethod
    def build(
        cls,
        N_S: FloatArray,
        D_S: FloatArray,
        L_T: FloatArray,
        L_S: FloatArray,
        given: SupervisedLaw | None,
        terms: frozenset[str],
    ) -> Self:
        """Center the design."""
        log_N, log_D = np.log(N_S), np.log(D_S)
        level: SupervisedModel | GivenLevel
        if given is None:
            level = SupervisedModel.build(N_S, D_S, L_S, None)
        else:
            free = tuple(name for name in ("scale", "tokens") if name in terms)
            level = GivenLevel(given, free, log_N, log_D)
        n, d = float(log_N.mean()), float(log_D.mean())
        return cls(level, terms & {"p", "q"}, n, d, log_N - n, log_D - d, np.log(L_T))

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.level.names, "rho", "s", "c", *self._powers)

    @property
    def bounds(self) -> FloatArray:
        tail = np.array([RHO, S, THETA, *[POWER] * len(self.terms)])
        return np.concatenate([self.level.bounds, tail])

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        head = len(self.level.names)
        log_l, own_jacobian = self.level.evaluate(x[:, :head])
        rho, s = np.exp(x[:, head, None]), np.exp(x[:, head + 1, None])
        theta = self._theta(x)
        z = self.log_L_T - log_l
        weak, strong = rho * z / s, -theta * z / s
        corner = np.logaddexp(weak, strong)
        share = np.exp(weak - corner)
        # log L_S = log l + s corner; through l it moves by 1 - (share rho - (1 - share) theta).
        level = 1 - share * rho + (1 - share) * theta
        d_theta = -(1 - share) * theta * z
        columns = [share * rho * z, s * corner - share * rho * z - d_theta, d_theta]
        columns += [d_theta * self.n] if "p" in self.terms else []
        columns += [-d_theta * self.d] if "q" in self.terms else []
        jacobian = [level[..., None] * own_jacobian, np.stack(columns, axis=-1)]
        return log_l + s * corner, np.concatenate(jacobian, axis=-1)

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        """What is fitted: with a given supervised law not its coefficients."""
        head, tail = len(self.level.names), self._tail(x)
        fitted = {name: tail[name] for name in ("rho", "s", "c", *self._powers)}
        return {**self.level.coefficients(x[:head]), **fitted}

    def law(self, x: FloatArray) -> HingeLaw:
        """The law at one coordinate vector."""
        return HingeLaw(self.level.law(x[: len(self.level.names)]), **self._tail(x))

    def starts(self, log_loss: FloatArray) -> FloatArray:
        corners = product(np.log([0.3, 0.9]), np.log([0.02, 0.1]), np.log([0.05, 0.3, 1.0]))
        tails = [[*corner, *[0.0] * len(self.terms)] for corner in corners]
        heads = self.level.starts(log_loss).tolist()
        return np.array([[*head, *tail] for head, tail in product(heads, tails)])

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        N_S, D_S = inputs["N_S"], inputs["D_S"]
        return replace(
            self,
            level=self.level.at({"N": N_S, "D": D_S}),
            n=np.log(N_S) - self.center_n,
            d=np.log(D_S) - self.center_d,
            log_L_T=np.log(inputs["L_T"]),
        )

    @property
    def _powers(self) -> tuple[str, ...]:
        return tuple(name for name in ("p", "q") if name in self.terms)

    def _tail(self, x: FloatArray) -> dict[str, float]:
        head = len(self.level.names)
        rho, s, theta = (float(v) for v in np.exp(x[head : head + 3]))
        powers = dict(zip(self._powers, (float(v) for v in x[head + 3 :]), strict=True))
        p, q = powers.get("p", 0.0), powers.get("q", 0.0)
        c = float(theta * np.exp(-p * self.center_n + q * self.center_d))
        return {"rho": rho, "s": s, "c": c, "p": p, "q": q}

    def _theta(self, x: FloatArray) -> FloatArray:
        head = len(self.level.names)
        log_theta = x[:, head + 2, None] + 0 * self.n
        if "p" in self.terms:
            log_theta = log_theta + x[:, head + 3, None] * self.n
        if "q" in self.terms:
            log_theta = log_theta - x[:, -1, None] * self.d
        return np.asarray(np.exp(log_theta), dtype=np.float64)
