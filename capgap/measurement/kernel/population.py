"""Norm-constrained teachers and students on samples: the population model's counterpart."""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.kernel.backend import Backend, open_backend
from capgap.measurement.kernel.draws import Batch, Features, batches
from capgap.measurement.kernel.sampled import FloatArray, Sampled
from capgap.measurement.kernel.solvers import bounded_fit
from capgap.spectrum import Spectrum

__all__ = ["sampled_population"]


def sampled_population(
    spectrum: Spectrum,
    m: int,
    n: int,
    T: float,
    D: float = inf,
    *,
    samples: int,
    replications: int,
    seed: int,
    weights: npt.ArrayLike | None = None,
    extrapolate: bool = True,
    features: Features = "gaussian",
    backend: str = "numpy",
    device: str = "cpu",
) -> Sampled:
    r"""Fit a bounded teacher to samples of the target, and a bounded student to the teacher.

    In orthonormal functions :math:`\phi_i` the teacher minimizes its mean square error over
    :math:`g = \sum_{i \le m} g_i \phi_i` with :math:`\sum_i w_i g_i^2 \le T^2`, the student on
    fresh samples over the first n with D. The population model is the limit of many samples;
    the error of N samples is c/N + O(1/N^2) away from ties, and

    .. math:: 2 R(N) - \tfrac12 [R_1(N/2) + R_2(N/2)]

    over the two halves of the same samples removes c/N.

    Parameters
    ----------
    spectrum : Spectrum
        Only `alpha` matters: the functions are taken as orthonormal.
    m, n : int
        Functions of the teacher and of the student.
    T, D : float
        Limits of their norms, > 0; infinity removes one.
    samples : int
        N of each stage, even, its half at least max(m, n).
    weights : array_like, shape (M,), optional
        w > 0 of the norm; ones by default.
    extrapolate : bool
        Whether the halves are used to remove the error of first order.
    replications, seed, features, backend, device
        As in `sampled_chain`; features "gaussian" or "rademacher".

    Returns
    -------
    Sampled
        Risks of teacher and student, shape (R, 2). Extrapolated ones may be negative.

    Raises
    ------
    InputError
        An argument breaks its rule.

    Examples
    --------
    Target (3, 4) within the norm: the teacher finds it, the student of one function keeps 3.

    >>> spectrum = Spectrum([1.0, 1.0], [3.0, 4.0])
    >>> options = dict(samples=4000, replications=20, seed=0)
    >>> sampled_population(spectrum, 2, 1, T=6.0, **options).mean.round(1).tolist()
    [0.0, 16.0]
    """
    pair = _Pair(*_checked(spectrum, m, n, T, D, samples, weights))
    if not isinstance(features, str):
        raise InputError("sampled_population: features must be 'gaussian' or 'rademacher'")
    parts = []
    for batch in batches(
        spectrum, features, replications=replications, seed=seed,
        backend=open_backend(backend, device), numbers=samples * spectrum.size, rows=0,
    ):  # fmt: skip
        first, second = batch.draw(samples, spectrum.size), batch.draw(samples, max(m, n))
        risk = pair.risks(batch, first, second)
        if extrapolate:
            half = samples // 2
            one = pair.risks(batch, first[:, :half], second[:, :half])
            two = pair.risks(batch, first[:, half:], second[:, half:])
            risk = 2 * risk - (one + two) / 2
        parts.append(risk)
    return Sampled(np.concatenate(parts))


@dataclass(frozen=True, slots=True)
class _Pair:
    m: int
    n: int
    T: float
    D: float
    weights: FloatArray

    def risks(self, batch: Batch, first: Any, second: Any) -> FloatArray:
        """Risks (B, 2) of a teacher on the first samples and its student on the second."""
        target = batch.backend.array(np.tile(batch.spectrum.alpha, (batch.size, 1)))
        teacher = self._fit(batch.backend, first, target, self.m, self.T)
        student = self._fit(batch.backend, second, teacher, self.n, self.D)
        return np.stack([batch.risk(teacher), batch.risk(student)], axis=1)

    def _fit(self, backend: Backend, Z: Any, author: Any, m: int, bound: float) -> Any:
        y = (Z @ author[:, : Z.shape[-1], None])[..., 0]
        fitted = backend.zeros(*author.shape)
        fitted[:, :m] = bounded_fit(backend, Z[..., :m], y, backend.array(self.weights[:m]), bound)
        return fitted


def _checked(
    spectrum: Spectrum,
    m: int,
    n: int,
    T: float,
    D: float,
    samples: int,
    weights: npt.ArrayLike | None,
) -> tuple[int, int, float, float, FloatArray]:
    for name, width in (("m", m), ("n", n)):
        if not 1 <= width <= spectrum.size:
            raise InputError(f"sampled_population: {name} = {width} must be 1 .. {spectrum.size}")
    for name, bound in (("T", T), ("D", D)):
        if not bound > 0:
            raise InputError(f"sampled_population: {name} = {bound:g} must be > 0")
    if samples % 2 or samples < 2 * max(m, n):
        raise InputError(
            f"sampled_population: samples = {samples} must be even and at least {2 * max(m, n)}"
        )
    array = np.ones(spectrum.size) if weights is None else np.array(weights, dtype=np.float64)
    if array.shape != (spectrum.size,) or not (np.all(array > 0) and np.all(np.isfinite(array))):
        raise InputError(f"sampled_population: weights must be {spectrum.size} finite numbers > 0")
    return m, n, T, D, array
