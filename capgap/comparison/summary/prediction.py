"""What a fitted law foretells at new inputs, and how far from the runs they are."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from capgap.comparison.diagnosis.extrapolation import extrapolation
from capgap.comparison.fitting.search import Fit
from capgap.comparison.intervals import Bootstrap
from capgap.comparison.summary.joint_draws import JointDraws
from capgap.theory.law_set import Laws

__all__ = ["Foretold", "foretell"]

Limits = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Foretold:
    """A prediction at one point; nats per token.

    Attributes
    ----------
    inputs : mapping
    loss : float
        The law's value.
    mean, run : (low, high)
        Interval of the law's own value, and of the loss of one new run there.
    distance : float
        Leverage over the largest leverage of the runs; above 1 it is farther than any run.
    words : str
        The distance in words.
    """

    inputs: Mapping[str, float]
    loss: float
    mean: Limits
    run: Limits
    distance: float
    words: str


def foretell(
    fit: Fit,
    draws: JointDraws | None,
    refits: Bootstrap | None,
    inputs: Mapping[str, float],
    level: float,
) -> Foretold:
    r"""Predict the loss at one point.

    .. math:: \log L \pm t_\nu \sqrt{sd(\log L^*)^2 + s^2}

    over the joint draws :math:`L^*` of the laws, with the noise s of a run for the interval of
    a new run and without it for the law's own value. Without draws the limits are NaN.
    """
    model = fit.problem.model.at({name: np.array([value]) for name, value in inputs.items()})
    center = float(model.predict(fit.x[None])[0, 0])
    far = extrapolation(fit, **inputs)
    mean = run = (float("nan"), float("nan"))
    if draws is not None and refits is not None:
        values = np.log([_loss(laws, inputs) for laws in draws])
        wide = float(stdtrit(refits.degrees_of_freedom, 0.5 + 0.5 * level))
        spread = float(np.mean((values - center) ** 2))
        mean, run = (
            (float(np.exp(center - reach)), float(np.exp(center + reach)))
            for reach in (wide * np.sqrt(spread), wide * np.sqrt(spread + refits.noise**2))
        )
    return Foretold(
        dict(inputs), float(np.exp(center)), mean, run, float(far.distance[0]), far.words[0]
    )


def _loss(laws: Laws, inputs: Mapping[str, float]) -> float:
    if "L_T" in inputs:
        assert laws.taught is not None
        return float(laws.taught.loss(inputs["N_S"], inputs["D_S"], inputs["L_T"]))
    return float(laws.supervised.loss(inputs["N"], inputs["D"]))
