"""Inequalities over the reals, decided by z3 and by cvc5 from one text.

A claim is written in sympy and printed as SMT-LIB 2.6, the language that both provers read, so
neither sees a translation made for it alone. "Proved" means that both answer "unsat" to the
negation; "refuted" that both answer "sat". An answer of "unknown" shows nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import cvc5  # type: ignore[import-untyped, import-not-found, unused-ignore]
import sympy as sp
import z3  # type: ignore[import-untyped, import-not-found, unused-ignore]
from sympy.logic.boolalg import Boolean, BooleanFalse, BooleanTrue

from proofs.checking import Step

__all__ = ["Claim", "check", "counterexample", "smtlib", "steps"]

_MILLISECONDS = 10_000  # each question takes some hundredths of a second
_RELATIONS = {sp.Eq: "=", sp.Lt: "<", sp.Le: "<=", sp.Gt: ">", sp.Ge: ">="}
_JUNCTORS = {
    sp.And: "and",
    sp.Or: "or",
    sp.Not: "not",
    sp.Implies: "=>",
    sp.Equivalent: "=",
    sp.ITE: "ite",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement "for all reals: hypotheses imply conclusion", with false relatives.

    Attributes
    ----------
    name : str
    hypotheses : tuple of sympy Boolean
        Over real symbols.
    conclusion : sympy Boolean
    mutants : mapping of str to Boolean or Claim
        False statements by description: another conclusion under the same hypotheses, or a
        claim of its own, such as the same without a hypothesis it cannot spare.
    """

    name: str
    hypotheses: tuple[Boolean, ...]
    conclusion: Boolean
    mutants: Mapping[str, "Boolean | Claim"] = field(default_factory=dict)

    @property
    def negation(self) -> tuple[Boolean, ...]:
        """Formulas that hold together exactly where the claim fails."""
        return (*self.hypotheses, sp.Not(self.conclusion))


def steps(claims: list[Claim]) -> Iterator[Step]:
    """Check each claim, that its hypotheses can hold, and that its mutants are false."""
    for claim in claims:
        hypotheses = check(claim.hypotheses)
        yield Step("hypotheses hold somewhere", claim.name, hypotheses == ("sat", "sat"))
        answers = check(claim.negation)
        detail = "z3 {}, cvc5 {}".format(*answers)
        yield Step("proved", claim.name, answers == ("unsat", "unsat"), detail)
        for name, mutant in claim.mutants.items():
            false = mutant
            if not isinstance(false, Claim):
                false = Claim(name, claim.hypotheses, false)
            yield _refute(f"{claim.name}: {name}", false)


def check(formulas: tuple[Boolean, ...]) -> tuple[str, str]:
    """Answers of z3 and cvc5 to "can these formulas hold together?".

    >>> x = sp.Symbol("x", real=True)
    >>> check((x**2 < 0,)), check((x**2 < 2, x > 1))
    (('unsat', 'unsat'), ('sat', 'sat'))
    """
    text = smtlib(formulas)
    return str(_z3(text).check()), _cvc5(text)


def counterexample(claim: Claim) -> dict[str, sp.Rational] | None:
    """Return z3's counterexample to a claim, rechecked exactly by sympy; None if irrational.

    Raises
    ------
    ArithmeticError
        The prover's values do not break the claim.

    >>> x = sp.Symbol("x", real=True)
    >>> counterexample(Claim("squares grow", (x > 0,), x**2 > x)) is not None
    True
    """
    solver = _z3(smtlib(claim.negation))
    if str(solver.check()) != "sat":
        return None
    model = solver.model()
    values = {}
    for entry in model.decls():
        value = model[entry]
        if not z3.is_rational_value(value):
            return None
        values[entry.name()] = sp.Rational(value.numerator_as_long(), value.denominator_as_long())
    symbols = set().union(*(formula.free_symbols for formula in claim.negation))
    point = {symbol: values.get(str(symbol), sp.Integer(0)) for symbol in symbols}
    if not all(formula.subs(point) == sp.true for formula in claim.negation):
        raise ArithmeticError(f"{claim.name}: {point} is not a counterexample")
    return {str(symbol): value for symbol, value in sorted(point.items(), key=str)}


