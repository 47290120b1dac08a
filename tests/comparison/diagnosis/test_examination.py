"""Examined fits: every code has a fit that raises it, and sound fits raise none.

False-alarm rates of the tests are measured on planted laws, where nothing is wrong.
"""

from dataclasses import replace

import numpy as np
import pytest

from capgap.comparison.diagnosis.examination import LEVEL, examine_fit
from capgap.comparison.diagnosis.extrapolation import extrapolation
from capgap.comparison.diagnosis.goodness import against_noise, bends
from capgap.comparison.diagnosis.held import Held
from capgap.comparison.diagnosis.influence import influence
from capgap.comparison.diagnosis.local import least_squares
from capgap.comparison.diagnosis.noise_profile import noise_profile
from capgap.comparison.diagnosis.repeats import repeat_index
from capgap.comparison.fitting.fit import Fit, fit_distillation, fit_supervised
from capgap.comparison.tables.read import read_runs
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

LAW = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
OWN = supervised_law()
EQ8 = distillation_law()
NOISE = 0.005
SIZES, TOKENS = np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e11, 5)
N_S, D_S, L_T = (
    a.ravel() for a in np.meshgrid([1.5e8, 5e8, 2e9], [4e9, 1.5e10, 6e10], np.linspace(1.8, 2.8, 8))
)


def design() -> tuple[np.ndarray, np.ndarray]:
    """A grid of 30 configurations, eight of them run three times."""
    N, D = (a.ravel() for a in np.meshgrid(SIZES, TOKENS))
    again = np.tile(np.arange(0, 30, 4), 2)
    return np.append(N, N[again]), np.append(D, D[again])


def noisy(seed: int, law=LAW, size: float = NOISE) -> np.ndarray:
    N, D = design()
    return law.loss(N, D) * np.exp(size * np.random.default_rng(seed).standard_normal(N.size))


def plain(loss: np.ndarray, **options) -> Fit:
    return fit_supervised(*design(), loss, gamma=1.0, **options)


def codes(fit: Fit, **options) -> set[str]:
    return {finding.code for finding in examine_fit(fit, **options).findings}


def bent(size: float) -> np.ndarray:
    """Losses of a law that the plain law cannot express: a bend in log N."""
    n = np.log(design()[0] / 3e8) / np.log(30)
    return noisy(4) * np.exp(size * (n**2 - 0.4) * np.sign(n))


def test_a_sound_fit_raises_nothing() -> None:
    examination = examine_fit(plain(noisy(0)))
    assert examination.status == "converged"
    assert examination.findings == ()
    assert examination.lack_of_fit.degrees_of_freedom == (25, 16)  # 46 runs, 5 coefficients


def test_false_alarms_are_nominal() -> None:
    """Statistics: rates at which three tests reject at 5%, over 300 planted tables.

    Nothing is wrong in any of them. Each rate has a standard deviation of 0.0126; the band is
    three. The 1% rates must be at most 0.01 + 3 x 0.0057. Outliers beyond five deviations may
    appear in at most 2% of the tables. Negative control: the same tests, told half the noise
    or given a bend of 1%, reject nearly always.
    """
    rejected, wrong, outliers = [], [], []
    for seed in range(300):
        fit = plain(noisy(seed))
        examination = examine_fit(fit)
        near = least_squares(fit)
        stated = against_noise(near, NOISE).p
        rejected.append([examination.lack_of_fit.p, examination.structure.p, stated])
        wrong.append(against_noise(near, NOISE / 2).p)
        outliers.append("outliers" in {finding.code for finding in examination.findings})
    p = np.array(rejected)
    np.testing.assert_allclose(np.mean(p < 0.05, axis=0), 0.05, atol=0.038)
    assert np.all(np.mean(p < LEVEL, axis=0) <= 0.027)
    assert np.mean(outliers) <= 0.02
    assert np.mean(np.array(wrong) < 0.05) > 0.99


