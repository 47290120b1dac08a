"""Measured laws as law sets: the same predictions, joint draws, the models' own FLOPs."""

import numpy as np
import pytest
from planted import OWN, TAUGHT, records

from capgap.comparison.measured import fit_measured
from capgap.comparison.measured_law_set import (
    family_of,
    measured_law_set,
    save_measured_law_sets,
)
from capgap.errors import InputError
from capgap.prediction.allocation import allocate
from capgap.theory.law_set import load_law_set

NOISE = 0.003
MADE = records(NOISE)


@pytest.fixture(scope="module")
def laws():
    return fit_measured(MADE, refits=60)


def test_flops_of_the_family_are_those_of_the_models() -> None:
    """F(N) of a family with real-valued depth, against the exact count of each shape: the
    rounding of the feed-forward width and the gains of the norms leave up to 3%."""
    family = family_of(MADE)
    shapes = {record.config.shape for record in MADE}
    ratio = [float(family.forward_flops(s.N)) / s.forward_flops for s in shapes]
    assert max(abs(r - 1) for r in ratio) < 0.03
    with pytest.raises(InputError, match="0 kinds of models, must be 1"):
        family_of([])


def test_saved_set_predicts_what_the_fit_predicts(laws, tmp_path) -> None:
    paths = save_measured_law_sets(laws, MADE, tmp_path)
    assert [path.name for path in paths] == [
        f"laws_{fitted.name.replace('-', '_')}.json" for fitted in laws.distilled
    ]
    for path, fitted in zip(paths, laws.distilled, strict=True):
        read = load_law_set(path)
        point = (60_000.0, 2e6, 1.5)
        assert read.taught.loss(*point) == fitted.fit.law.loss(*point)
        assert read.fitted["L_T"] == (
            laws.distillation_runs.L_T.min(), laws.distillation_runs.L_T.max(),
        )  # fmt: skip
        alone = allocate(read, 60_000.0, 1e12, "supervised")
        assert 0 < float(alone.student_loss) < 10


def test_joint_draws_spread_as_the_two_errors_together(laws) -> None:
    """At a point amid the runs: the draws' spread is the root of the sum of squares of the
    spread of the refits and of that under other supervised laws, to 40% (40 draws: 11% each;
    the two are drawn by the same 40 numbers, not independent samples of them).

    The planted truth is within four of it."""
    fitted = next(row for row in laws.distilled if row.name == "hinge")
    chosen = measured_law_set(laws, fitted, family_of(MADE))
    N_S, D_S = np.median(laws.distillation_runs.N_S), np.median(laws.distillation_runs.D_S)
    L_T = np.median(laws.distillation_runs.L_T)
    log = [float(np.log(drawn.taught.loss(N_S, D_S, L_T))) for drawn in chosen.draws]
    beneath = [float(np.log(law.loss(N_S, D_S, L_T))) for law in fitted.under_other_laws]
    own = fitted.refits.fit.problem.model.at(
        {"N_S": np.array([N_S]), "D_S": np.array([D_S]), "L_T": np.array([L_T])}
    ).predict(fitted.refits.x[: len(log)])
    together = float(np.hypot(np.std(beneath), np.std(own)))
    assert np.std(log) == pytest.approx(together, rel=0.4)
    truth = float(np.log(TAUGHT.loss(N_S, D_S, L_T)))
    assert abs(np.mean(log) - truth) < 4 * np.std(log)
    assert OWN.E > 0


def test_the_supervised_law_is_no_law_of_distillation(laws) -> None:
    with pytest.raises(InputError, match="supervised must be a law of distillation"):
        measured_law_set(laws, laws.supervised, family_of(MADE))
