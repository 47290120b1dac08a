"""The runner: what a theorem, a step and a proof are."""

import importlib
import pkgutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import sympy as sp

import proofs

__all__ = ["Kind", "Proof", "Step", "Theorem", "identity", "not_identity", "proof", "theorems"]

Kind = Literal["proved", "hypotheses hold somewhere", "mutant refuted"]


@dataclass(frozen=True, slots=True)
class Theorem:
    """What a file proves.

    Attributes
    ----------
    name : str
        A few words, as a title.
    statement : str
        The statement in one line of plain mathematics.
    tool : str
        ``sympy``, ``z3 + cvc5``, ``Arb``, or several of them joined by commas.
    """

    name: str
    statement: str
    tool: str


@dataclass(frozen=True, slots=True)
class Step:
    """One check inside a proof.

    Attributes
    ----------
    kind : str
        What was to be shown: a claim, that its hypotheses can hold, or that a mutant is false.
    claim : str
        The claim in words.
    holds : bool
        Whether it was shown.
    detail : str
        An answer worth reading: a counterexample, an interval, a prover's "unknown".
    """

    kind: Kind
    claim: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """Outcome of ``prove()``.

    Attributes
    ----------
    status : str
        ``proved`` if every step was shown and there is at least one; else ``failed``.
    seconds : float
        Wall-clock time.
    details : tuple of Step
    """

    status: Literal["proved", "failed"]
    seconds: float
    details: tuple[Step, ...]

    @property
    def failures(self) -> tuple[Step, ...]:
        """Steps that were not shown."""
        return tuple(step for step in self.details if not step.holds)

    def count(self, kind: Kind) -> int:
        """Number of steps of a kind."""
        return sum(step.kind == kind for step in self.details)


def proof(steps: Callable[[], Iterator[Step]]) -> Callable[[], Proof]:
    """Turn a generator of steps into ``prove()``.

    >>> @proof
    ... def prove():
    ...     yield Step("proved", "one is one", 1 == 1)
    >>> prove().status, prove().count("proved")
    ('proved', 1)
    >>> @proof
    ... def nothing():
    ...     yield from ()
    >>> nothing().status
    'failed'
    """

    def prove() -> Proof:
        start = time.perf_counter()
        found = tuple(steps())
        status: Literal["proved", "failed"] = "failed"
        if any(step.kind == "proved" for step in found) and all(step.holds for step in found):
            status = "proved"
        return Proof(status, time.perf_counter() - start, found)

    prove.__doc__ = steps.__doc__ or "Prove the theorem of this file."
    return prove


def identity(claim: str, left: sp.Expr, right: sp.Expr | int = 0) -> Step:
    """Show that two expressions are equal, by normal form and not by evaluation.

    >>> x = sp.Symbol("x")
    >>> identity("square of a sum", (x + 1) ** 2, x**2 + 2 * x + 1).holds
    True
    """
    return Step("proved", claim, _same(left, right))


def not_identity(claim: str, left: sp.Expr, right: sp.Expr | int, at: dict[sp.Symbol, int]) -> Step:
    """Refute a mutant of an identity: at a point the two sides differ.

    Both the number and the normal form must differ there, so that the method by which `identity`
    decides is itself seen to reject something false.

    >>> x = sp.Symbol("x")
    >>> not_identity("wrong sign", (x + 1) ** 2, x**2 - 2 * x + 1, {x: 3}).detail
    'x = 3: they differ by 12'
    """
    difference = (sp.sympify(left) - sp.sympify(right)).subs(at)
    value = sp.N(difference, 30)
    differs = value.is_finite is True and abs(value) > sp.Float("1e-20")
    where = ", ".join(f"{symbol} = {at[symbol]}" for symbol in sorted(at, key=str))
    holds = bool(differs) and not _same(difference, sp.Integer(0))
    detail = f"{where}: they differ by {float(value):.6g}" if holds else where
    return Step("mutant refuted", claim, holds, detail)


def theorems() -> dict[str, ModuleType]:
    """Modules that state a theorem, by file name without suffix, in alphabetical order."""
    names = sorted(info.name for info in pkgutil.iter_modules(proofs.__path__))
    modules = {n: importlib.import_module(f"proofs.{n}") for n in names if n != "__main__"}
    return {name: module for name, module in modules.items() if hasattr(module, "THEOREM")}


def _same(left: sp.Expr | int, right: sp.Expr | int) -> bool:
    difference = sp.sympify(left) - sp.sympify(right)
    for form in (sp.expand, sp.ratsimp, sp.simplify, _factored_bases):
        if form(difference) == 0:
            return True
    return False


def _factored_bases(expression: sp.Expr) -> sp.Expr:
    """Take common positive factors out of powers of sums before simplifying."""
    factored = expression.replace(
        lambda node: node.is_Pow and node.base.is_Add,
        lambda node: sp.expand_power_base(sp.factor(node.base) ** node.exp),
    )
    return sp.simplify(sp.expand(sp.powsimp(factored)))
