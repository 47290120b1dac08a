"""Self-distillation on the same data, averaged over data sets (deterministic equivalent)."""

from dataclasses import dataclass
from math import inf

import numpy as np

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage
from capgap.theory.finite import checks
from capgap.theory.finite.kappa import learned_shares

__all__ = ["SameData", "same_data"]


@dataclass(frozen=True, slots=True)
class SameData:
    r"""Mean risk of the student with mixing xi, a quadratic: constant + linear xi + square xi^2.

    Parameters
    ----------
    constant, linear, square : float
        Coefficients; the constant is the risk of the ridge fit itself (xi = 0).
    """

    constant: float
    linear: float
    square: float

    def risk(self, xi: float) -> float:
        """Return the mean excess risk at mixing xi."""
        return self.constant + self.linear * xi + self.square * xi**2

    @property
    def best_mixing(self) -> float:
        """The xi of least mean risk."""
        return -self.linear / (2 * self.square)

    @property
    def gain(self) -> float:
        """What the best mixing saves over the ridge fit."""
        return self.linear**2 / (4 * self.square)


def same_data(spectrum: Spectrum, teacher: Stage, student: Stage) -> SameData:
    r"""Return the mean risk of a student that reuses its teacher's inputs, features and ridge.

    The student minimizes the ridge objective on :math:`(1-\xi) y + \xi X b(\lambda)`; it is
    :math:`b + \xi \lambda b'(\lambda)`. Two ridge fits of one data set have

    .. math:: E (b(\lambda_1) - \beta)^T \Sigma (b(\lambda_2) - \beta) =
        \frac{\sum_{i \le m} \lambda_i (1-s_i)(1-s_i')\beta_i^2 + t_m + \sigma^2}
        {1 - \frac1n \sum_i s_i s_i'} - \sigma^2

    and the risk follows from its derivatives, with :math:`d\kappa/d\lambda = 1/(1-\gamma)`.

    Parameters
    ----------
    spectrum : Spectrum
        Independent features.
    teacher, student : Stage
        Same features, samples and ridge > 0; the teacher's label noise is the data's, the
        student's is 0.

    Raises
    ------
    InputError
        Widths that differ: **no closed form is known** for the same data seen with other
        features; it can be simulated. Samples that differ are not the same data. Unequal ridges
        have a formula on given data (`RidgePath.student`).

    Notes
    -----
    Two-point function: Patil and LeJeune 2310.04357, Canatar et al. 2021 (diagonal).

    Examples
    --------
    >>> one = Spectrum([1.0, 0.1], [1.0, 1.0])
    >>> fit = Stage(2, 10, ridge=1e-3, label_noise=1.0)
    >>> same_data(one, fit, Stage(2, 10, ridge=1e-3)).best_mixing > 1
    True
    """
    _check(spectrum, teacher, student)
    m, n = teacher.features, teacher.samples
    unit, power = spectrum.eigenvalues[:m], spectrum.alpha[:m] ** 2
    shares = learned_shares(unit, n, teacher.ridge)
    s, rest, room = shares.s, shares.rest, shares.room
    # Derivatives in log kappa; of kappa in the ridge: 1/(1 - gamma).
    turn = -s * rest
    bias = [float(np.sum(f * power)) for f in (rest**2, -turn * rest, turn**2)]
    bias[0] += spectrum.tail(m) + teacher.label_noise
    gamma = [float(np.sum(f)) / n for f in (s**2, turn * s, turn**2)]
    value, first, both = _jet(bias, gamma, room)
    chain_rule = teacher.ridge / (shares.kappa * room)
    return SameData(value - teacher.label_noise, 2 * first * chain_rule, both * chain_rule**2)


def _jet(bias: list[float], gamma: list[float], room: float) -> tuple[float, float, float]:
    """Return R = bias/room, its derivative in one argument, and the mixed one in both."""
    value = bias[0] / room
    first = (bias[1] + value * gamma[1]) / room
    both = (bias[2] + 2 * first * gamma[1] + value * gamma[2]) / room
    return value, first, both


def _check(spectrum: Spectrum, teacher: Stage, student: Stage) -> None:
    checks.fits("same_data", spectrum, teacher)
    if teacher.features != student.features:
        raise InputError(
            f"same_data: features = {teacher.features} and {student.features} must be equal:"
            " no closed form is known for the same data with other features; simulate it"
        )
    if teacher.samples != student.samples or teacher.samples == inf:
        raise InputError("same_data: samples must be finite and equal")
    if teacher.ridge != student.ridge or teacher.ridge == 0:
        raise InputError("same_data: ridge must be > 0 and equal")
    if any(stage.random_features is not None for stage in (teacher, student)):
        raise InputError("same_data: random_features must be None")
    if student.label_noise:
        raise InputError(f"same_data: student label_noise = {student.label_noise:g} must be 0")
