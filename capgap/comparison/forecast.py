"""A prediction that is written down before the run, and its comparison with the outcome."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from capgap.comparison.measured import FittedLaw, MeasuredLaws
from capgap.errors import InputError

__all__ = ["Forecast", "LawForecast", "Verdict", "digest_of_runs", "forecast", "judge"]

LEVEL = 0.9


@dataclass(frozen=True)
class LawForecast:
    """One law's prediction of a loss (nats per token), with its interval."""

    law: str
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """Predictions for one student, taught and untaught, from runs that do not include it.

    Attributes
    ----------
    N_S, D_S, L_T : float
        Student parameters, tokens, teacher's measured loss (nats per token).
    level : float
        Nominal coverage of each interval, for one new run.
    supervised : LawForecast
        Without a teacher.
    distilled : tuple of LawForecast
        With the teacher; the first is the law that did best on held-out runs and is the
        forecast that counts.
    runs, runs_digest : int, str
        Number of runs behind it and a hash of their ids.
    """

    N_S: float
    D_S: float
    L_T: float
    level: float
    supervised: LawForecast
    distilled: tuple[LawForecast, ...]
    runs: int
    runs_digest: str

    @property
    def primary(self) -> LawForecast:
        """The forecast that counts."""
        return self.distilled[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """One prediction against its outcome; `error` is predicted minus measured (nats)."""

    prediction: LawForecast
    measured: float
    error: float
    inside: bool


def forecast(
    laws: MeasuredLaws, N_S: float, D_S: float, L_T: float, run_ids: Iterable[str]
) -> Forecast:
    """Predict a student's loss without and with a teacher.

    The intervals cover the sampling error of each law's coefficients, the noise of one new
    run and, for the distillation laws, the error of the supervised law beneath them: the
    spread of the prediction over refits on draws of that law is added in quadrature, in log
    loss (the two samples of runs are independent). They do not cover a law of the wrong
    form; the held-out errors show what that costs.

    Raises
    ------
    InputError
        N_S, D_S or L_T is not positive.
    """
    for name, value in (("N_S", N_S), ("D_S", D_S), ("L_T", L_T)):
        if not value > 0:
            raise InputError(f"forecast: {name} = {value} must be positive")
    ids = sorted(run_ids)
    return Forecast(
        N_S=N_S,
        D_S=D_S,
        L_T=L_T,
        level=LEVEL,
        supervised=_predict(laws.supervised, N=N_S, D=D_S),
        distilled=tuple(_predict(law, N_S=N_S, D_S=D_S, L_T=L_T) for law in laws.distilled),
        runs=len(ids),
        runs_digest=digest_of_runs(ids),
    )


def judge(prediction: LawForecast, measured: float) -> Verdict:
    """Hold a prediction against the measured loss.

    >>> judge(LawForecast("supervised", 1.5, 1.4, 1.6), 1.55).inside
    True
    """
    inside = prediction.low <= measured <= prediction.high
    return Verdict(prediction, measured, prediction.loss - measured, inside)


def digest_of_runs(ids: Iterable[str]) -> str:
    """First 12 hexadecimal digits of the SHA-256 of the sorted ids."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:12]


def _predict(fitted: FittedLaw, **inputs: float) -> LawForecast:
    interval = fitted.refits.prediction_interval(LEVEL, **inputs)
    center, low, high = (float(v) for v in (interval.center, interval.low, interval.high))
    beneath = float(ndtri(0.5 * (1 + LEVEL))) * _spread(fitted, inputs)
    reach = [math.hypot(math.log(high / center), beneath)]
    reach.append(math.hypot(math.log(center / low), beneath))
    return LawForecast(
        fitted.name, center, center * math.exp(-reach[1]), center * math.exp(reach[0])
    )


def _spread(fitted: FittedLaw, inputs: Mapping[str, float]) -> float:
    """Standard deviation of the log prediction over draws of the supervised law beneath."""
    if len(fitted.under_other_laws) < 2:
        return 0.0
    losses = [float(law.loss(**inputs)) for law in fitted.under_other_laws]
    return float(np.std(np.log(losses), ddof=1))
