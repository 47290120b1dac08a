"""The package's solvable models and the formulas that the proofs are about, at the same points.

Oracle: the proofs' hypotheses and expressions at random rational points. Where a proof defines a
quantity by relations (a shrinkage c with c A = T, say), the package's float64 value is first
checked to satisfy them. Tolerance 1e-10 of the target's size: sums of a few terms in float64.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from capgap.spectrum import Spectrum, Stage
from capgap.theory.finite import (
    RidgePath,
    SgdStage,
    best_mixing,
    capacity,
    chain,
    critical_theta,
    hinge,
    least_squares_pair,
    sgd_chain,
    theta,
)
from capgap.theory.kernel import (
    RationalInstance,
    distillation_gain,
    exact_student_errors,
    exchanged_cases,
    kernel_population,
    student_error_law,
    weighted_population,
)
from proofs import best_ridge_teacher as ridge_teacher
from proofs import (
    capacity_gap_optimum,
    effective_capacity,
    gain_identity,
    kernel_model_law,
    least_squares_hinge,
    one_pass_sgd,
    self_distillation,
    w_shape,
    weighted_projection,
)
from proofs.formulas import huber, kernel_error

few = settings(max_examples=25)
CLOSE = 1e-10


def value(expression: sp.Expr, at: dict[sp.Symbol, float]) -> float:
    return float(expression.subs({symbol: sp.Float(number, 40) for symbol, number in at.items()}))


integers = st.integers(-3, 3)
targets = st.lists(integers, min_size=2, max_size=6).filter(any)
limits = st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 20.0])


@few
@given(alpha=targets, T=limits, D=limits, data=st.data())
def test_kernel_model(alpha: list[int], T: float, D: float, data: st.DataObject) -> None:
    """Closed forms, and the set of best teachers as the proof's `FLOOR` has it."""
    n = data.draw(st.integers(1, len(alpha)))
    found = kernel_population(alpha, n, T, D)
    A = np.sqrt(np.cumsum(np.square(alpha)))
    F2, own = float(np.sum(np.square(alpha))), A[n - 1]
    p = capacity_gap_optimum
    for m in range(1, len(alpha) + 1):
        a, k = A[m - 1], A[min(m, n) - 1]
        C = min(1.0, T / a) if a else 1.0
        s = min(C, D / k) if k else C
        teacher = value(F2 - huber(p.T, p.A), {p.T: T, p.A: a})
        assert found.teacher_squared_error[m - 1] == pytest.approx(teacher, abs=CLOSE * F2)
        student = float(kernel_error(sp.Float(k, 40), sp.Float(s, 40), sp.Float(F2, 40)))
        assert found.student_squared_error[m - 1] == pytest.approx(student, abs=CLOSE * F2)
        if m <= n:
            capped = value(F2 - huber(p.T, p.A), {p.T: min(T, D), p.A: a})
            assert student == pytest.approx(capped, abs=CLOSE * F2)
        point = {p.A: sp.sqrt(sum(x**2 for x in alpha[:m])), p.T: sp.Rational(T)}
        point |= {p.a: sp.sqrt(sum(x**2 for x in alpha[:n])), p.D: sp.Rational(D)}
        floor = own == 0 or (m >= n and p.FLOOR.subs(point) == sp.true) or point[p.A] == point[p.a]
        assert (found.first_best <= m <= found.last_best) is bool(floor)


@few
@given(F=st.floats(2.0, 9.0), ratio=st.floats(0.05, 1.0), T=st.floats(0.3, 1.9), u=st.floats(0, 1))
def test_kernel_models_law(F: float, ratio: float, T: float, u: float) -> None:
    p = kernel_model_law
    A_n = max(T, ratio * F)
    a = A_n + u * (F - A_n)
    E_T = F**2 - 2 * T * a + T**2
    s = 2 * T**2 / (F**2 + T**2 - E_T)
    factor = {p.s: s, p.F2: F**2, p.T: T, p.E_T: E_T}
    assert value(p.factor(p.s, p.E_T)[0].lhs, factor) == pytest.approx(2 * T**2, rel=CLOSE)
    expected = value(p.TAUGHT, factor | {p.a: A_n})
    found = float(student_error_law(E_T, F, A_n, T))
    assert found == pytest.approx(expected, abs=CLOSE * F**2)


