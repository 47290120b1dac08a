"""What coefficients a design could tell apart at all, whatever the losses.

The rank of the residuals' Jacobian is the same at almost every coefficient vector of a law
(its minors are analytic in them), so a few arbitrary vectors decide it. What remains in the
null space there is a combination of coefficients that no run of this design can see.
"""

from dataclasses import dataclass

import numpy as np

from capgap.comparison.diagnosis.local import right_singular
from capgap.comparison.diagnosis.repeats import repeat_index
from capgap.comparison.fitting.distillation_models import Eq8Model, ReducedModel
from capgap.comparison.fitting.hinge_model import HingeModel
from capgap.comparison.fitting.log_models import FloatArray, LogModel, SupervisedModel
from capgap.comparison.fitting.own_law import GivenLaw
from capgap.comparison.fitting.power_model import PowerModel
from capgap.comparison.tables.run_table import RunTable

__all__ = ["CANNOT_BEAT_TEACHER", "OWN_BRACKET", "Unseen", "canonical", "null_names", "unseen"]

# Names of laws in files and in `Fit`, by the name on the command line.
_ALIASES = {
    "eq8": "distillation",
    "eq8-reduced": "distillation-reduced",
    "eq8-power": "distillation-power",
}
CANNOT_BEAT_TEACHER = frozenset({"distillation", "distillation-reduced", "distillation-power"})
OWN_BRACKET = CANNOT_BEAT_TEACHER | {"plain", "supervised"}
_POINTS = 8
_MOST_ROWS = 2000  # rows of a large table that stand for its design
_RANK = 1e-10  # an exact degeneracy leaves rounding, 1e-15; curvature alone leaves 1e-7 or more
_INVOLVED = 1e-5  # share in an exact null vector that is not rounding


@dataclass(frozen=True, slots=True)
class Unseen:
    """Coefficients of a law, and which of them a design cannot tell apart (none: empty)."""

    names: tuple[str, ...]
    together: tuple[str, ...]


def canonical(law: str) -> str:
    """Name of a law on the command line.

    >>> canonical("eq8-reduced"), canonical("plain")
    ('distillation-reduced', 'plain')
    """
    return _ALIASES.get(law, law)


def unseen(runs: RunTable, law: str) -> Unseen | None:
    """Coefficients in the null space of every design like this one; None for an unknown law.

    Laws of distillation are taken with the student's supervised law given.

    >>> N, D = np.repeat([1e7, 1e8], 4), np.tile([1e9, 4e9, 1e10, 4e10], 2)
    >>> unseen(RunTable(N, D, 2 + 1e3 / N**0.4 + 1e3 / D**0.4), "plain").together
    ('A', 'alpha', 'E')
    """
    first = np.unique(repeat_index(runs.inputs), return_index=True)[1]
    few = np.sort(first)[:: max(1, first.size // _MOST_ROWS)]
    keep = np.zeros(len(runs), dtype=bool)
    keep[few] = True
    model = _model(runs.where(keep), canonical(law))
    if model is None:
        return None
    best: tuple[int, FloatArray, FloatArray] | None = None
    for x in _points(model, np.log(runs.loss[keep])):
        jacobian = model.evaluate(x[None])[1][0]
        norms = np.maximum(np.linalg.norm(jacobian, axis=0), 1e-300)
        values, vectors = right_singular(jacobian / norms)
        rank = int(np.count_nonzero(values > _RANK * values[0]))
        if best is None or rank > best[0]:
            best = (rank, values, vectors)
    assert best is not None
    return Unseen(model.names, null_names(model, best[2][best[0] :], _INVOLVED))


def null_names(model: LogModel, directions: FloatArray, least: float) -> tuple[str, ...]:
    """Coefficients with at least this share in unit vectors, shape (k, P), in the law's order."""
    if not len(directions):
        return ()
    share = np.sqrt(np.sum(directions**2, axis=0))
    return tuple(n for n, v in zip(model.names, share, strict=True) if v > least)


def _points(model: LogModel, log_loss: FloatArray) -> FloatArray:
    """Coordinate vectors with nothing special about them."""
    rng = np.random.default_rng(0)
    grid = model.starts(log_loss)
    low, high = model.bounds.T
    chosen = grid[rng.integers(len(grid), size=_POINTS)]
    jitter = chosen + 0.02 * (high - low) * rng.uniform(0.5, 1.5, chosen.shape)
    return np.asarray(np.clip(jitter, low, high), dtype=np.float64)


def _model(runs: RunTable, law: str) -> LogModel | None:
    N, D, L_T, loss = runs.N, runs.D, runs.L_T, runs.loss
    plain = SupervisedModel.build(N, D, loss, 1.0)
    if law == "plain" and L_T is None:
        return plain
    if law == "supervised" and L_T is None:
        return SupervisedModel.build(N, D, loss, None)
    if L_T is None:
        return None
    # A law of this scale of losses; where L_T / own loss lies decides nothing about the rank.
    bracket = plain.part.starts([float(np.log(0.5 * np.median(loss)))], [0.15], [1.0], [0.5])
    own = plain.law(np.array([*bracket[0], 0.5 * float(np.median(loss))]))
    given = GivenLaw(own, np.log(N), np.log(D))
    if law == "distillation":
        return Eq8Model.build(N, D, L_T, given)
    if law == "distillation-reduced":
        return ReducedModel.build(N, D, L_T, given)
    if law == "distillation-power":
        return PowerModel.build(N, D, L_T, given)
    if law in ("hinge", "hinge-additive"):  # the two have the same corner
        return HingeModel.build(N, D, L_T, given, frozenset())
    return None
