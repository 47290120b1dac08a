"""Coverage, small: the study's own code on one design, and the table it has written."""

import csv
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from capgap.comparison.fitting.fit import fit_supervised
from capgap.comparison.intervals.coverage import (
    Noise,
    Planted,
    cold_share,
    hits,
    planted_fits,
    profile_hits,
)
from capgap.theory.supervised import SupervisedLaw

ROOT = Path(__file__).parents[3]
LAW = SupervisedLaw(E=1.69, A=406.0, B=410.0, alpha=0.34, beta=0.28)
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(5e7, 5e9, 5), np.geomspace(1e9, 1e11, 4)))
NEW = {"inside": {"N": np.array([2e8, 9e8]), "D": np.array([4e9, 2e10])}}
FITS = 150


def planted(noise: Noise, runs: int = 1, delta: float = 1e-2) -> Planted:
    n, d = np.repeat(N, runs), np.repeat(D, runs)
    truth = fit_supervised(n, d, LAW.loss(n, d), gamma=1.0, delta=delta)
    return Planted(truth, np.repeat(np.arange(20), runs), noise, NEW)


def covered(case: Planted, kind, **options) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for seed, fit in enumerate(planted_fits(case, range(FITS))):
        for hit in hits(case, fit, kind, level=0.95, n=50, seed=seed, **options):
            found.setdefault(hit.quantity, []).append(hit.covered)
    return {quantity: float(np.mean(values)) for quantity, values in found.items()}


BAND = 3 * np.sqrt(0.95 * 0.05 / FITS)  # three standard errors: 0.053


@pytest.mark.parametrize("kind", ["noise", "residuals", "wild"])
def test_nominal_95_percent_covers(kind) -> None:
    """Statistic: coverage of E, A, B, alpha, beta, of the law's value and of new runs."""
    found = covered(planted(Noise(0.005)), kind)
    assert set(found) == {"E", "A", "B", "alpha", "beta", "law, inside", "new run, inside"}
    for quantity, share in found.items():
        assert share > 0.95 - BAND, quantity
    assert np.mean(list(found.values())) < 0.95 + BAND


def test_shared_errors_cover_where_cells_are_kept_together() -> None:
    """20 cells of 4 runs, half the variance shared. Negative control: refits that take all 80
    runs for independent cover the law's value far less often."""
    case = planted(Noise(0.005, "shared"), runs=4)
    for kind, options in (("wild", {}), ("cells", {}), ("noise", {"shared": True})):
        assert covered(case, kind, **options)["law, inside"] > 0.95 - BAND
    # `residuals` never looks at the cells.
    assert covered(case, "residuals")["law, inside"] < 0.95 - BAND


@pytest.mark.parametrize("delta", [1e-3, 1e-2])
def test_profiles_cover_at_both_thresholds(delta: float) -> None:
    """Least squares nearly (delta twice the noise) and least absolute deviations nearly (a
    fifth). Statistic: mean coverage of five coefficients in 25 fits; its standard error is at
    most that of 25 draws, 0.044. Negative control: intervals of level 0.5 in 15 of them."""
    case = planted(Noise(0.005), delta=delta)
    fits = planted_fits(case, range(25))
    for level, some, meets in ((0.95, fits, True), (0.5, fits[:15], False)):
        shares = [hit.covered for fit in some for hit in profile_hits(case, fit, level=level)]
        assert bool(np.mean(shares) > 0.95 - 3 * 0.044) == meets


def test_planted_fits_are_those_of_the_whole_search() -> None:
    fits = planted_fits(planted(Noise(0.005)), range(8))
    assert all(fit.status == "converged" for fit in fits)
    assert cold_share(fits) == 0.0


@pytest.mark.parametrize("tails", ["normal", "heavy", "shared"])
def test_noise_is_what_it_says(tails) -> None:
    """Statistic: variance and correlation within cells of 200,000 errors: 1 and 0, 0.95 + 0.05
    x 25 = 2.2 and 0, 1 and 1/2, within 2%."""
    cells = np.repeat(np.arange(100_000), 2)
    error = Noise(0.01, tails).draw(cells, np.random.default_rng(0)).reshape(-1, 2) / 0.01
    covariance = np.cov(error.T)
    variance = {"normal": 1.0, "heavy": 2.2, "shared": 1.0}[tails]
    np.testing.assert_allclose(np.diag(covariance), variance, rtol=0.04)
    assert covariance[0, 1] == pytest.approx(0.5 if tails == "shared" else 0.0, abs=0.02)


def script() -> ModuleType:
    path = ROOT / "simulations" / "study_interval_coverage.py"
    spec = importlib.util.spec_from_file_location("study_interval_coverage", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_study_resumes_and_its_verdicts_are_its_numbers(tmp_path, monkeypatch) -> None:
    """Two cases, 2 fits a block: stopped after one block, gone on with, not done twice; verdicts
    of the written table follow from its coverages."""
    study = script()
    wanted = [case for case in study.cases() if case.law == "plain" and "60" in case.design][:2]
    monkeypatch.setattr(study, "cases", lambda: iter(wanted))
    monkeypatch.setattr(study, "BLOCK", 2)
    study.study(tmp_path, 2)
    file = tmp_path / "interval_coverage.jsonl"
    first = file.read_text()
    file.write_text(first + '{"key": "cut off')
    study.study(tmp_path, 4)
    study.study(tmp_path, 4)
    assert file.read_text().startswith(first)
    rows = study.table(tmp_path)
    assert {row["fits"] for row in rows} == {"4"}
    study.save(tmp_path, tmp_path)
    with (tmp_path / "interval_coverage.csv").open() as lines:
        assert list(csv.DictReader(lines)) == rows
    assert json.loads((tmp_path / "interval_coverage.json").read_text())["level"] == 0.95


def test_the_committed_table_is_whole_and_judged_by_its_numbers() -> None:
    """At least 200 fits behind every number; verdicts follow from the coverages."""
    with (ROOT / "figures" / "interval_coverage.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert {row["law"] for row in rows} >= {"plain", "supervised", "distillation-reduced", "hinge"}
    assert {row["delta"] for row in rows} == {"0.001", "0.01"}
    for row in rows:
        assert int(row["fits"]) + int(row["not_converged"]) >= 200
        share = float(row["coverage"])
        error = float(row["standard_error"])
        if 0.93 <= share <= 0.97:
            assert row["goal"] == "met"
        elif 0.93 - 2 * error <= share <= 0.97 + 2 * error:
            assert row["goal"] == "within two standard errors"
        else:
            assert row["goal"] == ("below" if share < 0.93 else "above")