@few
@given(alpha=targets, T=limits, D=limits, data=st.data())
def test_exchanged_cases(alpha: list[int], T: float, D: float, data: st.DataObject) -> None:
    """Q = D/(C A_n) where C A_n <= D and 1 otherwise, in the proof's `kernel_error`."""
    alpha = [1, *alpha]
    n = data.draw(st.integers(1, len(alpha)))
    found = exchanged_cases(alpha, n, T, D)
    A = np.sqrt(np.cumsum(np.square(alpha)))
    F2 = float(A[-1] ** 2)
    for m, error in zip(found.m, found.squared_error, strict=True):
        C = min(1.0, T / A[m - 1])
        part = C * A[n - 1]
        Q = D / part if part <= D else 1.0
        if abs(part - D) > 1e-9:
            assert error == pytest.approx(float(kernel_error(A[n - 1], C * Q, F2)), abs=1e-9 * F2)


CASES = {"three": w_shape.THREE, "five": w_shape.FIVE}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_w_shape(case: w_shape.Instance) -> None:
    """Errors and multipliers by float64 and by the package's own exact enclosures."""

    def fractions(values: Sequence[sp.Rational]) -> tuple[Fraction, ...]:
        return tuple(Fraction(int(entry.p), int(entry.q)) for entry in values)

    alpha = np.sqrt([float(a) for a in case.squares])
    w = [float(weight) for weight in case.weights]
    T, D = float(w_shape.T2) ** 0.5, float(w_shape.D2) ** 0.5
    found = weighted_population(alpha, w, w_shape.N, T, D)
    tail = float(sum(case.squares[w_shape.N :]))
    assert found.nu == pytest.approx([float(nu) for nu in case.nu], abs=1e-9)
    instance = RationalInstance(
        fractions(case.squares), fractions(case.weights), w_shape.N,
        *fractions((w_shape.T2, w_shape.D2)),
    )  # fmt: skip
    exact = exact_student_errors(instance)
    for m, (low, high) in enumerate(w_shape.WITHIN[case]):
        within = found.student_squared_error[m] - tail
        assert float(low) - 1e-9 <= within <= float(high) + 1e-9
        assert exact[m].low >= fractions((low + sum(case.squares[w_shape.N :]),))[0] - Fraction(
            1, 10**9
        )
        assert exact[m].high <= fractions((high + sum(case.squares[w_shape.N :]),))[0] + Fraction(
            1, 10**9
        )


@few
@given(alpha=targets, w=st.lists(st.integers(1, 9), min_size=6, max_size=6), T=limits)
def test_weighted_projection(alpha: list[int], w: list[int], T: float) -> None:
    """The multipliers satisfy the proof's hypotheses, and never fall with m."""
    w = w[: len(alpha)]
    found = weighted_population(alpha, w, 1, T)
    assert np.all(np.diff(found.nu) >= -1e-9 * (1 + found.nu[:-1]))
    for m, nu in enumerate(found.nu, start=1):
        g = np.array(alpha[:m]) / (1 + nu * np.array(w[:m]))
        norm = float(np.sum(w[:m] * g**2))
        assert norm <= T**2 * (1 + 1e-9)
        # `BINDING` up to rounding: nu = 0, or the norm is at its limit.
        reached = T**2 if norm == pytest.approx(T**2, rel=1e-9) else norm
        p = weighted_projection
        assert p.BINDING.subs({p.nu: nu, p.norm_best: reached, p.T2: T**2}) == sp.true


