"""What a chain of models passes on: mean and spread of each coefficient."""

from dataclasses import dataclass

import numpy as np

from capgap.spectrum import Spectrum, Stage
from capgap.theory.domain import FloatArray

__all__ = ["Moments", "Step", "misfit_of", "shrink", "tails", "weighted"]


@dataclass(frozen=True, slots=True)
class Moments:
    r"""First two moments of the coefficients b of a model that is linear in the features.

    Products :math:`E\, b_i b_j`, i != j, never matter: features are independent and centered,
    so a stage maps the diagonal of :math:`E\, b b^T` to a diagonal, and risks read only that.

    Parameters
    ----------
    mean : array, shape (M,)
        :math:`a_i = E\, b_i`.
    bias : array, shape (M,)
        :math:`\beta_i - a_i`, kept beside a because the difference would lose digits.
    spread : array, shape (M,)
        :math:`E\, b_i^2 - a_i^2`.

    Examples
    --------
    >>> truth = Moments.of_target(Spectrum([1.0, 0.5], [1.0, 2.0]))
    >>> truth.risk(Spectrum([1.0, 0.5], [1.0, 2.0])), truth.square.tolist()
    (0.0, [1.0, 4.0])
    """

    mean: FloatArray
    bias: FloatArray
    spread: FloatArray

    @staticmethod
    def of_target(spectrum: Spectrum) -> "Moments":
        """Return the moments of the target itself."""
        zero = np.zeros(spectrum.size)
        return Moments(np.array(spectrum.coefficients), zero, zero)

    @staticmethod
    def of_teacher(spectrum: Spectrum, b: FloatArray) -> "Moments":
        """Return the moments of a teacher whose coefficients are known."""
        return Moments(b, spectrum.coefficients - b, np.zeros(spectrum.size))

    @property
    def square(self) -> FloatArray:
        r""":math:`q_i = E\, b_i^2`."""
        return np.asarray(self.mean**2 + self.spread)

    def risk(self, spectrum: Spectrum) -> float:
        r"""Excess risk :math:`\sum_i \lambda_i (\beta_i^2 - 2 \beta_i a_i + q_i)`."""
        return float(np.sum(weighted(spectrum.eigenvalues, self.bias**2 + self.spread)))


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a chain: the moments it passes on and what it did to them.

    Parameters
    ----------
    moments : Moments
        Of the trained model.
    kappa, gamma : float
        Implicit ridge and share of the error that is spread, without unit.
    error : float
        Mean squared error on fresh labels of its own kind, label noise included.
    train_error : float
        The same on its training samples.
    """

    moments: Moments
    kappa: float
    gamma: float
    error: float
    train_error: float


def weighted(weight: FloatArray, value: FloatArray) -> FloatArray:
    """Return weight * value with 0 * infinity = 0: a mode that is not looked at costs nothing.

    >>> weighted(np.array([0.0, 2.0]), np.array([np.inf, 3.0])).tolist()
    [0.0, 6.0]
    """
    return np.multiply(weight, value, out=np.zeros(np.shape(value)), where=weight > 0)


def tails(spectrum: Spectrum) -> FloatArray:
    r"""Return :math:`t_m = \sum_{i>m} \lambda_i \beta_i^2` for m = 0..M, smallest first.

    >>> tails(Spectrum([1.0, 0.25], [3.0, 4.0])).tolist()
    [13.0, 4.0, 0.0]
    """
    small_first = np.cumsum(spectrum.alpha[::-1] ** 2)
    return np.append(small_first[::-1], 0.0)


def misfit_of(spectrum: Spectrum, q: FloatArray, rest: FloatArray, stage: Stage) -> float:
    r"""Return :math:`\sum_{i\le m} \lambda_i (1-s_i)^2 q_i + \sum_{i>m} \lambda_i q_i + \tau^2`.

    `rest` holds 1 - s_i.

    >>> misfit_of(Spectrum([1.0, 1.0], [0.0, 0.0]), np.ones(2), np.array([0.5]), Stage(1, 9))
    1.25
    """
    m = stage.features
    inside = weighted(spectrum.eigenvalues[:m] * rest**2, q[:m])
    beyond = weighted(spectrum.eigenvalues[m:], q[m:])
    return float(np.sum(inside)) + float(np.sum(beyond)) + stage.label_noise


def shrink(
    spectrum: Spectrum, incoming: Moments, s: FloatArray, rest: FloatArray, fresh: FloatArray
) -> Moments:
    r"""Return moments after shrinking by s and adding a fresh spread; nothing beyond len(s).

    The bias is carried as :math:`(1 - s_i) \beta_i + s_i (\beta_i - a_i)`, a sum of like signs.

    >>> two = Spectrum([1.0, 1.0], [2.0, 2.0])
    >>> half, one = np.array([0.5]), np.array([1.0])
    >>> out = shrink(two, Moments.of_target(two), half, half, one)
    >>> out.mean.tolist(), out.bias.tolist(), out.spread.tolist()
    ([1.0, 0.0], [1.0, 2.0], [1.0, 0.0])
    """
    m = s.size
    mean, bias, spread = (
        np.zeros(spectrum.size),
        spectrum.coefficients.copy(),
        np.zeros(spectrum.size),
    )
    mean[:m] = s * incoming.mean[:m]
    bias[:m] = rest * spectrum.coefficients[:m] + s * incoming.bias[:m]
    spread[:m] = weighted(s**2, incoming.spread[:m]) + fresh
    return Moments(mean, bias, spread)