def test_the_law_s_own_directions_are_no_structure() -> None:
    """Residuals inside the range of the Jacobian: the added terms explain nothing of them."""
    fit = plain(noisy(0))
    near = least_squares(fit)
    logs = np.log(np.stack(design(), axis=1))
    inside = replace(near, residual=near.residual + 0.01 * near.basis[:, 0])
    extra = bends(inside, logs)
    assert bends(near, logs).p > LEVEL
    assert extra.p >= bends(near, logs).p


def test_lack_of_fit_against_repeats_and_against_a_stated_noise() -> None:
    fit = plain(bent(0.03))
    for examination in (examine_fit(fit), examine_fit(fit, seed_noise=NOISE)):
        assert examination.status == "lack-of-fit"
        (finding,) = [f for f in examination.findings if f.code == "lack-of-fit"]
        assert "\n" not in finding.message
        # What the plain law cannot follow of the bend is about 1%.
        assert 0.003 < examination.lack_of_fit.excess < 0.03
    assert "lack-of-fit" not in codes(plain(noisy(4)), seed_noise=NOISE)


def test_no_test_without_repeats_or_a_noise() -> None:
    N, D = (a.ravel() for a in np.meshgrid(SIZES, TOKENS))
    fit = fit_supervised(N, D, LAW.loss(N, D) * np.exp(0.01 * np.sin(np.arange(30))), gamma=1.0)
    assert np.isnan(examine_fit(fit).lack_of_fit.p)


def test_standard_errors_are_a_stated_noise() -> None:
    """Without repeats, a fit in standard errors is judged by them: too small ones do not fit."""
    N, D = (a.ravel() for a in np.meshgrid(SIZES, TOKENS))
    loss = LAW.loss(N, D) * np.exp(NOISE * np.random.default_rng(3).standard_normal(30))
    honest, small = (
        fit_supervised(N, D, loss, gamma=1.0, standard_errors=k * NOISE * loss) for k in (1.0, 0.3)
    )
    assert codes(honest) == set()
    (finding,) = examine_fit(small).findings
    assert finding.code == "lack-of-fit"
    assert "standard errors" in finding.message
    assert codes(small, seed_noise=NOISE) == set()


def test_structure_is_found_where_lack_of_fit_cannot_be() -> None:
    fit = plain(bent(0.03))
    single = replace(fit, problem=replace(fit.problem, weights=np.r_[np.ones(30), np.zeros(16)]))
    found = codes(single)
    assert "residual-structure" in found
    assert "lack-of-fit" not in found


def test_copies_do_not_pass_for_repeats() -> None:
    """Every run twice: the pure error of copies is zero, which would reject any law."""
    N, D = (a.ravel() for a in np.meshgrid(SIZES, TOKENS))
    loss = LAW.loss(N, D) * np.exp(NOISE * np.random.default_rng(3).standard_normal(30))
    doubled = fit_supervised(*(np.tile(a, 2) for a in (N, D, loss)), gamma=1.0)
    assert np.isnan(examine_fit(doubled).lack_of_fit.p)


def test_outliers_by_row() -> None:
    loss = noisy(5)
    loss[[7, 20]] *= [1.06, 0.95]
    N, D = design()
    runs = RunTable(N, D, loss, row=np.arange(46) + 11)
    examination = examine_fit(plain(loss), runs)
    (finding,) = [f for f in examination.findings if f.code == "outliers"]
    assert finding.rows == (18, 31)
    assert finding.severity == "note"


def test_no_floor_ends_at_zero() -> None:
    """A planted floor of -0.1: zero is the best that the law has."""
    examination = examine_fit(plain(noisy(1) - 1.6))
    assert examination.status == "at-bound"
    (finding,) = [f for f in examination.findings if f.code == "E-at-zero"]
    assert finding.severity == "warn"


def test_an_exponent_at_its_bound_is_named() -> None:
    """Losses that rise with D: no power of D with a positive exponent can follow."""
    N, D = design()
    loss = (1.5 + 400 / N**0.35) * (D / 1e10) ** 0.01 * np.exp(noisy(1) / LAW.loss(N, D) - 1)
    examination = examine_fit(plain(loss))
    named = [f for f in examination.findings if f.code == "exponent-at-bound"]
    assert [f.message.split()[0] for f in named] == ["beta"]
    assert examination.status in ("at-bound", "not-identified")


