"""Fitted runs as pictures take them, what is said of them, and what is recorded beside them."""

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.search import Fit
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.plotting.curves import BoolArray
from capgap.plotting.style import FloatArray, save_figure, source_line
from capgap.theory.domain import positive_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FittedRuns", "finite", "fit_record", "percent", "save_fit_figure", "write_source"]

UNITS = "losses in nats per token; N non-embedding parameters; D tokens; compute in FLOPs"
_LETTERS_PER_INCH = 20  # of the source line's font


@dataclass(frozen=True, slots=True)
class FittedRuns:
    """Runs and what a law predicts for them.

    Parameters
    ----------
    runs : RunTable
    predicted : array, shape (n,)
        Loss by the law, nats per token.
    fitted : array of bool, shape (n,), or None
        Which runs the fit saw; None: all of them.
    noise : float
        Standard deviation of one run's log loss, for the band; NaN where none is known.
    noise_name : str
        What `noise` is: "seed noise", "residual noise".
    law : str
        Name of the law, for titles: "plain law".

    Raises
    ------
    InputError
        Arrays of another length than the runs, a prediction that is not finite and positive,
        or no fitted run.

    Examples
    --------
    >>> runs = RunTable(N=[1e7, 1e8], D=[1e9, 1e10], loss=[3.0, 2.0])
    >>> FittedRuns(runs, [3.0, 2.2]).error.round(4).tolist()  # log 1.1
    [0.0, 0.0953]
    """

    runs: RunTable
    predicted: FloatArray
    fitted: BoolArray | None = None
    noise: float = float("nan")
    noise_name: str = "noise of a run"
    law: str = "law"

    def __post_init__(self) -> None:
        predicted = positive_array("FittedRuns", "predicted", self.predicted)
        shape = (len(self.runs),)
        seen = np.ones(shape, bool) if self.fitted is None else np.asarray(self.fitted, bool)
        for name, array in (("predicted", predicted), ("fitted", seen)):
            if array.shape != shape:
                raise InputError(f"FittedRuns: {name} of shape {array.shape} must be {shape}")
        if not seen.any():
            raise InputError("FittedRuns: 0 fitted runs, must be at least 1")
        object.__setattr__(self, "predicted", predicted)
        object.__setattr__(self, "fitted", seen)

    @classmethod
    def of(
        cls, fit: Fit, runs: RunTable, law: str = "law", noise: float | None = None
    ) -> "FittedRuns":
        """The runs of a fit; runs of weight 0 count as held out.

        The band is the fit's own root mean square residual (over the degrees of freedom),
        unless `noise`, the standard deviation of log loss between seeds, is known.
        """
        if fit.residual.shape != (len(runs),):
            raise InputError(
                f"FittedRuns: fit has {fit.residual.size} runs, must have the table's {len(runs)}"
            )
        return cls(
            runs=runs,
            predicted=runs.loss * np.exp(fit.residual),
            fitted=fit.problem.weights > 0,
            noise=fit.noise if noise is None else noise,
            noise_name="residual noise" if noise is None else "seed noise",
            law=law,
        )

    @property
    def error(self) -> FloatArray:
        """Log predicted minus log measured loss."""
        return np.asarray(np.log(self.predicted) - np.log(self.runs.loss), dtype=np.float64)

    @property
    def seen(self) -> BoolArray:
        """Which runs the fit saw."""
        return np.asarray(self.fitted, dtype=bool)

    @property
    def inputs(self) -> Mapping[str, FloatArray]:
        """The law's inputs by their symbols, and the prediction itself."""
        return {**self.runs.inputs, "prediction": self.predicted}

    def columns(self) -> dict[str, npt.NDArray[np.float64] | list[int]]:
        """One line a run: where it stands, what went in, what came out."""
        return {
            "row": [int(row) for row in self.runs.row] if self.runs.row is not None else [],
            **self.runs.inputs,
            "measured": self.runs.loss,
            "predicted": self.predicted,
            "error_percent": 100 * self.error,
            "fitted": [int(seen) for seen in self.seen],
        }


def fit_record(fit: Fit) -> dict[str, object]:
    """What is recorded of a fit beside a picture of it."""
    return {
        "coefficients": fit.coefficients,
        "objective": fit.objective,
        "status": fit.status,
        "message": fit.message,
        "best_basin_share": fit.best_basin_share,
        "gradient_norm": finite(fit.gradient_norm),
        "condition": finite(fit.condition),
        "n_runs": int(np.count_nonzero(fit.problem.weights)),
    }


def finite(value: float) -> float | None:
    """A number as JSON can hold it.

    >>> finite(1.5), finite(float("inf"))
    (1.5, None)
    """
    return float(value) if math.isfinite(value) else None


def percent(log_error: float) -> str:
    """A size of log errors as a percentage of two digits (log points; relative when small).

    >>> percent(0.00873), percent(0.0432), percent(0.0), percent(0.254), percent(2e-13)
    ('0.87%', '4.3%', '0%', '25%', '2e-11%')
    """
    value = 100 * log_error
    if value == 0:
        return "0%"
    if abs(value) < 1e-3:
        return f"{value:.0e}%"
    return f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}%"


def write_source(figure: "Figure", *sentences: str) -> None:
    """Write the source line, wrapped to the figure's width; empty sentences are left out."""
    width = int(_LETTERS_PER_INCH * figure.get_figwidth())
    lines = [line for text in sentences if text for line in textwrap.wrap(text, width)]
    source_line(figure, "\n".join(lines))


def save_fit_figure(
    figure: "Figure",
    out: Path,
    name: str,
    columns: Mapping[str, object],
    found: Mapping[str, object],
    record: Mapping[str, object] | None,
    source: str,
) -> None:
    """Write NAME.png, .svg, .csv and .json; the JSON holds the source, findings and `record`."""
    provenance = {"figure": name, "source": source, "units": UNITS, "found": dict(found)}
    save_figure(figure, out, name, columns, {**provenance, **(record or {})})  # type: ignore[arg-type]
