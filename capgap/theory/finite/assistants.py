"""Does an assistant between teacher and student help, and when."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage
from capgap.theory.domain import FloatArray
from capgap.theory.finite import checks
from capgap.theory.finite.ridge_chain import chain, least_squares_chain

__all__ = ["AssistantScan", "best_assistant", "samples_for_assistant"]


@dataclass(frozen=True, slots=True)
class AssistantScan:
    """Risk of the student behind each assistant, and without one.

    Parameters
    ----------
    widths : tuple of int
        Features of the assistants tried.
    student_risk : array
        Excess risk of the student behind each.
    direct_risk : float
        Excess risk of the student of the teacher itself.
    exact : bool
        Exact mean (least squares throughout) or deterministic equivalent.
    """

    widths: tuple[int, ...]
    student_risk: FloatArray
    direct_risk: float
    exact: bool

    @property
    def width(self) -> int:
        """Width of the best assistant."""
        return self.widths[int(np.argmin(self.student_risk))]

    @property
    def gain(self) -> float:
        """What the best assistant saves; not positive if none helps."""
        return self.direct_risk - float(np.min(self.student_risk))


def samples_for_assistant(n: int, n_S: float, k: int) -> float:
    r"""Return the samples above which an assistant of k >= n features helps: n_S + 2 (k - n).

    Least squares throughout, teacher of m > k features. With
    :math:`Q = \sum_{k<i\le m} \lambda_i E\, b_i^2` (what the teacher knows and the assistant
    does not) the student's risk changes by

    .. math:: Q \left[\frac{n + \theta (k - n)}{n_A - k - 1} - \theta\right], \qquad
        \theta = \frac{n}{n_S - n - 1}

    so the sign depends on counts alone: not on the spectrum, the target, the noise or the
    teacher. In particular no assistant of the student's width or more helps on as many samples
    as the student has; one of its own width helps as soon as it has more. A narrower one (k < n)
    can help on equal samples only as a regularizer: it does iff
    :math:`(t_k - t_m)(n_A-1)/(n_A-k-1) < (t_n - t_m)(n_S-1)/(n_S-n-1)` for a perfect teacher.
    Outside this statement are interpolating assistants (n_A < k): see `best_assistant`.

    >>> samples_for_assistant(10, 40, 10), samples_for_assistant(10, 40, 15)
    (40, 50)
    """
    if k < n:
        raise InputError(f"samples_for_assistant: k = {k} must be at least n = {n}")
    return n_S + 2 * (k - n)


def best_assistant(
    spectrum: Spectrum,
    teacher: Stage,
    student: Stage,
    samples: float,
    ridge: float = 0.0,
    widths: Sequence[int] | None = None,
) -> AssistantScan:
    """Try every width of an assistant with `samples` fresh inputs labelled by the teacher.

    Parameters
    ----------
    spectrum, teacher, student
        The chain without assistant; Stage(M, inf) is the target itself.
    samples, ridge
        Of the assistant.
    widths : sequence of int, optional
        Widths tried; 1..M if not given (all those with samples > width + 1 where the chain is
        least squares throughout, and its mean therefore exact).

    Examples
    --------
    A student of 2 features and 5 samples, taught by all four; an assistant of the same width
    with 9 samples helps it:

    >>> four = Spectrum([1.0] * 4, [1.0, 1.0, 0.5, 0.5])
    >>> scan = best_assistant(four, Stage(4, float("inf")), Stage(2, 5), 9)
    >>> scan.exact, scan.width, round(scan.direct_risk, 12), round(scan.gain, 12)
    (True, 2, 1.0, 0.333333333333)
    """
    exact = ridge == 0 and all(_is_least_squares(stage) for stage in (teacher, student))
    tried = tuple(range(1, spectrum.size + 1) if widths is None else widths)
    if exact and widths is None:
        tried = tuple(k for k in tried if samples > k + 1)
    if not tried:
        raise InputError(f"best_assistant: samples = {samples:g} must allow some width")
    for k in tried:
        checks.count("best_assistant", "widths", k, spectrum.size)
    exact = exact and samples > max(tried) + 1
    solve = least_squares_chain if exact else chain
    risk = [solve(spectrum, [teacher, Stage(k, samples, ridge), student]).risk[-1] for k in tried]
    direct = solve(spectrum, [teacher, student]).risk[-1]
    return AssistantScan(tried, np.array(risk), direct, exact)


def _is_least_squares(stage: Stage) -> bool:
    plain = stage.ridge == 0 and stage.random_features is None
    return plain and stage.samples > stage.features + 1
