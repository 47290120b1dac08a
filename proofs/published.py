"""Published coefficients as exact decimals and as interval boxes, and Eq. 8 in intervals.

Table 6 of Busbridge et al., arXiv 2502.08606: value and 90% interval, as printed. The set called
reconstructed has 100 times the printed B'; the factor is ours (`capgap.theory.coefficients`).
"""

from flint import arb

__all__ = ["PUBLISHED", "Point", "box", "gap_term", "hump", "own_loss", "point", "slope"]

Point = dict[str, arb]

PUBLISHED: dict[str, tuple[str, str, str]] = {
    "E": ("1.220", "1.190", "1.247"),
    "A": ("3355", "3346", "3360"),
    "B": ("18186", "18157", "18236"),
    "alpha": ("0.408", "0.405", "0.411"),
    "beta": ("0.431", "0.428", "0.433"),
    "gamma": ("0.452", "0.442", "0.461"),
    "c0": ("2.549", "2.425", "2.615"),
    "c1": ("522.6", "522.6", "522.6"),
    "f1": ("0.090", "0.088", "0.093"),
    "d1": ("1.315", "1.302", "1.327"),
    "A'": ("2243", "2227", "2255"),
    "B'": ("24181", "24084", "24266"),
    "alpha'": ("0.321", "0.319", "0.324"),
    "beta'": ("0.637", "0.634", "0.640"),
    "gamma'": ("0.764", "0.732", "0.788"),
}
FACTOR_ON_B = {"printed": 1, "reconstructed": 100}


def point(name: str) -> Point:
    """Coefficients of a named set, each enclosing the printed decimal."""
    values = {key: arb(value) for key, (value, _, _) in PUBLISHED.items()}
    return values | {"B'": values["B'"] * FACTOR_ON_B[name]}


def box(name: str) -> arb:
    """The whole published 90% interval of a coefficient, as one ball.

    >>> bool(box("f1").contains(arb("0.088")) and box("f1").contains(arb("0.093")))
    True
    """
    _, low, high = PUBLISHED[name]
    return arb(low).union(arb(high))


def own_loss(v: Point, N_S: arb, D_S: arb) -> arb:
    """Eq. 1, the student's supervised loss: E + (A/N^alpha + B/D^beta)^gamma."""
    return v["E"] + (v["A"] / N_S ** v["alpha"] + v["B"] / D_S ** v["beta"]) ** v["gamma"]


def gap_term(v: Point, N_S: arb, D_S: arb) -> arb:
    """U = (A'/N^alpha' + B'/D^beta')^gamma'."""
    return (v["A'"] / N_S ** v["alpha'"] + v["B'"] / D_S ** v["beta'"]) ** v["gamma'"]


def hump(x: arb, K: arb, U: arb, c0: arb, c1: arb, p: arb) -> arb:
    """h of dL_S/dx = 1 - h: u U x^(-1 - c0) (1 + y)^(-c1/p), y = (x/K)^p, u = c0 + c1 y/(1 + y)."""
    y = (x / K) ** p
    return (c0 + c1 * y / (1 + y)) * U * x ** (-1 - c0) * (1 + y) ** (-c1 / p)


def slope(v: Point, N_S: arb, D_S: arb, x: arb) -> arb:
    """dL_S/dL_T of Eq. 8 at L_T = x."""
    K = own_loss(v, N_S, D_S) * v["d1"]
    return 1 - hump(x, K, gap_term(v, N_S, D_S), v["c0"], v["c1"], 1 / v["f1"])
