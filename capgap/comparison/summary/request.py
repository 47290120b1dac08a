"""What is asked of a fit."""

from dataclasses import dataclass
from typing import Literal

from capgap.comparison.fitting.fit import HingeTerm, OwnMode
from capgap.comparison.fitting.tables import LAWS, TAUGHT_LAWS
from capgap.comparison.intervals.resampling import Kind
from capgap.errors import InputError
from capgap.theory.domain import require

__all__ = ["FitRequest"]


@dataclass(frozen=True, slots=True)
class FitRequest:
    """A law and how to fit it.

    Parameters
    ----------
    law : str
        As in `capgap.comparison.fitting.tables.fit_table`.
    gamma, terms, own, delta, use_standard_errors
        As there.
    grid : {"own", "paper"}
        As in `capgap.comparison.fitting.search.Problem`.
    refits : int
        Bootstrap refits behind the intervals; 0: no intervals.
    kind, shared
        As in `capgap.comparison.intervals.bootstrap`; by default `residuals`, which holds under
        heavy tails too, or `noise` where the runs of a cell share an error.
    level : float
        Of the intervals.
    seed : int
        Of the refits.
    seed_noise : float or None
        Standard deviation of log loss between seeds, where it is known from elsewhere.
    profiles : {"weak", "all", "none"}
        Which coefficients are profiled: those whose spread says little, all, or none.
    influence : bool
        Whether each cell is left out in turn.
    noise_profile : bool
        Whether the noise of a run may depend on its inputs: it is estimated from a first fit,
        and the runs are weighed by it in a second.

    Raises
    ------
    InputError
        An unknown law, a level outside (0, 1), one refit, or a noise that is not positive.
    """

    law: str
    gamma: float | None = None
    terms: tuple[HingeTerm, ...] = ("scale",)
    own: OwnMode = "fixed"
    delta: float | None = None
    use_standard_errors: bool = False
    grid: Literal["own", "paper"] = "paper"
    refits: int = 1000
    kind: Kind | None = None
    shared: bool = False
    level: float = 0.9
    seed: int = 0
    seed_noise: float | None = None
    profiles: Literal["weak", "all", "none"] = "weak"
    influence: bool = False
    noise_profile: bool = False

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise InputError(f"fit: law = {self.law!r} must be one of {', '.join(LAWS)}")
        if not 0 < self.level < 1:
            raise InputError(f"fit: level = {self.level:g} must be between 0 and 1")
        if self.refits < 0 or self.refits == 1:
            raise InputError(f"fit: refits = {self.refits} must be 0 or at least 2")
        if self.seed < 0:
            raise InputError(f"fit: seed = {self.seed} must be at least 0")
        if self.noise_profile and self.use_standard_errors:
            raise InputError("fit: noise_profile must be off where standard errors are used")
        if self.noise_profile and self.own == "joint":
            raise InputError("fit: noise_profile must be off for a joint fit")
        for name in ("delta", "seed_noise", "gamma"):
            value = getattr(self, name)
            if value is not None:
                require("fit", name, value)

    @property
    def refit_kind(self) -> Kind:
        """The kind of the refits."""
        return self.kind or ("noise" if self.shared else "residuals")

    @property
    def taught(self) -> bool:
        """Whether the law is one of students of teachers."""
        return self.law in TAUGHT_LAWS