def test_another_coefficient_at_its_bound() -> None:
    """Students that no teacher moves: there is no corner, so its softness s runs to a limit."""
    flat = OWN.loss(N_S, D_S) * np.exp(0.002 * np.random.default_rng(0).standard_normal(N_S.size))
    fit = fit_distillation("hinge", N_S, D_S, L_T, flat, supervised=OWN, terms=())
    examination = examine_fit(fit)
    assert examination.status == "at-bound"
    (finding,) = [f for f in examination.findings if f.code == "at-bound"]
    assert finding.message.startswith("s ended at the lower limit")


@pytest.mark.parametrize("noise", [0.0, NOISE])
def test_two_sizes_leave_the_plain_law_open(noise: float) -> None:
    """The fit itself goes through; A, alpha and E move together without a trace."""
    N, D = (a.ravel() for a in np.meshgrid([1e8, 1e9], TOKENS))
    wiggle = np.exp(noise * np.random.default_rng(0).standard_normal(N.size))
    examination = examine_fit(fit_supervised(N, D, LAW.loss(N, D) * wiggle, gamma=1.0))
    assert examination.status == "not-identified"
    (finding,) = [f for f in examination.findings if f.code == "not-identified"]
    assert finding.severity == "refuse"
    assert finding.message.startswith("A, alpha and E can change together")


def test_weak_coefficients_are_named_with_their_width() -> None:
    """Token counts within 6% of each other: beta's effect is as small as the noise."""
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e7, 1e10, 12), [1e10, 1.03e10, 1.06e10]))
    loss = LAW.loss(N, D) * np.exp(NOISE * np.random.default_rng(2).standard_normal(N.size))
    findings = examine_fit(fit_supervised(N, D, loss, gamma=1.0)).findings
    weak = [f.message for f in findings if f.code == "weakly-identified"]
    assert any(" of beta is " in message for message in weak)
    assert all("a factor of" in m or "+-" in m or "search range" in m for m in weak)
    assert "weakly-identified" not in codes(plain(noisy(0)))


def test_the_knee_of_eq8() -> None:
    """c1 = 522 is degenerate at any noise that exists; c1 f1 = 0.5 is not, at 0.05%."""
    own = {"supervised": OWN}
    wiggle = np.exp(0.003 * np.random.default_rng(0).standard_normal(N_S.size))
    fit = fit_distillation("eq8", N_S, D_S, L_T, EQ8.loss(N_S, D_S, L_T) * wiggle, **own)
    (finding,) = [f for f in examine_fit(fit).findings if f.code == "knee-degenerate"]
    assert "c1 and d1" in finding.message
    sharp = replace(EQ8, c1=2.5, f1=0.2, d1=0.9)
    wiggle = np.exp(0.0005 * np.random.default_rng(0).standard_normal(N_S.size))
    fit = fit_distillation("eq8", N_S, D_S, L_T, sharp.loss(N_S, D_S, L_T) * wiggle, **own)
    assert "knee-degenerate" not in codes(fit)


def test_students_below_teachers_only_where_the_law_has_none() -> None:
    law = HingeLaw(OWN, rho=0.8, s=0.04, c=2e-3, p=0.25)
    loss = law.loss(N_S, D_S, L_T)
    assert np.sum(loss < L_T) > 3
    reduced = fit_distillation("eq8-reduced", N_S, D_S, L_T, loss, supervised=OWN)
    (finding,) = [f for f in examine_fit(reduced).findings if f.code == "student-below-teacher"]
    assert finding.rows == tuple(np.flatnonzero(loss < L_T) + 1)
    hinge = fit_distillation("hinge", N_S, D_S, L_T, loss, supervised=OWN, terms=("scale", "p"))
    assert "student-below-teacher" not in codes(hinge)


