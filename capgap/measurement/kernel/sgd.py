"""One-pass stochastic gradient descent along a chain, one sample per step."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from capgap.errors import InputError
from capgap.measurement.kernel.backend import open_backend
from capgap.measurement.kernel.draws import Batch, Features, batches
from capgap.measurement.kernel.sampled import Sampled
from capgap.spectrum import Spectrum

__all__ = ["Descent", "sampled_sgd_chain", "sampled_sgd_pair"]

_CHUNK = 64  # steps drawn at a time


class Descent(Protocol):
    """A stage trained step by step: features m, steps t, step size eta, variance of its noise."""

    @property
    def features(self) -> int:
        """m >= 1."""

    @property
    def steps(self) -> int:
        """t >= 0."""

    @property
    def step_size(self) -> float:
        """eta > 0."""

    @property
    def label_noise(self) -> float:
        """>= 0."""


def sampled_sgd_chain(
    spectrum: Spectrum,
    stages: Sequence[Descent],
    *,
    replications: int,
    seed: int,
    features: Features = "gaussian",
    backend: str = "numpy",
    device: str = "cpu",
) -> Sampled:
    r"""Train every stage by single steps on samples labeled by the one before it.

    .. math:: w \leftarrow w + \eta\, x\, (y - x \cdot w), \qquad w_0 = 0

    Every sample is seen once; the first stage's labels are the target's, plus noise.

    Parameters
    ----------
    spectrum : Spectrum
        Variances of the features and the target.
    stages : sequence of Descent
        At least one.
    replications, seed, features, backend, device
        As in `sampled_chain`; features "gaussian" or "rademacher".

    Returns
    -------
    Sampled
        Risks, shape (R, stages).

    Raises
    ------
    InputError
        An argument breaks its rule, or the steps diverge beyond double precision.

    Examples
    --------
    x = +-1: half a step goes half of the way to the target, a full step to the teacher.

    >>> from types import SimpleNamespace as Stage
    >>> half = Stage(features=1, steps=1, step_size=0.5, label_noise=0.0)
    >>> full = Stage(features=1, steps=1, step_size=1.0, label_noise=0.0)
    >>> options = dict(features="rademacher", replications=2, seed=0)
    >>> sampled_sgd_chain(Spectrum([1.0], [4.0]), [half, full], **options).mean.tolist()
    [4.0, 4.0]
    """
    _check(spectrum, stages, features)
    parts = []
    for batch in batches(
        spectrum, features, replications=replications, seed=seed,
        backend=open_backend(backend, device), numbers=_CHUNK * spectrum.size, rows=0,
    ):  # fmt: skip
        scale = batch.backend.array(np.sqrt(spectrum.eigenvalues))
        w = batch.backend.array(np.tile(spectrum.coefficients, (batch.size, 1)))
        width, risks = spectrum.size, []
        # Steps that are too large diverge; `Sampled` refuses what is not finite.
        with np.errstate(over="ignore", invalid="ignore"):
            for stage in stages:
                w = _descend(batch, w, width, stage)
                width = stage.features
                risks.append(batch.risk(w * scale))
        parts.append(np.stack(risks, axis=1))
    return Sampled(np.concatenate(parts))


def sampled_sgd_pair(
    spectrum: Spectrum, teacher: Descent, student: Descent, **options: Any
) -> Sampled:
    """A teacher and the student it labels; `options` are those of `sampled_sgd_chain`."""
    return sampled_sgd_chain(spectrum, [teacher, student], **options)


def _descend(batch: Batch, author: Any, taught: int, stage: Descent) -> Any:
    """Coefficients (B, M) after all steps; the author's beyond the first `taught` are zero."""
    m, width = stage.features, max(stage.features, taught)
    scale = batch.backend.array(np.sqrt(batch.spectrum.eigenvalues[:width]))
    w = batch.backend.zeros(batch.size, batch.spectrum.size)
    for first in range(0, stage.steps, _CHUNK):
        X = batch.draw(min(_CHUNK, stage.steps - first), width) * scale
        y = (X @ author[:, :width, None])[..., 0]
        if stage.label_noise:
            y = y + stage.label_noise**0.5 * batch.normal(y.shape[-1])
        for k in range(y.shape[-1]):
            x = X[:, k, :m]
            error = y[:, k] - (x * w[:, :m]).sum(-1)
            w[:, :m] += stage.step_size * error[:, None] * x
    return w


def _check(spectrum: Spectrum, stages: Sequence[Descent], features: Features) -> None:
    what = "sampled_sgd_chain"
    if not isinstance(features, str):
        raise InputError(f"{what}: features must be 'gaussian' or 'rademacher'")
    if not stages:
        raise InputError(f"{what}: 0 stages, must be at least 1")
    for stage in stages:
        if not 1 <= stage.features <= spectrum.size:
            raise InputError(f"{what}: features = {stage.features} must be 1 .. {spectrum.size}")
        if stage.steps < 0:
            raise InputError(f"{what}: steps = {stage.steps} must be at least 0")
        if not (np.isfinite(stage.step_size) and stage.step_size > 0):
            raise InputError(f"{what}: step_size = {stage.step_size:g} must be finite and > 0")
        if not (np.isfinite(stage.label_noise) and stage.label_noise >= 0):
            raise InputError(f"{what}: label_noise = {stage.label_noise:g} must be >= 0")
