"""Speed of the closed forms: a million functions.

Measured on demand: ``OMP_NUM_THREADS=1 pytest tests/theory/kernel/test_speed.py
--benchmark-enable``. In an ordinary run each body is executed once.
"""

import numpy as np

from capgap.theory.kernel import KernelCapacity, kernel_population, weighted_population

M = 1_000_000


def test_a_million_teachers(benchmark) -> None:
    alpha = np.random.default_rng(0).uniform(-1, 1, M)
    errors = benchmark(kernel_population, alpha, 300_000, 100.0, 90.0)
    assert errors.student_squared_error.shape == (M,)
    assert 300_000 == errors.first_best < errors.last_best < M


def test_best_teachers_of_a_million_students(benchmark) -> None:
    alpha = np.random.default_rng(0).uniform(-1, 1, M)
    n = np.arange(1, M + 1)

    def body() -> np.ndarray:
        return KernelCapacity(alpha, 100.0, 90.0).best_teachers(n)[1]

    last = benchmark(body)
    assert np.all(np.diff(last) >= 0)
    assert np.all(last >= n)


def test_a_thousand_teachers_in_a_weighted_norm(benchmark) -> None:
    i = np.arange(1, 1001.0)
    errors = benchmark(weighted_population, 1 / i, i, 100, 2.0, 1.5)
    assert np.all(np.diff(errors.nu) >= 0)
