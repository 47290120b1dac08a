"""Chains of ridge regressions of any width and sample size: teacher, assistants, student."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage
from capgap.theory.domain import FloatArray
from capgap.theory.finite import checks
from capgap.theory.finite.kappa import learned_shares
from capgap.theory.finite.least_squares import least_squares_step
from capgap.theory.finite.moments import Moments, Step, misfit_of, shrink, weighted
from capgap.theory.finite.random_features import random_feature_step

__all__ = ["ChainResult", "chain", "least_squares_chain", "ridge_step"]


@dataclass(frozen=True, slots=True)
class ChainResult:
    r"""What each stage of a chain is like, first stage first.

    Parameters
    ----------
    risk : tuple of float
        Excess risk :math:`E_x (\hat f(x) - f^*(x))^2`, mean over all training sets.
    mean, square : tuple of array, shape (M,)
        :math:`a_i = E\, b_i` and :math:`q_i = E\, b_i^2` of the stage's coefficients.
    kappa, gamma : tuple of float
        Implicit ridge and spread of the stage, see `ridge_step`.
    error, train_error : tuple of float
        Mean squared error on the stage's own kind of labels (its teacher's, with label
        noise), on fresh and on its training inputs. error - label_noise is its squared
        distance from its teacher.
    """

    risk: tuple[float, ...]
    mean: tuple[FloatArray, ...]
    square: tuple[FloatArray, ...]
    kappa: tuple[float, ...]
    gamma: tuple[float, ...]
    error: tuple[float, ...]
    train_error: tuple[float, ...]


def chain(spectrum: Spectrum, stages: Sequence[Stage]) -> ChainResult:
    r"""Return risks and moments of a chain of ridge stages (deterministic equivalent).

    The first stage learns from the target (label noise: its own `label_noise`), each later
    one, on fresh inputs, from the model before it. Widths, sample sizes and ridges are free,
    zero ridge and infinite samples included, and each stage may use random features.

    Parameters
    ----------
    spectrum : Spectrum
        Independent features; the result holds for Gaussian features and, as sizes grow, for
        others with bounded moments.
    stages : sequence of Stage
        At least one.

    Raises
    ------
    InputError
        No stages, or one with more features than the spectrum.

    Notes
    -----
    One stage: Canatar et al. 2021, Simon et al. 2110.03922. Chains: Dohmatob et al. 2402.07712
    (equal stages), Moniri and Hassani 2505.18346 (pairs). Errors are O(1/n) for finite sizes;
    `least_squares_chain` is exact where it applies. A stage without ridge and with exactly as
    many samples as features has infinite risk, unless its labels fit without error.

    Examples
    --------
    A teacher of the one feature with 5 noisy samples, then a student that copies it:

    >>> one = Spectrum([1.0], [2.0])
    >>> chain(one, [Stage(1, 5, label_noise=1.0), Stage(1, 9)]).risk
    (0.25, 0.25)
    """
    return _run("chain", spectrum, stages, _deterministic_step)


def least_squares_chain(spectrum: Spectrum, stages: Sequence[Stage]) -> ChainResult:
    r"""Return risks and moments of a chain of least-squares stages, exactly.

    Every stage needs ridge 0, no random features and more than m + 1 samples; features are
    independent and Gaussian. For two stages it is `least_squares_pair`.

    Examples
    --------
    Model collapse (Dohmatob et al. 2402.07712): with the same noise at each of k stages the
    risk is k times that of one, m sigma^2/(n - m - 1).

    >>> one = Spectrum([1.0], [2.0])
    >>> least_squares_chain(one, [Stage(1, 4, label_noise=1.0)] * 3).risk
    (0.5, 1.0, 1.5)
    """
    return _run("least_squares_chain", spectrum, stages, least_squares_step)


def _run(
    operation: str,
    spectrum: Spectrum,
    stages: Sequence[Stage],
    advance: Callable[[Spectrum, Moments, Stage], Step],
) -> ChainResult:
    if not stages:
        raise InputError(f"{operation}: stages = {stages!r} must be at least one stage")
    steps: list[Step] = []
    moments = Moments.of_target(spectrum)
    for stage in stages:
        checks.fits(operation, spectrum, stage)
        steps.append(advance(spectrum, moments, stage))
        moments = steps[-1].moments
    return ChainResult(
        risk=tuple(step.moments.risk(spectrum) for step in steps),
        mean=tuple(step.moments.mean for step in steps),
        square=tuple(step.moments.square for step in steps),
        kappa=tuple(step.kappa for step in steps),
        gamma=tuple(step.gamma for step in steps),
        error=tuple(step.error for step in steps),
        train_error=tuple(step.train_error for step in steps),
    )


def _deterministic_step(spectrum: Spectrum, incoming: Moments, stage: Stage) -> Step:
    if stage.random_features is None:
        return ridge_step(spectrum, incoming, stage)
    spans = stage.ridge == 0 and min(stage.samples, stage.random_features) >= stage.features
    return (ridge_step if spans else random_feature_step)(spectrum, incoming, stage)


def ridge_step(spectrum: Spectrum, incoming: Moments, stage: Stage) -> Step:
    r"""Pass moments through one ridge stage on the features themselves.

    .. math:: s_i = \frac{\lambda_i}{\lambda_i + \kappa}, \qquad
        \gamma = \frac1n \sum_{i \le m} s_i^2, \qquad
        R = \frac{\sum_{i \le m} \lambda_i (1-s_i)^2 q_i + \sum_{i>m} \lambda_i q_i + \tau^2}
        {1 - \gamma}
    .. math:: a_i \leftarrow s_i a_i, \qquad
        q_i \leftarrow s_i^2 q_i + \frac{R}{n} \frac{s_i^2}{\lambda_i}
        \quad (i \le m), \qquad 0 \quad (i > m)

    with kappa from `implicit_ridge`. Training error is :math:`(\lambda/\kappa)^2 R`, coded as
    :math:`(1 - \sum s_i/n)^2 R`, which has a value at kappa = 0.
    """
    unit = spectrum.eigenvalues[: stage.features]
    shares = learned_shares(unit, stage.samples, stage.ridge)
    misfit = misfit_of(spectrum, incoming.square, shares.rest, stage)
    error = 0.0 if misfit == 0 else misfit / shares.room if shares.room > 0 else inf
    fresh = weighted(shares.s**2 / unit, np.full(unit.size, error / stage.samples))
    moments = shrink(spectrum, incoming, shares.s, shares.rest, fresh)
    train_error = 0.0 if shares.fit == 0 else shares.fit**2 * error
    return Step(moments, shares.kappa, shares.gamma, error, train_error)
