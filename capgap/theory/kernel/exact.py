"""Weighted norms in rational numbers: inequalities between errors, proved by enclosure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from capgap.errors import InputError
from capgap.theory.kernel.minimizers import dimension

__all__ = [
    "EARLIER_IS_BETTER",
    "LATER_IS_BETTER",
    "W_SHAPE",
    "Enclosure",
    "RationalInstance",
    "exact_student_errors",
]


@dataclass(frozen=True, slots=True)
class Enclosure:
    """Rational numbers that a number lies between; equal if it is known exactly.

    >>> Enclosure(Fraction(1, 3), Fraction(1, 2)) < Enclosure(Fraction(1), Fraction(1))
    True
    """

    low: Fraction
    high: Fraction

    def __lt__(self, other: "Enclosure") -> bool:
        """Whether every number of this one is below every number of the other: proved."""
        return self.high < other.low


@dataclass(frozen=True, slots=True)
class RationalInstance:
    r"""A target, weights and limits of `weighted_population`, given by rational squares.

    Attributes
    ----------
    alpha_squared, w : tuple of Fraction
    n : int
        Student dimension.
    T_squared, D_squared : Fraction
    """

    alpha_squared: tuple[Fraction, ...]
    w: tuple[Fraction, ...]
    n: int
    T_squared: Fraction
    D_squared: Fraction

    def __post_init__(self) -> None:
        dimension("RationalInstance", "n", self.n, len(self.w))
        if len(self.alpha_squared) != len(self.w):
            raise InputError(
                f"RationalInstance: {len(self.w)} weights must be one for each of the"
                f" {len(self.alpha_squared)} coefficients"
            )
        if min(self.alpha_squared) < 0 or min((*self.w, self.T_squared, self.D_squared)) <= 0:
            raise InputError("RationalInstance: squares must be >= 0, weights and limits > 0")


def exact_student_errors(instance: RationalInstance, bits: int = 48) -> tuple[Enclosure, ...]:
    r"""Enclose the student's squared error for each m = 1 .. M in rational numbers.

    Multipliers are bisected in exact arithmetic. The student over the target,
    :math:`r_i = 1/((1 + \nu w_i)(1 + \mu w_i)) \le 1`, falls in both multipliers, and
    :math:`E_S = \sum_{i \le k} \alpha_i^2 (1 - r_i)^2 + \sum_{i > k} \alpha_i^2` falls in
    every r, so the ends of the multipliers give the ends of the error.

    Parameters
    ----------
    instance : RationalInstance
    bits : int
        Halvings after the first power of two above a multiplier.

    Returns
    -------
    tuple of Enclosure
        Exact (low = high) where the multipliers are dyadic, as those of `LATER_IS_BETTER`.

    Examples
    --------
    >>> one, two, three = exact_student_errors(LATER_IS_BETTER)
    >>> three.low == three.high == Fraction(4367, 300)
    True
    >>> three < two < one
    True
    """
    p = instance
    return tuple(_student_error(p, m, bits) for m in range(1, len(p.w) + 1))


def _student_error(p: RationalInstance, m: int, bits: int) -> Enclosure:
    k = min(m, p.n)
    energy = [a * w for a, w in zip(p.alpha_squared, p.w, strict=True)]

    def teacher(nu: Fraction) -> Fraction:
        return _norm(energy[:m], p.w, nu)

    nu = _root(teacher, p.T_squared, bits)

    def multiplier(value: Fraction) -> Enclosure:
        left = [e / (1 + value * w) ** 2 for e, w in zip(energy[:k], p.w, strict=False)]
        return _root(lambda mu: _norm(left, p.w, mu), p.D_squared, bits)

    # The larger nu leaves the smaller norm, and that the smaller mu.
    mu = Enclosure(multiplier(nu.high).low, multiplier(nu.low).high)
    low, high = Fraction(0), Fraction(0)
    for a, w in zip(p.alpha_squared[:k], p.w, strict=False):
        low += a * (1 - 1 / ((1 + nu.low * w) * (1 + mu.low * w))) ** 2
        high += a * (1 - 1 / ((1 + nu.high * w) * (1 + mu.high * w))) ** 2
    tail = sum(p.alpha_squared[k:], Fraction(0))
    return Enclosure(low + tail, high + tail)


def _norm(energy: Sequence[Fraction], w: Sequence[Fraction], nu: Fraction) -> Fraction:
    return sum((e / (1 + nu * v) ** 2 for e, v in zip(energy, w, strict=False)), Fraction(0))


def _root(norm: Callable[[Fraction], Fraction], limit: Fraction, bits: int) -> Enclosure:
    """Multiplier at which a falling norm meets its limit; 0 where it starts below."""
    low, high = Fraction(0), Fraction(1)
    if norm(low) <= limit:
        return Enclosure(low, low)
    while norm(high) > limit:
        low, high = high, 2 * high
    for _ in range(bits):
        middle = (low + high) / 2
        value = norm(middle)
        if value == limit:
            return Enclosure(middle, middle)
        low, high = (middle, high) if value > limit else (low, middle)
    return Enclosure(high, high) if norm(high) == limit else Enclosure(low, high)


def _instance(
    alpha_squared: Sequence[str], w: Sequence[int], n: int, T_squared: str, D_squared: str
) -> RationalInstance:
    return RationalInstance(
        tuple(map(Fraction, alpha_squared)), tuple(map(Fraction, w)), n,
        Fraction(T_squared), Fraction(D_squared),
    )  # fmt: skip


# E_S(3) = 4367/300 < E_S(2): a teacher larger than the student beats m = n.
LATER_IS_BETTER = _instance(["1", "1", "41/3"], [1, 4, 9], 2, "41/25", "41/100")

# E_S(1) > E_S(2) < E_S(3) > E_S(4) < E_S(5), and E_S(4) < E_S(2): two valleys, the second deeper.
W_SHAPE = _instance(["1", "1", "3", "50", "100"], [1, 4, 9, 16, 25], 2, "2", "1/4")

# E_S(1) < E_S(2): a teacher smaller than the student beats m = n.
EARLIER_IS_BETTER = _instance(["100", "1"], [16, 1], 2, "4", "1/16")
