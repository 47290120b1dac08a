"""Chains of ridge regressions on samples: teacher, assistants, student."""

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np

from capgap.errors import InputError
from capgap.measurement.kernel.backend import open_backend
from capgap.measurement.kernel.draws import Batch, Features, batches, total
from capgap.measurement.kernel.sampled import Sampled
from capgap.measurement.kernel.solvers import ridge_fit
from capgap.spectrum import Spectrum, Stage

__all__ = ["sampled_capacity", "sampled_chain", "sampled_least_squares_pair"]


def sampled_chain(
    spectrum: Spectrum,
    stages: Sequence[Stage],
    *,
    replications: int,
    seed: int,
    features: Features = "gaussian",
    held_out: bool = True,
    backend: str = "numpy",
    device: str = "cpu",
) -> Sampled:
    r"""Train every stage on fresh samples labeled by the one before it; return all risks.

    Stage t draws inputs :math:`x_j = \sqrt{\lambda_j} z_j`, labels them with the model before
    it (the first with the target) plus noise, and minimizes

    .. math:: \frac1n \lVert y - X w \rVert^2 + ridge\, \lVert w \rVert^2

    over its first m features, or over :math:`w = F a / \sqrt P`, :math:`F_{jp} \sim N(0, 1)`,
    with the ridge on a. Infinite samples give the minimizer of the expectation.

    Parameters
    ----------
    spectrum : Spectrum
        Variances of the features and the target.
    stages : sequence of Stage
        From teacher to student, at least one.
    replications : int
        R >= 2, independent.
    seed : int
        >= 0. Replication r uses the random stream (seed, r) on either backend.
    features : {"gaussian", "rademacher"} or array, shape (rows, M)
        Distribution of z; an array holds real features, orthonormal over its rows, which are
        drawn without replacement. Risks are exact for the first two.
    held_out : bool
        For an array: whether risks are mean squares over the rows that no stage has taken, or
        over all rows, which are the population that its eigenvalues belong to.
    backend, device : str
        "numpy", or "torch" on one of its devices.

    Returns
    -------
    Sampled
        Risks, shape (R, stages).

    Raises
    ------
    InputError
        No stage, a stage wider than the spectrum, or an argument that breaks its rule.

    Examples
    --------
    A teacher with infinite data and one of two features (target 3, 4) misses the other:

    >>> from math import inf
    >>> spectrum = Spectrum([1.0, 1.0], [3.0, 4.0])
    >>> sampled_chain(spectrum, [Stage(1, inf)], replications=2, seed=0).risk.tolist()
    [[16.0], [16.0]]

    A student of both features learns from five samples what it is shown, and no more:

    >>> pair = [Stage(1, inf), Stage(2, 5)]
    >>> sampled_chain(spectrum, pair, replications=2, seed=0).risk.round(9).tolist()
    [[16.0, 16.0], [16.0, 16.0]]
    """
    _check(spectrum, stages)
    numbers = max(int(s.samples) if s.samples < inf else s.features for s in stages) * max(
        spectrum.size, *(s.random_features or 1 for s in stages)
    )
    parts = []
    for batch in batches(
        spectrum, features, replications=replications, seed=seed,
        backend=open_backend(backend, device), numbers=numbers,
        rows=total([s.samples for s in stages]), held_out=held_out,
    ):  # fmt: skip
        u = batch.backend.array(np.tile(spectrum.alpha, (batch.size, 1)))
        learned, width = [], spectrum.size
        for stage in stages:
            u = train_stage(batch, stage, u, width)
            learned.append(u)
            width = stage.features
        # After the last stage: real rows that no stage has seen are known only then.
        parts.append(np.stack([batch.risk(u) for u in learned], axis=1))
    return Sampled(np.concatenate(parts))


