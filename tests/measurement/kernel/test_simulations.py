"""Simulated models: laws that every draw obeys, backends, random streams, real features."""

from math import inf
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.measurement.kernel import (
    Sampled,
    sampled_capacity,
    sampled_chain,
    sampled_least_squares_pair,
    sampled_population,
    sampled_self_distillation,
    sampled_sgd_chain,
    sampled_sgd_pair,
)
from capgap.spectrum import Spectrum, Stage, power_law
from capgap.spectrum.kernels import kernel_basis, rbf_gram

SPECTRUM = power_law(12, 1.0, 1.5)
CHAIN = [Stage(12, 20, 0.05, 0.3), Stage(8, 6, 0.1, 0.1), Stage(10, 15, 0.02, 0.0, 7)]


def sgd(features: int, steps: int, step_size: float, noise: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(features=features, steps=steps, step_size=step_size, label_noise=noise)


RUNS = {
    "chain": lambda **o: sampled_chain(SPECTRUM, CHAIN, **o),
    "least squares": lambda **o: sampled_least_squares_pair(SPECTRUM, 9, 4, 20, 12, 0.2, **o),
    "capacity": lambda **o: sampled_capacity(SPECTRUM, 9, Stage(4, 12, 0.1), **o),
    "random features": lambda **o: sampled_chain(
        SPECTRUM, [Stage(12, inf, 0.1, 0.0, 5), Stage(12, 8, 0.0, 0.0, 20)], **o
    ),
    "population": lambda **o: sampled_population(
        SPECTRUM, 9, 4, 0.9, 0.5, samples=40, weights=np.linspace(1, 3, 12), **o
    ),
    "self-distillation": lambda **o: sampled_self_distillation(
        SPECTRUM, Stage(12, 20, 0.05, 0.3), Stage(8, 20, 0.1), 1.3, **o
    ),
    "sgd": lambda **o: sampled_sgd_chain(SPECTRUM, [sgd(12, 70, 0.1, 0.2), sgd(5, 30, 0.1)], **o),
}


@pytest.mark.parametrize("name", sorted(RUNS))
@pytest.mark.parametrize("features", ["gaussian", "rademacher"])
def test_backends_make_the_same_draws(name: str, features: str) -> None:
    """Same streams, so both solve the same systems: equal to rounding, times conditioning."""
    one, two = (
        RUNS[name](replications=5, seed=3, features=features, backend=backend)
        for backend in ("numpy", "torch")
    )
    assert two.risk == pytest.approx(one.risk, rel=1e-7, abs=1e-12)
    assert RUNS[name](replications=5, seed=4, features=features).risk != pytest.approx(one.risk)


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_replication_does_not_depend_on_how_many_there_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = RUNS[name](replications=3, seed=1)
    monkeypatch.setattr("capgap.measurement.kernel.draws._NUMBERS", 1)  # batches of one
    many = RUNS[name](replications=5, seed=1)
    assert many.risk[:3] == pytest.approx(few.risk, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("name", ["chain", "sgd"])
def test_risk_is_quadratic_in_the_target_and_the_noise(name: str) -> None:
    """A target and noise of twice the size make four times the risk, draw by draw."""
    double = Spectrum(SPECTRUM.eigenvalues, 2 * SPECTRUM.coefficients)
    noisy = {
        "chain": lambda s, k: sampled_chain(
            s, [Stage(12, 20, 0.05, 0.3 * k), Stage(8, 6, 0.1, 0.1 * k)], replications=4, seed=0
        ),
        "sgd": lambda s, k: sampled_sgd_pair(
            s, sgd(12, 70, 0.1, 0.2 * k), sgd(5, 30, 0.1), replications=4, seed=0
        ),
    }
    once, twice = noisy[name](SPECTRUM, 1).risk, noisy[name](double, 4).risk
    assert twice == pytest.approx(4 * once, rel=1e-10)


@given(st.integers(0, 500), st.integers(1, 11))
@settings(max_examples=25)
def test_least_squares_copies_a_teacher_it_can_represent(seed: int, m: int) -> None:
    """m <= n: the student is the teacher, in every draw; signs of coefficients are free."""
    pair = sampled_least_squares_pair(SPECTRUM, m, 11, 20, 16, 0.3, replications=3, seed=seed)
    assert pair.risk[:, 1] == pytest.approx(pair.risk[:, 0], rel=1e-9)
    assert np.all(pair.risk[:, 0] >= SPECTRUM.tail(m) * (1 - 1e-12))


def test_population_stages_are_the_limit_of_many_samples() -> None:
    """40 000 samples against infinity: their risks differ by O(1/n), here below 1%."""
    many, limit = (
        sampled_chain(SPECTRUM, [Stage(8, n, 0.2), Stage(5, n, 0.1)], replications=8, seed=2)
        for n in (40_000, inf)
    )
    assert np.ptp(limit.risk, axis=0).max() == 0
    assert many.mean == pytest.approx(limit.mean, rel=0.01)
    # By hand: u_i = lam/(lam + 0.2) alpha_i for i <= 8, then lam/(lam + 0.1) of it for i <= 5.
    lam, alpha = SPECTRUM.eigenvalues, SPECTRUM.alpha
    teacher = np.where(np.arange(12) < 8, lam / (lam + 0.2) * alpha, 0)
    student = np.where(np.arange(12) < 5, lam / (lam + 0.1) * teacher, 0)
    expected = [np.sum((u - alpha) ** 2) for u in (teacher, student)]
    assert limit.mean == pytest.approx(expected, rel=1e-12)


def test_many_random_features_are_the_features_themselves() -> None:
    plain, mixed = (
        sampled_chain(SPECTRUM, [Stage(12, inf, 0.2, 0.0, P)], replications=4, seed=2).mean[0]
        for P in (None, 20_000)
    )
    assert mixed == pytest.approx(plain, rel=0.02)  # 1/sqrt(20 000) is 0.7%


def test_self_distillation_is_one_formula_in_every_draw() -> None:
    """b(lS | X b(lT)) = (lS b(lS) - lT b(lT))/(lS - lT), from the same noise three times.

    The middle ridges come from plain fits: mixing 0 makes the student a fit to the labels.
    """
    lam = SPECTRUM.eigenvalues
    design = np.random.default_rng(0).standard_normal((15, 12))
    X = design * np.sqrt(lam)
    y = X @ SPECTRUM.coefficients

    def fit(ridge: float, labels: np.ndarray) -> np.ndarray:
        return np.linalg.solve(X.T @ X / 15 + ridge * np.eye(12), X.T @ labels / 15)

    teacher, own = fit(0.3, y), fit(0.05, y)
    student = (0.05 * own - 0.3 * teacher) / (0.05 - 0.3)
    sampled = sampled_self_distillation(
        SPECTRUM, Stage(12, 15, 0.3), Stage(12, 15, 0.05), design=design, replications=2, seed=0
    )
    for k, b in enumerate((teacher, student)):
        error = np.sum(lam * (b - SPECTRUM.coefficients) ** 2)
        assert sampled.risk[:, k] == pytest.approx(np.full(2, error), rel=1e-9)


def test_bounded_teacher_and_student_approach_population() -> None:
    """By hand: alpha (3, 4, 12), T = 2.5 halves (3, 4), the student keeps 1.5.

    Squared errors 2.25 + 4 + 144 = 150.25 and 2.25 + 16 + 144 = 162.25.
    """
    spectrum = Spectrum([1.0, 1.0, 1.0], [3.0, 4.0, 12.0])
    options = {"samples": 200, "replications": 2000, "seed": 1}
    raw = sampled_population(spectrum, 2, 1, 2.5, extrapolate=False, **options)
    better = sampled_population(spectrum, 2, 1, 2.5, **options)
    expected = np.array([150.25, 162.25])
    assert np.all(np.abs(better.mean - expected) < 4 * better.standard_error)
    # Negative control: 200 samples alone show their error.
    assert np.all(np.abs(raw.mean - expected) > 4 * raw.standard_error)


def test_large_steps_diverge_and_are_refused() -> None:
    with pytest.raises(InputError, match="must be finite"):
        sampled_sgd_pair(SPECTRUM, sgd(12, 2000, 5.0), sgd(5, 10, 0.1), replications=2, seed=0)


def real_features() -> tuple[Spectrum, np.ndarray]:
    X = np.random.default_rng(7).uniform(-1, 1, (60, 2))
    basis = kernel_basis(rbf_gram(X), np.sin(3 * X[:, 0]), modes=10)
    return basis.spectrum, basis.features


def test_real_rows_are_not_used_twice_and_are_tested_on_the_rest() -> None:
    """Oracle: the same permutation, solved row by row with numpy alone."""
    spectrum, phi = real_features()
    stages = [Stage(10, 20, 0.01), Stage(4, 15, 0.001)]
    sampled = sampled_chain(spectrum, stages, features=phi, replications=3, seed=5)
    X = phi * np.sqrt(spectrum.eigenvalues)
    for r in range(3):
        order = np.random.default_rng((5, r)).permutation(60)
        first, second, rest = order[:20], order[20:35], order[35:]
        target = X @ spectrum.coefficients
        b = np.linalg.solve(
            X[first].T @ X[first] / 20 + 0.01 * np.eye(10), X[first].T @ target[first] / 20
        )
        small = X[second][:, :4]
        w = np.linalg.solve(
            small.T @ small / 15 + 0.001 * np.eye(4), small.T @ (X @ b)[second] / 15
        )
        errors = [np.mean((X @ b - target)[rest] ** 2), np.mean((X[:, :4] @ w - target)[rest] ** 2)]
        assert sampled.risk[r] == pytest.approx(errors, rel=1e-7)


def test_risk_over_all_rows_is_that_of_the_coefficients() -> None:
    spectrum, phi = real_features()
    everything = sampled_chain(
        spectrum, [Stage(10, 20, 0.01)], features=phi, held_out=False, replications=50, seed=5
    )
    unseen = sampled_chain(spectrum, [Stage(10, 20, 0.01)], features=phi, replications=50, seed=5)
    # Rows that were fitted have smaller errors than the others.
    assert np.all(everything.mean < unseen.mean)


def test_sampled_checks_itself() -> None:
    with pytest.raises(InputError, match="must be \\(R >= 2, stages\\)"):
        Sampled(np.ones((1, 2)))
    with pytest.raises(InputError, match="must be finite"):
        Sampled(np.array([[1.0], [np.nan]]))
    same = Sampled(np.ones((3, 1)))
    with pytest.raises(ValueError, match="read-only"):
        same.risk[0, 0] = 2.0


OPTIONS = {"replications": 2, "seed": 0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sampled_chain(SPECTRUM, [], **OPTIONS), "0 stages"),
        (lambda: sampled_chain(SPECTRUM, [Stage(13, 5)], **OPTIONS), "features = 13"),
        (lambda: sampled_chain(SPECTRUM, CHAIN, replications=1, seed=0), "replications = 1"),
        (lambda: sampled_chain(SPECTRUM, CHAIN, features="normal", **OPTIONS), "'normal'"),
        (lambda: sampled_chain(SPECTRUM, CHAIN, features=np.ones((5, 2)), **OPTIONS), "12 columns"),
        (lambda: sampled_chain(SPECTRUM, CHAIN, features=np.ones((30, 12)), **OPTIONS), "30 rows"),
        (
            lambda: sampled_chain(SPECTRUM, CHAIN, features=np.ones((90, 12)), **OPTIONS),
            "orthonormal",
        ),
        (lambda: sampled_population(SPECTRUM, 0, 1, 1.0, samples=50, **OPTIONS), "m = 0"),
        (lambda: sampled_population(SPECTRUM, 1, 1, 0.0, samples=50, **OPTIONS), "T = 0"),
        (lambda: sampled_population(SPECTRUM, 9, 1, 1.0, samples=16, **OPTIONS), "samples = 16"),
        (
            lambda: sampled_population(SPECTRUM, 1, 1, 1.0, samples=50, weights=[1.0], **OPTIONS),
            "weights",
        ),
        (
            lambda: sampled_self_distillation(SPECTRUM, Stage(3, 9), Stage(3, 8), **OPTIONS),
            "must be one count",
        ),
        (
            lambda: sampled_self_distillation(
                SPECTRUM, Stage(3, 9), Stage(3, 9, label_noise=1.0), **OPTIONS
            ),
            "no noise",
        ),
        (
            lambda: sampled_self_distillation(SPECTRUM, Stage(3, 9), Stage(13, 9), **OPTIONS),
            "at most 12",
        ),
        (
            lambda: sampled_self_distillation(SPECTRUM, Stage(3, 9), Stage(3, 9), inf, **OPTIONS),
            "mixing = inf",
        ),
        (
            lambda: sampled_self_distillation(
                SPECTRUM, Stage(3, 9), Stage(3, 9), design=np.ones((9, 3)), **OPTIONS
            ),
            "design of shape",
        ),
        (lambda: sampled_sgd_chain(SPECTRUM, [], **OPTIONS), "0 stages"),
        (lambda: sampled_sgd_chain(SPECTRUM, [sgd(0, 1, 0.1)], **OPTIONS), "features = 0"),
        (lambda: sampled_sgd_chain(SPECTRUM, [sgd(1, -1, 0.1)], **OPTIONS), "steps = -1"),
        (lambda: sampled_sgd_chain(SPECTRUM, [sgd(1, 1, 0.0)], **OPTIONS), "step_size = 0"),
        (lambda: sampled_sgd_chain(SPECTRUM, [sgd(1, 1, 0.1, -1)], **OPTIONS), "label_noise = -1"),
        (
            lambda: sampled_sgd_chain(
                SPECTRUM, [sgd(1, 1, 0.1)], features=np.ones((9, 12)), **OPTIONS
            ),
            "'gaussian' or 'rademacher'",
        ),
        (
            lambda: sampled_population(
                SPECTRUM, 1, 1, 1.0, samples=50, features=np.ones((9, 12)), **OPTIONS
            ),
            "'gaussian' or 'rademacher'",
        ),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        call()
