"""One-pass stochastic gradient descent, teacher and student: exact moments at every step."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
from scipy.optimize import brentq

from capgap.errors import InputError
from capgap.spectrum import Spectrum
from capgap.theory.domain import FloatArray, require
from capgap.theory.finite import checks
from capgap.theory.finite.least_squares import Pair
from capgap.theory.finite.moments import Moments, weighted

__all__ = ["SgdStage", "largest_step_size", "sgd_chain", "sgd_pair", "stability", "stationary_risk"]

# Above this many steps a feature, squaring matrices is faster than stepping.
_LONG = 100


@dataclass(frozen=True, slots=True)
class SgdStage:
    r"""A linear model trained from zero by :math:`w \leftarrow w + \eta x (y - x \cdot w)`.

    One fresh sample a step, batch 1.

    Parameters
    ----------
    features : int
        It sees the first m features, >= 1.
    steps : int
        Samples seen, >= 0.
    step_size : float
        eta, > 0.
    label_noise : float
        Variance of noise on its labels, >= 0.

    Examples
    --------
    >>> SgdStage(features=2, steps=10, step_size=0.1).label_noise
    0.0
    """

    features: int
    steps: int
    step_size: float
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        if self.features < 1:
            raise InputError(f"SgdStage: features = {self.features} must be at least 1")
        if self.steps < 0 or self.steps != int(self.steps):
            raise InputError(f"SgdStage: steps = {self.steps} must be a count")
        require("SgdStage", "step_size", self.step_size)
        checks.variance("SgdStage", "label_noise", self.label_noise)


def sgd_chain(
    spectrum: Spectrum, stages: Sequence[SgdStage], kurtosis: float = 0.0
) -> tuple[float, ...]:
    r"""Return the excess risk of each stage of a chain trained by one-pass SGD, exactly.

    With :math:`\rho_i = E (w_i - b_i)^2`, b the labelling model, starting at :math:`E\, b_i^2`:

    .. math:: \rho_i \leftarrow \rho_i (1 - 2 \eta \lambda_i + (2 + k) \eta^2 \lambda_i^2)
        + \eta^2 \lambda_i \Big(\sum_{j \le m} \lambda_j \rho_j + \nu\Big), \qquad
        \nu = \sum_{i>m} \lambda_i E\, b_i^2 + \tau^2
    .. math:: E[w_i | b] = \left(1 - (1 - \eta \lambda_i)^t\right) b_i

    k is the excess kurtosis of the features: 0 for Gaussian, -2 for random signs. No step size
    is too large for the recursion; beyond `largest_step_size` it grows without limit.

    Parameters
    ----------
    spectrum : Spectrum
        Independent features.
    stages : sequence of SgdStage
        At least one; the first learns from the target.
    kurtosis : float
        k >= -2, the same for all features.

    Raises
    ------
    InputError
        No stages, a stage with too many features, or k < -2.

    Examples
    --------
    One step of eta = 1/2 on one feature: E (1 - x^2/2)^2 = 1 - 1 + 3/4.

    >>> sgd_chain(Spectrum([1.0], [1.0]), [SgdStage(1, 1, 0.5)])
    (0.75,)
    """
    if not stages:
        raise InputError(f"sgd_chain: stages = {stages!r} must be at least one stage")
    if not (isfinite(kurtosis) and kurtosis >= -2):
        raise InputError(f"sgd_chain: kurtosis = {kurtosis:g} must be finite and >= -2")
    moments = Moments.of_target(spectrum)
    risks = []
    for stage in stages:
        if stage.features > spectrum.size:
            raise InputError(
                f"sgd_chain: features = {stage.features} must be at most {spectrum.size}"
            )
        # Beyond the stable step sizes moments overflow in the end: the risk is then infinite.
        with np.errstate(over="ignore", invalid="ignore"):
            moments = _train(spectrum, moments, stage, kurtosis)
            risk = moments.risk(spectrum)
        risks.append(risk if isfinite(risk) else inf)
    return tuple(risks)


def sgd_pair(
    spectrum: Spectrum, teacher: SgdStage, student: SgdStage, kurtosis: float = 0.0
) -> Pair:
    """Return the exact risks of an SGD teacher and the SGD student it labels.

    >>> pair = sgd_pair(Spectrum([1.0], [1.0]), SgdStage(1, 1, 0.5), SgdStage(1, 0, 0.5))
    >>> float(pair.teacher_risk), float(pair.student_risk)
    (0.75, 1.0)
    """
    risks = sgd_chain(spectrum, [teacher, student], kurtosis)
    return Pair(np.asarray(risks[0]), np.asarray(risks[1]))


def _train(spectrum: Spectrum, incoming: Moments, stage: SgdStage, kurtosis: float) -> Moments:
    m = stage.features
    unit = spectrum.eigenvalues[:m]
    noise = float(np.sum(weighted(spectrum.eigenvalues[m:], incoming.square[m:])))
    noise += stage.label_noise
    rho = _distances(unit, incoming.square[:m], noise, stage, kurtosis)
    left = (1 - stage.step_size * unit) ** stage.steps
    mean, bias = np.zeros(spectrum.size), np.array(spectrum.coefficients)
    spread = np.zeros(spectrum.size)
    mean[:m] = (1 - left) * incoming.mean[:m]
    bias[:m] = left * spectrum.coefficients[:m] + (1 - left) * incoming.bias[:m]
    # E w^2 = E (w - b)^2 + 2 E (w - b) b + E b^2, less the squared mean.
    mixed = left**2 * incoming.mean[:m] ** 2
    spread[:m] = rho - mixed + (1 - 2 * left) * incoming.spread[:m]
    return Moments(mean, bias, spread)


def _distances(
    unit: FloatArray, start: FloatArray, noise: float, stage: SgdStage, kurtosis: float
) -> FloatArray:
    x = stage.step_size * unit
    keep = 1 - 2 * x + (2 + kurtosis) * x**2
    kick = stage.step_size**2 * unit
    if stage.steps > _LONG * unit.size:
        return _leap(np.diag(keep) + np.outer(kick, unit), kick * noise, start, stage.steps)
    rho = np.array(start)
    for _ in range(stage.steps):
        rho = keep * rho + kick * (unit @ rho + noise)
    return rho


def _leap(step: FloatArray, push: FloatArray, rho: FloatArray, steps: int) -> FloatArray:
    """Apply rho <- step rho + push many times, by squaring the affine map."""
    while steps:
        if steps % 2:
            rho = step @ rho + push
        push = step @ push + push
        step = step @ step
        steps //= 2
    return rho


def stability(unit: FloatArray, step_size: float, kurtosis: float = 0.0) -> float:
    r"""Return S, below 1 exactly if one-pass SGD does not diverge.

    .. math:: S = \sum_i \frac{\eta \lambda_i}{2 - (2 + k) \eta \lambda_i}

    and infinity if a denominator is not positive. For Gaussian features it is
    :math:`\frac12 \sum \eta\lambda_i/(1 - \eta\lambda_i)`; for random signs, eta tr/2.

    >>> stability(np.array([1.0, 1.0]), 0.5)
    1.0
    """
    require("stability", "step_size", step_size)
    x = step_size * np.asarray(unit)
    room = 2 - (2 + kurtosis) * x
    return float(np.sum(x / room)) if np.all(room > 0) else inf


def stationary_risk(
    unit: FloatArray, step_size: float, noise: float, kurtosis: float = 0.0
) -> float:
    r"""Return :math:`\sum \lambda_i \rho_i = \nu S/(1 - S)` after infinitely many steps.

    It is the distance from the labelling model within the m features; nu = `noise` is the
    variance of all that these cannot explain. Infinite from S = 1 on.

    >>> stationary_risk(np.array([1.0]), 0.5, 1.0)
    1.0
    """
    S = stability(unit, step_size, kurtosis)
    return float(checks.variance("stationary_risk", "noise", noise)) * (
        S / (1 - S) if S < 1 else inf
    )


def largest_step_size(unit: FloatArray, kurtosis: float = 0.0) -> float:
    """Return the step size at which S = 1; every smaller one is stable.

    >>> round(largest_step_size(np.array([1.0, 1.0])), 12)
    0.5
    """
    top = float(np.max(unit))
    # Each term alone reaches 1 at eta lambda = 2/(3 + k); together they do so earlier.
    most = 2 / ((3 + kurtosis) * top)
    least = most / np.asarray(unit).size / 2
    return float(brentq(lambda eta: stability(unit, eta, kurtosis) - 1, least, most * (1 + 1e-12)))
