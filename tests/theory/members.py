"""Members of every law: the published ones, edge cases, and strategies that draw others."""

from dataclasses import replace

from hypothesis import strategies as st

from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.product_form import ProductForm
from capgap.theory.supervised import SupervisedLaw

PAPER, EQ8 = supervised_law("printed"), distillation_law("reconstructed")
REDUCED = EQ8.reduced()
TWO_MINIMA = 1 / 20  # f1 with 1/f1 far beyond p+ = 12.2
CONVEX_GAP_LAWS = [
    distillation_law("printed"),
    EQ8,
    REDUCED,
    replace(EQ8, c0=0.0, f1=1.3),
    replace(REDUCED, c0=0.0, f1=1.3),
    replace(EQ8, supervised=replace(PAPER, E=0.0), c1=3.0, f1=0.4),
]
GAP_LAWS = [*CONVEX_GAP_LAWS, replace(EQ8, f1=TWO_MINIMA), replace(EQ8, c0=0.0)]
HINGES = [
    HingeLaw(PAPER, rho=0.8, s=0.05, c=0.4),
    HingeLaw(PAPER, rho=1.0, s=0.02, c=0.05, p=0.1, q=0.05, r=0.7, m=0.1),
    HingeLaw(replace(PAPER, E=0.0), rho=0.6, s=0.3, c=1.5, q=0.02),
    AdditiveHingeLaw(PAPER, rho=0.8, s=0.1, c=0.4),
    AdditiveHingeLaw(PAPER, rho=1.0, s=0.04, c=0.05, p=0.1, q=0.05, r=0.7, m=0.1),
    AdditiveHingeLaw(replace(PAPER, E=0.0), rho=0.6, s=0.5, c=1.5, q=0.02),
]
TAUGHT = [*GAP_LAWS, *HINGES]
PRODUCT = ProductForm(1.2, 1e9, 2e10, capacity_exponent=0.18, data_exponent=0.2, L_min=1.2)
ALONE = [PAPER, replace(PAPER, E=0.0), replace(PAPER, gamma=1.0), PRODUCT]


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high)


def magnitudes(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda exponent: float(10.0**exponent))


# The ranges for which accuracy is claimed.
counts = magnitudes(3, 30)
teachers = st.one_of(st.floats(0.0, 50.0, exclude_min=True), magnitudes(-6, 1.69))
# The ranges in which anyone trains.
sizes, tokens = magnitudes(6, 12), magnitudes(7, 14)

supervised_laws = st.builds(
    SupervisedLaw,
    E=st.one_of(st.just(0.0), floats(0.01, 3.0)),
    A=magnitudes(-1, 6),
    B=magnitudes(-1, 8),
    alpha=floats(0.05, 1.0),
    beta=floats(0.05, 1.0),
    gamma=floats(0.1, 2.0),
)
product_forms = st.builds(
    ProductForm,
    scale=magnitudes(-1, 1),
    N_c=magnitudes(3, 14),
    D_c=magnitudes(3, 14),
    capacity_exponent=floats(0.05, 1.0),
    data_exponent=floats(0.05, 1.0),
    L_min=st.one_of(st.just(0.0), floats(0.01, 3.0)),
)
bracket = {
    "A": magnitudes(0, 5),
    "B": magnitudes(0, 7),
    "alpha": floats(0.1, 0.9),
    "beta": floats(0.1, 0.9),
    "gamma": floats(0.2, 1.5),
}
powers_of_strong = st.one_of(st.just(0.0), floats(0.0, 4.0))
distillation_laws = st.builds(
    DistillationLaw,
    supervised=supervised_laws,
    c0=powers_of_strong,
    c1=magnitudes(-1, 3),
    f1=floats(0.05, 1.0),
    d1=floats(0.5, 2.0),
    **bracket,
)
reduced_laws = st.builds(
    ReducedDistillationLaw,
    supervised=supervised_laws,
    c0=powers_of_strong,
    k=magnitudes(-2, 2),
    f1=floats(0.05, 1.0),
    **bracket,
)


def hinges(kind: type) -> st.SearchStrategy:
    """Slopes that change with N_S and D_S by a few orders of magnitude, rho(D_S) > 0."""
    return st.builds(
        kind,
        student=supervised_laws,
        rho=floats(0.5, 1.5),
        s=floats(0.01, 0.5),
        c=magnitudes(-2, 0),
        p=floats(-0.1, 0.1),
        q=floats(-0.1, 0.1),
        r=st.one_of(st.just(0.0), floats(0.0, 0.45)),
        m=st.one_of(st.just(0.0), floats(0.0, 0.3)),
    )


ALONE_STRATEGIES = [supervised_laws, product_forms]
TAUGHT_STRATEGIES = [
    distillation_laws,
    reduced_laws,
    hinges(HingeLaw),
    hinges(AdditiveHingeLaw),
]
