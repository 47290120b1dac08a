"""When a teacher larger than the student is better after all, in least squares.

For a practitioner: a teacher trained on few or noisy samples over-fits most at the student's own
size. Then a larger teacher may win although the student cannot hold what it knows, and whether it
does is a threshold in the student's samples: theta below one number, and the best teacher jumps.

Statement (2a's branch m >= n, g = t_n - t_m >= 0, k = m - n > 0): E_S(m) < E_S(n) iff
theta (g + k v_m) < n (v_n - v_m); with v_n <= v_m never. So some m > n beats m = n iff theta is
below the largest ratio n (v_n - v_m)/[g + k v_m]. At the threshold both are equally good, hence a
jump. And the best m can be below n: with an over-fitting teacher E_T may rise before m = n.

Hypotheses: v > 0, g + k v_m > 0. Source: ours.
"""

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, proof
from proofs.least_squares_hinge import branches

THEOREM = Theorem(
    "Phase boundary of the best teacher in least squares",
    "some m > n beats m = n iff "
    "theta < max over m > n of n (v_n - v_m)/[(t_n - t_m) + (m - n) v_m]",
    "sympy, z3 + cvc5",
)

n, k, t_m, t_n, v_m, v_n, theta = sp.symbols("n k t_m t_n v_m v_n theta", real=True)
DOMAIN = (n > 0, k > 0, t_m >= 0, t_n >= t_m, v_m > 0, v_n > 0, theta > 0)
OWN = branches(n, n, t_n, t_n, v_n, theta)[1]
LARGER = branches(n + k, n, t_m, t_n, v_m, theta)[1]
BELOW = theta * (t_n - t_m + k * v_m) < n * (v_n - v_m)

CLAIMS = [
    smt.Claim(
        "threshold",
        DOMAIN,
        sp.Equivalent(LARGER < OWN, BELOW),
        {
            "never": LARGER >= OWN,
            "without the teacher's variance": sp.Equivalent(
                LARGER < OWN, theta * (t_n - t_m) < n * (v_n - v_m)
            ),
        },
    ),
    smt.Claim(
        "a teacher whose variance does not fall is no better",
        (*DOMAIN, v_n <= v_m),
        LARGER > OWN,
        {"whatever its variance": smt.Claim("", DOMAIN, LARGER > OWN)},
    ),
    smt.Claim(
        "more samples for the student only help the larger teacher's case",
        (*DOMAIN, BELOW, sp.Symbol("other", real=True) > 0, sp.Symbol("other", real=True) < theta),
        BELOW.subs(theta, sp.Symbol("other", real=True)),
        {
            "fewer do too": smt.Claim(
                "",
                (*DOMAIN, BELOW, sp.Symbol("other", real=True) > theta),
                BELOW.subs(theta, sp.Symbol("other", real=True)),
            )
        },
    ),
]


def teacher(m: int, beyond: sp.Rational, n_T: int, noise: sp.Rational) -> sp.Rational:
    """E_T = t_m + m v_m of least squares on m modes and n_T samples."""
    return beyond + m * (noise + beyond) / (n_T - m - 1)


@proof
def prove() -> Iterator[Step]:
    """The threshold, and an exact over-fitting teacher."""
    yield identity("difference", LARGER - OWN, theta * (t_n - t_m + k * v_m) - n * (v_n - v_m))
    # Energies 1, 1/10, 1/10: t = 6/5, 1/5, 1/10, 0; noise 1, six samples.
    energy = [sp.Rational(6, 5), sp.Rational(1, 5), sp.Rational(1, 10), sp.Integer(0)]
    errors = [teacher(m, energy[m], 6, sp.Integer(1)) for m in range(4)]
    below = errors[1] < errors[2]
    yield Step("proved", "n = 2: the best m is 1, below n", below, ", ".join(map(str, errors)))
    exact = [teacher(m, energy[m], 600, sp.Integer(1)) for m in range(4)]
    held = exact[1] > exact[2]
    yield Step("mutant refuted", "with 600 samples too", held, ", ".join(map(str, exact)))
    yield from smt.steps(CLAIMS)
