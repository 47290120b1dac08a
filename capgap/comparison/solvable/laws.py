"""The laws that are put to the solvable models, each by name and fitted the same way."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.fit import (
    Fit,
    HingeTerm,
    Kind,
    fit_distillation,
    fit_law,
    fit_supervised,
)
from capgap.comparison.solvable.capacity_form import CapacityForm
from capgap.comparison.solvable.models import SolvableRuns
from capgap.comparison.solvable.spectral_form import Ridge, SpectralForm
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.domain import FloatArray
from capgap.theory.supervised import SupervisedLaw

__all__ = ["DELTA", "LAWS", "LawSpec", "fit_by_name"]

# The runs are exact, so what is left is misfit: all but the largest of it counts by its square.
DELTA = 0.05

Source = Literal["given", "profiled", "none"]


@dataclass(frozen=True, slots=True)
class LawSpec:
    """How a law is fitted.

    `own` says where the student's supervised law comes from: fitted to runs alone and `given`,
    `profiled` from the distillations, or `none`.
    """

    name: str
    kind: Kind | Literal["capacity", "spectral"]
    own: Source
    terms: tuple[HingeTerm, ...] = ()


LAWS = (
    LawSpec("Eq. 8", "eq8", "given"),
    LawSpec("Eq. 8 reduced", "eq8-reduced", "given"),
    LawSpec("Eq. 8 power", "eq8-power", "none"),
    LawSpec("hinge", "hinge", "given", ("scale",)),
    LawSpec("hinge pq", "hinge", "given", ("scale", "p", "q")),
    LawSpec("additive", "hinge-additive", "given", ("scale",)),
    LawSpec("additive pq", "hinge-additive", "given", ("scale", "p", "q")),
    LawSpec("additive pqr", "hinge-additive", "given", ("scale", "p", "q", "r")),
    LawSpec("hinge pq, own corner", "hinge", "profiled", ("p", "q")),
    LawSpec("additive pq, own corner", "hinge-additive", "profiled", ("p", "q")),
    LawSpec("capacity", "capacity", "none"),
    LawSpec("spectral", "spectral", "none"),
)


def fit_by_name(name: str, runs: SolvableRuns, keep: npt.NDArray[np.bool_] | None = None) -> Fit:
    """Fit a law to the runs of a setting.

    The two laws from theory are told what kind the student is (modes or random features, a
    fixed or a tuned ridge); its spectrum, ridge, target and noise they must find.

    Parameters
    ----------
    name : str
        One of `LAWS`.
    runs : SolvableRuns
    keep : array of bool, optional
        Which of the taught runs are fitted. A supervised law is fitted to the students alone
        that have no more samples than these.

    Raises
    ------
    InputError
        An unknown name, or what the fit refuses.
    """
    spec = next((law for law in LAWS if law.name == name), None)
    if spec is None:
        raise InputError(
            f"fit_by_name: name = {name!r} must be among {', '.join(law.name for law in LAWS)}"
        )
    taught = runs.taught if keep is None else runs.taught.where(keep)
    if spec.kind == "capacity" or spec.kind == "spectral":
        return _fit_form(spec.kind, runs, taught)
    return _fit_known(spec.kind, spec, runs, taught)


def _fit_known(kind: Kind, spec: LawSpec, runs: SolvableRuns, taught: RunTable) -> Fit:
    own: SupervisedLaw | None = None
    if spec.own == "given":
        alone = runs.alone.where(taught.D.max() >= runs.alone.D)
        found = fit_supervised(alone.N, alone.D, alone.loss, delta=DELTA).law
        assert isinstance(found, SupervisedLaw)
        own = found
    assert taught.L_T is not None
    return fit_distillation(
        kind,
        taught.N,
        taught.D,
        taught.L_T,
        taught.loss,
        supervised=own,
        own="profiled" if spec.own == "profiled" else None,
        terms=spec.terms or ("scale",),
        delta=DELTA,
    )


def _fit_form(kind: str, runs: SolvableRuns, taught: RunTable) -> Fit:
    assert taught.L_T is not None
    columns: tuple[FloatArray, ...] = (taught.N, taught.D, taught.L_T, taught.loss)
    form: CapacityForm | SpectralForm
    blurred = runs.setting.student == "random features"
    if kind == "spectral":
        ridges: dict[str, Ridge] = {"least squares": "none", "tuned ridge": "tuned"}
        form = SpectralForm.at(
            *columns,
            ridge=ridges.get(runs.setting.student, "fixed"),
            features="random" if blurred else "modes",
            excess=runs.excess,
        )
    else:
        form = CapacityForm.at(*columns, blurred=blurred, excess=runs.excess)
    return fit_law(form, taught.inputs, taught.loss, delta=DELTA)
