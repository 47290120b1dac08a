"""One model in a chain of distillations: what it sees, how wide it is, how it is regularized."""

from dataclasses import dataclass
from math import inf, isfinite

from capgap.errors import InputError

__all__ = ["Stage"]


@dataclass(frozen=True, slots=True)
class Stage:
    r"""A regression on labels of the stage before it (the first on the target's labels).

    It minimizes :math:`\frac1n \lVert y - X w \rVert^2 + ridge\, \lVert w \rVert^2` over its own
    n fresh samples.

    Parameters
    ----------
    features : int
        m: it uses the first m features of the spectrum, >= 1. With `random_features` the first
        m are what its random features are made of.
    samples : float
        n >= 1, or infinity for the population limit.
    ridge : float
        >= 0; 0 is least squares (the least norm where n < m).
    label_noise : float
        Variance of noise added to the labels that this stage sees, >= 0. The first stage's is
        the noise of the data.
    random_features : int or None
        P: the stage uses P random Gaussian combinations of its features; None: the features
        themselves.

    Raises
    ------
    InputError
        A value breaks its rule.

    Examples
    --------
    >>> Stage(features=10, samples=100).ridge
    0.0
    """

    features: int
    samples: float
    ridge: float = 0.0
    label_noise: float = 0.0
    random_features: int | None = None

    def __post_init__(self) -> None:
        if self.features < 1:
            raise InputError(f"Stage: features = {self.features} must be at least 1")
        if not self.samples >= 1 or (self.samples != inf and self.samples != int(self.samples)):
            raise InputError(f"Stage: samples = {self.samples} must be a count or infinity")
        for name in ("ridge", "label_noise"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise InputError(f"Stage: {name} = {value:g} must be finite and >= 0")
        if self.random_features is not None and self.random_features < 1:
            raise InputError(f"Stage: random_features = {self.random_features} must be at least 1")
