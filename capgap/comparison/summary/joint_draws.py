"""Joint draws of a distillation law and of the supervised law that was fitted beneath it."""

from dataclasses import replace

import numpy as np

from capgap.comparison.fitting.gap_model import GapModel
from capgap.comparison.fitting.hinge_model import HingeModel
from capgap.comparison.fitting.huber import minimize_huber
from capgap.comparison.fitting.log_models import FloatArray, LogModel
from capgap.comparison.fitting.own_law import GivenLaw
from capgap.comparison.fitting.search import Fit
from capgap.comparison.intervals import Bootstrap
from capgap.errors import InputError
from capgap.theory.law_set import Laws
from capgap.theory.supervised import SupervisedLaw

__all__ = ["JointDraws", "draws_beneath", "draws_of", "on_law"]

MOST = 400  # draws kept in a file; the spread of 400 is known to 3.5%
BENEATH = 100  # supervised laws drawn; their spread is known to 7%


class JointDraws(tuple[Laws, ...]):
    """Laws drawn together; `coordinates` are those of the fitted law, shape (B, P)."""

    coordinates: FloatArray

    @classmethod
    def of(cls, laws: list[Laws], coordinates: FloatArray) -> "JointDraws":
        """Draws and their coordinates."""
        made = cls(laws)
        made.coordinates = coordinates
        return made


def on_law(model: LogModel, law: SupervisedLaw) -> LogModel:
    """The same coordinates on another given supervised law."""
    if isinstance(model, GapModel) and isinstance(model.own, GivenLaw):
        return replace(model, own=replace(model.own, given=law))
    if isinstance(model, HingeModel) and isinstance(model.own, GivenLaw):
        return replace(model, level=replace(model.level, own=replace(model.own, given=law)))
    raise InputError(f"on_law: {type(model).__name__} must be a model on a given supervised law")


def draws_of(fit: Fit, refits: Bootstrap, supervised: SupervisedLaw | None) -> JointDraws:
    """The laws of the refits.

    `supervised` is the supervised law that goes with them where the fit had none of its own.
    """
    coordinates = refits.x[:MOST]
    return JointDraws.of([fit.problem.model.laws(x, supervised) for x in coordinates], coordinates)


def draws_beneath(fit: Fit, refits: Bootstrap, beneath: Bootstrap) -> JointDraws:
    """Refit the law on draws of the supervised law beneath it, and move it by its own refits.

    The two errors are independent (different runs), so to first order in their sizes the
    sum of their displacements is a draw of both. A refit that does not converge is left out.
    """
    problem, model = fit.problem, fit.problem.model
    low, high = model.bounds.T
    laws: list[Laws] = []
    kept: list[FloatArray] = []
    for x, own in zip(beneath.x[:BENEATH], refits.x, strict=False):
        law = beneath.fit.problem.model.law(x)
        assert isinstance(law, SupervisedLaw)
        other = on_law(model, law)
        end = minimize_huber(
            other, problem.log_loss, problem.weights, fit.x[None], problem.delta, 300, 1e-6
        )
        if not end.converged[0]:
            continue
        moved = np.clip(end.x[0] + own - fit.x, low, high)
        laws.append(other.laws(moved))
        kept.append(moved)
    if len(kept) < 2:
        raise InputError("draws_beneath: no refit on another supervised law converged")
    return JointDraws.of(laws, np.stack(kept))
