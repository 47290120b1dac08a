"""Eigenvalues of a kernel and the coefficients of a target."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError

__all__ = ["Spectrum", "exponential", "power_law"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spectrum:
    r"""Independent features of variance :math:`\lambda_i` and a linear target.

    .. math:: y = \sum_{i \le M} \beta_i x_i + \epsilon, \qquad E x_i^2 = \lambda_i

    Parameters
    ----------
    eigenvalues : array, shape (M,)
        Variances of the features, > 0, in the order in which models take them up (not
        necessarily sorted).
    coefficients : array, shape (M,)
        :math:`\beta`, finite, of the features as they are.

    Raises
    ------
    InputError
        Arrays that are empty, of other shapes, not finite, or eigenvalues that are not > 0.

    Examples
    --------
    >>> one = Spectrum([1.0, 0.25], [3.0, 4.0])
    >>> one.alpha.tolist(), one.size, one.tail(1)
    ([3.0, 2.0], 2, 4.0)
    """

    eigenvalues: FloatArray
    coefficients: FloatArray

    def __post_init__(self) -> None:
        for name in ("eigenvalues", "coefficients"):
            array = np.array(getattr(self, name), dtype=np.float64)
            if array.ndim != 1 or array.size == 0 or not np.all(np.isfinite(array)):
                raise InputError(f"Spectrum: {name} must be finite, of shape (M,), M >= 1")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.eigenvalues.shape != self.coefficients.shape:
            raise InputError(
                f"Spectrum: {self.coefficients.size} coefficients must be one for each of the"
                f" {self.eigenvalues.size} eigenvalues"
            )
        if not np.all(self.eigenvalues > 0):
            raise InputError(f"Spectrum: eigenvalue {self.eigenvalues.min():g} must be > 0")

    @property
    def size(self) -> int:
        """M, the number of features."""
        return int(self.eigenvalues.size)

    @property
    def alpha(self) -> FloatArray:
        r"""The target in orthonormal functions, :math:`\sqrt{\lambda_i} \beta_i`."""
        return np.asarray(np.sqrt(self.eigenvalues) * self.coefficients, dtype=np.float64)

    def tail(self, m: int) -> float:
        r"""Squared size beyond the first m features, :math:`\sum_{i>m} \alpha_i^2`."""
        return float(np.sum(self.alpha[m:][::-1] ** 2))


def power_law(M: int, decay: float, target_decay: float, scale: float = 1.0) -> Spectrum:
    r"""Return :math:`\lambda_i = i^{-decay}` and :math:`\alpha_i^2 = scale\, i^{-target\_decay}`.

    >>> spectrum = power_law(3, 1.0, 2.0)
    >>> spectrum.eigenvalues.round(3).tolist(), (spectrum.alpha**2).round(3).tolist()
    ([1.0, 0.5, 0.333], [1.0, 0.25, 0.111])
    """
    if M < 1:
        raise InputError(f"power_law: M = {M} must be at least 1")
    i = np.arange(1, M + 1, dtype=np.float64)
    eigenvalues = i**-decay
    return Spectrum(eigenvalues, np.sqrt(scale * i**-target_decay / eigenvalues))


def exponential(M: int, decay: float, target_decay: float, scale: float = 1.0) -> Spectrum:
    r"""Return eigenvalues e^(-decay (i-1)) and squares alpha_i^2 = scale e^(-target_decay (i-1)).

    >>> exponential(2, np.log(2), 0.0).eigenvalues.round(12).tolist()
    [1.0, 0.5]
    """
    if M < 1:
        raise InputError(f"exponential: M = {M} must be at least 1")
    i = np.arange(M, dtype=np.float64)
    eigenvalues = np.exp(-decay * i)
    return Spectrum(eigenvalues, np.sqrt(scale * np.exp(-target_decay * i) / eigenvalues))
