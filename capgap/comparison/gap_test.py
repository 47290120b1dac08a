"""Does a stronger teacher make a worse student? A paired test over seeds."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from capgap.measurement.records import RunRecord

__all__ = ["GapTest", "gap_tests"]

FEWEST_SEEDS = 3


@dataclass(frozen=True)
class GapTest:
    """Loss with the stronger teacher minus loss with the weaker one, seed by seed.

    Attributes
    ----------
    N_S, D_S : int
        The student.
    L_T_stronger, L_T_weaker : float
        Losses of the two teachers, nats per token.
    seeds : int
        Number of seeds n.
    difference, standard_error : float
        Mean over seeds and s / sqrt(n); positive: the stronger teacher made it worse.
    low, high : float
        90% interval by Student's t with n - 1 degrees of freedom.
    """

    N_S: int
    D_S: int
    L_T_stronger: float
    L_T_weaker: float
    seeds: int
    difference: float
    standard_error: float
    low: float
    high: float


def gap_tests(records: Iterable[RunRecord]) -> tuple[GapTest, ...]:
    """All tests that the runs allow, strongest teacher against each weaker one.

    Runs that differ in the teacher alone share initialization and order of data, so they
    are compared seed by seed. Seed 0 is left out: it is the seed with which all teachers
    were tried, and the pair worth testing was chosen by looking at it.
    """
    groups: dict[str, dict[float, dict[int, RunRecord]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        if record.config.teacher is None or record.L_T is None or record.loss is None:
            continue
        if record.status == "ok" and record.config.seed != 0:
            student = dataclasses.replace(
                record.config, seed=0, teacher=None, distillation_weight=0.0
            )
            groups[student.id][record.L_T][record.config.seed] = record
    found = []
    for by_teacher in groups.values():
        strongest, *others = sorted(by_teacher)
        for weaker in others:
            test = _test(by_teacher[strongest], by_teacher[weaker], strongest, weaker)
            found += [test] if test is not None else []
    return tuple(sorted(found, key=lambda t: (t.N_S, t.D_S, t.L_T_weaker)))


def _test(
    stronger: dict[int, RunRecord], weaker: dict[int, RunRecord], L_T: float, L_T_weaker: float
) -> GapTest | None:
    seeds = sorted(set(stronger) & set(weaker))
    if len(seeds) < FEWEST_SEEDS:
        return None
    losses = [[run[seed].loss for seed in seeds] for run in (stronger, weaker)]
    each = np.subtract(*np.asarray(losses, dtype=np.float64))
    mean, error = float(each.mean()), float(each.std(ddof=1)) / math.sqrt(len(seeds))
    reach = float(stdtrit(len(seeds) - 1, 0.95)) * error
    first = stronger[seeds[0]]
    return GapTest(
        first.N, first.D, L_T, L_T_weaker, len(seeds), mean, error, mean - reach, mean + reach
    )
