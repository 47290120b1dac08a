"""2b: chains of ridge stages, with and without assistants."""

from collections.abc import Sequence

from capgap.comparison.agreement.catalog.asymptotic import asymptotic_chain
from capgap.comparison.agreement.configuration import Configuration, Control
from capgap.spectrum import Spectrum, Stage, exponential, power_law
from capgap.theory.finite.ridge_chain import chain

__all__ = ["chain_configurations"]


def chain_configurations() -> tuple[Configuration, ...]:
    """Pairs, assistants, interpolation; Gaussian features and random signs."""
    power, steep = power_law(16, 1.0, 1.5), exponential(16, 0.3, 0.2)
    pair = [Stage(16, 24, 0.05, 0.2), Stage(10, 14, 0.03)]
    assisted = [Stage(16, 24, 0.01, 0.2), Stage(10, 18, 0.01), Stage(6, 10, 0.02)]
    long = [Stage(16, 24, 0.02, 0.1), Stage(12, 20, 0.02), Stage(9, 16, 0.02), Stage(6, 12, 0.02)]
    noisy = [Stage(12, 20, 0.05, 0.3), Stage(12, 20, 0.05, 0.1), Stage(8, 12, 0.05, 0.1)]
    wide = [Stage(16, 10, 0.05, 0.05), Stage(16, 12, 0.02)]
    return (
        asymptotic_chain(
            "pair", "2b", power, pair,
            controls=(Control("gamma ignored", lambda: without_gamma(power, pair)),),
        ),
        asymptotic_chain("pair, random signs", "2b", power, pair, features="rademacher"),
        asymptotic_chain(
            "one assistant", "2b", power, assisted,
            controls=(Control("no assistant", lambda: (
                *chain(power, assisted).risk[:2],
                chain(power, [assisted[0], assisted[2]]).risk[1],
            )),),
        ),
        asymptotic_chain(
            "one assistant, random signs", "2b", power, assisted, features="rademacher"
        ),
        asymptotic_chain("two assistants", "2b", power, long),
        asymptotic_chain("noise at every stage", "2b", power, noisy),
        asymptotic_chain("fewer samples than features", "2b", power, wide),
        asymptotic_chain("exponential spectrum", "2b", steep, pair),
    )  # fmt: skip


def without_gamma(spectrum: Spectrum, stages: Sequence[Stage]) -> tuple[float, ...]:
    """Risks where the last stage's error is not divided by 1 - gamma."""
    right = chain(spectrum, stages)
    # The spread that a stage adds is gamma times its error.
    return (*right.risk[:-1], right.risk[-1] - right.gamma[-1] ** 2 * right.error[-1])