def sampled_least_squares_pair(
    spectrum: Spectrum, m: int, n: int, n_T: float, n_S: float, noise: float = 0.0, **options: Any
) -> Sampled:
    """Least squares twice: a teacher of m features on n_T samples, a student of n on n_S.

    Parameters
    ----------
    noise : float
        Variance of the noise in the teacher's labels; the student's are the teacher's outputs.
    **options
        Of `sampled_chain`.

    Examples
    --------
    >>> spectrum = Spectrum([1.0, 1.0], [3.0, 4.0])
    >>> pair = sampled_least_squares_pair(spectrum, 2, 2, 9, 9, replications=3, seed=0)
    >>> bool(pair.risk.max() < 1e-20)
    True
    """
    stages = [Stage(m, n_T, label_noise=noise), Stage(n, n_S)]
    return sampled_chain(spectrum, stages, **options)


def sampled_capacity(spectrum: Spectrum, m: int, student: Stage, **options: Any) -> Sampled:
    """A student of a perfect teacher of m features; `options` are those of `sampled_chain`.

    Examples
    --------
    >>> spectrum = Spectrum([1.0, 1.0], [3.0, 4.0])
    >>> taught = sampled_capacity(spectrum, 1, Stage(2, 9), replications=3, seed=0)
    >>> taught.mean.round(9).tolist()
    [16.0, 16.0]
    """
    return sampled_chain(spectrum, [Stage(m, inf), student], **options)


def train_stage(batch: Batch, stage: Stage, u: Any, width: int) -> Any:
    """Coefficients (B, M), in orthonormal functions, of a stage taught by coefficients u.

    Those of u beyond the first `width` are zero.
    """
    if stage.samples == inf:
        return _population(batch, stage, u)
    # Labels need the features of their author, the fit needs the stage's own.
    m, n = stage.features, int(stage.samples)
    width = max(m, width)
    Z = batch.draw(n, width)
    y = (Z @ u[:, :width, None])[..., 0]
    if stage.label_noise:
        y = y + stage.label_noise**0.5 * batch.normal(n)
    weight = batch.backend.array(batch.spectrum.eigenvalues[:m])
    if stage.random_features is None:
        fitted = ridge_fit(batch.backend, Z[..., :m], y, weight, stage.ridge)
    else:
        mix = _mix(batch, stage)
        ones = batch.backend.array(np.ones(mix.shape[-1]))
        a = ridge_fit(batch.backend, Z[..., :m] @ mix, y, ones, stage.ridge)
        fitted = (mix @ a[..., None])[..., 0]
    return _pad(batch, fitted)


def _population(batch: Batch, stage: Stage, u: Any) -> Any:
    m = stage.features
    if stage.random_features is None:
        weight = batch.spectrum.eigenvalues[:m]
        return _pad(batch, u[:, :m] * batch.backend.array(weight / (weight + stage.ridge)))
    mix = _mix(batch, stage)
    ones = batch.backend.array(np.ones(mix.shape[-1]))
    # The expected loss is a sum over m orthonormal functions: m samples without their mean.
    a = ridge_fit(batch.backend, mix, u[:, :m], ones, stage.ridge / m)
    return _pad(batch, (mix @ a[..., None])[..., 0])


def _mix(batch: Batch, stage: Stage) -> Any:
    """Orthonormal functions' share in the random features, (B, m, P)."""
    m, P = stage.features, int(stage.random_features or 0)
    scale = batch.backend.array(np.sqrt(batch.spectrum.eigenvalues[:m, None] / P))
    return scale * batch.normal(m, P)


def _pad(batch: Batch, u: Any) -> Any:
    full = batch.backend.zeros(batch.size, batch.spectrum.size)
    full[:, : u.shape[-1]] = u
    return full


def _check(spectrum: Spectrum, stages: Sequence[Stage]) -> None:
    if not stages:
        raise InputError("sampled_chain: 0 stages, must be at least 1")
    widest = max(stages, key=lambda stage: stage.features)
    if widest.features > spectrum.size:
        raise InputError(
            f"sampled_chain: features = {widest.features} must be at most the"
            f" {spectrum.size} of the spectrum"
        )
