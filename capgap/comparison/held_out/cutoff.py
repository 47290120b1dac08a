"""Cutoffs: which runs a law is fitted to before it predicts the others."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError

__all__ = ["compute_of", "cutoff_mask"]

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_FORM = re.compile(r"\s*([A-Za-z_]+)\s*(>=|<=|>|<)\s*([^<>=\s]\S*)\s*")
_ALSO = {"L": "loss", "L_S": "loss", "N_S": "N", "D_S": "D"}


def compute_of(runs: RunTable | Fit) -> FloatArray:
    """C = 6 N D of each run, FLOPs (of the student's own training, where it has a teacher).

    >>> compute_of(RunTable(N=[1e7], D=[1e9], loss=[3.0])).tolist()
    [6e+16]
    """
    columns = _columns(runs)
    return np.asarray(6.0 * columns["N"] * columns["D"], dtype=np.float64)


def cutoff_mask(
    runs: RunTable | Fit, cutoff: str, *, compute: npt.ArrayLike | None = None
) -> npt.NDArray[np.bool_]:
    """Runs that a cutoff such as ``loss>=2.2`` or ``C<1e21`` leaves to be fitted.

    Parameters
    ----------
    runs : RunTable or Fit
    cutoff : str
        A column, one of ``< <= > >=`` and a number. Columns: loss (also L, L_S; nats per
        token), C (FLOPs), N (also N_S), D (also D_S), and L_T where the runs have teachers.
    compute : array_like, shape (n,), optional
        FLOPs of each run, for C; 6 N D by default.

    Returns
    -------
    array of bool, shape (n,)

    Raises
    ------
    InputError
        Another form, an unknown column, or a number that is not finite and positive.

    Notes
    -----
    Busbridge et al. (arXiv 2502.08606) fit on L >= 2.2 and L_S >= 2.3 and predict the rest.

    Examples
    --------
    >>> runs = RunTable(N=[1e7, 1e8], D=[1e9, 1e10], loss=[3.2, 2.7])
    >>> cutoff_mask(runs, "loss>=3").tolist(), cutoff_mask(runs, "C<6e18").tolist()
    ([True, False], [True, False])
    """
    match = _FORM.fullmatch(cutoff)
    if match is None:
        raise InputError(
            f"cutoff: {cutoff!r} must be a column, one of < <= > >=, and a number, as C<1e21"
        )
    name, sign, text = match.groups()
    columns = _columns(runs)
    columns["C"] = _given(compute, columns["N"]) if compute is not None else compute_of(runs)
    column = columns.get(_ALSO.get(name, name))
    if column is None:
        raise InputError(f"cutoff: column {name} must be among {', '.join(sorted(columns))}")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise InputError(f"cutoff: number {text!r} must be finite and positive")
    return np.asarray(_COMPARE[sign](column, value), dtype=np.bool_)


def _columns(runs: RunTable | Fit) -> dict[str, FloatArray]:
    inputs = runs.inputs if isinstance(runs, RunTable) else runs.problem.inputs
    loss = runs.loss if isinstance(runs, RunTable) else np.exp(runs.problem.log_loss)
    return {**{_ALSO.get(name, name): array for name, array in inputs.items()}, "loss": loss}


def _given(compute: npt.ArrayLike, like: FloatArray) -> FloatArray:
    array = np.asarray(compute, dtype=np.float64)
    if array.shape != like.shape:
        raise InputError(f"cutoff: compute of shape {array.shape} must be {like.shape}")
    return array
