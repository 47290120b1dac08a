"""Which model a law of distillation is fitted with: its form, and where the student's own
supervised law comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from capgap.comparison.fitting.additive_hinge_model import AdditiveHingeModel
from capgap.comparison.fitting.distillation_models import (
    Eq8Model,
    PinnedEq8Model,
    PinnedReducedModel,
    ReducedModel,
)
from capgap.comparison.fitting.gap_model import GapModel
from capgap.comparison.fitting.hinge_model import HingeModel
from capgap.comparison.fitting.joint import JointModel, reference_law
from capgap.comparison.fitting.log_models import FloatArray, LogModel, SupervisedModel
from capgap.comparison.fitting.own_law import GivenLaw, Own
from capgap.comparison.fitting.power_model import PowerModel
from capgap.errors import InputError
from capgap.theory.supervised import SupervisedLaw

__all__ = ["HingeTerm", "Kind", "OwnMode", "distillation_model", "joint_model", "own_mode"]

Kind = Literal["eq8-reduced", "eq8", "eq8-power", "hinge", "hinge-additive"]
OwnMode = Literal["fixed", "joint", "profiled"]
HingeTerm = Literal["scale", "tokens", "p", "q", "r"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OWN_MODES: tuple[OwnMode, ...] = get_args(OwnMode)
TERMS: tuple[HingeTerm, ...] = get_args(HingeTerm)
_OPERATION = "fit_distillation"


def own_mode(
    kind: str, own: str | None, supervised: SupervisedLaw | None, has_runs: bool
) -> OwnMode:
    """Check how the supervised law enters, and fill in the default.

    `fixed` where a law is given and `joint` where supervised runs are; without either a hinge
    is `profiled`, and the power form, which does not contain the law, is `fixed`.
    """
    if kind not in KINDS:
        raise InputError(f"{_OPERATION}: kind = {kind!r} must be {_list(KINDS)}")
    if own is not None and own not in OWN_MODES:
        raise InputError(f"{_OPERATION}: own = {own!r} must be {_list(OWN_MODES)}")
    hinge = kind.startswith("hinge")
    if own is None:
        own = "fixed" if supervised is not None or not hinge else "profiled"
        own = "joint" if has_runs and supervised is None else own
    if own == "fixed" and supervised is None and kind != "eq8-power":
        raise InputError(
            f"{_OPERATION}: supervised = None, must be a SupervisedLaw for {kind} with own ="
            " 'fixed' (or own = 'joint' with supervised runs, or 'profiled')"
        )
    if own == "joint" and not has_runs:
        raise InputError(f"{_OPERATION}: own = 'joint' must have supervised_runs")
    if own == "profiled" and kind == "eq8-power":
        raise InputError(
            f"{_OPERATION}: own = 'profiled' must be 'fixed' or 'joint' for eq8-power, which"
            " does not contain the supervised law"
        )
    if own != "fixed" and supervised is not None:
        raise InputError(f"{_OPERATION}: supervised must be None with own = {own!r}")
    if own != "joint" and has_runs:
        raise InputError(f"{_OPERATION}: supervised_runs must be None with own = {own!r}")
    return "fixed" if own == "fixed" else "joint" if own == "joint" else "profiled"


def check_terms(kind: str, terms: tuple[str, ...]) -> frozenset[str]:
    """The hinge's free terms; none for the other forms."""
    unknown = sorted(set(terms) - set(TERMS))
    if unknown:
        raise InputError(
            f"{_OPERATION}: terms has {unknown[0]!r}, must be among {', '.join(TERMS)}"
        )
    return frozenset(terms) if kind.startswith("hinge") else frozenset()


@dataclass(frozen=True, slots=True)
class Form:
    """A law's form with its free terms."""

    kind: str
    terms: frozenset[str]

    def build(
        self,
        data: Mapping[str, FloatArray],
        own: Own | None,
        reference: SupervisedLaw | None = None,
    ) -> GapModel | HingeModel:
        """The model at distillations, on a supervised law that is given or free."""
        N_S, D_S, L_T = (data[name] for name in ("N_S", "D_S", "L_T"))
        if self.kind == "eq8-power":
            return PowerModel.build(N_S, D_S, L_T, own)
        assert own is not None
        if self.kind in ("eq8", "eq8-reduced"):
            pinned = not isinstance(own, GivenLaw) and reference is None
            plain, free = (
                (Eq8Model, PinnedEq8Model)
                if self.kind == "eq8"
                else (ReducedModel, PinnedReducedModel)
            )
            return (free if pinned else plain).build(N_S, D_S, L_T, own, reference)
        hinge = HingeModel if self.kind == "hinge" else AdditiveHingeModel
        return hinge.build(N_S, D_S, L_T, own, self.terms)


def distillation_model(
    form: Form,
    data: Mapping[str, FloatArray],
    L_S: FloatArray,
    supervised: SupervisedLaw | None,
    gamma: float | None,
    profiled: bool,
) -> LogModel:
    """A model of the distillations alone, with the supervised law given or minimized out."""
    N_S, D_S = data["N_S"], data["D_S"]
    own: Own | None = None
    if supervised is not None:
        own = GivenLaw(supervised, np.log(N_S), np.log(D_S))
    elif profiled and form.kind.startswith("hinge"):
        # The corner's level is all there is of it: a multiple of it would be one number twice.
        form = Form(form.kind, form.terms - {"scale", "tokens"})
        own = SupervisedModel.build(N_S, D_S, L_S, gamma)
    elif profiled:
        own = SupervisedModel.build(N_S, D_S, 3 * data["L_T"], gamma, prefix="knee.")
    return form.build(data, own)


def joint_model(
    form: Form,
    alone: Mapping[str, FloatArray],
    L: FloatArray,
    data: Mapping[str, FloatArray],
    gamma: float | None,
) -> JointModel:
    """A model of supervised runs, which come first, and distillations."""
    first = SupervisedModel.build(alone["N"], alone["D"], L, gamma, prefix="supervised.")
    reference = reference_law(first, np.log(L))
    own = first.at({"N": data["N_S"], "D": data["D_S"]})
    taught = form.build(data, own, first.law(reference))
    mask = np.arange(L.size + data["N_S"].size) < L.size
    return JointModel(first, taught, mask, reference)


def _list(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