def test_a_search_that_stopped_is_refused() -> None:
    fit = replace(plain(noisy(0)), status="not-converged", message="stopped")
    (finding,) = examine_fit(fit).findings
    assert (finding.code, finding.severity) == ("not-converged", "refuse")
    assert examine_fit(fit).status == "not-converged"


def test_few_agreeing_starts_are_noted() -> None:
    fit = replace(plain(noisy(0)), best_basin_share=0.06)
    (finding,) = examine_fit(fit).findings
    assert (finding.code, finding.severity) == ("few-starts-agree", "note")
    assert "6%" in finding.message


@pytest.mark.parametrize("gamma", [1.0, None])
@pytest.mark.parametrize(
    ("name", "columns"), [("datablations-unique", None), ("datablations", {"cell": "name"})]
)
def test_datablations_do_not_fit_within_their_seeds(name: str, columns, gamma) -> None:
    """Five seeds of 16 configurations span a few thousandths of a nat; the law is 1% off."""
    runs = read_runs(name, columns=columns)
    fit = fit_supervised(runs.N, runs.D, runs.loss, gamma=gamma)
    examination = examine_fit(fit, runs)
    assert "lack-of-fit" in {f.code for f in examination.findings}
    assert examination.lack_of_fit.p < 1e-6
    assert examination.lack_of_fit.excess > 0.01
    assert examination.lack_of_fit.noise < 0.02


def test_a_joint_fit_is_examined() -> None:
    """Runs without a teacher have no L_T: they neither stop the tests nor beat a teacher."""
    N, D = (a.ravel() for a in np.meshgrid(SIZES, TOKENS))
    rng = np.random.default_rng(2)
    alone = RunTable(N, D, OWN.loss(N, D) * np.exp(0.003 * rng.standard_normal(N.size)))
    law = HingeLaw(OWN, rho=0.8, s=0.04, c=2e-3, p=0.25)
    loss = law.loss(N_S, D_S, L_T) * np.exp(0.003 * rng.standard_normal(N_S.size))
    fit = fit_distillation(
        "hinge", N_S, D_S, L_T, loss, supervised_runs=alone, own="joint", terms=("p",)
    )
    examination = examine_fit(fit, seed_noise=0.003)
    assert examination.lack_of_fit.degrees_of_freedom[0] == 30 + N_S.size - fit.x.size
    assert "lack-of-fit" not in {f.code for f in examination.findings}
    profile = noise_profile(fit, source="residuals")
    assert set(profile.slopes) == {"N_S", "D_S"}
    assert profile.level == pytest.approx(0.003, rel=0.3)
    assert extrapolation(fit, N_S=1e9, D_S=1e10, L_T=2.0).factor["L_T"] == 1
    assert influence(fit, groups=np.arange(fit.residual.size) % 4).essential.sum() == 0


def test_a_held_coordinate_is_the_same_law() -> None:
    fit = plain(noisy(0))
    held = Held(fit.problem.model, 5 - 1, float(fit.x[4]))
    x = np.delete(fit.x, 4)
    assert held.law(x) == fit.law
    prediction, jacobian = held.evaluate(x[None])
    np.testing.assert_array_equal(prediction, fit.problem.model.predict(fit.x[None]))
    assert jacobian.shape[-1] == 4


def test_bad_arguments() -> None:
    fit = plain(noisy(0))
    with pytest.raises(InputError, match="3 runs must be the 46"):
        examine_fit(fit, RunTable([1e7] * 3, [1e9] * 3, [3.0] * 3))
    with pytest.raises(InputError, match="seed_noise"):
        examine_fit(fit, seed_noise=-1.0)


def test_messages_are_one_line() -> None:
    for examination in (examine_fit(plain(bent(0.03))), examine_fit(plain(noisy(1, size=0.05)))):
        assert all("\n" not in f.message and len(f.message) < 250 for f in examination.findings)


def test_repeats_of_the_design_are_counted() -> None:
    N, D = design()
    assert np.bincount(repeat_index({"N": N, "D": D})).tolist().count(3) == 8
