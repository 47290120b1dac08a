"""Self-distillation: a student on the very samples that its teacher was fitted to."""

from typing import Any

import numpy as np

from capgap.errors import InputError
from capgap.measurement.kernel.backend import open_backend
from capgap.measurement.kernel.draws import Batch, Features, batches
from capgap.measurement.kernel.sampled import FloatArray, Sampled
from capgap.measurement.kernel.solvers import ridge_fit
from capgap.spectrum import Spectrum, Stage

__all__ = ["sampled_self_distillation"]


def sampled_self_distillation(
    spectrum: Spectrum,
    teacher: Stage,
    student: Stage,
    mixing: float = 1.0,
    *,
    replications: int,
    seed: int,
    features: Features = "gaussian",
    design: FloatArray | None = None,
    backend: str = "numpy",
    device: str = "cpu",
) -> Sampled:
    r"""Fit a teacher, then a student to a mixture of labels and teacher on the same samples.

    The student sees :math:`(1 - \xi) y + \xi \hat f_T(x)` on the teacher's own inputs.

    Parameters
    ----------
    spectrum : Spectrum
        Variances of the features and the target.
    teacher, student : Stage
        Of equal, finite sample size and without random features; the teacher's label noise is
        the data's, the student's must be 0.
    mixing : float
        :math:`\xi`, any finite number; 1 is the teacher alone.
    design : array, shape (n, M), optional
        Orthonormal functions at fixed inputs: only the noise is drawn then.
    replications, seed, features, backend, device
        As in `sampled_chain`.

    Returns
    -------
    Sampled
        Risks of teacher and student, shape (R, 2).

    Raises
    ------
    InputError
        An argument breaks its rule.

    Examples
    --------
    Two samples of one function, noiseless: shrinking twice by 2/(2+2) leaves a quarter of 4.

    >>> stage = Stage(1, 2, ridge=1.0)
    >>> twice = sampled_self_distillation(
    ...     Spectrum([1.0], [4.0]), stage, stage, design=np.ones((2, 1)), replications=2, seed=0
    ... )
    >>> twice.mean.tolist()  # (4 - 2)^2 and (4 - 1)^2
    [4.0, 9.0]
    """
    n = _check(spectrum, teacher, student, mixing, design)
    parts = []
    for batch in batches(
        spectrum, features, replications=replications, seed=seed,
        backend=open_backend(backend, device), numbers=n * spectrum.size, rows=n,
    ):  # fmt: skip
        if design is None:
            Z = batch.draw(n, spectrum.size)
        else:
            Z = batch.backend.array(np.broadcast_to(design, (batch.size, *design.shape)))
        u = batch.backend.array(np.tile(spectrum.alpha, (batch.size, 1)))
        y = (Z @ u[..., None])[..., 0] + teacher.label_noise**0.5 * batch.normal(n)
        first = _fit(batch, Z, y, teacher)
        seen = (1 - mixing) * y + mixing * (Z @ first[..., None])[..., 0]
        second = _fit(batch, Z, seen, student)
        parts.append(np.stack([batch.risk(first), batch.risk(second)], axis=1))
    return Sampled(np.concatenate(parts))


def _fit(batch: Batch, Z: Any, y: Any, stage: Stage) -> Any:
    m = stage.features
    weight = batch.backend.array(batch.spectrum.eigenvalues[:m])
    fitted = batch.backend.zeros(batch.size, batch.spectrum.size)
    fitted[:, :m] = ridge_fit(batch.backend, Z[..., :m], y, weight, stage.ridge)
    return fitted


def _check(
    spectrum: Spectrum, teacher: Stage, student: Stage, mixing: float, design: FloatArray | None
) -> int:
    what = "sampled_self_distillation"
    if teacher.samples != student.samples or teacher.samples == float("inf"):
        raise InputError(
            f"{what}: samples = {teacher.samples:g} and {student.samples:g} must be one count"
        )
    if teacher.random_features or student.random_features or student.label_noise:
        raise InputError(f"{what}: stages must have no random features, the student no noise")
    if max(teacher.features, student.features) > spectrum.size:
        raise InputError(f"{what}: features must be at most {spectrum.size}")
    if not np.isfinite(mixing):
        raise InputError(f"{what}: mixing = {mixing} must be finite")
    n = int(teacher.samples)
    if design is not None and design.shape != (n, spectrum.size):
        raise InputError(f"{what}: design of shape {design.shape} must be {(n, spectrum.size)}")
    return n
