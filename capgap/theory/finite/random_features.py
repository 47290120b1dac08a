"""One ridge stage on random Gaussian combinations of its features."""

from math import inf

import numpy as np

from capgap.spectrum import Spectrum, Stage
from capgap.theory.finite.kappa import feature_kappa
from capgap.theory.finite.moments import Moments, Step, misfit_of, shrink, weighted

__all__ = ["random_feature_step"]


def random_feature_step(spectrum: Spectrum, incoming: Moments, stage: Stage) -> Step:
    r"""Pass moments through a stage of P random features (deterministic equivalent).

    The stage regresses on :math:`z = G x_{1:m}`, G of shape (P, m) with independent
    N(0, 1/P) entries, drawn anew for each stage. With :math:`d_1 = \sum s_i`,
    :math:`d_2 = \sum s_i^2`, :math:`s_i = \lambda_i/(\lambda_i + \kappa)`, sums over i <= m,

    .. math:: \lambda = \kappa (1 - d_1/n)(1 - d_1/P), \qquad
        w_i = \frac{1}{(\lambda_i + \kappa)^2 (P - d_2)}, \qquad
        c = \sum_i \lambda_i^2 (1-s_i)^2 q_i
    .. math:: \gamma = \frac1n \left[d_2 + \frac{(d_1 - d_2)^2}{P - d_2}\right], \qquad
        R = \frac{\sum_i \lambda_i (1-s_i)^2 q_i + c \sum_i \lambda_i w_i
        + \sum_{i>m} \lambda_i q_i + \tau^2}{1 - \gamma}
    .. math:: q_i \leftarrow s_i^2 q_i + w_i c + \frac{R}{n} \left[\frac{s_i^2}{\lambda_i}
        + w_i \kappa \sum_j s_j (1 - s_j)\right]

    and the mean becomes :math:`s_i a_i`. Where kappa = 0 the random features span all m and
    the stage is least squares.

    Notes
    -----
    The risk of one stage is Simon et al. 2311.14646 and Atanasov et al. 2405.00592; the second
    moments passed on follow from the same two-point functions (Wu et al. 2603.05691 for pairs).
    As P grows it becomes the stage on the features themselves.
    """
    m, n, P = stage.features, stage.samples, stage.random_features
    assert P is not None
    unit = spectrum.eigenvalues[:m]
    kappa = feature_kappa(unit, n, P, stage.ridge)
    s, rest = unit / (unit + kappa), kappa / (unit + kappa)
    d1, d2 = float(np.sum(s)), float(np.sum(s**2))
    lost = float(np.sum(s * rest))
    w = 1 / ((unit + kappa) ** 2 * (P - d2))
    q = incoming.square
    c = float(np.sum(weighted(unit**2 * rest**2, q[:m])))
    gamma = (d2 + lost**2 / (P - d2)) / n
    room = _room(d1, lost, stage)
    misfit = misfit_of(spectrum, q, rest, stage) + c * float(np.sum(unit * w))
    error = misfit / room if room > 0 else inf
    fresh = w * c + error / n * (s**2 / unit + w * kappa * lost)
    moments = shrink(spectrum, incoming, s, rest, fresh)
    return Step(moments, kappa, gamma, error, (1 - d1 / n) ** 2 * error)


def _room(d1: float, lost: float, stage: Stage) -> float:
    r"""Return :math:`1 - \gamma = (ab + l(a+b))/(n(b+l))`, a = n - d_1, b = P - d_1, l = d_1 - d_2.

    All terms are positive, so it is exact to rounding even close to n = P.
    """
    n, P = stage.samples, stage.random_features
    assert P is not None
    if n == inf:
        return 1.0
    a = 0.0 if stage.ridge == 0 and n <= P else max(n - d1, 0.0)
    b = 0.0 if stage.ridge == 0 and n >= P else max(P - d1, 0.0)
    return (a * b + lost * (a + b)) / (n * (b + lost))