def smtlib(formulas: tuple[Boolean, ...]) -> str:
    """Print formulas over real symbols as an SMT-LIB 2.6 script.

    >>> x, y = sp.symbols("x y", real=True)
    >>> print(smtlib((x < y,)).strip())
    (set-logic QF_NRA)
    (declare-const x Real)
    (declare-const y Real)
    (assert (< x y))
    """
    symbols = sorted({s for f in formulas for s in f.free_symbols}, key=str)
    lines = ["(set-logic QF_NRA)"]
    lines += [f"(declare-const {symbol} Real)" for symbol in symbols]
    lines += [f"(assert {_print(formula)})" for formula in formulas]
    return "\n".join(lines) + "\n"


def _refute(name: str, false: Claim) -> Step:
    answers = check(false.negation)
    values = counterexample(false) if answers == ("sat", "sat") else None
    detail = "z3 {}, cvc5 {}".format(*answers)
    if values is not None:
        detail = ", ".join(f"{symbol} = {value}" for symbol, value in values.items())
    return Step("mutant refuted", name, answers == ("sat", "sat"), detail)


def _z3(text: str) -> z3.Solver:
    solver = z3.Solver()
    solver.set("timeout", _MILLISECONDS)
    solver.from_string(text)
    return solver


def _cvc5(text: str) -> str:
    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("tlimit-per", str(_MILLISECONDS))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "claim")
    names = parser.getSymbolManager()
    while not (command := parser.nextCommand()).isNull():
        command.invoke(solver, names)
    return str(solver.checkSat()).split()[0]


def _print(node: sp.Basic) -> str:
    if isinstance(node, (BooleanTrue, BooleanFalse)):
        return str(node).lower()
    if isinstance(node, sp.Symbol):
        return str(node.name)
    if isinstance(node, sp.Rational):
        return _rational(node)
    if isinstance(node, sp.Ne):
        return f"(not (= {_print(node.lhs)} {_print(node.rhs)}))"
    for table in (_RELATIONS, _JUNCTORS):
        for kind, sign in table.items():
            if isinstance(node, kind):
                return f"({sign} {' '.join(_print(a) for a in node.args)})"
    if isinstance(node, (sp.Add, sp.Mul)):
        sign = "+" if isinstance(node, sp.Add) else "*"
        return f"({sign} {' '.join(_print(a) for a in node.args)})"
    if isinstance(node, sp.Pow) and node.exp.is_Integer:
        factors = " ".join([_print(node.base)] * abs(int(node.exp)))
        power = factors if abs(node.exp) == 1 else f"(* {factors})"
        return power if node.exp > 0 else f"(/ 1.0 {power})"
    if isinstance(node, (sp.Min, sp.Max)):
        return _extreme(list(node.args), "<=" if isinstance(node, sp.Min) else ">=")
    if isinstance(node, sp.Piecewise):
        return _cases([(_print(value), _print(condition)) for value, condition in node.args])
    raise TypeError(f"smtlib: {type(node).__name__} has no translation: {node}")


def _rational(number: sp.Rational) -> str:
    size = f"{abs(number.p)}.0" if number.q == 1 else f"(/ {abs(number.p)}.0 {number.q}.0)"
    return size if number >= 0 else f"(- {size})"


def _extreme(arguments: list[sp.Expr], sign: str) -> str:
    text = _print(arguments[-1])
    for argument in arguments[-2::-1]:
        first = _print(argument)
        text = f"(ite ({sign} {first} {text}) {first} {text})"
    return text


def _cases(cases: list[tuple[str, str]]) -> str:
    if cases[-1][1] != "true":
        raise TypeError("smtlib: a case distinction must end with a case for all else")
    text = cases[-1][0]
    for value, condition in cases[-2::-1]:
        text = f"(ite {condition} {value} {text})"
    return text
