"""Simulations beside theory: one row for each stage, scale and control."""

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from capgap.comparison.agreement.configuration import Configuration
from capgap.comparison.agreement.finite_size import FloatArray, limit
from capgap.errors import InputError
from capgap.measurement.kernel import Sampled

__all__ = ["Row", "compare", "z_score"]

_ROUNDING = 1e-9  # relative: risks that no sample can change differ by rounding


@dataclass(frozen=True, slots=True)
class Row:
    """A number of the theory beside a number of the simulation.

    Attributes
    ----------
    configuration, model, features : str
        As in `Configuration`.
    kind : str
        Of the configuration; "one size" for one scale of an asymptotic one, of which the row
        at scale infinity is judged; "control" for a wrong theory.
    mistake : str
        What a control has wrong, else empty.
    stage, stages : int
        Which model of the chain, from 1, and how many there are.
    scale : float
        Size; infinity where simulations of several sizes are extrapolated.
    replications : int
        All sizes together.
    theory, mean, standard_error : float
        Excess risk, in the target's unit squared.
    z : float
        (mean - theory) / standard_error.
    """

    configuration: str
    model: str
    features: str
    kind: str
    mistake: str
    stage: int
    stages: int
    scale: float
    replications: int
    theory: float
    mean: float
    standard_error: float
    z: float

    @property
    def last(self) -> bool:
        """Whether it is the student's row."""
        return self.stage == self.stages

    def to_dict(self) -> dict[str, object]:
        """Fields by name."""
        return asdict(self)


def z_score(mean: float, theory: float, standard_error: float) -> float:
    """(mean - theory) / standard_error, 0 where they differ by rounding alone.

    >>> z_score(2.0, 1.0, 0.5), z_score(1.0, 1.0, 0.0)
    (2.0, 0.0)
    """
    if abs(mean - theory) <= _ROUNDING * abs(theory):
        return 0.0
    return (mean - theory) / standard_error if standard_error > 0 else float("inf")


def compare(configuration: Configuration, *, seed: int = 0, share: float = 1.0) -> list[Row]:
    """Simulate a configuration and set it beside its theory and its controls.

    Parameters
    ----------
    configuration : Configuration
        What to simulate.
    seed : int
        >= 0; with the configuration's name it fixes all random numbers.
    share : float
        Of the configuration's replications, > 0; a small one makes a quick test.

    Returns
    -------
    list of Row
        Stages at each single size (asymptotic ones only), then the ones that are judged,
        then the controls.

    Raises
    ------
    InputError
        The share is not > 0, or theory and simulation have different numbers of stages.
    """
    if not share > 0:
        raise InputError(f"compare: share = {share:g} must be > 0")
    start = zlib.crc32(configuration.name.encode())
    found = [
        configuration.simulate(
            scale, max(2, round(configuration.replications * share / scale)), start + seed
        )
        for scale in configuration.scales
    ]
    theory = configuration.theory()
    if len(theory) != found[0].mean.size:
        raise InputError(
            f"compare: {len(theory)} risks of the theory of {configuration.name} must be as"
            f" many as the {found[0].mean.size} simulated"
        )
    rows: list[Row] = []
    if len(found) > 1:
        for scale, sampled in zip(configuration.scales, found, strict=True):
            single = _Measured(
                sampled.mean, sampled.standard_error, float(scale), sampled.replications
            )
            rows += _rows(configuration, theory, single, "one size")
    judged = _judged(configuration.scales, found)
    rows += _rows(configuration, theory, judged, configuration.kind)
    for control in configuration.controls:
        rows += _rows(configuration, control.theory(), judged, "control", control.mistake)[-1:]
    return rows


@dataclass(frozen=True, slots=True)
class _Measured:
    mean: FloatArray
    standard_error: FloatArray
    scale: float
    replications: int


def _judged(scales: Sequence[int], found: Sequence[Sampled]) -> _Measured:
    count = sum(sampled.replications for sampled in found)
    if len(found) == 1:
        return _Measured(found[0].mean, found[0].standard_error, float(scales[0]), count)
    means = np.stack([sampled.mean for sampled in found])
    errors = np.stack([sampled.standard_error for sampled in found])
    pairs = []
    for mean, error in zip(means.T, errors.T, strict=True):
        # A stage without samples has the same risk in every replication and at every size.
        if np.ptp(mean) <= _ROUNDING * np.abs(mean).max():
            pairs.append((float(mean[0]), float(error.max())))
            continue
        end = limit(scales, mean, error)
        pairs.append((end.value, end.standard_error))
    values, ends = np.array(pairs).T
    return _Measured(values, ends, float("inf"), count)


def _rows(
    configuration: Configuration,
    theory: tuple[float, ...],
    measured: _Measured,
    kind: str,
    mistake: str = "",
) -> list[Row]:
    numbers = zip(theory, measured.mean, measured.standard_error, strict=True)
    return [
        Row(
            configuration=configuration.name,
            model=configuration.model,
            features=configuration.features,
            kind=kind,
            mistake=mistake,
            stage=k,
            stages=len(theory),
            scale=measured.scale,
            replications=measured.replications,
            theory=float(expected),
            mean=float(mean),
            standard_error=float(error),
            z=z_score(float(mean), float(expected), float(error)),
        )
        for k, (expected, mean, error) in enumerate(numbers, start=1)
    ]
