"""The laws in 50-digit arithmetic: their equations as printed, without logarithms or branches.

Independent of the code under test: nothing here is evaluated in logarithms, and derivatives
are difference quotients with step 1e-50 in 200 digits, right to some 90 digits.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields

import mpmath as mp
import numpy as np

from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.power_distillation import PowerDistillationLaw
from capgap.theory.product_form import ProductForm
from capgap.theory.supervised import SupervisedLaw

Values = Mapping[str, mp.mpf]
DIGITS = 50
DIFFERENCE_DIGITS = 200
STEP = 50  # decimals


def power_sum(v: Values, N: mp.mpf, D: mp.mpf, nested: str = "") -> mp.mpf:
    A, B, alpha, beta, gamma = (v[nested + name] for name in ("A", "B", "alpha", "beta", "gamma"))
    return (A / N**alpha + B / D**beta) ** gamma


def supervised(v: Values) -> mp.mpf:
    return v["E"] + power_sum(v, v["N"], v["D"])


def product(v: Values) -> mp.mpf:
    capacity = (v["N_c"] / v["N"]) ** v["capacity_exponent"]
    return v["scale"] * capacity * (v["D_c"] / v["D"]) ** v["data_exponent"] + v["L_min"]


def own_loss(v: Values, nested: str) -> mp.mpf:
    return v[nested + "E"] + power_sum(v, v["N_S"], v["D_S"], nested)


def distillation(v: Values) -> mp.mpf:
    x = v["L_T"]
    ratio = x / (own_loss(v, "supervised.") * v["d1"])
    factor = (1 + ratio ** (1 / v["f1"])) ** (-v["c1"] * v["f1"])
    return x + x ** -v["c0"] * factor * power_sum(v, v["N_S"], v["D_S"])


def reduced(v: Values) -> mp.mpf:
    x = v["L_T"]
    decay = mp.exp(-v["k"] * (x / own_loss(v, "supervised.")) ** (1 / v["f1"]))
    return x + x ** -v["c0"] * decay * power_sum(v, v["N_S"], v["D_S"])


def power(v: Values) -> mp.mpf:
    return v["L_T"] + v["L_T"] ** -v["c0"] * power_sum(v, v["N_S"], v["D_S"])


def slopes(v: Values) -> tuple[mp.mpf, mp.mpf]:
    rho = v["rho"] - v["r"] * v["D_S"] ** -v["m"]
    return rho, v["c"] * v["N_S"] ** v["p"] * v["D_S"] ** -v["q"]


def hinge(v: Values) -> mp.mpf:
    level, (rho, theta), s = own_loss(v, "student."), slopes(v), v["s"]
    ratio = v["L_T"] / level
    return level * (ratio ** (rho / s) + ratio ** (-theta / s)) ** s


def additive_hinge(v: Values) -> mp.mpf:
    level, (rho, theta), s = own_loss(v, "student."), slopes(v), v["s"]
    x = v["L_T"] - level
    return level + s * mp.log(mp.exp(rho * x / s) + mp.exp(-theta * x / s))


EQUATIONS: dict[type, Callable[[Values], mp.mpf]] = {
    SupervisedLaw: supervised,
    ProductForm: product,
    DistillationLaw: distillation,
    ReducedDistillationLaw: reduced,
    PowerDistillationLaw: power,
    HingeLaw: hinge,
    AdditiveHingeLaw: additive_hinge,
}


def variables(law: object, *inputs: float) -> dict[str, float]:
    """Inputs, then coefficients, a nested law's with its field's name before them."""
    names = ("N", "D") if len(inputs) == 2 else ("N_S", "D_S", "L_T")
    found = dict(zip(names, inputs, strict=True))
    nested = {}
    for field in fields(law):
        value = getattr(law, field.name)
        if isinstance(value, SupervisedLaw):
            inner = {f"{field.name}.{f.name}": getattr(value, f.name) for f in fields(value)}
            nested |= inner
        else:
            found[field.name] = value
    return found | nested


def exact_loss(law: object, *inputs: float) -> mp.mpf:
    """The loss to 50 digits."""
    with mp.workdps(DIGITS):
        v = {name: mp.mpf(float(value)) for name, value in variables(law, *inputs).items()}
        return EQUATIONS[type(law)](v)


def exact_derivatives(
    law: object, *inputs: float
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Names, units u, and the scaled gradient u_i L_i and Hessian u_i u_j L_ij.

    u is the variable itself, or 1 where that is zero: derivatives in relative changes.
    """
    v = variables(law, *inputs)
    names, equation = tuple(v), EQUATIONS[type(law)]
    with mp.workdps(DIFFERENCE_DIGITS):
        exact = [mp.mpf(float(value)) for value in v.values()]
        units = [abs(value) if value else mp.mpf(1) for value in exact]
        h, k = mp.mpf(10) ** -STEP, len(names)

        def at(*moves: tuple[int, int]) -> mp.mpf:
            point = list(exact)
            for i, sign in moves:
                point[i] += sign * h * units[i]
            return equation(dict(zip(names, point, strict=True)))

        center = at()
        forward, backward = [at((i, 1)) for i in range(k)], [at((i, -1)) for i in range(k)]
        gradient = [(forward[i] - backward[i]) / (2 * h) for i in range(k)]
        hessian = np.empty((k, k), dtype=object)
        for i in range(k):
            hessian[i, i] = (forward[i] - 2 * center + backward[i]) / h**2
            for j in range(i):
                # Two more points than differences of the ones at hand: right to h^2.
                mixed = at((i, 1), (j, 1)) + at((i, -1), (j, -1)) + 2 * center
                others = forward[i] + backward[i] + forward[j] + backward[j]
                hessian[i, j] = hessian[j, i] = (mixed - others) / (2 * h**2)
        return names, np.array([float(u) for u in units]), np.array(gradient), hessian
