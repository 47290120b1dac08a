"""The runner and the translation reject what is false, vacuous, undecided or mistranslated."""

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs import smt
from proofs.checking import Step, identity, not_identity, proof

x, y, z = sp.symbols("x y z", real=True)


def outcomes(claim: smt.Claim) -> list[tuple[str, bool]]:
    return [(step.kind, step.holds) for step in smt.steps([claim])]


def test_a_false_identity_is_not_proved() -> None:
    assert identity("right", (x + y) ** 2, x**2 + 2 * x * y + y**2).holds
    assert not identity("wrong", (x + y) ** 2, x**2 + y**2).holds


def test_a_true_identity_is_no_mutant() -> None:
    right = not_identity("right", (x + y) ** 2, x**2 + 2 * x * y + y**2, {x: 1, y: 2})
    assert not right.holds
    # Where a wrong one happens to agree, it is not refuted either.
    assert not not_identity("wrong", (x + y) ** 2, x**2 + y**2, {x: 0, y: 2}).holds
    # A point at which nothing is defined refutes nothing.
    assert not not_identity("singular", 1 / x, 2 / x, {x: 0}).holds


def test_a_false_claim_is_not_proved() -> None:
    claim = smt.Claim("", (x > 0,), x**2 > x)
    assert outcomes(claim) == [("hypotheses hold somewhere", True), ("proved", False)]


def test_a_vacuous_claim_fails() -> None:
    """From contradictory hypotheses everything follows, and the first step says so."""
    claim = smt.Claim("", (x > 0, x < 0), x > 1)
    assert outcomes(claim) == [("hypotheses hold somewhere", False), ("proved", True)]


def test_a_true_mutant_fails() -> None:
    claim = smt.Claim("", (x > 1,), x**2 > x, {"also true": x**3 > x})
    assert outcomes(claim)[-1] == ("mutant refuted", False)


def test_a_question_that_is_not_answered_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smt, "_cvc5", lambda text: "unknown")
    claim = smt.Claim("", (x > 1,), x**2 > x, {"smaller": x**2 < x})
    assert [holds for _, holds in outcomes(claim)] == [False, False, False]


def test_a_counterexample_is_checked_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    false = smt.Claim("squares grow", (x > 0,), x**2 > x)
    found = smt.counterexample(false)
    assert found is not None
    assert 0 < found["x"] <= 1
    # With values of another formula the recheck must notice.
    other = smt.smtlib((x > 2,))
    monkeypatch.setattr(smt, "smtlib", lambda formulas: other)
    with pytest.raises(ArithmeticError, match="not a counterexample"):
        smt.counterexample(false)


def test_a_proof_needs_every_step_and_at_least_one() -> None:
    good, bad = Step("proved", "", True), Step("mutant refuted", "", False)
    assert proof(lambda: iter([good]))().status == "proved"
    assert proof(lambda: iter([good, bad]))().status == "failed"
    assert proof(lambda: iter([good, bad]))().failures == (bad,)
    assert proof(lambda: iter([]))().status == "failed"
    assert proof(lambda: iter([Step("mutant refuted", "", True)]))().status == "failed"


rationals = st.fractions(min_value=-3, max_value=3, max_denominator=8)
FORMULAS = [
    sp.Min(x, y, z) <= sp.Max(x * y, z) - 1,
    sp.Eq(sp.Piecewise((x**2, x <= y), (2 * x * y - y**2, x <= z), (z, True)), y),
    sp.Implies(sp.And(x > y, sp.Ne(z, 0)), sp.Or(x / 3 + y**3 < z, sp.Not(x < -z / 7))),
    sp.Equivalent(x * y * z > sp.Rational(5, 7), x - y >= 0),
    sp.ITE(x < y, z > 0, z < -sp.Rational(1, 2)),
    x**-2 > y,
]


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
@given(values=st.tuples(rationals, rationals, rationals))
def test_provers_read_what_sympy_means(
    formula: sp.logic.boolalg.Boolean, values: tuple[Fraction, Fraction, Fraction]
) -> None:
    """Oracle: sympy's exact evaluation at a rational point."""
    point = {
        s: sp.Rational(v.numerator, v.denominator) for s, v in zip((x, y, z), values, strict=True)
    }
    if formula == FORMULAS[-1] and point[x] == 0:
        return  # SMT-LIB leaves division by zero open
    expected = "sat" if formula.subs(point) == sp.true else "unsat"
    fixed = tuple(sp.Eq(s, v, evaluate=False) for s, v in point.items())
    assert smt.check((formula, *fixed)) == (expected, expected)


def test_what_has_no_translation_is_refused() -> None:
    with pytest.raises(TypeError, match="exp has no translation"):
        smt.smtlib((sp.exp(x) > 1,))
    with pytest.raises(TypeError, match="Pow has no translation"):
        smt.smtlib((x**y > 1,))
    with pytest.raises(TypeError, match="case for all else"):
        smt.smtlib((sp.Gt(sp.Piecewise((x, x > 0)), 1, evaluate=False),))
