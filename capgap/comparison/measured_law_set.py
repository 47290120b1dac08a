"""The laws of measured runs as a law set, for every command and figure that takes one."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from capgap.comparison.fitting.log_law import UserLaw
from capgap.comparison.measured import FittedLaw, MeasuredLaws
from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.measurement.records import RunRecord
from capgap.theory.law_set import Interval, Laws, LawSet, coefficients_of, save_law_set
from capgap.theory.supervised import SupervisedLaw

__all__ = ["family_of", "measured_law_set", "save_measured_law_sets"]


def measured_law_set(
    laws: MeasuredLaws, fitted: FittedLaw, family: ModelFamily, level: float = 0.9
) -> LawSet:
    """A fitted distillation law on its supervised law, with joint draws of all coefficients.

    Intervals are percentiles of the draws; ranges are those of the runs that were fitted.

    Raises
    ------
    InputError
        `fitted` is no distillation law, or has no joint draws.
    """
    supervised, taught = laws.supervised.fit.law, fitted.fit.law
    if isinstance(taught, SupervisedLaw | UserLaw) or not isinstance(supervised, SupervisedLaw):
        raise InputError(f"measured_law_set: {fitted.name} must be a law of distillation")
    if len(fitted.joint_draws) < 2:
        raise InputError(f"measured_law_set: {fitted.name} has too few joint draws")
    draws = [coefficients_of(drawn) for drawn in fitted.joint_draws]
    tails = (0.5 * (1 - level), 0.5 * (1 + level))
    intervals = {
        name: tuple(float(q) for q in np.quantile([row[name] for row in draws], tails))
        for name in draws[0]
    }
    runs = laws.distillation_runs
    return LawSet(
        name=f"measured-{fitted.name}",
        laws=Laws(supervised, taught),
        source=(
            f"{len(laws.supervised_runs.L)} supervised runs and {len(runs.L_S)} distillations"
            f" of this project, on text {laws.corpus}"
        ),
        intervals=MappingProxyType({name: (low, high) for name, (low, high) in intervals.items()}),
        draws=fitted.joint_draws,
        fitted=MappingProxyType(
            {name: _range(getattr(runs, name)) for name in ("N_S", "D_S", "L_T", "L_S")}
        ),
        family=family,
    )


def family_of(records: Sequence[RunRecord]) -> ModelFamily:
    """The family whose F(N) is nearest to the exact FLOPs of these runs' models.

    Aspect ratio, context and vocabulary are the models' own; omega = N/(n_layers d^2) is the
    geometric mean over them, because the feed-forward width is rounded.

    Raises
    ------
    InputError
        There is no run, or the runs are of several aspect ratios, contexts or vocabularies.
    """
    shapes = {record.config.shape for record in records}
    kinds = {(s.aspect_ratio, s.sequence_length, s.vocab_size) for s in shapes}
    if len(kinds) != 1:
        raise InputError(f"family_of: {len(kinds)} kinds of models, must be 1")
    aspect_ratio, context, vocabulary = kinds.pop()
    omega = np.exp(np.mean([np.log(s.N / (s.depth * s.d_model**2)) for s in shapes]))
    return ModelFamily(float(aspect_ratio), float(omega), context, vocabulary)


def save_measured_law_sets(
    laws: MeasuredLaws, records: Sequence[RunRecord], out: Path
) -> tuple[Path, ...]:
    """Write each distillation law as ``laws_NAME.json``, to be given to ``--coefficients``.

    Returns the paths; none where the models are of several kinds, because FLOPs per token
    are then no function of N alone and no plan could be made.
    """
    try:
        family = family_of(records)
    except InputError:
        return ()
    paths = []
    for fitted in laws.distilled:
        path = out / f"laws_{fitted.name.replace('-', '_')}.json"
        save_law_set(measured_law_set(laws, fitted, family), path)
        paths.append(path)
    return tuple(paths)


def _range(values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> Interval:
    return float(values.min()), float(values.max())
