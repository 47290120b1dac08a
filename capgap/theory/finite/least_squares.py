"""Least squares twice, exactly: a teacher on the data, a student on fresh inputs it labels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage
from capgap.theory.domain import FloatArray
from capgap.theory.finite import checks
from capgap.theory.finite.moments import Moments, Step, tails, weighted

__all__ = [
    "BestTeacher",
    "Pair",
    "best_teacher_size",
    "hinge",
    "least_squares_pair",
    "least_squares_step",
    "student_beats_teacher_above",
    "student_risk_of",
    "theta",
    "weak_slope",
]


@dataclass(frozen=True, slots=True)
class Pair:
    """Excess risks of a teacher and of its student, one entry for each teacher size.

    Parameters
    ----------
    teacher_risk, student_risk : array
        Mean over all training sets of the squared distance to the noiseless target.
    """

    teacher_risk: FloatArray
    student_risk: FloatArray


@dataclass(frozen=True, slots=True)
class BestTeacher:
    """The teacher size whose student is best, with both risks."""

    size: int
    teacher_risk: float
    student_risk: float


def theta(n: npt.ArrayLike, n_S: npt.ArrayLike) -> FloatArray:
    r"""Return the steepness of the capacity gap, :math:`\theta = n/(n_S - n - 1)`.

    A least-squares student of n features sees what its teacher knows beyond them as noise of
    variance V; estimation turns it into the extra risk theta V. So theta depends on the
    student's width and samples alone: not on the spectrum, the target or the teacher. For
    many samples it is n/n_S, and it vanishes as they grow. (E tr of an inverse Wishart
    matrix, hence Gaussian features and n_S > n + 1.)

    >>> float(theta(2, 7)), float(theta(2, float("inf")))
    (0.5, 0.0)
    """
    width = checks.samples("theta", "n", n)
    return np.asarray(width / (checks.samples("theta", "n_S", n_S, width + 1) - width - 1))


def hinge(E_T: npt.ArrayLike, t_n: float, theta: float) -> FloatArray:
    r"""Return the risk of a perfect teacher's student of n features.

    .. math:: E_S = \max\{E_T, (1 + \theta) t_n - \theta E_T\}

    Slope +1 while the teacher is worse than the best student of n features (E_T >= t_n),
    slope -theta beyond: the capacity gap, with its corner at E_T = t_n.

    >>> hinge([3.0, 2.0, 1.0], t_n=2.0, theta=0.5).tolist()
    [3.0, 2.0, 2.5]
    """
    teacher = np.asarray(E_T, dtype=np.float64)
    return np.maximum(teacher, (1 + theta) * t_n - theta * teacher)


def least_squares_pair(
    spectrum: Spectrum, m: npt.ArrayLike, n: int, n_T: float, n_S: float, noise: float
) -> Pair:
    r"""Return the exact risks of teacher and student, both by least squares.

    .. math:: v_m = \frac{\sigma^2 + t_m}{n_T - m - 1}, \qquad E_T = t_m + m v_m
    .. math:: E_S = E_T \; (m \le n), \qquad
        E_S = t_n + n v_m + \theta \left[t_n - t_m + (m - n) v_m\right] \; (m \ge n)

    with :math:`\theta = n/(n_S - n - 1)`. A teacher of m <= n features is copied exactly:
    its labels are linear in the student's features and carry no noise. Else the student
    estimates the teacher's first n coefficients under noise of variance
    :math:`\sum_{n<i\le m} \lambda_i b_i^2`, of mean :math:`t_n - t_m + (m - n) v_m`.

    Parameters
    ----------
    spectrum : Spectrum
        Independent Gaussian features.
    m : array of counts
        Sizes of teachers, 0 <= m <= M, below n_T - 1.
    n : int
        Size of the student, 1 <= n <= M, below n_S - 1.
    n_T, n_S : float
        Samples of teacher and student, counts or infinity (a perfect teacher).
    noise : float
        :math:`\sigma^2`, variance of the noise on the teacher's labels, >= 0.

    Raises
    ------
    InputError
        An argument is outside its domain; with fewer samples the mean risk is infinite or,
        below the interpolation threshold, has no closed form (see `chain`).

    Notes
    -----
    Derived here; single-stage part: Breiman and Freedman (1983). Exact for Gaussian features.

    Examples
    --------
    Two modes of power 1, a perfect teacher: the student of one feature with 4 samples has
    theta = 1/2, and loses by knowing more than one feature:

    >>> two = Spectrum([1.0, 1.0], [1.0, 1.0])
    >>> pair = least_squares_pair(two, [0, 1, 2], 1, float("inf"), 4, 0.0)
    >>> pair.teacher_risk.tolist(), pair.student_risk.tolist()
    ([2.0, 1.0, 0.0], [2.0, 1.0, 1.5])
    """
    operation = "least_squares_pair"
    size = checks.sizes(operation, "m", m, spectrum.size)
    width = checks.count(operation, "n", n, spectrum.size)
    steepness = float(theta(width, n_S))
    t = tails(spectrum)
    v = _spread(operation, size, t[size], n_T, noise)
    teacher = t[size] + size * v
    extra = np.maximum(t[width] - t[size], 0.0) + (size - width) * v
    larger = t[width] + width * v + steepness * extra
    return Pair(np.asarray(teacher), np.where(size <= width, teacher, larger))


def _spread(
    operation: str, size: checks.CountArray, t: FloatArray, n_T: float, noise: float
) -> FloatArray:
    trained = checks.samples(operation, "n_T", n_T, size + 1)
    return np.asarray((checks.variance(operation, "noise", noise) + t) / (trained - size - 1))


def student_risk_of(spectrum: Spectrum, b: npt.ArrayLike, n: int, n_S: float) -> float:
    r"""Return the student's risk under any linear teacher :math:`x \cdot b`.

    .. math:: E_S = \sum_{i \le n} \lambda_i (b_i - \beta_i)^2 + t_n
        + \theta \sum_{i > n} \lambda_i b_i^2

    All that hurts is what the teacher knows and the student cannot represent.

    >>> student_risk_of(Spectrum([1.0, 1.0], [1.0, 1.0]), [0.5, 2.0], 1, 4)
    3.25
    """
    operation = "student_risk_of"
    width = checks.count(operation, "n", n, spectrum.size)
    teacher = np.asarray(b, dtype=np.float64)
    if teacher.shape != spectrum.coefficients.shape:
        raise InputError(f"{operation}: b of shape {teacher.shape} must have {spectrum.size}")
    inside = spectrum.eigenvalues * (teacher - spectrum.coefficients) ** 2
    beyond = spectrum.eigenvalues * teacher**2
    gap = float(theta(width, n_S)) * float(np.sum(beyond[width:]))
    return float(np.sum(inside[:width])) + float(tails(spectrum)[width]) + gap


def weak_slope(m: npt.ArrayLike, n: int, n_S: float) -> FloatArray:
    r"""Return dE_S/dE_T where one teacher of m features improves by more samples.

    .. math:: \rho = \frac{n + \theta (m - n)}{m} \; (m \ge n), \qquad \rho = 1 \; (m \le n)

    E_T = t_m + m v and E_S = const + [n + theta (m - n)] v share the spread v, so the slope
    depends on *how* a teacher improves: by width it is 1 and then -theta, by data it is rho,
    which is below one exactly if theta < 1 and m > n. The student is then a filter of its
    teacher's noise, and makes up part of a weak teacher's deficit.

    >>> weak_slope([1, 2, 4], 2, 7).tolist()
    [1.0, 1.0, 0.75]
    """
    size = checks.samples("weak_slope", "m", m)
    beyond = np.maximum(size - n, 0.0)
    return np.asarray((np.minimum(size, n) + float(theta(n, n_S)) * beyond) / size)


def student_beats_teacher_above(spectrum: Spectrum, m: int, n: int, n_S: float) -> float:
    r"""Return the spread v above which E_S < E_T (weak-to-strong), or infinity.

    .. math:: v^* = \frac{1 + \theta}{1 - \theta} \cdot \frac{t_n - t_m}{m - n}
        \quad (m > n, \theta < 1)

    from :math:`E_S - E_T = (1+\theta)(t_n - t_m) - (1-\theta)(m-n) v_m`. So a student never
    beats a perfect teacher, one of m <= n features, or any teacher if theta >= 1.

    >>> student_beats_teacher_above(Spectrum([1.0, 1.0], [1.0, 1.0]), 2, 1, 4)
    3.0
    """
    width = checks.count("student_beats_teacher_above", "n", n, spectrum.size)
    size = checks.count("student_beats_teacher_above", "m", m, spectrum.size)
    steepness = float(theta(width, n_S))
    if size <= width or steepness >= 1:
        return float("inf")
    t = tails(spectrum)
    return float((1 + steepness) / (1 - steepness) * (t[width] - t[size]) / (size - width))


def best_teacher_size(
    spectrum: Spectrum, n: int, n_T: float, n_S: float, noise: float
) -> BestTeacher:
    """Return the teacher size (the smallest, in a tie) whose student has the least risk.

    All sizes from 0 to min(M, n_T - 2) are tried. A perfect teacher is best at m = n; one that
    overfits can be best below, one that a large student averages well can be best far above.

    >>> best_teacher_size(Spectrum([1.0, 1.0], [1.0, 1.0]), 1, float("inf"), 4, 0.0)
    BestTeacher(size=1, teacher_risk=1.0, student_risk=1.0)
    """
    checks.samples("best_teacher_size", "n_T", n_T, 1)
    m = np.arange(int(min(spectrum.size, n_T - 2)) + 1)
    pair = least_squares_pair(spectrum, m, n, n_T, n_S, noise)
    best = int(np.argmin(pair.student_risk))
    return BestTeacher(best, float(pair.teacher_risk[best]), float(pair.student_risk[best]))


def least_squares_step(spectrum: Spectrum, incoming: Moments, stage: Stage) -> Step:
    r"""Pass moments through one least-squares stage, exactly (n > m + 1, Gaussian features).

    .. math:: v = \frac{\sum_{i>m} \lambda_i q_i + \tau^2}{n - m - 1}, \qquad
        E\, b_i^2 \leftarrow q_i + v/\lambda_i \; (i \le m), \quad 0 \; (i > m)

    means are kept up to m. It holds for any number of stages, each on fresh samples.
    """
    operation = "least_squares_step"
    checks.fits(operation, spectrum, stage)
    if stage.ridge > 0 or stage.random_features is not None:
        raise InputError(f"{operation}: ridge = {stage.ridge:g} must be 0, without random features")
    m, n = stage.features, stage.samples
    checks.samples(operation, "samples", n, m + 1)
    unseen = weighted(spectrum.eigenvalues[m:], incoming.square[m:])
    misfit = float(np.sum(unseen)) + stage.label_noise
    v = misfit / (n - m - 1)
    seen = np.arange(spectrum.size) < m
    moments = Moments(
        np.where(seen, incoming.mean, 0.0),
        np.where(seen, incoming.bias, spectrum.coefficients),
        np.where(seen, incoming.spread + v / spectrum.eigenvalues, 0.0),
    )
    return Step(moments, 0.0, m / n, misfit + m * v, misfit * (1 - m / n))
