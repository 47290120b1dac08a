"""The hinge law in well-conditioned coordinates, with the student's law free or given.

Free: the coordinates of the supervised law l, then log rho, log s and log theta at the center
of the design, then p and q where they are asked for. Given: l = scale x the supervised law,
with log scale as a coordinate if asked for; scaling is closed in the family, since
scale (A/N^alpha + B/D^beta)^gamma has A and B multiplied by scale^(1/gamma).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

import numpy as np

from capgap.comparison.log_models import FloatArray, LogModel, SupervisedModel
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

__all__ = ["HingeModel"]

RHO = (float(np.log(1e-3)), float(np.log(5.0)))
S = (float(np.log(1e-4)), float(np.log(2.0)))
THETA = (float(np.log(1e-4)), float(np.log(20.0)))
POWER = (-3.0, 3.0)
SCALE = (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class HingeModel(LogModel):
    """`given` is the supervised law, or None; `terms` are those of scale, p, q that are free."""

    given: SupervisedLaw | None
    terms: frozenset[str]
    own: SupervisedModel
    log_L_T: FloatArray
    log_given: FloatArray

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
        own = SupervisedModel.build(N_S, D_S, L_S, None)
        log_given = np.zeros_like(L_T) if given is None else given.log_loss(N_S, D_S)
        return cls(given, terms, own, np.log(L_T), log_given)

    @property
    def names(self) -> tuple[str, ...]:
        tail = ("rho", "s", "c", *(name for name in ("p", "q") if name in self.terms))
        return (*self._own_names, *tail)

    @property
    def bounds(self) -> FloatArray:
        tail = [RHO, S, THETA, *[POWER] * (len(self.terms & {"p", "q"}))]
        head = [SCALE] * len(self._own_names) if self.given is not None else self.own.bounds
        return np.array([*head, *tail])

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        head = len(self._own_names)
        log_l, own_jacobian = self._own(x[:, :head])
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
        columns += [d_theta * self.own.part.n] if "p" in self.terms else []
        columns += [-d_theta * self.own.part.d] if "q" in self.terms else []
        jacobian = [level[..., None] * own_jacobian, np.stack(columns, axis=-1)]
        return log_l + s * corner, np.concatenate(jacobian, axis=-1)

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        """What is fitted: with a given supervised law its scale, not its coefficients."""
        head = len(self._own_names)
        if self.given is None:
            own = self.own.coefficients(x[:head])
        else:
            own = {name: float(np.exp(v)) for name, v in zip(self._own_names, x, strict=False)}
        tail = self._tail(x)
        fitted = ("rho", "s", "c", *(name for name in ("p", "q") if name in self.terms))
        return {**own, **{name: tail[name] for name in fitted}}

    def law(self, x: FloatArray) -> HingeLaw:
        """The law at one coordinate vector."""
        own = self._own_coefficients(x[: len(self._own_names)])
        return HingeLaw(SupervisedLaw(**own), **self._tail(x))

    def _tail(self, x: FloatArray) -> dict[str, float]:
        head = len(self._own_names)
        rho, s, theta = (float(v) for v in np.exp(x[head : head + 3]))
        powers = [float(v) for v in x[head + 3 :]]
        p = powers[0] if "p" in self.terms else 0.0
        q = powers[-1] if "q" in self.terms else 0.0
        c = float(theta * np.exp(-p * self.own.center_n + q * self.own.center_d))
        return {"rho": rho, "s": s, "c": c, "p": p, "q": q}

    def starts(self, log_loss: FloatArray) -> FloatArray:
        corners = product(np.log([0.3, 0.9]), np.log([0.02, 0.1]), np.log([0.05, 0.3, 1.0]))
        powers = [0.0] * len(self.terms & {"p", "q"})
        tails = [[*corner, *powers] for corner in corners]
        if self.given is None:
            heads = self.own.starts(log_loss).tolist()
        else:
            heads = [[v] for v in (-0.1, 0.0, 0.1)] if "scale" in self.terms else [[]]
        return np.array([[*head, *tail] for head, tail in product(heads, tails)])

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        N_S, D_S = inputs["N_S"], inputs["D_S"]
        own = self.own.at({"N": N_S, "D": D_S})
        log_given = self.log_given if self.given is None else self.given.log_loss(N_S, D_S)
        return replace(self, own=own, log_L_T=np.log(inputs["L_T"]), log_given=log_given)

    @property
    def _own_names(self) -> tuple[str, ...]:
        if self.given is None:
            return self.own.names
        return ("scale",) if "scale" in self.terms else ()

    def _own(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        if self.given is None:
            return self.own.evaluate(x)
        log_l = np.broadcast_to(self.log_given, (len(x), self.log_given.size))
        return log_l + x.sum(axis=1)[:, None], np.ones((*log_l.shape, x.shape[1]))

    def _own_coefficients(self, x: FloatArray) -> dict[str, float]:
        if self.given is None:
            return self.own.coefficients(x)
        law = self.given
        scale = float(np.exp(x.sum()))
        inner = scale ** (1 / law.gamma)
        return {
            "E": scale * law.E,
            "A": inner * law.A,
            "B": inner * law.B,
            "alpha": law.alpha,
            "beta": law.beta,
            "gamma": law.gamma,
        }

    def _theta(self, x: FloatArray) -> FloatArray:
        head = len(self._own_names)
        log_theta = x[:, head + 2, None] + 0 * self.own.part.n
        if "p" in self.terms:
            log_theta = log_theta + x[:, head + 3, None] * self.own.part.n
        if "q" in self.terms:
            log_theta = log_theta - x[:, -1, None] * self.own.part.d
        return np.asarray(np.exp(log_theta), dtype=np.float64)
