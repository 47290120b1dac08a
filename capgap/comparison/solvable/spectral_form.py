"""A law of distillation that has a spectrum and nothing else: five coefficients from theory."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from capgap.comparison.solvable.capacity import student_parts
from capgap.comparison.solvable.resolution import random_resolution, resolution
from capgap.theory.domain import FloatArray

__all__ = ["Features", "Ridge", "SpectralForm"]

Ridge = Literal["none", "fixed", "tuned"]
Features = Literal["modes", "random"]

_BOUNDS: dict[str, tuple[float, float]] = {
    "E": (0.05, 1.0), "A": (1e-3, 1e3), "a": (1.02, 8.0), "nu": (0.55, 12.0),
    "ridge": (1e-6, 1e6), "ratio": (1e-2, 1e2),
}  # fmt: skip
_STEP = 1e-5  # in a coordinate, for the derivatives of resolution and gamma
_SHARP = 1e-6  # K of a student that truncates, in units of its l
_ANY = np.array([[3.0]])  # and its nu, which then makes no difference


@dataclass(frozen=True, slots=True)
class SpectralForm:
    r"""The capacity law with everything derived from a power-law spectrum: a `LogLaw`.

    .. math:: l = A (N_S/N_0)^{-\alpha}, \quad K = A N_0^{\alpha} \kappa^{\alpha/a}, \quad
              \theta = \frac{\gamma}{1 - \gamma}, \quad \alpha = a/\nu

    in `student_excess`, with kappa and gamma from `resolution`. Coefficients: E (in units of
    `largest_E`), A, a, nu and the ridge in units of the eigenvalue of mode N_0. With a `tuned`
    ridge that is its value at D_0 and it falls as :math:`D_S^{-a/(1+\alpha)}`, which balances
    noise against bias (Caponnetto & De Vito 2007).

    Parameters
    ----------
    N_0, D_0, largest_E : float
        As in `CapacityForm`.
    ridge : {"none", "fixed", "tuned"}
        `none`: least squares with more samples than modes, where K = 0 and theta =
        N_S/(D_S - N_S) whatever the spectrum. Coefficients E, A and nu, with a = 1.
    features : {"modes", "random"}
        With `random` features l = 0, kappa, gamma and zeta are those of `random_resolution`,
        and nu > 1.
    free_ratio : bool
        Whether a token is worth `ratio` samples per mode of a parameter; else one. Free for
        models whose modes cannot be counted.
    """

    N_0: float
    D_0: float
    largest_E: float
    ridge: Ridge = "fixed"
    features: Features = "modes"
    free_ratio: bool = False

    @classmethod
    def at(
        cls, N_S: FloatArray, D_S: FloatArray, L_T: FloatArray, L_S: FloatArray,
        *, ridge: Ridge = "fixed", features: Features = "modes", free_ratio: bool = False,
        excess: bool = False,
    ) -> Self:  # fmt: skip
        """Center a form on a design."""
        least = 0.0 if excess else float(min(np.min(L_S), np.min(L_T)))
        N_0, D_0 = (float(np.exp(np.mean(np.log(v)))) for v in (N_S, D_S))
        return cls(N_0, D_0, least, ridge, features, free_ratio)

    @property
    def names(self) -> tuple[str, ...]:
        """Coefficients."""
        plain = self.ridge == "none"
        absent = {
            "ratio": not self.free_ratio, "E": self.largest_E == 0, "a": plain, "ridge": plain,
        }  # fmt: skip
        return tuple(name for name in _BOUNDS if not absent.get(name, False))

    @property
    def bounds(self) -> npt.ArrayLike:
        """Logarithms of their limits."""
        limits = _BOUNDS | ({"nu": (1.05, 12.0)} if self.features == "random" else {})
        return np.log([limits[name] for name in self.names])

    def levels(
        self, log_params: FloatArray, N_S: FloatArray, D_S: FloatArray
    ) -> tuple[FloatArray, ...]:
        """l, K, theta and zeta, shape (S, n)."""
        v = self._values(log_params)
        n, d, log_ridge = self._design(v, N_S, D_S)
        log_kappa, theta, zeta = self._resolved(n, d, np.log(v["a"]), log_ridge)
        return *self._widths(v, n, log_kappa), theta, zeta

    def log_loss(self, log_params: FloatArray, inputs: Mapping[str, FloatArray]) -> FloatArray:
        """Logarithm of the loss, shape (S, n)."""
        N, D, cell = _cells(inputs)
        width, data, theta, zeta = (part[:, cell] for part in self.levels(log_params, N, D))
        v = self._values(log_params)
        E = v["E"] * self.largest_E
        nu = _ANY if self.ridge == "none" else v["nu"]
        found = student_parts(inputs["L_T"] - E, width, data, theta, nu, zeta, slopes=False)
        return np.asarray(np.log(E + found.value))

    def jacobian(self, log_params: FloatArray, inputs: Mapping[str, FloatArray]) -> FloatArray:
        """Derivatives of `log_loss`, shape (S, n, P); those of kappa and gamma by differences."""
        N, D, cell = _cells(inputs)
        v = self._values(log_params)
        n, d, log_ridge = self._design(v, N, D)
        log_a, nu = np.log(v["a"]), v["nu"]
        shape = _ANY if self.ridge == "none" else nu
        resolved = self._resolved(n, d, log_a, log_ridge)
        width, data = self._widths(v, n, resolved[0])
        E = v["E"] * self.largest_E
        parts = student_parts(
            inputs["L_T"] - E, width[:, cell], data[:, cell], resolved[1][:, cell], shape,
            resolved[2][:, cell],
        )  # fmt: skip

        def moved(
            samples: float = 0.0, decay: float = 0.0, ridge: float = 0.0
        ) -> tuple[FloatArray, ...]:
            up, down = (
                self._resolved(n, d * np.exp(h * samples), log_a + h * decay, log_ridge + h * ridge)
                for h in (_STEP, -_STEP)
            )
            return tuple((u - w) / (2 * _STEP) for u, w in zip(up, down, strict=True))

        def total(
            log_width: FloatArray, log_data: FloatArray, by: tuple[FloatArray, ...]
        ) -> FloatArray:
            """Derivative of the loss from those of log l, log K less kappa's, and of kappa, ..."""
            through_data = data * (log_data + by[0] / nu)
            columns = (width * log_width, through_data, by[1], by[2])
            slopes = (parts.by_width, parts.by_data, parts.by_theta, parts.by_zeta)
            return sum(
                (s * c[:, cell] for s, c in zip(slopes, columns, strict=True)),
                np.zeros_like(parts.value),
            )

        none, one = np.zeros_like(width), np.ones_like(width)
        still = (none, none, none)
        by_ridge, by_a = moved(ridge=1.0), moved(decay=1.0)
        alpha = v["a"] / nu
        lean_a, lean_nu = self._ridge_slopes(v["a"], alpha, D)
        if self.ridge == "none":
            lean_nu, resolved = np.zeros_like(nu), still
        columns = {
            "E": (1 - parts.by_x) * E,
            "A": total(one, one, still),
            "a": total(-alpha * np.log(n), none, _combined(by_a, by_ridge, lean_a)),
            "nu": parts.by_nu * nu
            + total(alpha * np.log(n), -resolved[0] / nu, _combined(still, by_ridge, lean_nu)),
            "ridge": total(none, none, by_ridge),
        }
        if self.free_ratio:
            columns["ratio"] = total(none, none, moved(samples=1.0))
        stack = np.stack([columns[name] for name in self.names], axis=-1)
        return np.asarray(stack / (E + parts.value)[..., None])

    def starts(self, inputs: Mapping[str, FloatArray], log_loss: FloatArray) -> FloatArray:
        """A grid of spectra and ridges."""
        least = float(np.exp(np.min(log_loss)))
        spread = float(np.exp(np.median(log_loss)) - least) + 1e-3 * least
        more = (0.1, 1.0, 10.0) if self.free_ratio else (1.0,)
        grid = product(
            (0.5, 0.9, 0.99), spread * np.array([0.1, 1.0]), (1.3, 2.2), (1.2, 3.0),
            (1e-3, 0.1, 1.0, 30.0), more,
        )  # fmt: skip
        kept = [i for i, name in enumerate(_BOUNDS) if name in self.names]
        return np.unique(np.log([[point[i] for i in kept] for point in grid]), axis=0)

    def _values(self, log_params: FloatArray) -> dict[str, FloatArray]:
        """Coefficients by name, shape (S, 1), those that are not free among them."""
        v = {name: np.exp(log_params[:, i, None]) for i, name in enumerate(self.names)}
        one = np.ones((len(log_params), 1))
        return {"E": one, "a": one, "ridge": one, "ratio": one} | v

    def _design(
        self, v: Mapping[str, FloatArray], N_S: FloatArray, D_S: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Modes and samples in units of N_0, so that no power overflows; log ridge."""
        log_ridge = np.log(v["ridge"])
        if self.ridge == "tuned":
            a, alpha = v["a"], v["a"] / v["nu"]
            log_ridge = log_ridge - a / (1 + alpha) * np.log(D_S / self.D_0)
        d = v["ratio"] * D_S / self.N_0
        return N_S / self.N_0 + 0 * d, d, log_ridge

    def _ridge_slopes(
        self, a: FloatArray, alpha: FloatArray, D_S: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Derivatives of the log ridge in log a and log nu."""
        if self.ridge != "tuned":
            return np.zeros_like(a), np.zeros_like(a)
        lean = -a / (1 + alpha) ** 2 * np.log(D_S / self.D_0)
        return lean, lean * alpha

    def _resolved(
        self, n: FloatArray, d: FloatArray, log_a: FloatArray, log_ridge: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """log kappa, theta and zeta."""
        a, ridge = np.exp(log_a), np.exp(log_ridge)
        if self.ridge == "none":
            theta = n / np.maximum(d - n, 1e-9 * d)
            return np.zeros_like(theta), theta, np.zeros_like(theta)
        if self.features == "random":
            kappa, gamma, zeta = random_resolution(n, d, a, ridge)
        else:
            kappa, gamma = resolution(n, d, a, ridge)
            zeta = np.zeros_like(kappa)
        return np.log(kappa), gamma / np.maximum(1 - gamma, 1e-9), zeta

    def _widths(
        self, v: Mapping[str, FloatArray], n: FloatArray, log_kappa: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """l and K."""
        width = v["A"] * n ** (-v["a"] / v["nu"])
        if self.ridge == "none":
            return width, _SHARP * width
        data = v["A"] * np.exp(log_kappa / v["nu"])
        if self.features == "random":
            return np.zeros_like(data), data
        return width + 0 * data, data


def _combined(
    one: tuple[FloatArray, ...], other: tuple[FloatArray, ...], times: FloatArray
) -> tuple[FloatArray, ...]:
    return tuple(x + times * y for x, y in zip(one, other, strict=True))


def _cells(
    inputs: Mapping[str, FloatArray],
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """The distinct pairs of N_S and D_S, and which of them each run is at."""
    pairs = np.stack([inputs["N_S"], inputs["D_S"]], axis=1)
    cells, index = np.unique(pairs, axis=0, return_inverse=True)
    return cells[:, 0], cells[:, 1], np.asarray(index.reshape(-1), dtype=np.int64)