@few
@given(
    alpha=targets, noise=st.floats(0, 2), extra=st.integers(3, 20), more=st.integers(2, 20),
    data=st.data(),
)  # fmt: skip
def test_least_squares(
    alpha: list[int], noise: float, extra: int, more: int, data: st.DataObject
) -> None:
    M = len(alpha)
    n, n_T = data.draw(st.integers(1, M)), M + extra
    n_S = n + more
    spectrum = Spectrum([1.0] * M, [float(a) for a in alpha])
    pair = least_squares_pair(spectrum, np.arange(M + 1), n, n_T, n_S, noise)
    t = [float(np.sum(np.square(alpha[m:]))) for m in range(M + 1)]
    v = [(noise + t[m]) / (n_T - m - 1) for m in range(M + 1)]
    for m in range(M + 1):
        small, large = least_squares_hinge.branches(m, n, t[m], t[n], v[m], float(theta(n, n_S)))
        expected = small if m <= n else large
        assert pair.student_risk[m] == pytest.approx(expected, rel=CLOSE)
    p = least_squares_hinge
    perfect = least_squares_pair(spectrum, np.arange(M + 1), n, np.inf, n_S, 0.0)
    slope = float(theta(n, n_S))
    for m in range(M + 1):
        expected = value(p.HINGE, {p.E_T: t[m], p.t_n: t[n], p.theta: slope})
        assert perfect.student_risk[m] == pytest.approx(expected, abs=CLOSE * t[0])
        assert float(hinge(t[m], t[n], slope)) == pytest.approx(expected, abs=CLOSE * t[0])


def test_phase_boundary() -> None:
    """critical_theta is the proof's largest ratio where m = n is the best copied teacher."""
    spectrum = Spectrum([1.0] * 5, [3.0, 2.0, 0.0, 1.5, 0.5])
    n, n_T, noise = 2, 40, 0.1
    t = [float(np.sum(spectrum.alpha[m:] ** 2)) for m in range(6)]
    v = [(noise + t[m]) / (n_T - m - 1) for m in range(6)]
    ratios = [n * (v[n] - v[m]) / (t[n] - t[m] + (m - n) * v[m]) for m in range(n + 1, 6)]
    errors = [t[m] + m * v[m] for m in range(n + 1)]
    assert min(errors) == errors[n]
    assert max(ratios) > 0
    assert critical_theta(spectrum, n, n_T, noise) == pytest.approx(max(ratios), rel=1e-9)


@few
@given(
    eig=st.lists(st.floats(0.05, 2.0), min_size=4, max_size=4),
    beta=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    n=st.integers(1, 3), samples=st.integers(5, 40), ridge=st.floats(0.01, 1.0),
)  # fmt: skip
def test_effective_capacity(
    eig: list[float], beta: list[float], n: int, samples: int, ridge: float
) -> None:
    eig = sorted(eig, reverse=True)
    spectrum = Spectrum(eig, beta)
    student = Stage(n, samples, ridge)
    found = capacity(spectrum, student)
    shares = [*found.s, *([0.0] * (4 - n))]
    at = {sp.Symbol("n_S", positive=True): float(samples)}
    for i in range(4):
        at[sp.Symbol(f"eig{i + 1}", positive=True)] = eig[i]
        at[sp.Symbol(f"beta{i + 1}", real=True)] = beta[i]
        at[sp.Symbol(f"s{i + 1}", positive=True)] = shares[i]
    scale = 1e-9 * (1 + found.theta) * sum(e * b * b for e, b in zip(eig, beta, strict=True))
    for m in range(5):
        stage, closed = (value(e, at) for e in effective_capacity.student(m, n, 4))
        assert found.student_risk[m] == pytest.approx(closed, abs=scale + 1e-12)
        assert found.student_risk[m] == pytest.approx(stage, abs=scale + 1e-12)
    p = ridge_teacher
    for i in range(n):
        shape = value(p.SHAPE, {p.s: shares[i], p.theta: found.theta})
        assert found.best_teacher[i] * shape == pytest.approx(shares[i] * beta[i], abs=1e-9)
    assert np.all(found.best_teacher[n:] == 0)
    # The proof's identity of every stage: sum s + n lam/kappa = n.
    assert found.s.sum() + samples * ridge / found.kappa == pytest.approx(samples, rel=1e-9)


def test_ridge_stage_without_ridge_is_least_squares() -> None:
    """n (t + noise)/(n - m) in place of the exact n - m - 1, as proved."""
    spectrum, m, n, noise = Spectrum([2.0, 1.0, 0.5], [1.0, -1.0, 2.0]), 2, 30, 0.3
    t = 0.5 * 2.0**2
    found = chain(spectrum, [Stage(m, n, label_noise=noise)]).risk[0]
    assert found == pytest.approx(t + m * (noise + t) / (n - m), rel=1e-12)


