"""The measured runs as tables for a fit, and the laws fitted to them.

Failed runs are never fitted; how many there were is part of the result.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from capgap.comparison.diagnosis.repeats import SeedNoise
from capgap.comparison.fitting.fit import Fit, HingeTerm, fit_distillation, fit_supervised
from capgap.comparison.fitting.log_law import UserLaw
from capgap.comparison.fitting.log_models import FloatArray, Law
from capgap.comparison.gap_test import GapTest, gap_tests
from capgap.comparison.held_out import HeldOut, held_out_coverage, leave_one_cell_out
from capgap.comparison.intervals import Bootstrap, bootstrap
from capgap.errors import InputError
from capgap.measurement.records import RunRecord
from capgap.theory.law_set import Laws
from capgap.theory.supervised import SupervisedLaw

__all__ = [
    "DistillationRuns",
    "FittedLaw",
    "MeasuredLaws",
    "SeedNoise",
    "SupervisedRuns",
    "distillation_runs",
    "fit_measured",
    "seed_noise",
    "supervised_runs",
]

LawName = Literal["supervised", "eq8-reduced", "hinge"]

# Far above the seed noise of a few thousandths, so that the fit is nearly least squares but
# a stray run does not decide it.
DELTA = 0.01
# One attention layer cannot build on another (no induction heads: Olsson et al. 2022, arXiv
# 2209.11895), and one-layer models do not lie on the law of the deeper ones. They remain
# teachers: a teacher enters a law by its measured loss alone.
FEWEST_LAYERS = 2
# Draws of the supervised law under which the laws on top of it are fitted again. The standard
# deviation of 40 draws is known to 11%, ample for its share in an interval.
OTHER_LAWS = 40
DISTILLATION_LAWS: tuple[LawName, ...] = ("eq8-reduced", "hinge")
# What varies in the hinge law besides its slopes: how many tokens the student's own are worth.
# Chosen among scale, tokens, p and q by held-out error on the measured runs.
HINGE_TERMS: tuple[HingeTerm, ...] = ("tokens",)


@dataclass(frozen=True)
class SupervisedRuns:
    """Arrays of shape (n,): parameters, tokens, validation loss (nats per token), layers."""

    N: FloatArray
    D: FloatArray
    L: FloatArray
    layers: FloatArray

    def where(self, keep: npt.NDArray[np.bool_]) -> "SupervisedRuns":
        """The runs that are kept."""
        return SupervisedRuns(self.N[keep], self.D[keep], self.L[keep], self.layers[keep])


@dataclass(frozen=True)
class DistillationRuns:
    """Arrays of shape (n,): student parameters and tokens, teacher loss, student loss."""

    N_S: FloatArray
    D_S: FloatArray
    L_T: FloatArray
    L_S: FloatArray


@dataclass(frozen=True)
class FittedLaw:
    """A law fitted to the measured runs, and how it did on runs that it had not seen.

    Attributes
    ----------
    name, fit, refits
        The law, fitted; its bootstrap.
    held_out : HeldOut
        Without each student and length of training in turn.
    held_out_teacher : HeldOut or None
        Without each teacher in turn; None for the supervised law.
    coverage : float
        Share of the runs of `held_out` inside their 90% prediction intervals.
    under_other_laws : tuple of laws
        The same law fitted on top of other draws of the supervised law, for the error that
        comes from there; empty for the supervised law itself.
    joint_draws : tuple of Laws
        Those draws of the supervised law, each with this law fitted on top of it and moved by
        a refit to new noise: both errors together, to first order in their sizes.
    """

    name: LawName
    fit: Fit
    refits: Bootstrap
    held_out: HeldOut
    held_out_teacher: HeldOut | None
    coverage: float
    under_other_laws: tuple[Law, ...] = ()
    joint_draws: tuple[Laws, ...] = ()


@dataclass(frozen=True)
class MeasuredLaws:
    """What the measured runs say.

    `supervised_runs` are those that the supervised law was fitted to; `shallow_runs`, of
    models with one layer, are not (see `FEWEST_LAYERS`), and `held_out_with_shallow` is the
    root mean square held-out log error of a fit that has them too (NaN without any).
    `distilled` is in the order of held-out error, best first. `left_out` names the laws of
    distillation that the runs did not allow, each with the reason. `gaps` are the paired
    tests of stronger against weaker teachers. `corpus` is the fingerprint of the text, and
    `validation_documents` the number of documents behind each loss.
    """

    supervised_runs: SupervisedRuns
    shallow_runs: SupervisedRuns
    held_out_with_shallow: float
    distillation_runs: DistillationRuns
    noise: SeedNoise
    failed: int
    supervised: FittedLaw
    distilled: tuple[FittedLaw, ...]
    left_out: tuple[tuple[LawName, str], ...] = ()
    gaps: tuple[GapTest, ...] = ()
    corpus: str = ""
    validation_documents: int = 0


def supervised_runs(records: Iterable[RunRecord]) -> SupervisedRuns:
    """Runs without a teacher that did not fail."""
    rows = [
        (r.N, r.D, r.loss, r.config.depth)
        for r in _usable(records)
        if r.config.recipe == "supervised"
    ]
    return SupervisedRuns(*_columns(rows, 4))


def distillation_runs(records: Iterable[RunRecord]) -> DistillationRuns:
    """Runs of the paper's recipe (`RunConfig.recipe`) that did not fail."""
    rows = [(r.N, r.D, r.L_T, r.loss) for r in _usable(records) if r.config.recipe == "distilled"]
    return DistillationRuns(*_columns(rows, 4))


