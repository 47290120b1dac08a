"""What is simulated and which numbers a theory gives for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from capgap.measurement.kernel import Sampled

__all__ = ["Configuration", "Control", "Kind", "Simulate"]

Kind = Literal["exact", "asymptotic", "real data"]


class Simulate(Protocol):
    """Simulation of a configuration with all sizes multiplied by `scale`."""

    def __call__(self, scale: int, replications: int, seed: int) -> Sampled:
        """Independent replications."""


@dataclass(frozen=True, slots=True)
class Control:
    """A theory with a known mistake: the comparison must reject it.

    Attributes
    ----------
    mistake : str
        What is wrong, in words.
    theory : callable
        Risks of all stages according to it.
    """

    mistake: str
    theory: Callable[[], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Configuration:
    """One model at one setting.

    Attributes
    ----------
    name : str
        Of the configuration, unique; the random numbers depend on it.
    model : str
        Section of the theory, e.g. "2a".
    kind : str
        "exact": the mean of the simulation is the theory's number. "asymptotic": it
        approaches the number as 1/scale. "real data": nothing is promised, because real
        features are not independent.
    features : str
        Distribution of the features.
    theory : callable
        Excess risks of all stages, at any scale.
    simulate : Simulate
        The same, sampled.
    replications : int
        At scale 1; others have 1/scale of it, which keeps standard errors about equal.
    scales : tuple of int
        Simulated sizes; (1,) unless asymptotic.
    controls : tuple of Control
        Wrong theories of the same configuration.
    """

    name: str
    model: str
    kind: Kind
    features: str
    theory: Callable[[], tuple[float, ...]]
    simulate: Simulate
    replications: int
    scales: tuple[int, ...] = (1,)
    controls: tuple[Control, ...] = ()