@few
@given(
    g=st.lists(integers, min_size=3, max_size=3), f=st.lists(integers, min_size=3, max_size=3),
    normal=st.tuples(integers, integers),
)  # fmt: skip
def test_gain_identity(g: list[int], f: list[int], normal: tuple[int, int]) -> None:
    across = np.array([*normal, 1.0]) / np.sqrt(normal[0] ** 2 + normal[1] ** 2 + 1)
    basis = np.linalg.svd(across[None, :])[2][1:].T
    found = distillation_gain(g, f, basis)
    p = gain_identity
    expected = value(p.GAIN, {p.vv: (across @ g) ** 2, p.vb: (across @ g) * (across @ f)})
    assert found.total == pytest.approx(expected, abs=1e-10)


@few
@given(
    mu=st.floats(0.1, 3.0), y=st.floats(0.1, 3.0), lS=st.floats(0.1, 2.0), lT=st.floats(2.1, 4.0),
    xi=st.floats(-1.0, 0.9), target=st.floats(-1.0, 1.0),
)  # fmt: skip
def test_self_distillation(
    mu: float, y: float, lS: float, lT: float, xi: float, target: float
) -> None:
    path = RidgePath(np.array([[mu**0.5]]), np.array([y]))
    p = self_distillation
    at = {p.mu: mu, p.c: mu**0.5 * y, p.lS: lS, p.lT: lT, p.lam: lS, p.xi: xi}
    two = value((p.lS * p.ridge(p.lS) - p.lT * p.ridge(p.lT)) / (p.lS - p.lT), at)
    assert float(path.student(lT, lS)[0]) == pytest.approx(two, rel=1e-9)
    slope = sp.diff(p.ridge(p.lam), p.lam)
    mixed = value(p.ridge(p.lam) + p.xi * p.lam * slope, at)
    assert float(path.student(lS, lS, xi)[0]) == pytest.approx(mixed, rel=1e-9, abs=1e-12)
    if xi >= 0:
        forever = value(p.ridge(p.lam / (1 - p.xi)), at)
        assert float(path.repeated_limit(lS, xi)[0]) == pytest.approx(forever, rel=1e-9)
    found = best_mixing(path, lS, np.array([target]), np.eye(1))
    risk = (p.ridge(p.lam) - sp.Float(target, 40)) ** 2
    best = value(-sp.diff(risk, p.lam) / (2 * p.lam * slope**2), at)
    assert found.xi == pytest.approx(best, rel=1e-8, abs=1e-9)


def sgd_step() -> Callable[..., list[float]]:
    """E r_i'^2 from E r_i^2, as the proof derives it from Gaussian moments."""
    p = one_pass_sgd
    error = p.noise - sum(a * b for a, b in zip(p.x, p.r, strict=True))
    after = [p.mean((p.r[i] + p.eta * p.x[i] * error) ** 2) for i in range(3)]
    return sp.lambdify((*p.r, *p.lam, p.eta, p.s2), after)


SGD_STEP = sgd_step()


@few
@given(
    lam=st.lists(st.floats(0.1, 2.0), min_size=3, max_size=3),
    beta=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    eta=st.floats(0.01, 0.5), noise=st.floats(0, 1), steps=st.integers(1, 4),
)  # fmt: skip
def test_one_pass_sgd(
    lam: list[float], beta: list[float], eta: float, noise: float, steps: int
) -> None:
    """The proved step of E r^2, taken a few times from w = 0."""
    square = np.square(beta)
    for _ in range(steps):
        square = np.array(SGD_STEP(*np.sqrt(square), *lam, eta, noise))
    spectrum = Spectrum(lam, beta)
    risk = sgd_chain(spectrum, [SgdStage(3, steps, eta, noise)])[0]
    expected = sum(e * q for e, q in zip(lam, square, strict=True))
    assert risk == pytest.approx(expected, rel=1e-9, abs=1e-12)