def seed_noise(records: Iterable[RunRecord]) -> SeedNoise:
    r"""Pooled standard deviation of log loss between runs that differ in the seed alone.

    .. math:: s^2 = \sum_c \sum_{i \in c} (y_{ci} - \bar y_c)^2 / \sum_c (n_c - 1)
    """
    cells: dict[str, list[float]] = defaultdict(list)
    for record in _usable(records):
        assert record.loss is not None
        cells[replace(record.config, seed=0).id].append(float(np.log(record.loss)))
    repeated = [np.asarray(values) for values in cells.values() if len(values) > 1]
    degrees = sum(len(values) - 1 for values in repeated)
    if degrees == 0:
        return SeedNoise(float("nan"), 0)
    squares = sum(float(np.sum((values - values.mean()) ** 2)) for values in repeated)
    return SeedNoise(float(np.sqrt(squares / degrees)), degrees)


def fit_measured(records: Sequence[RunRecord], *, refits: int = 400, seed: int = 0) -> MeasuredLaws:
    """Fit the supervised law, then Eq. 8 (reduced) and the hinge law on top of it.

    Parameters
    ----------
    records : sequence of RunRecord
        At least 7 supervised runs; a distillation law that the distillations do not allow
        is left out with the reason.
    refits : int
        Bootstrap refits per law.
    seed : int
        Of the bootstrap.

    Raises
    ------
    InputError
        The supervised law cannot be fitted: too few runs, or a design without variation; or
        the runs were made on different texts, whose losses cannot be compared.
    """
    corpus = _one_corpus(records)
    everyone, taught = supervised_runs(records), distillation_runs(records)
    deep = everyone.layers >= FEWEST_LAYERS
    own, shallow = everyone.where(deep), everyone.where(~deep)
    fit = fit_supervised(own.N, own.D, own.L, delta=DELTA)
    supervised = _with_errors("supervised", fit, refits, seed)
    law = fit.law
    if not isinstance(law, SupervisedLaw):
        raise InputError("fit_measured: the supervised fit gave no supervised law")
    distilled: list[FittedLaw] = []
    left_out: list[tuple[LawName, str]] = []
    for name in DISTILLATION_LAWS:
        try:
            fitted = _with_errors(name, _fit_taught(name, taught, law), refits, seed)
            others, joint = _under_other_laws(name, taught, supervised.refits, fitted.refits)
            distilled.append(replace(fitted, under_other_laws=others, joint_draws=joint))
        except InputError as error:
            left_out.append((name, str(error)))
    distilled.sort(key=lambda fitted: fitted.held_out.root_mean_square)
    return MeasuredLaws(
        own,
        shallow,
        _held_out_error(everyone) if shallow.L.size else float("nan"),
        taught,
        seed_noise(records),
        sum(record.status != "ok" for record in records),
        supervised,
        tuple(distilled),
        tuple(left_out),
        gap_tests(records),
        corpus,
        max((len(record.document_tokens) for record in records), default=0),
    )


def _under_other_laws(
    name: LawName, runs: DistillationRuns, beneath: Bootstrap, refits: Bootstrap
) -> tuple[tuple[Law, ...], tuple[Laws, ...]]:
    """The law refitted on draws of the supervised law beneath it; and moved by its own refits."""
    laws: list[Law] = []
    joint: list[Laws] = []
    for x, own in zip(beneath.x[:OTHER_LAWS], refits.x, strict=False):
        law = beneath.fit.problem.model.law(x)
        assert isinstance(law, SupervisedLaw)
        fit = _fit_taught(name, runs, law)
        if fit.status == "not-converged":
            continue
        model = fit.problem.model
        moved = np.clip(fit.x + own - refits.fit.x, model.bounds[:, 0], model.bounds[:, 1])
        taught = model.law(moved)
        assert not isinstance(taught, SupervisedLaw | UserLaw)
        laws.append(fit.law)
        joint.append(Laws(law, taught))
    return tuple(laws), tuple(joint)


def _held_out_error(runs: SupervisedRuns) -> float:
    fit = fit_supervised(runs.N, runs.D, runs.L, delta=DELTA)
    return leave_one_cell_out(fit).root_mean_square


def _one_corpus(records: Sequence[RunRecord]) -> str:
    names = sorted({record.config.corpus for record in records})
    if len(names) != 1:
        raise InputError(
            f"fit_measured: runs on {len(names)} texts ({', '.join(names)}) must be on one"
        )
    return names[0]


def _fit_taught(name: LawName, runs: DistillationRuns, supervised: SupervisedLaw) -> Fit:
    inputs = (runs.N_S, runs.D_S, runs.L_T, runs.L_S)
    if name == "hinge":
        return fit_distillation(
            "hinge", *inputs, supervised=supervised, terms=HINGE_TERMS, delta=DELTA
        )
    return fit_distillation("eq8-reduced", *inputs, supervised=supervised, delta=DELTA)


def _with_errors(name: LawName, fit: Fit, refits: int, seed: int) -> FittedLaw:
    # Runs of a cell share the order of their data, and with it part of their error.
    shared = name != "supervised"
    held_out = leave_one_cell_out(fit)
    return FittedLaw(
        name,
        fit,
        bootstrap(fit, n=refits, seed=seed, shared=shared),
        held_out,
        leave_one_cell_out(fit, fit.problem.inputs["L_T"]) if shared else None,
        held_out_coverage(held_out, 0.9, seed=seed, n=refits, shared=shared),
    )


def _usable(records: Iterable[RunRecord]) -> list[RunRecord]:
    return [r for r in records if r.status == "ok" and r.loss is not None]


def _columns(rows: Sequence[Sequence[float | None]], width: int) -> list[FloatArray]:
    table = np.array(rows, dtype=np.float64).reshape(-1, width)
    return [table[:, i].copy() for i in range(width)]
