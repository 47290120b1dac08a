"""Numbers read off published figures, with their provenance in README.md beside them."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import cast

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.prediction.scenario import SCENARIOS, ScenarioName

__all__ = ["READING_ERROR", "DigitisedFigure", "fig8"]

FloatArray = npt.NDArray[np.float64]
READING_ERROR = 0.01  # nats per token, as stated by whoever read the figure
_NAMES = {"pretraining+inference": "both"}


@dataclass(frozen=True, slots=True)
class DigitisedFigure:
    """Points of the five curves of four students, arrays of one shape.

    N_S in non-embedding parameters, `budget` in FLOPs, `loss` in nats per token, `scenario`
    as in `capgap.prediction.scenario`.
    """

    N_S: FloatArray
    budget: FloatArray
    loss: FloatArray
    scenario: tuple[ScenarioName, ...]

    def __len__(self) -> int:
        return len(self.loss)

    def of(self, scenario: ScenarioName) -> npt.NDArray[np.bool_]:
        """Which points belong to a scenario."""
        return np.array([name == scenario for name in self.scenario])

    @property
    def curves(self) -> npt.NDArray[np.intp]:
        """Index of the curve (student and scenario) that each point lies on."""
        keys = list(zip(self.N_S.tolist(), self.scenario, strict=True))
        order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        return np.array([order[key] for key in keys], dtype=np.intp)


@cache
def fig8() -> DigitisedFigure:
    """Fig. 8 of arXiv 2502.08606 v1: loss against budget, read off for this project, +-0.01.

    Raises
    ------
    InputError
        A row is not what README.md describes.

    Examples
    --------
    >>> figure = fig8()
    >>> len(figure), float(figure.N_S[0]), figure.scenario[0], float(figure.loss[0])
    (145, 300000000.0, 'supervised', 2.4525)
    >>> int(figure.curves.max()) + 1
    19
    """
    text = files(__package__).joinpath("fig8.csv").read_text(encoding="utf-8")
    return read(text)


def read(text: str) -> DigitisedFigure:
    """Points from the text of a CSV file with the columns NS, scenario, log10C, L."""
    rows = list(csv.DictReader(text.splitlines()))
    try:
        names = [_NAMES.get(row["scenario"], row["scenario"]) for row in rows]
        size, exponent, loss = (
            np.array([float(row[key]) for row in rows]) for key in ("NS", "log10C", "L")
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"digitised figure: {error} in a row of NS,scenario,log10C,L") from None
    unknown = sorted(set(names) - set(SCENARIOS))
    if unknown:
        raise InputError(f"digitised figure: scenario = {unknown[0]!r} must be in {SCENARIOS}")
    if not (np.all(np.isfinite(exponent)) and np.all(size > 0) and np.all(loss > 0)):
        raise InputError("digitised figure: NS, log10C and L must be finite, NS and L > 0")
    for part in (size, exponent, loss):
        part.setflags(write=False)
    budget = 10.0**exponent
    budget.setflags(write=False)
    return DigitisedFigure(size, budget, loss, cast(tuple[ScenarioName, ...], tuple(names)))
