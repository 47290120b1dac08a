"""The capacity law with powers of size and tokens, to be fitted as any law."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
import numpy.typing as npt

from capgap.comparison.solvable.capacity import student_parts
from capgap.theory.domain import FloatArray

__all__ = ["CapacityForm"]

_BOUNDS: dict[str, tuple[float, float]] = {
    "E": (0.05, 1.0), "A": (1e-4, 1e2), "alpha": (1e-2, 4.0), "B": (1e-5, 1e3),
    "beta": (1e-2, 4.0), "c": (1e-5, 50.0), "p": (1e-3, 4.0), "q": (1e-3, 4.0),
    "nu": (0.55, 12.0), "zeta": (1e-2, 1.0),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CapacityForm:
    r"""The capacity law, its three levels powers of N_S and D_S: a `LogLaw` for `fit_law`.

    .. math:: l = A (N_S/N_0)^{-\alpha}, \quad K = B (D_S/D_0)^{-\beta}, \quad
              \theta = c (N_S/N_0)^p (D_S/D_0)^{-q}

    in `student_excess`; a `blurred` student has l = 0, :math:`K = A (N_S/N_0)^{-\alpha} +
    B (D_S/D_0)^{-\beta}` and a constant zeta > 0. E is in units of `largest_E`, the least loss of
    the runs, which no law of this form can exceed.

    Parameters
    ----------
    N_0, D_0 : float
        Where A, B and c are read off: the middle of the design.
    largest_E : float
        Nats per token; 0 for losses that are excesses, whose E is 0.
    blurred : bool
        Whether the student is like one on random features.
    """

    N_0: float
    D_0: float
    largest_E: float
    blurred: bool = False

    @classmethod
    def at(
        cls, N_S: FloatArray, D_S: FloatArray, L_T: FloatArray, L_S: FloatArray,
        *, blurred: bool = False, excess: bool = False,
    ) -> Self:  # fmt: skip
        """Center a form on a design."""
        least = 0.0 if excess else float(min(np.min(L_S), np.min(L_T)))
        N_0, D_0 = (float(np.exp(np.mean(np.log(v)))) for v in (N_S, D_S))
        return cls(N_0, D_0, least, blurred)

    @property
    def names(self) -> tuple[str, ...]:
        """Coefficients."""
        absent = {"zeta": not self.blurred, "E": self.largest_E == 0}
        return tuple(name for name in _BOUNDS if not absent.get(name, False))

    @property
    def bounds(self) -> npt.ArrayLike:
        """Logarithms of their limits."""
        limits = _BOUNDS | ({"nu": (1.05, 12.0)} if self.blurred else {})
        return np.log([limits[name] for name in self.names])

    def log_loss(self, log_params: FloatArray, inputs: Mapping[str, FloatArray]) -> FloatArray:
        """Logarithm of the loss, shape (S, n)."""
        return self._evaluate(log_params, inputs, slopes=False)[0]

    def jacobian(self, log_params: FloatArray, inputs: Mapping[str, FloatArray]) -> FloatArray:
        """Derivatives of `log_loss`, shape (S, n, P)."""
        return self._evaluate(log_params, inputs, slopes=True)[1]

    def starts(self, inputs: Mapping[str, FloatArray], log_loss: FloatArray) -> FloatArray:
        """Levels at shares of the students' range, powers of a half."""
        least = float(np.exp(np.min(log_loss)))
        spread = float(np.exp(np.median(log_loss)) - least) + 1e-3 * least
        grid = product(
            (0.1, 0.5, 0.9, 0.99), spread * np.array([0.1, 1.0]), spread * np.array([0.03, 0.5]),
            (0.1, 0.8), (1.0, 3.0),
        )  # fmt: skip
        points = [
            {"E": E, "A": A, "alpha": 0.5, "B": B, "beta": 0.5, "c": c, "p": 0.5, "q": 0.5,
             "nu": max(nu, 1.2) if self.blurred else nu, "zeta": 0.5}
            for E, A, B, c, nu in grid
        ]  # fmt: skip
        return np.unique(np.log([[one[name] for name in self.names] for one in points]), axis=0)

    def _evaluate(
        self, log_params: FloatArray, inputs: Mapping[str, FloatArray], *, slopes: bool
    ) -> tuple[FloatArray, FloatArray]:
        v = {name: np.exp(log_params[:, i, None]) for i, name in enumerate(self.names)}
        n, d = np.log(inputs["N_S"] / self.N_0), np.log(inputs["D_S"] / self.D_0)
        size = v["A"] * np.exp(-v["alpha"] * n)
        resolved = v["B"] * np.exp(-v["beta"] * d)
        width, data = (np.zeros(()), size + resolved) if self.blurred else (size, resolved)
        theta = v["c"] * np.exp(v["p"] * n - v["q"] * d)
        zeta = v.get("zeta", np.zeros(()))
        E = v.get("E", np.ones(())) * self.largest_E
        parts = student_parts(inputs["L_T"] - E, width, data, theta, v["nu"], zeta, slopes=slopes)
        loss = E + parts.value
        if not slopes:
            return np.log(loss), np.zeros(())
        by_size = (parts.by_data if self.blurred else parts.by_width) * size
        by_resolved, by_theta = parts.by_data * resolved, parts.by_theta * theta
        columns = {
            "E": (1 - parts.by_x) * E,
            "A": by_size, "alpha": -by_size * v["alpha"] * n,
            "B": by_resolved, "beta": -by_resolved * v["beta"] * d,
            "c": by_theta, "p": by_theta * v["p"] * n, "q": -by_theta * v["q"] * d,
            "nu": parts.by_nu * v["nu"], "zeta": parts.by_zeta * zeta,
        }  # fmt: skip
        stack = np.stack([columns[name] / loss for name in self.names], axis=-1)
        return np.log(loss), stack
